# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Disk streams: what is taken, what is refused, and how the client learns of it."""

from __future__ import annotations

import base64
import json
import os
import random
import socket
import struct
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from ansible_collections.xenstack.image_services.tests.support.xapi import MIB, PASSWORD, Server, content, disk_file, missed_faults, query, wait
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

RECORD = struct.Struct("<QI")
IO_ERROR = ["VDI_IO_ERROR", "Device I/O errors"]
OK = b"HTTP/1.1 200 OK\r\n"


class Put:
    """A request whose body the test sends as it likes."""

    def __init__(self, server: Server, path: str, length: int | None = None, headers: str = "", method: str = "PUT") -> None:
        parts = urlsplit(server.url)
        self.socket = socket.create_connection((parts.hostname, parts.port), timeout=5)
        line = f"Content-Length: {length}\r\n" if length is not None else ""
        self.socket.sendall(f"{method} {path} HTTP/1.1\r\nHost: x\r\n{line}{headers}\r\n".encode())

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def head(self) -> bytes:
        data = b""
        while not data.endswith(b"\r\n\r\n"):
            byte = self.socket.recv(1)
            assert byte, data
            data += byte
        return data

    def rest(self) -> bytes:
        """What follows until the end, which may be a reset."""
        data = b""
        try:
            while part := self.socket.recv(65536):
                data += part
        except ConnectionResetError:
            pass
        return data

    def __enter__(self) -> Put:
        return self

    def __exit__(self, *exc: object) -> None:
        self.socket.close()


@pytest.fixture
def task(api: Any) -> Iterator[str]:
    made = api.task.create("an import", "")
    yield made
    api.task.destroy(made)


@pytest.fixture
def put(server: Server, session: Any, api: Any, task: str) -> Callable[..., tuple[bytes, dict[str, Any]]]:
    """Sends a whole body and closes its end; gives what came back behind the 200 and the task."""

    def run(vdi: str, body: bytes, length: int | None = -1, **fields: str) -> tuple[bytes, dict[str, Any]]:
        path = query(session, "/import_raw_vdi", vdi=vdi, task_id=task, **fields)
        with Put(server, path, len(body) if length == -1 else length) as request:
            assert request.head().startswith(OK)
            try:
                request.send(body)
                request.socket.shutdown(socket.SHUT_WR)
            except OSError:
                pass
            rest = request.rest()
        return rest, wait(api, task)

    return run


def sparse(path: Path, size: int = 8 * MIB, extents: int = 3) -> bytes:
    data = bytearray(size)
    for _dummy in range(extents):
        offset = random.randrange(size // 512 - 64) * 512
        data[offset : offset + 512 * 64] = os.urandom(512 * 64)
    path.write_bytes(data)
    return bytes(data)


def as_vhd(raw: Path, *options: str) -> bytes:
    made = raw.with_suffix(".made")
    subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", "vpc", *options, raw, made], check=True)
    return made.read_bytes()


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    return tmp_path / "disk.raw"


def chunks(*records: tuple[int, bytes]) -> bytes:
    return b"".join(RECORD.pack(offset, len(data)) + data for offset, data in records)


END = RECORD.pack(0, 0)


def test_a_vhd_of_qemu_img_arrives(server: Server, api: Any, make_vdi: Callable[..., str], put: Callable[..., Any], raw: Path) -> None:
    data = sparse(raw)
    vdi = make_vdi()
    rest, record = put(vdi, as_vhd(raw, "-o", "force_size=on"), format="vhd")
    assert (rest, record["status"], record["result"]) == (b"", "success", f"<value>{vdi}</value>")
    assert content(disk_file(server, api, vdi)) == data
    assert api.VDI.get_VBDs(vdi) == []


def bad_checksum(body: bytes) -> bytes:
    return body[:80] + bytes([body[80] ^ 1]) + body[81:]


@pytest.mark.parametrize(
    ("change", "length"),
    [
        (lambda body: body, 1),
        (lambda body: body, 512),
        (lambda body: body, None),
        (lambda body: body, -512),
        (lambda body: body[:-512], 0),
        (lambda body: body[: len(body) // 2], 0),
        (lambda body: b"", 0),
        (bad_checksum, 0),
        (lambda body: b"x" + body[1:], 0),
        (lambda body: body[:512] + b"x" + body[513:], 0),
        (lambda body: body[:-512] + bytes(512), 0),
    ],
    ids=["long by 1", "long by 512", "no length", "short by 512", "no trailer", "cut", "empty", "checksum", "cookie", "header", "zero trailer"],
)
def test_a_vhd_that_is_wrong_fails_behind_the_200(
    make_vdi: Callable[..., str], put: Callable[..., Any], raw: Path, change: Callable[[bytes], bytes], length: int | None
) -> None:
    sparse(raw)
    body = as_vhd(raw)
    changed = change(body)
    rest, record = put(make_vdi(12 * MIB), changed, None if length is None else len(body) + length, format="vhd")
    assert (record["status"], record["error_info"]) == ("failure", IO_ERROR)
    # A reset may overtake the second answer when bytes of the body were never read.
    assert rest == b"" or rest.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert not rest or b"HTTP/1.0 500 Internal Error" in rest
    assert not rest or b"VDI_IO_ERROR: [ Device I/O errors ]" in rest


@pytest.mark.parametrize("more", [b"", b"more than was said"])
def test_a_vhd_whose_length_is_short_by_one_or_that_goes_on_is_taken(make_vdi: Callable[..., str], put: Callable[..., Any], raw: Path, more: bytes) -> None:
    sparse(raw)
    body = as_vhd(raw)
    rest, record = put(make_vdi(12 * MIB), body + more, len(body) - (not more), format="vhd")
    assert record["status"] == "success"


def test_a_fixed_or_too_large_vhd_fails(make_vdi: Callable[..., str], put: Callable[..., Any], raw: Path) -> None:
    sparse(raw)
    assert put(make_vdi(12 * MIB), as_vhd(raw, "-o", "subformat=fixed"), format="vhd")[1]["error_info"] == IO_ERROR


def test_a_vhd_larger_than_the_disk_fails(make_vdi: Callable[..., str], put: Callable[..., Any], raw: Path) -> None:
    raw.write_bytes(os.urandom(8 * MIB))
    assert put(make_vdi(4 * MIB), as_vhd(raw), format="vhd")[1]["error_info"] == IO_ERROR


def test_an_import_waits_for_bytes_that_were_promised(server: Server, session: Any, api: Any, make_vdi: Callable[..., str], task: str, raw: Path) -> None:
    sparse(raw)
    body = as_vhd(raw, "-o", "force_size=on")
    vdi = make_vdi()
    with Put(server, query(session, "/import_raw_vdi", vdi=vdi, task_id=task, format="vhd"), len(body) + 512) as request:
        request.send(body)
        request.head()
        request.socket.settimeout(0.3)
        with pytest.raises(TimeoutError):
            request.socket.recv(1)
        record = api.task.get_record(task)
        assert (record["status"], record["allowed_operations"]) == ("pending", [])
        api.task.cancel(task)
        assert api.task.get_status(task) == "pending"
        assert [api.VBD.get_currently_attached(vbd) for vbd in api.VDI.get_VBDs(vdi)] == [True]
    assert wait(api, task)["error_info"] == IO_ERROR
    assert api.VDI.get_VBDs(vdi) == []


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 1023), st.integers(1, 64)), max_size=6))
def test_records_in_any_order_make_the_disk(server: Server, session: Any, api: Any, make_vdi: Callable[..., str], extents: list[tuple[int, int]]) -> None:
    vdi = make_vdi(2 * MIB)
    expected, body = bytearray(2 * MIB), b""
    for page, pages in extents:
        data = os.urandom(2048 * min(pages, 1024 - page))
        body += chunks((page * 2048, data))
        expected[page * 2048 : page * 2048 + len(data)] = data
    status, rest = server.ask("PUT", query(session, "/import_raw_vdi", vdi=vdi, chunked="false"), body + END)
    assert (status, rest) == (200, b"")
    assert content(disk_file(server, api, vdi)) == expected
    api.VDI.destroy(vdi)


@pytest.mark.parametrize(
    "body",
    [
        chunks((100, bytes(512))) + END,
        chunks((0, bytes(100))) + END,
        chunks((2 * MIB, bytes(512))) + END,
        RECORD.pack(0, 1 << 31) + END,
        chunks((0, bytes(512))),
        chunks((0, bytes(512))) + END[:5],
    ],
    ids=["offset", "length", "past the end", "negative", "no end", "half an end"],
)
def test_records_that_do_not_fit_fail(make_vdi: Callable[..., str], put: Callable[..., Any], body: bytes) -> None:
    assert put(make_vdi(2 * MIB), body, chunked="true")[1]["error_info"] == IO_ERROR


def test_an_empty_record_is_skipped_and_what_follows_the_end_is_ignored(make_vdi: Callable[..., str], put: Callable[..., Any]) -> None:
    assert put(make_vdi(), RECORD.pack(512, 0) + END + b"more", None, chunked="true")[1]["status"] == "success"


@pytest.mark.parametrize(
    ("length", "sent", "status"), [(8 * MIB, 8 * MIB, "success"), (100, 100, "success"), (100, 99, "failure"), (9 * MIB, 9 * MIB, "failure"), (0, 0, "failure")]
)
def test_raw_takes_what_its_length_says(make_vdi: Callable[..., str], put: Callable[..., Any], length: int, sent: int, status: str) -> None:
    assert put(make_vdi(), os.urandom(sent), length)[1]["status"] == status


def test_raw_into_an_sr_makes_its_disk(server: Server, session: Any, api: Any, sr: str, task: str) -> None:
    data = os.urandom(2 * MIB)
    assert server.ask("PUT", query(session, "/import_raw_vdi", sr_id=sr, task_id=task), data)[0] == 200
    vdi = wait(api, task)["result"].removeprefix("<value>").removesuffix("</value>")
    assert (api.VDI.get_name_label(vdi), content(disk_file(server, api, vdi))) == ("Imported VDI", data)


@pytest.mark.parametrize(
    ("fields", "headers", "status", "error"),
    [
        ({"vdi": "VDI"}, {"Transfer-Encoding": "chunked"}, 404, ["INTERNAL_ERROR", "Cannot handle encoding: chunked"]),
        ({"vdi": "VDI", "format": "vhd", "chunked": "true"}, {}, 404, ["INTERNAL_ERROR", "Cannot handle chunked VHD"]),
        ({"vdi": "VDI", "format": "vmdk"}, {}, 404, ["INTERNAL_ERROR", "Unknown format vmdk"]),
        ({}, {}, 400, ["VDI_MISSING"]),
        ({"vdi": "nope"}, {}, 500, ["RBAC_PERMISSION_DENIED", "http/put_import_raw_vdi", "UUID_INVALID: [ VDI; nope ]"]),
        ({"sr_id": "SR", "format": "vhd"}, {}, 400, ["INTERNAL_ERROR", "Importing vhd directly into an SR not yet supported"]),
    ],
)
def test_what_is_refused_before_the_200(
    server: Server, session: Any, api: Any, sr: str, make_vdi: Callable[..., str], task: str, fields: Any, headers: Any, status: int, error: list[str]
) -> None:
    known = {"VDI": make_vdi(), "SR": sr}
    path = query(session, "/import_raw_vdi", task_id=task, **{key: known.get(value, value) for key, value in fields.items()})
    assert server.ask("PUT", path, b"", headers)[0] == status
    assert wait(api, task)["error_info"] == error


def test_a_bad_session_is_401_and_its_task_stays_pending(server: Server, api: Any, make_vdi: Callable[..., str], task: str) -> None:
    assert server.ask("PUT", f"/import_raw_vdi?session_id=nope&vdi={make_vdi()}&task_id={task}", b"")[0] == 401
    assert server.ask("PUT", f"/import_raw_vdi?vdi={make_vdi()}&task_id={task}", b"")[0] == 401
    assert api.task.get_status(task) == "pending"


def test_the_session_may_be_a_cookie_or_a_name_and_a_password(server: Server, session: Any, api: Any, make_vdi: Callable[..., str]) -> None:
    vdi = api.VDI.get_uuid(make_vdi())
    token = base64.b64encode(f"root:{PASSWORD}".encode()).decode()
    for headers in ({"Cookie": f"session_id={session.handle}"}, {"Authorization": f"Basic {token}"}):
        assert server.ask("PUT", f"/import_raw_vdi/?vdi={vdi}", b"x" * 512, headers) == (200, b"")


def test_a_task_that_is_over_never_changes(server: Server, session: Any, api: Any, make_vdi: Callable[..., str], task: str) -> None:
    path = query(session, "/import_raw_vdi", vdi=make_vdi(), task_id=task)
    assert server.ask("PUT", path, b"x" * 512) == (200, b"")
    assert server.ask("PUT", path, b"")[1].startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert wait(api, task)["status"] == "success"


def test_a_host_without_the_sr_names_one_that_has_it(server: Server, session: Any, api: Any, raw: Path) -> None:
    record = {api.host.get_address(host): host for host in api.host.get_all()}
    assert len(record) == 1  # both listen on one address, so the ports tell them apart
    (second,) = [host for host, each in api.host.get_all_records().items() if each["name_label"].endswith("2")]
    local = api.SR.create(second, {"device": "/dev/b"}, "0", "of the member", "", "ext", "", False, {})
    vdi = api.VDI.create({"SR": local, "virtual_size": str(2 * MIB), "type": "user", "sharable": False, "read_only": False, "other_config": {}})
    path = query(session, "/import_raw_vdi", vdi=vdi, chunked="true")
    with Put(server, path) as request:
        head = request.head().decode()
    assert head.startswith("HTTP/1.1 302 ")
    assert f"Location: {server.member}{path}\r\n" in head
    there = server.connect(server.member)
    there.request("PUT", path, chunks((0, b"x" * 512)) + END)
    with there.getresponse() as answer:
        assert (answer.status, answer.read()) == (200, b"")
    there.close()
    assert content(disk_file(server, api, vdi))[:513] == b"x" * 512 + b"\0"


def test_a_disk_in_use_is_not_written(server: Server, session: Any, api: Any, make_vdi: Callable[..., str], put: Callable[..., Any]) -> None:
    vdi = make_vdi()
    with Put(server, query(session, "/import_raw_vdi", vdi=vdi), 512) as first:
        first.head()
        while not api.VDI.get_VBDs(vdi):
            pass
        assert put(vdi, b"x" * 512)[1]["error_info"] == ["VDI_IN_USE", vdi, "attach"]


def test_an_import_outlives_its_session(server: Server, api: Any, make_vdi: Callable[..., str], task: str) -> None:
    vdi, other = make_vdi(), server.login()
    path = query(other, "/import_raw_vdi", vdi=vdi, task_id=task)
    with Put(server, path, 1024, "Expect: 100-continue\r\n") as request:
        assert request.head().startswith(OK)
        request.send(b"x" * 512)
        other.xenapi.session.logout()
        request.send(b"y" * 512)
        assert request.rest() == b""
    assert wait(api, task)["status"] == "success"
    assert content(disk_file(server, api, vdi))[:1025] == b"x" * 512 + b"y" * 512 + b"\0"


def test_a_disk_is_free_again_when_the_server_died_in_an_import(launch: Callable[..., Server]) -> None:
    server = launch("--no-tls")
    session = server.login()
    (pool,) = session.xenapi.pool.get_all()
    given = {"SR": session.xenapi.pool.get_default_SR(pool), "virtual_size": str(4 * MIB), "type": "user"}
    vdi = session.xenapi.VDI.create(given | {"sharable": False, "read_only": False, "other_config": {}})
    with Put(server, query(session, "/import_raw_vdi", vdi=vdi), 4 * MIB) as request:
        request.head()
        while not session.xenapi.VDI.get_VBDs(vdi):
            pass
        server.kill()
    again = launch("--no-tls")
    api = again.login().xenapi
    assert api.VDI.get_VBDs(vdi) == []
    api.VDI.destroy(vdi)


def test_exports_are_the_disk(server: Server, session: Any, api: Any, make_vdi: Callable[..., str], fill: Callable[..., bytes], tmp_path: Path) -> None:
    vdi = make_vdi()
    data = fill(vdi)
    connection = server.connect()
    connection.request("GET", query(session, "/export_raw_vdi", vdi=vdi, format="vhd"))
    with connection.getresponse() as answer:
        exported = answer.read()
        names = {name.lower(): value for name, value in answer.getheaders()}
    connection.close()
    assert (names["content-type"], "content-length" in names) == ("application/vhd", False)
    assert names["content-disposition"].endswith(f'{api.VDI.get_uuid(vdi)}.vhd"')
    assert server.ask("GET", query(session, "/export_raw_vdi", vdi=vdi))[1] == data
    path = tmp_path / "exported.vhd"
    path.write_bytes(exported)
    read = ["qemu-img", "convert", "--image-opts", f"driver=vpc,force_size_calc=current_size,file.filename={path}", "-O", "raw", tmp_path / "read"]
    subprocess.run(read, check=True)
    assert (tmp_path / "read").read_bytes() == data
    again = make_vdi()
    assert server.ask("PUT", query(session, "/import_raw_vdi", vdi=again, format="vhd"), exported) == (200, b"")
    assert content(disk_file(server, api, again)) == data
    assert server.ask("GET", query(session, "/export_raw_vdi", vdi=vdi, format="zzz"))[0] == 404


def test_a_delta_on_a_copy_of_its_base_is_the_disk(server: Server, session: Any, api: Any, make_vdi: Callable[..., str], fill: Callable[..., bytes]) -> None:
    vdi = make_vdi(16 * MIB)
    fill(vdi)
    base = api.VDI.snapshot(vdi)
    copy = api.VDI.clone(base)
    body = chunks((5 * MIB, os.urandom(4096))) + END
    assert server.ask("PUT", query(session, "/import_raw_vdi", vdi=vdi, chunked="true"), body) == (200, b"")
    delta = server.ask("GET", query(session, "/export_raw_vdi", vdi=vdi, format="vhd", base=base))[1]
    assert len(delta) < 3 * MIB
    assert server.ask("PUT", query(session, "/import_raw_vdi", vdi=copy, format="vhd"), delta) == (200, b"")
    assert content(disk_file(server, api, copy)) == content(disk_file(server, api, vdi))


@pytest.mark.parametrize("after", [0, 511, 600, MIB])
def test_a_connection_is_dropped_on_demand(server: Server, make_vdi: Callable[..., str], api: Any, put: Callable[..., Any], after: int) -> None:
    vdi = make_vdi()
    server.fault(kind="drop", after=after)
    rest, record = put(vdi, bytes(8 * MIB))
    assert (rest, record["error_info"]) == (b"", IO_ERROR)
    assert api.VDI.get_VBDs(vdi) == []


def test_a_task_fails_on_demand(server: Server, make_vdi: Callable[..., str], put: Callable[..., Any]) -> None:
    server.fault(kind="fail_task", error=["SR_BACKEND_FAILURE_46", "", "gone", ""])
    assert put(make_vdi(), bytes(512))[1]["error_info"] == ["SR_BACKEND_FAILURE_46", "", "gone", ""]


def test_a_fault_counts_only_where_it_strikes(server: Server, make_vdi: Callable[..., str], session: Any) -> None:
    def run() -> list[str]:
        task = session.xenapi.task.create("an import", "")
        server.ask("PUT", query(session, "/import_raw_vdi", vdi=make_vdi(), task_id=task), bytes(512))
        failed = wait(session.xenapi, task)["error_info"]
        session.xenapi.task.destroy(task)
        return failed

    beyond = server.fault(kind="drop", after=1 << 40, sure=False)
    another = server.fault(kind="fail_task", method="export_raw_vdi", sure=False)
    assert run() == []
    here = server.fault(kind="fail_task", method="import_raw_vdi", times=2)
    for struck in (1, 2):
        assert run() == IO_ERROR
        assert here.struck == struck
    assert run() == []
    assert (beyond.struck, another.struck, here.struck) == (0, 0, 2)
    assert missed_faults() == []
    server.side_door("DELETE", "faults")
    server.fault(kind="fail_call", method="VDI.resize")
    assert missed_faults() == [str({"kind": "fail_call", "method": "VDI.resize"})]
    server.side_door("DELETE", "faults")


@pytest.mark.parametrize("after", [0, 1000])
def test_an_sr_is_full_in_the_middle_of_an_import(server: Server, make_vdi: Callable[..., str], put: Callable[..., Any], after: int) -> None:
    server.fault(kind="sr_full", method="import_raw_vdi", after=after)
    assert put(make_vdi(), bytes(8 * MIB))[1]["error_info"] == IO_ERROR


def test_a_session_is_lost_on_demand(server: Server) -> None:
    handle = server.login().handle
    server.fault(kind="session_lost", after=1)
    assert "result" in server.json("host.get_all", handle)
    assert server.json("host.get_all", handle)["error"]["message"] == "SESSION_INVALID"


@pytest.mark.parametrize(("kind", "carried_out"), [("drop_call", False), ("lose_answer", True)])
def test_a_call_is_cut_off_on_demand(server: Server, kind: str, carried_out: bool) -> None:
    session, watching = server.login(), server.login()
    server.fault(kind=kind, after=1, method="task.create")
    made = {session.xenapi.task.create(f"first {kind}", "")}
    with pytest.raises(OSError, match="reset|closed|EOF"):
        server.json("task.create", session.handle, f"second {kind}", "")
    found = watching.xenapi.task.get_by_name_label(f"second {kind}")
    assert bool(found) is carried_out
    for task in made | set(found):
        watching.xenapi.task.destroy(task)


def test_a_call_fails_once_others_have_passed(server: Server) -> None:
    handle = server.login().handle
    server.fault(kind="fail_call", after=1, error=["OUT_OF_SPACE", "here"])
    assert "result" in server.json("host.get_all", handle)
    assert server.json("host.get_all", handle)["error"]["message"] == "OUT_OF_SPACE"


@pytest.mark.parametrize("given", [{"kind": "flood"}, {"kind": "drop", "after": "1"}, {"kind": "drop", "times": -1}, {"kind": "drop", "what": 1}, {}, []])
def test_a_fault_that_is_none_is_refused(server: Server, given: Any) -> None:
    token = base64.b64encode(f"root:{PASSWORD}".encode()).decode()
    assert server.ask("POST", "/simulator/faults", json.dumps(given).encode(), {"Authorization": f"Basic {token}"})[0] == 400


def test_faults_are_for_who_may_log_in(server: Server) -> None:
    assert server.ask("POST", "/simulator/faults", b'{"kind": "drop"}')[0] == 401
    assert server.ask("GET", "/simulator/faults?session_id=x")[0] == 401
