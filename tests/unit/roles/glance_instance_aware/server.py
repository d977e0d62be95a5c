# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real Glance served by two processes over HTTP."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from glance_app import PACKAGE, Caller, GlanceUnderTest, write_configuration
from glance_instance_aware import repair

DEADLINE = 60.0
WORKERS = 2


@dataclass(frozen=True)
class RequestedRelation:
    """An answer; status 0 where the connection ended without one."""

    status: int
    body: bytes = b""
    process: str = ""

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class GlanceServer:
    glance: GlanceUnderTest
    port: int

    def call(self, method: str, path: str, caller: Caller, *, body: Any = None, headers: dict[str, str] | None = None) -> RequestedRelation:
        content_type = "application/openstack-images-v2.1-json-patch" if method == "PATCH" else "application/json"
        content = None if body is None else json.dumps(body).encode()
        sent = {**caller.headers, "Connection": "close", **({"Content-Type": content_type} if content else {}), **(headers or {})}
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE)) as connection:
            try:
                connection.request(method, path, content, sent)
                answer = connection.getresponse()
                return RequestedRelation(answer.status, answer.read(), answer.headers.get("X-Test-Process", ""))
            except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError):
                return RequestedRelation(0)

    def find(self, caller: Caller, installation: str, instance: str) -> set[str]:
        query = urlencode({"nova_installation_uuid": installation, "instance_id": instance, "limit": "1000"})
        answer = self.call("GET", f"/v2/images?{query}", caller)
        assert answer.status == 200, answer
        return {image["id"] for image in answer.json["images"]}

    def repair(self) -> dict[str, Any]:
        """What the command does, without a process of its own."""
        return repair.repair(self.glance.engine, self.glance.engine, dry_run=False)


@contextlib.contextmanager
def served(directory: Path, kind: str, connection: str) -> Iterator[GlanceServer]:
    """Over a database that has all tables."""
    glance = GlanceUnderTest(directory, kind, connection)
    write_configuration(directory, connection)
    environment = {**os.environ, "PYTHONPATH": f"{PACKAGE}:{Path(__file__).parent}", "PYTHONWARNINGS": "ignore"}
    environment |= {"OS_GLANCE_CONFIG_DIR": str(directory), "IMAGE_SERVICES_FAULTS": "1"}
    # Loaded once and forked, as uWSGI does it too, so that a process that was killed is soon replaced.
    # The test opens the port itself, so that nobody else takes it and requests wait until somebody serves.
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener, (directory / "server.log").open("wb") as log:
        words = [
            sys.executable,
            "-m",
            "gunicorn",
            "--bind",
            f"fd://{listener.fileno()}",
            "--workers",
            str(WORKERS),
            "--worker-class",
            "gthread",
            "--threads",
            "4",
        ]
        words += ["--timeout", "300", "--graceful-timeout", "5", "--no-control-socket", "--preload", "glance.wsgi.api:application"]
        process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "TERM", *words],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=[listener.fileno()],
            cwd=directory,
        )
        try:
            server = GlanceServer(glance, listener.getsockname()[1])
            wait_until_served(server, process, directory / "server.log")
            yield server
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(DEADLINE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def wait_until_served(server: GlanceServer, process: subprocess.Popen[bytes], log: Path) -> None:
    """Until all processes have answered."""
    seen: set[str] = set()
    deadline = time.monotonic() + 2 * DEADLINE
    while len(seen) < WORKERS:
        assert process.poll() is None, log.read_text(errors="replace")
        assert time.monotonic() < deadline, log.read_text(errors="replace")
        answer = server.call("GET", "/v2/images", Caller("nobody"))
        assert answer.status in (0, 200), answer
        seen |= {answer.process} - {""}
        time.sleep(0.01)
