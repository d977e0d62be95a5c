# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A simulated pool of two hosts, and clients for it."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import http.client
import json
import os
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
import XenAPI

PACKAGE = Path(__file__).resolve().parents[2] / "roles/xapi_simulator/files"
PASSWORD = "a-pass-word"
MIB = 1 << 20
UNFINISHED = ("pending", "cancelling")


@dataclass
class AskedFault:
    """A fault that a test has asked a pool for."""

    server: Server
    given: dict[str, Any]
    number: int
    # Whether the test fails where the fault never strikes.
    sure: bool
    last: int | None = None

    @property
    def struck(self) -> int:
        """How often it has by now."""
        if self.last is not None:
            return self.last
        told = self.server.side_door("GET", "strikes")
        return int(told[self.number]["struck"])


# Of the test that runs.
ASKED: list[AskedFault] = []


def missed_faults() -> list[str]:
    """Those that should have struck since this was asked last, and have not."""
    asked, ASKED[:] = list(ASKED), []
    return [str(each.given) for each in asked if each.sure and not each.struck]


@dataclass
class Server:
    """A simulated pool that runs, by its addresses."""

    state: Path
    url: str
    member: str
    process: subprocess.Popen[str]
    sessions: list[Any] = field(default_factory=list)

    def login(self, url: str | None = None, password: str = PASSWORD) -> Any:
        session = XenAPI.Session(url or self.url, ignore_ssl=True)
        self.sessions.append(session)
        session.xenapi.login_with_password("root", password, "2.21", "tests")
        return session

    def connect(self, url: str | None = None, timeout: float = 10) -> http.client.HTTPConnection:
        parts = urlsplit(url or self.url)
        if parts.scheme == "http":
            return http.client.HTTPConnection(parts.netloc, timeout=timeout)
        return http.client.HTTPSConnection(parts.netloc, timeout=timeout, context=ssl._create_unverified_context())

    def ask(self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None) -> tuple[int, bytes]:
        connection = self.connect()
        with contextlib.closing(connection):
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return answer.status, answer.read()

    def json(self, method: str, *params: Any, version: str | None = "2.0") -> dict[str, Any]:
        given = {"method": method, "params": list(params), "id": 7} | ({"jsonrpc": version} if version else {})
        status, body = self.ask("POST", "/jsonrpc", json.dumps(given).encode())
        assert status == 200, body
        return json.loads(body)

    def side_door(self, method: str, name: str, body: bytes = b"") -> Any:
        token = base64.b64encode(f"root:{PASSWORD}".encode()).decode()
        status, answer = self.ask(method, f"/simulator/{name}", body, {"Authorization": f"Basic {token}"})
        assert status == 200, answer
        return json.loads(answer)

    def fault(self, *, sure: bool = True, **given: Any) -> AskedFault:
        """What the pool is to do wrong. A test fails at its end where it did not, unless it says that it is not sure."""
        made = self.side_door("POST", "faults", json.dumps(given).encode())
        ASKED.append(AskedFault(self, given, made["number"], sure))
        return ASKED[-1]

    def count_faults(self) -> None:
        """For the last time, before the server ends."""
        for each in ASKED:
            if each.server is self and each.last is None:
                each.last = each.struck if self.process.poll() is None else 0

    def kill(self) -> None:
        """As a power cut."""
        self.count_faults()
        self.process.kill()
        self.process.wait()
        self.forget()

    def forget(self) -> None:
        for session in self.sessions:
            session("close")()
        self.sessions.clear()

    def stop(self) -> None:
        self.count_faults()
        self.forget()
        self.process.terminate()
        assert self.process.wait(10) == 0


def start(state: Path, *options: str) -> Server:
    command = [
        sys.executable,
        "-m",
        "xapi_simulator",
        "--listen",
        "127.0.0.1:0",
        "--member-listen",
        "127.0.0.1:0",
        "--state",
        str(state),
        "--password",
        PASSWORD,
    ]
    process = subprocess.Popen([*command, *options], env=os.environ | {"PYTHONPATH": str(PACKAGE)}, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    urls = [process.stdout.readline().removeprefix("Listening on ").strip() for dummy in range(2)]
    process.stdout.close()
    assert all(urls)
    return Server(state, urls[0], urls[1], process)


def disk_file(server: Server, api: Any, vdi: str) -> Path:
    """The file of a VDI, as the host sees it."""
    sr = api.SR.get_uuid(api.VDI.get_SR(vdi))
    (path,) = (server.state / "sr-mount" / sr).glob(f"{api.VDI.get_uuid(vdi)}.*")
    return path


def content(path: Path) -> bytes:
    """What qemu-img reads from the disk."""
    raw = path.with_suffix(".read")
    try:
        subprocess.run(["qemu-img", "convert", "-f", "vpc" if path.suffix == ".vhd" else "raw", "-O", "raw", path, raw], check=True)
        return raw.read_bytes()
    finally:
        raw.unlink(missing_ok=True)


def wait(api: Any, task: str, timeout: float = 10) -> dict[str, Any]:
    until = time.monotonic() + timeout
    while time.monotonic() < until:
        record = api.task.get_record(task)
        if record["status"] not in UNFINISHED:
            return record
        time.sleep(0.02)
    raise AssertionError(f"still {record['status']}")


def query(session: Any, path: str, **given: str) -> str:
    return f"{path}?{urlencode({'session_id': session.handle} | given)}"


def error(call: Callable[..., Any], *args: Any, **fields: Any) -> list[str]:
    with pytest.raises(XenAPI.Failure) as caught:
        call(*args, **fields)
    return caught.value.details


COUNTED = ("SR", "PBD", "VDI", "VBD", "VIF", "VM", "task", "session")


@dataclass
class PoolUnderTest:
    """A pool with TLS for the modules' tests: how to reach it, what is in it, and whether anything was left there."""

    server: Server
    session: Any

    @property
    def api(self) -> Any:
        return self.session.xenapi

    @property
    def certificate(self) -> Path:
        return self.server.state / "xapi-ssl.crt"

    @property
    def fingerprint(self) -> str:
        digest = hashlib.sha256(ssl.PEM_cert_to_DER_cert(self.certificate.read_text())).hexdigest().upper()
        return ":".join(digest[at : at + 2] for at in range(0, 64, 2))

    def options(self, **more: Any) -> dict[str, Any]:
        """Options of the modules that reach it."""
        return {"hostname": urlsplit(self.server.url).netloc, "password": PASSWORD, "ca_path": str(self.certificate)} | more

    def params(self, **more: Any) -> dict[str, Any]:
        """The same as a module sees them, with its defaults."""
        return {"username": "root", "validate_certs": True, "fingerprint": None, "timeout": 20} | self.options(**more)

    def go_away(self) -> None:
        """As after a power cut: nobody answers."""
        self.server.kill()

    def come_back(self) -> None:
        """With what it had, at the same address."""
        parts = urlsplit(self.server.url)
        self.server = start(self.server.state, "--listen", parts.netloc)
        self.session = self.server.login()

    def fault(self, **given: Any) -> AskedFault:
        return self.server.fault(**given)

    def waiting_faults(self) -> list[Any]:
        """Those that have not struck as often as they will."""
        return list(self.server.side_door("GET", "faults"))

    def clear_faults(self) -> list[Any]:
        """Takes back the faults that have not struck, and returns them."""
        left = self.waiting_faults()
        self.server.side_door("DELETE", "faults")
        return left

    def await_object(self, cls: str, fits: Callable[[dict[str, Any]], bool], timeout: float = 30) -> None:
        """Until the pool has an object of the class whose record fits."""
        token, until = "", time.monotonic() + timeout
        while time.monotonic() < until:
            seen = getattr(self.api.event, "from")([cls.lower()], token, 5.0)
            if any(fits(event["snapshot"]) for event in seen["events"] if "snapshot" in event):
                return
            token = seen["token"]
        raise AssertionError(f"no such {cls}")

    def census(self) -> dict[str, frozenset[str]]:
        """The references of everything in the pool, and the uuids of the sessions that are not our own."""
        seen = getattr(self.api.event, "from")([name.lower() for name in COUNTED], "", 0.0)
        found: dict[str, set[str]] = {name: set() for name in COUNTED}
        for event in seen["events"]:
            found[next(name for name in COUNTED if name.lower() == event["class"].lower())].add(event["ref"])
        ours = self.api.session.get_uuid(self.session.handle)
        found["session"] = {each["uuid"] for each in self.server.side_door("GET", "sessions")} - {ours}
        return {name: frozenset(refs) for name, refs in found.items()}

    @contextlib.contextmanager
    def nothing_left(self, *but: str) -> Iterator[None]:
        """What is done meanwhile leaves nothing behind, and takes nothing away, in the classes that are not named."""
        before = self.census()
        # XAPI itself forgets the oldest of over 200 of them.
        ended = {task for task, record in self.api.task.get_all_records().items() if record["status"] not in UNFINISHED}
        yield
        after = self.census()
        changes = {name: (sorted(after[name] - before[name]), sorted(before[name] - after[name] - ended)) for name in COUNTED if name not in but}
        differing = {name: refs for name, refs in changes.items() if any(refs)}
        assert not differing, f"left and taken: {differing}"


def run_pool(state: Path) -> Iterator[PoolUnderTest]:
    server = start(state)
    pool = None
    try:
        pool = PoolUnderTest(server, server.login())
        yield pool
    finally:
        # It may have gone away and come back as another one.
        (pool.server if pool else server).stop()
