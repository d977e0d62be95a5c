# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Database servers of the tests' own: a directory each, reached by a socket in it, ended with the tests. Nothing of the system's is used but the programs."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path

import sqlalchemy
from helpers import helper

sweep = helper("sweep")
servers = helper("server_programs")
program, as_ordinary = servers.program, servers.as_ordinary
# Beside SQLite, each run has one of the servers.
SERVERS: list[str] = sweep.sample(["postgresql", "mariadb"], 1, "database servers")
DEADLINE = 60.0


class Database(ABC):
    """A place for databases, and a way to empty ones in it."""

    kind: str

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.number = 0

    def next_name(self) -> str:
        self.number += 1
        return f"images{self.number}"

    @abstractmethod
    def fresh(self) -> str:
        """The URL of a database that nobody has used."""


class SqliteFiles(Database):
    kind = "sqlite"

    def fresh(self) -> str:
        return f"sqlite:///{self.directory}/{self.next_name()}.sqlite"


def children_of(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()]


def lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


class Server(Database):
    """A server that can be stopped, killed and started again."""

    admin_database: str

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.process: subprocess.Popen[bytes] | None = None
        self.initialise()

    @abstractmethod
    def initialise(self) -> None:
        """Makes the data directory."""

    @abstractmethod
    def command(self) -> list[str]:
        """What serves it."""

    @abstractmethod
    def url(self, name: str) -> str:
        """The URL of a database."""

    def run(self, command: list[str], stdin: bytes = b"") -> None:
        done = subprocess.run(as_ordinary(command), input=stdin, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, cwd=self.directory)
        assert done.returncode == 0, done.stdout.decode()

    def start(self) -> None:
        assert self.process is None
        with (self.directory / "log").open("ab") as log:
            self.process = subprocess.Popen(as_ordinary(self.command()), stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.directory)
        deadline = time.monotonic() + DEADLINE
        while not self.answers():
            ended = self.process.poll() is not None
            assert not ended, (self.directory / "log").read_text(errors="replace")
            assert time.monotonic() < deadline, (self.directory / "log").read_text(errors="replace")
            time.sleep(0.02)

    def end(self, how: signal.Signals) -> None:
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait(DEADLINE)
            self.process = None

    def stop(self) -> None:
        self.end(signal.SIGINT if self.kind == "postgresql" else signal.SIGTERM)

    def kill(self) -> None:
        """As a power cut ends it, and all that it has started: PostgreSQL does not start while one of these has the shared memory."""
        started = children_of(self.process.pid) if self.process is not None else []
        self.end(signal.SIGKILL)
        for pid in started:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        deadline = time.monotonic() + DEADLINE
        while any(lives(pid) for pid in started):
            assert time.monotonic() < deadline, started
            time.sleep(0.01)

    @property
    @abstractmethod
    def socket_path(self) -> Path:
        """Where it listens."""

    def answers(self) -> bool:
        # A client library may leave its socket open when it is refused, so it is only asked where somebody listens.
        with socket.socket(socket.AF_UNIX) as probe:
            if probe.connect_ex(str(self.socket_path)) != 0:
                return False
        try:
            self.execute("SELECT 1")
        except sqlalchemy.exc.DBAPIError:
            return False
        return True

    def execute(self, statement: str) -> None:
        engine = sqlalchemy.create_engine(self.url(self.admin_database), poolclass=sqlalchemy.NullPool, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(sqlalchemy.text(statement))

    def fresh(self) -> str:
        name = self.next_name()
        self.execute(f"CREATE DATABASE {name}")
        return self.url(name)


class PostgreSql(Server):
    kind = "postgresql"
    admin_database = "postgres"

    def initialise(self) -> None:
        self.run([program("initdb"), "-D", str(self.directory / "data"), "-U", "glance", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"])

    def command(self) -> list[str]:
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": str(self.directory),
            "fsync": "off",
            "autovacuum": "off",
            "max_connections": "200",
            "shared_buffers": "32MB",
        }
        return [program("postgres"), "-D", str(self.directory / "data"), *(f"--{name}={value}" for name, value in settings.items())]

    @property
    def socket_path(self) -> Path:
        return self.directory / ".s.PGSQL.5432"

    def url(self, name: str) -> str:
        return f"postgresql+psycopg://glance@/{name}?host={self.directory}"


class MariaDb(Server):
    kind = "mariadb"
    admin_database = "mysql"

    @property
    def socket_path(self) -> Path:
        return self.directory / "socket"

    @property
    def options(self) -> list[str]:
        return [
            "--no-defaults",
            f"--datadir={self.directory / 'data'}",
            f"--tmpdir={self.directory}",
            "--innodb-log-file-size=16M",
            "--innodb-buffer-pool-size=32M",
            "--innodb-flush-log-at-trx-commit=2",
        ]

    def initialise(self) -> None:
        self.run(["mkdir", str(self.directory / "data")])
        tables = [Path("/usr/share/mysql", name).read_text() for name in ("mysql_system_tables.sql", "mysql_system_tables_data.sql")]
        script = "\n".join(["CREATE DATABASE mysql;", "USE mysql;", "SET @auth_root_socket=NULL;", *tables])
        self.run([program("mariadbd"), *self.options, "--bootstrap", "--skip-grant-tables"], script.encode())

    def command(self) -> list[str]:
        return [
            program("mariadbd"),
            *self.options,
            f"--socket={self.socket_path}",
            f"--pid-file={self.directory / 'pid'}",
            "--skip-networking",
            "--skip-grant-tables",
            "--character-set-server=utf8mb4",
        ]

    def url(self, name: str) -> str:
        return f"mysql+pymysql://glance@localhost/{name}?charset=utf8mb4&unix_socket={self.socket_path}"


@contextlib.contextmanager
def database_of(kind: str) -> Iterator[SqliteFiles | Server]:
    """A place for databases of this kind, served."""
    with servers.directory_of_servers() as directory:
        if kind == "sqlite":
            os.chmod(directory, 0o700)
            yield SqliteFiles(directory)
            return
        server = {"postgresql": PostgreSql, "mariadb": MariaDb}[kind](directory)
        try:
            server.start()
            yield server
        finally:
            server.kill()
