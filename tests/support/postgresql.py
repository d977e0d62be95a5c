# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real PostgreSQL that asks for passwords, reached over TCP, as services on other hosts reach theirs."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from ansible_collections.xenstack.image_services.tests.support.deployment import free_port
from ansible_collections.xenstack.image_services.tests.support.server_programs import as_ordinary, directory_of_servers, program

ADMINISTRATOR, PASSWORD = "postgres", "administrator-secret"
DEADLINE = 60.0


@dataclass(frozen=True)
class PostgreSql:
    """One that serves."""

    directory: Path
    port: int = field(default_factory=free_port)

    def execute(self, *statements: str, database: str = "postgres") -> list[str]:
        """Lines of the answers."""
        arguments = ["--host=127.0.0.1", f"--port={self.port}", f"--username={ADMINISTRATOR}", "--no-psqlrc", "--tuples-only", "--no-align"]
        command = [program("psql"), *arguments, "--set=ON_ERROR_STOP=1", *(f"--command={statement}" for statement in statements), database]
        done = subprocess.run(command, env={**os.environ, "PGPASSWORD": PASSWORD}, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    def create(self, name: str, password: str) -> None:
        """A database, and a user of the same name that owns it."""
        quoted = password.replace("'", "''")
        self.execute(f"CREATE ROLE {name} LOGIN PASSWORD '{quoted}'", f"CREATE DATABASE {name} OWNER {name}")

    @property
    def settings(self) -> dict[str, str]:
        return {"listen_addresses": "127.0.0.1", "port": str(self.port), "unix_socket_directories": "", "fsync": "off", "shared_buffers": "32MB"}


@contextmanager
def postgresql() -> Iterator[PostgreSql]:
    with directory_of_servers() as directory:
        server, data = PostgreSql(directory), directory / "data"
        password = directory / "password"
        password.write_text(PASSWORD, encoding="utf-8")
        password.chmod(0o644)
        initialise = [program("initdb"), "-D", str(data), "-U", ADMINISTRATOR, "-A", "scram-sha-256", f"--pwfile={password}", "-E", "UTF8", "--locale=C.UTF-8"]
        subprocess.run(as_ordinary([*initialise, "--no-sync"]), stdout=subprocess.DEVNULL, check=True, cwd=directory)
        with (directory / "log").open("wb") as log:
            serve = [program("postgres"), "-D", str(data), *(f"--{name}={value}" for name, value in server.settings.items())]
            process = subprocess.Popen(as_ordinary(serve), stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=directory)
        try:
            deadline = time.monotonic() + DEADLINE
            asking = [program("pg_isready"), "--host=127.0.0.1", f"--port={server.port}", "--quiet"]
            while subprocess.run(asking, check=False).returncode != 0:
                ended = process.poll() is not None
                assert not ended, (directory / "log").read_text(encoding="utf-8", errors="replace")
                assert time.monotonic() < deadline, (directory / "log").read_text(encoding="utf-8", errors="replace")
                time.sleep(0.05)
            yield server
        finally:
            # Its fast end, which waits for nobody.
            process.send_signal(2)
            process.wait(DEADLINE)
