# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What any pool has to answer: the simulated one, or a real one by XAPI_URL, XAPI_USER, XAPI_PASSWORD and XAPI_SR (a uuid; else the default SR).

They use the network only, and remove what they make.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import ssl
import struct
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
import XenAPI
from ansible_collections.xenstack.image_services.tests.support.xapi import MIB, PASSWORD, error, start, wait

NULL = "OpaqueRef:NULL"
END = bytes(12)


@dataclass
class Target:
    url: str
    user: str
    password: str


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    if "XAPI_URL" in os.environ:
        yield Target(os.environ["XAPI_URL"], os.environ.get("XAPI_USER", "root"), os.environ["XAPI_PASSWORD"])
        return
    server = start(tmp_path_factory.mktemp("conformance") / "state")
    yield Target(server.url, "root", PASSWORD)
    server.stop()


@pytest.fixture(scope="module")
def session(target: Target) -> Iterator[Any]:
    made = XenAPI.Session(target.url, ignore_ssl=True)
    made.xenapi.login_with_password(target.user, target.password, "2.21", "conformance")
    yield made
    made.xenapi.session.logout()
    made("close")()


@pytest.fixture(scope="module")
def api(session: Any) -> Any:
    return session.xenapi


@pytest.fixture(scope="module")
def sr(api: Any) -> str:
    if "XAPI_SR" in os.environ:
        return api.SR.get_by_uuid(os.environ["XAPI_SR"])
    (pool,) = api.pool.get_all()
    return api.pool.get_default_SR(pool)


@pytest.fixture
def make_vdi(api: Any, sr: str) -> Iterator[Callable[..., str]]:
    made = []

    def make(size: int = 8 * MIB) -> str:
        given = {"SR": sr, "virtual_size": str(size), "type": "user", "sharable": False, "read_only": False, "other_config": {}}
        made.append(api.VDI.create(given | {"name_label": "conformance"}))
        return made[-1]

    yield make
    for vdi in made:
        with contextlib.suppress(XenAPI.Failure):
            api.VDI.destroy(vdi)


@pytest.fixture
def task(api: Any) -> Iterator[str]:
    made = api.task.create("conformance", "")
    yield made
    api.task.destroy(made)


@pytest.fixture
def ask(target: Target, session: Any) -> Callable[..., tuple[int, bytes]]:
    def run(method: str, path: str, body: bytes = b"", **query: str) -> tuple[int, bytes]:
        parts = urlsplit(target.url)
        if parts.scheme == "https":
            connection: http.client.HTTPConnection = http.client.HTTPSConnection(parts.netloc, timeout=60, context=ssl._create_unverified_context())
        else:
            connection = http.client.HTTPConnection(parts.netloc, timeout=60)
        with contextlib.closing(connection):
            connection.request(method, f"{path}?{urlencode({'session_id': session.handle} | query)}", body)
            with connection.getresponse() as answer:
                try:
                    return answer.status, answer.read()
                except (ssl.SSLError, ConnectionError):
                    return answer.status, b""

    return run


def record(offset: int, data: bytes) -> bytes:
    return struct.pack("<QI", offset, len(data)) + data


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda api: api.VDI.get_record("OpaqueRef:nothing"), ["HANDLE_INVALID", "VDI", "OpaqueRef:nothing"]),
        (lambda api: api.VDI.get_by_uuid("nope"), ["UUID_INVALID", "VDI", "nope"]),
        (lambda api: api.Foo.bar(), ["MESSAGE_METHOD_UNKNOWN", "Foo.bar"]),
        (lambda api: api.VDI.get_record(), ["MESSAGE_PARAMETER_COUNT_MISMATCH", "VDI.get_record", "1", "0"]),
        (lambda api: api.VDI.create({}), ["INTERNAL_ERROR", 'Server_helpers.Dispatcher_FieldNotFound("SR")']),
        (lambda api: api.host.call_plugin(api.host.get_all()[0], "nope", "f", {}), ["XENAPI_MISSING_PLUGIN", "nope"]),
    ],
)
def test_errors(api: Any, call: Callable[[Any], Any], expected: list[str]) -> None:
    assert error(call, api) == expected


def test_a_wrong_password(target: Target) -> None:
    other = XenAPI.Session(target.url, ignore_ssl=True)
    assert error(other.xenapi.login_with_password, target.user, "certainly wrong", "2.21", "conformance") == ["SESSION_AUTHENTICATION_FAILED"]
    other("close")()


def test_the_life_of_a_disk(api: Any, make_vdi: Callable[..., str]) -> None:
    vdi = make_vdi(3 * MIB)
    assert int(api.VDI.get_virtual_size(vdi)) == 4 * MIB
    api.VDI.add_to_other_config(vdi, "conformance", "1")
    assert error(api.VDI.add_to_other_config, vdi, "conformance", "2") == ["MAP_DUPLICATE_KEY", "VDI", "other_config", vdi, "conformance"]
    done = wait(api, api.Async.VDI.snapshot(vdi), 60)
    snapshot = done["result"].removeprefix("<value>").removesuffix("</value>")
    assert (done["status"], api.VDI.get_snapshot_of(snapshot)) == ("success", vdi)
    api.VDI.destroy(snapshot)
    api.VDI.destroy(vdi)
    assert error(api.VDI.get_record, vdi) == ["HANDLE_INVALID", "VDI", vdi]


def test_records_arrive(api: Any, make_vdi: Callable[..., str], task: str, ask: Callable[..., Any]) -> None:
    vdi, data = make_vdi(), os.urandom(4096)
    body = record(5 * MIB, data) + record(0, data[::-1]) + END
    assert ask("PUT", "/import_raw_vdi", body, vdi=vdi, task_id=task, format="raw", chunked="true")[0] == 200
    assert wait(api, task, 60)["status"] == "success"
    status, got = ask("GET", "/export_raw_vdi", vdi=vdi, format="raw")
    assert (status, len(got), got[:4096], got[5 * MIB : 5 * MIB + 4096]) == (200, 8 * MIB, data[::-1], data)
    assert got.count(0) > 7 * MIB


def test_an_exported_vhd_is_the_disk(api: Any, make_vdi: Callable[..., str], ask: Callable[..., Any]) -> None:
    one, other, data = make_vdi(), make_vdi(), os.urandom(2 * MIB)
    assert ask("PUT", "/import_raw_vdi", record(3 * MIB, data) + END, vdi=one, chunked="true")[0] == 200
    status, vhd = ask("GET", "/export_raw_vdi", vdi=one, format="vhd")
    assert (status, vhd[:8], vhd[-512:-504]) == (200, b"conectix", b"conectix")
    again = api.task.create("conformance", "")
    assert ask("PUT", "/import_raw_vdi", vhd, vdi=other, task_id=again, format="vhd")[0] == 200
    assert wait(api, again, 60)["status"] == "success"
    api.task.destroy(again)
    assert ask("GET", "/export_raw_vdi", vdi=other)[1] == ask("GET", "/export_raw_vdi", vdi=one)[1]


def test_a_stream_that_is_cut_fails_in_its_task(api: Any, make_vdi: Callable[..., str], task: str, ask: Callable[..., Any]) -> None:
    assert ask("PUT", "/import_raw_vdi", record(1, b"x" * 512) + END, vdi=make_vdi(), task_id=task, chunked="true")[0] == 200
    failed = wait(api, task, 60)
    assert (failed["status"], failed["error_info"]) == ("failure", ["VDI_IO_ERROR", "Device I/O errors"])


@pytest.mark.parametrize(("query", "status"), [({"format": "vmdk"}, 404), ({"format": "vhd", "chunked": "true"}, 404)])
def test_what_cannot_be_imported(make_vdi: Callable[..., str], ask: Callable[..., Any], query: dict[str, str], status: int) -> None:
    assert ask("PUT", "/import_raw_vdi", b"", vdi=make_vdi(), **query)[0] == status


def test_events_follow_a_task(api: Any, session: Any) -> None:
    made = api.task.create("conformance", "")
    events = getattr(api.event, "from")
    token = events([f"task/{made}"], "", 1.0)["token"]
    api.task.destroy(made)
    until, seen = time.monotonic() + 30, []
    while not seen and time.monotonic() < until:
        batch = events([f"task/{made}"], token, 5.0)
        seen, token = batch["events"], batch["token"]
    assert [event["operation"] for event in seen][-1] == "del"
