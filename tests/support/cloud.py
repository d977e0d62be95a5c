# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The real Keystone and Glance of the integration tests, as the tests see them."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from ansible_collections.xenstack.image_services.plugins.module_utils._glance.connection import Cloud as Connection
from ansible_collections.xenstack.image_services.plugins.module_utils._glance.results import present_image
from ansible_collections.xenstack.image_services.tests.support.deployment import serving_processes
from ansible_collections.xenstack.image_services.tests.support.faulty_proxy import FaultyProxy

if TYPE_CHECKING:
    from collections.abc import Iterator

STORES = ("fast", "archive")
# What cloud_settings.yml appends: files and templates hold it badly.
PASSWORD_END = " gl%nce$ecret{x}{{ 7 * 7 }}${y}\\$z%(w)s'\"#; "


@dataclass(frozen=True)
class Cloud:
    """A deployment below one directory: services, stores and a clouds.yaml with admin, alice (alpha) and bob (beta)."""

    base: Path
    glance_port: int

    def auth(self, name: str) -> dict[str, Any]:
        """Options of the modules to act as somebody."""
        settings = yaml.safe_load((self.base / "clouds.yaml").read_text(encoding="utf-8"))["clouds"][name]
        return {"cloud": {"auth": settings["auth"], "region_name": settings["region_name"], "identity_api_version": "3"}}

    @property
    def settings(self) -> dict[str, Any]:
        """What the demo was deployed with."""
        found: dict[str, Any] = json.loads((self.base / "settings.json").read_text(encoding="utf-8"))
        return found

    @property
    def glance_password(self) -> str:
        """That of Glance's own user."""
        return str(self.settings["demo_passwords"]["glance"]) + PASSWORD_END

    def through(self, proxy: FaultyProxy, name: str) -> dict[str, Any]:
        """The same, with Glance behind a proxy."""
        options = self.auth(name)
        options["cloud"]["image_endpoint_override"] = proxy.url
        return options

    @contextmanager
    def proxy(self) -> Iterator[FaultyProxy]:
        proxy = FaultyProxy(("127.0.0.1", self.glance_port))
        try:
            yield proxy
        finally:
            proxy.close()

    def glance_processes(self) -> list[int]:
        """Processes of Glance's server."""
        return list(serving_processes("glance", self.base))

    def store_directory(self, store: str) -> Path:
        return self.base / "data" / store

    @contextmanager
    def small_store(self, store: str, mebibytes: int) -> Iterator[Path]:
        """The directory of a store whose file system is this small for a while: a real one, mounted over it."""
        if os.geteuid() != 0:
            pytest.skip("only root can mount a file system")
        directory = self.store_directory(store)
        status = directory.stat()
        options = f"size={mebibytes}m,uid={status.st_uid},gid={status.st_gid},mode={status.st_mode & 0o7777:o}"
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(directory)], check=True)
        try:
            yield directory
        finally:
            subprocess.run(["umount", "--lazy", str(directory)], check=True)

    def images(self, name: str) -> list[dict[str, Any]]:
        """All images that somebody sees, hidden ones as well, as the modules return them."""
        glance = Connection(self.auth(name)).glance
        return [present_image(record) for record in glance.images_and_hidden()]

    def remove_images(self, prefix: str) -> None:
        glance = Connection(self.auth("admin")).glance
        for image in self.images("admin"):
            if str(image["name"]).startswith(prefix):
                if image["is_protected"]:
                    glance.patch(image["id"], [{"op": "replace", "path": "/protected", "value": False}])
                glance.delete(image["id"])

    def stored_bytes(self, image: dict[str, Any], store: str) -> Path:
        """The file that holds an image in a file store."""
        return self.store_directory(store) / image["id"]

    def assert_stored(self, image: dict[str, Any], source: Path, *stores: str) -> None:
        """Every store holds exactly these bytes."""
        expected = _sha256(source)
        for store in stores:
            assert _sha256(self.stored_bytes(image, store)) == expected, store


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
