# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What any pool has to answer: the simulated one, or a real one by XAPI_URL, XAPI_USER, XAPI_PASSWORD and XAPI_SR (a uuid; else the default SR).

They use the network only, and remove what they make.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import socket
import ssl
import struct
import time
import uuid
import xmlrpc.client
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

    def make(size: int = 8 * MIB, **fields: Any) -> str:
        given = {"SR": sr, "virtual_size": str(size), "type": "user", "sharable": False, "read_only": False, "other_config": {}}
        made.append(api.VDI.create(given | {"name_label": "conformance"} | fields))
        return made[-1]

    yield make
    for vdi in made:
        with contextlib.suppress(XenAPI.Failure):
            api.VDI.destroy(vdi)


@pytest.fixture
def task(api: Any) -> Iterator[str]:
    made = api.task.create("conformance", "")
    yield made
    if made in api.task.get_all():
        api.task.set_status(made, "cancelled")
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
    for user in (target.user, "nobody-of-this-name"):
        details = error(other.xenapi.login_with_password, user, "certainly wrong", "2.21", "conformance")
        assert details == ["SESSION_AUTHENTICATION_FAILED", user, "Authentication failure"]
    other("close")()


DENIED: dict[str, tuple[Any, ...]] = {
    "VDI.set_read_only": (True,),
    "VDI.set_sharable": (True,),
    "VDI.set_managed": (False,),
    "VDI.set_missing": (True,),
    "VDI.set_virtual_size": ("1",),
    "VDI.set_physical_utilisation": ("1",),
    "VDI.set_is_a_snapshot": (True,),
    "VDI.set_cbt_enabled": (True,),
    "VDI.db_forget": (),
    "SR.set_physical_size": ("1",),
    "SR.set_physical_utilisation": ("1",),
    "SR.set_virtual_allocation": ("1",),
    "PBD.set_device_config": ({},),
}


@pytest.mark.parametrize("method", DENIED)
def test_what_only_storage_managers_may_write(api: Any, sr: str, make_vdi: Callable[..., str], method: str) -> None:
    cls = method.partition(".")[0]
    ref = make_vdi() if cls == "VDI" else sr if cls == "SR" else api.SR.get_PBDs(sr)[0]
    before = getattr(api, cls).get_record(ref)
    assert error(getattr(getattr(api, cls), method.partition(".")[2]), ref, *DENIED[method]) == ["PERMISSION_DENIED", ""]
    assert getattr(api, cls).get_record(ref) == before


def test_a_disk_is_introduced_into_the_database_by_storage_managers_only(api: Any, sr: str) -> None:
    identity = str(uuid.uuid4())
    first = (identity, "conformance", "", sr, "user", False, False, {}, identity, {}, {}, True, "0", "0", NULL, False)
    assert error(api.VDI.db_introduce, *first, xmlrpc.client.DateTime("19700101T00:00:00Z"), NULL) == ["PERMISSION_DENIED", ""]


def test_what_others_may_not_write_can_be_given_at_creation(api: Any, make_vdi: Callable[..., str]) -> None:
    assert api.VDI.get_sharable(make_vdi(sharable=True)) is True
    assert api.VDI.get_read_only(make_vdi(read_only=True)) is True


def test_only_a_template_is_provisioned(api: Any) -> None:
    memory = {f"memory_{name}": str(1 << 30) for name in ("static_min", "dynamic_min", "dynamic_max", "static_max")}
    texts = dict.fromkeys(("PV_bootloader", "PV_kernel", "PV_ramdisk", "PV_args", "PV_bootloader_args", "PV_legacy_args", "PCI_bus", "recommendations"), "")
    actions = {"actions_after_shutdown": "destroy", "actions_after_reboot": "restart", "actions_after_crash": "restart"}
    boot = {"HVM_boot_policy": "BIOS order", "HVM_boot_params": {"order": "c"}, "platform": {}, "other_config": {}}
    processors = {"VCPUs_params": {}, "VCPUs_max": "1", "VCPUs_at_startup": "1"}
    given = {"name_label": "conformance", "user_version": "1", "is_a_template": False, "affinity": NULL}
    vm = api.VM.create({**given, **memory, **texts, **actions, **boot, **processors})
    try:
        assert error(api.VM.provision, vm)[0] == "PROVISION_ONLY_ALLOWED_ON_TEMPLATE"
        api.VM.set_is_a_template(vm, True)
        api.VM.provision(vm)
        assert api.VM.get_is_a_template(vm) is False
    finally:
        api.VM.destroy(vm)


def test_a_task_that_is_not_over_is_only_marked(api: Any, task: str) -> None:
    api.task.destroy(task)
    assert (api.task.get_status(task), api.task.get_current_operations(task)) == ("pending", {"task": "destroy"})
    assert error(api.task.destroy, task) == ["MAP_DUPLICATE_KEY", "task", "current_operations", task, "task"]
    api.task.cancel(task)
    assert api.task.get_status(task) == "pending"
    api.task.set_status(task, "cancelled")
    api.task.destroy(task)
    assert error(api.task.get_record, task) == ["HANDLE_INVALID", "task", task]


def test_a_marked_task_stays_when_its_import_ends(api: Any, make_vdi: Callable[..., str], task: str, ask: Callable[..., Any]) -> None:
    api.task.destroy(task)
    assert ask("PUT", "/import_raw_vdi", record(0, bytes(4096)) + END, vdi=make_vdi(), task_id=task, chunked="true")[0] == 200
    assert wait(api, task, 60)["status"] == "success"
    api.task.destroy(task)
    assert task not in api.task.get_all()


def test_a_session_that_is_none_leaves_the_task_pending(target: Target, api: Any, make_vdi: Callable[..., str], task: str, ask: Callable[..., Any]) -> None:
    status = ask("PUT", "/import_raw_vdi", END, vdi=make_vdi(), task_id=task, chunked="true", session_id="OpaqueRef:nothing")[0]
    assert (status, api.task.get_status(task)) == (401, "pending")


def test_a_task_without_a_name_and_a_disk_that_is_none(api: Any, make_vdi: Callable[..., str], task: str, ask: Callable[..., Any]) -> None:
    assert ask("PUT", "/import_raw_vdi", END, vdi=make_vdi(), task_id="", chunked="true")[0] == 500
    assert ask("PUT", "/import_raw_vdi", END, vdi="OpaqueRef:nothing", task_id=task, chunked="true")[0] == 500
    failed = wait(api, task, 60)
    assert (failed["status"], *failed["error_info"][:2]) == ("failure", "RBAC_PERMISSION_DENIED", "http/put_import_raw_vdi")
    assert "UUID_INVALID" in failed["error_info"][2]


def test_an_import_to_nowhere_and_paths_that_are_none(api: Any, task: str, ask: Callable[..., Any]) -> None:
    assert ask("PUT", "/import_raw_vdi", END, task_id=task, chunked="true")[0] == 400
    assert wait(api, task, 60)["error_info"][0] == "VDI_MISSING"
    assert ask("GET", "/no_such_thing")[0] == 403
    assert ask("POST", "/import_raw_vdi")[0] == 500


def test_a_finished_task_never_changes(api: Any, make_vdi: Callable[..., str], task: str, ask: Callable[..., Any]) -> None:
    vdi = make_vdi()
    assert ask("PUT", "/import_raw_vdi", END, vdi=vdi, task_id=task, chunked="true")[0] == 200
    assert wait(api, task, 60)["status"] == "success"
    ask("PUT", "/import_raw_vdi", record(1, b"x" * 512) + END, vdi=vdi, task_id=task, chunked="true")
    assert api.task.get_record(task)["status"] == "success"


def test_records_by_an_expression(api: Any, sr: str, make_vdi: Callable[..., str]) -> None:
    label = f"conformance {uuid.uuid4()}"
    one, other = make_vdi(name_label=label), make_vdi(name_label=label, sharable=True)
    named = f'field "name__label" = "{label}"'

    def found(expression: str) -> set[str]:
        return set(api.VDI.get_all_records_where(expression))

    assert found(named) == {one, other}
    assert api.VDI.get_all_records_where(f'{named} and field "sharable"="true"') == {other: api.VDI.get_record(other)}
    assert found(f'({named}) and (field "SR" = "{sr}") and not field "sharable" = "true"') == {one}
    assert found(f'field "_ref" = "{one}" or field "uuid" = "{api.VDI.get_uuid(other)}"') == {one, other}
    assert found(f'{named} and field "virtual_size" = "{8 * MIB}"') == {one, other}
    assert found("false") == found('"a" = "b"') == found("not true or true") == set()
    assert found("true") >= {one, other}


@pytest.mark.parametrize(
    "expression", ["", "yes", "field", "field name = 'x'", 'field "uuid"', 'field "uuid" == "x"', "true true", "(true", 'field "no_such" = "x"']
)
def test_an_expression_that_is_none(api: Any, make_vdi: Callable[..., str], expression: str) -> None:
    make_vdi()
    assert error(api.VDI.get_all_records_where, expression)[0] == "INTERNAL_ERROR"


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


def test_bytes_behind_the_head_tell_of_a_failure(target: Target, session: Any, make_vdi: Callable[..., str]) -> None:
    """Where the client still listens: the host may reset the connection soon after."""
    parts = urlsplit(target.url)
    query = urlencode({"session_id": session.handle, "vdi": make_vdi(), "chunked": "true"})
    with socket.create_connection((parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)), timeout=60) as plain:
        sock = ssl._create_unverified_context().wrap_socket(plain) if parts.scheme == "https" else plain
        with sock:
            sock.sendall(f"PUT /import_raw_vdi?{query} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            head = sock.recv(65536)
            assert head.startswith(b"HTTP/1.1 200 OK\r\n")
            assert head.endswith(b"\r\n\r\n")
            sock.sendall(record(1, b"x" * 512))
            second = b""
            with contextlib.suppress(OSError):
                while piece := sock.recv(65536):
                    second += piece
    assert second.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert b"VDI_IO_ERROR: [ Device I/O errors ]" in second


@pytest.mark.parametrize(("query", "status"), [({"format": "vmdk"}, 404), ({"format": "vhd", "chunked": "true"}, 404)])
def test_what_cannot_be_imported(make_vdi: Callable[..., str], ask: Callable[..., Any], query: dict[str, str], status: int) -> None:
    assert ask("PUT", "/import_raw_vdi", b"", vdi=make_vdi(), **query)[0] == status


def test_events_follow_a_task(api: Any, session: Any) -> None:
    made = api.task.create("conformance", "")
    events = getattr(api.event, "from")
    token = events([f"task/{made}"], "", 1.0)["token"]
    api.task.set_status(made, "cancelled")
    api.task.destroy(made)
    until, seen = time.monotonic() + 30, []
    while not seen and time.monotonic() < until:
        batch = events([f"task/{made}"], token, 5.0)
        seen, token = batch["events"], batch["token"]
    assert [event["operation"] for event in seen][-1] == "del"
