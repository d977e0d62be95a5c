# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the benchmarks ask of a Glance besides what they measure."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import requests
import yaml
from ansible_collections.xenstack.image_services.tests.benchmarks.interleave import seconds_of
from ansible_collections.xenstack.image_services.tests.support.cloud import Cloud
from openstack.connection import Connection

TIMEOUT = 120


class Glance:
    """A deployed Glance, as its administrator sees it."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.url = f"http://127.0.0.1:{cloud.glance_port}"
        settings = yaml.safe_load((cloud.base / "clouds.yaml").read_text(encoding="utf-8"))["clouds"]["admin"]
        self._connection = Connection(**settings)

    def create(self, name: str) -> str:
        """An image without data."""
        return str(self._json("POST", "/v2/images", {"name": name, "disk_format": "raw", "container_format": "bare"})["id"])

    def delete(self, *images: str) -> None:
        for image in images:
            self._request("DELETE", f"/v2/images/{image}")

    def named(self, name: str) -> list[dict[str, Any]]:
        return list(self._json("GET", f"/v2/images?{urlencode({'name': name})}")["images"])

    def delete_named(self, name: str) -> None:
        self.delete(*(image["id"] for image in self.named(name)))

    def count(self) -> int:
        return sum(1 for _image in self._connection.image.images())

    def put(self, images: Sequence[str], source: Path) -> float:
        """Seconds that curl takes to upload a file to all these images at once."""
        return self._curl([["--upload-file", str(source), "--header", "Content-Type: application/octet-stream", self._file(image)] for image in images])

    def get(self, images: Sequence[str]) -> float:
        return self._curl([["--output", "/dev/null", self._file(image)] for image in images])

    def fetch(self, image: str, path: Path) -> float:
        """Seconds that curl takes to download an image to a file."""
        return self._curl([["--output", str(path), self._file(image)]])

    def _file(self, image: str) -> str:
        return f"{self.url}/v2/images/{image}/file"

    def _curl(self, transfers: Sequence[Sequence[str]]) -> float:
        # The token travels on standard input: arguments are public.
        header = f"X-Auth-Token: {self._connection.auth_token}\n"

        def transfer() -> None:
            started = []
            for arguments in transfers:
                command = ["curl", "--silent", "--show-error", "--fail", "--header", "@-", *arguments]
                process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
                assert process.stdin is not None
                process.stdin.write(header)
                process.stdin.close()
                process.stdin = None
                started.append(process)
            said = [process.communicate()[0] for process in started]
            if any(process.returncode for process in started):
                raise RuntimeError(f"curl failed: {said}")

        return seconds_of(transfer)

    def _json(self, method: str, path: str, body: Any = None) -> Any:
        return self._request(method, path, json=body).json()

    def _request(self, method: str, path: str, **options: Any) -> requests.Response:
        # A connection for each: uwsgi ends one after one answer without saying so.
        headers = {"X-Auth-Token": self._connection.auth_token}
        answer = requests.request(method, f"{self.url}{path}", headers=headers, timeout=TIMEOUT, **options)
        answer.raise_for_status()
        return answer
