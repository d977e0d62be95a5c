# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Calls on the wire: sessions, parameters, types, errors and both protocols."""

from __future__ import annotations

import contextlib
import http.client
import os
import socket
import ssl
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from xmlrpc.client import dumps

import pytest
from ansible_collections.xenstack.image_services.tests.support.xapi import PASSWORD, Server, error, start, wait

NOBODY = "OpaqueRef:00000000-0000-0000-0000-000000000000"


def call(server: Server, method: str, *params: Any) -> list[str]:
    """The error of a call whose parameters are sent as they are."""
    answer = server.json(method, *params)
    return [answer["error"]["message"], *answer["error"]["data"]]


def test_a_session_ends_with_its_logout(server: Server) -> None:
    session = server.login()
    handle = session.handle
    assert len(session.xenapi.host.get_all()) == 2
    session.xenapi.session.logout()
    assert call(server, "host.get_all", handle) == ["SESSION_INVALID", handle]


def test_wrong_credentials_are_refused_without_a_session(server: Server) -> None:
    for user, password in (("root", "wrong"), ("admin", PASSWORD), ("", "")):
        assert call(server, "session.login_with_password", user, password) == ["SESSION_AUTHENTICATION_FAILED", user, "Authentication failure"]


@pytest.mark.parametrize(
    ("method", "params", "expected"),
    [
        ("VDI.get_all", [], ["MESSAGE_PARAMETER_COUNT_MISMATCH", "VDI.get_all", "0", "-1"]),
        ("VDI.get_record", ["session"], ["MESSAGE_PARAMETER_COUNT_MISMATCH", "VDI.get_record", "1", "0"]),
        ("VDI.get_record", ["session", NOBODY, ""], ["MESSAGE_PARAMETER_COUNT_MISMATCH", "VDI.get_record", "1", "2"]),
        ("session.login_with_password", ["root"], ["MESSAGE_PARAMETER_COUNT_MISMATCH", "session.login_with_password", "2", "1"]),
        ("VDI.get_record", ["nonsense", NOBODY], ["SESSION_INVALID", "nonsense"]),
        ("VDI.get_record", ["session", NOBODY], ["HANDLE_INVALID", "VDI", NOBODY]),
        ("VDI.set_tags", ["session", NOBODY, []], ["HANDLE_INVALID", "VDI", NOBODY]),
        ("VDI.get_by_uuid", ["session", "nope"], ["UUID_INVALID", "VDI", "nope"]),
        ("Foo.bar", ["session"], ["MESSAGE_METHOD_UNKNOWN", "Foo.bar"]),
        ("VDI.bar", ["session"], ["MESSAGE_METHOD_UNKNOWN", "VDI.bar"]),
        ("Bond.get_all", ["session"], ["NOT_IMPLEMENTED", "Bond.get_all"]),
        ("pool.rotate_secret", ["session"], ["NOT_IMPLEMENTED", "pool.rotate_secret"]),
        ("Async.VDI.get_record", ["session", NOBODY], ["Fault", "No async mode for this operation (rpc: VDI.get_record)"]),
        ("VDI.resize", ["session", NOBODY, "abc"], ["INTERNAL_ERROR", 'Failure("Int64.of_string")']),
        ("VDI.set_sharable", ["session", NOBODY, "yes"], ["INTERNAL_ERROR", "Failure(\"Expected bool, got 'S(yes)'\")"]),
        ("VDI.set_name_label", ["session", NOBODY, 1], ["INTERNAL_ERROR", "Failure(\"Expected string, got 'I(1)'\")"]),
        ("VDI.set_on_boot", ["session", NOBODY, "sometimes"], ["INTERNAL_ERROR", 'Failure("Unknown tag/contents")']),
        ("VDI.create", ["session", "text"], ["INTERNAL_ERROR", 'Failure("bad __structure")']),
        ("VDI.create", ["session", {}], ["INTERNAL_ERROR", 'Server_helpers.Dispatcher_FieldNotFound("SR")']),
    ],
)
def test_a_bad_call_gets_its_error_with_its_parameters(server: Server, session: Any, method: str, params: list[Any], expected: list[str]) -> None:
    assert call(server, method, *[session.handle if value == "session" else value for value in params]) == expected


def test_optional_parameters_may_be_left_out_and_more_are_ignored(server: Server, session: Any, make_vdi: Callable[..., str]) -> None:
    vdi = make_vdi()
    copies = [server.json("VDI.snapshot", session.handle, vdi, *more)["result"] for more in ([], [{}], [{}, "one", "two"])]
    assert len(set(copies)) == 3
    assert set(session.xenapi.VDI.get_snapshots(vdi)) == set(copies)


def test_json_rpc_answers_in_the_version_that_it_is_asked_in(server: Server, session: Any) -> None:
    assert server.json("VM.get_domid", session.handle, "x", version=None) == {"result": None, "error": ["HANDLE_INVALID", "VM", "x"], "id": 7}
    answer = server.json("VM.get_domid", session.handle, "x")
    assert answer == {"jsonrpc": "2.0", "error": {"code": 1, "message": "HANDLE_INVALID", "data": ["VM", "x"]}, "id": 7}
    (domain,) = [vm for vm, record in session.xenapi.VM.get_all_records().items() if record["is_control_domain"] and record["name_label"].endswith("1")]
    assert server.json("VM.get_domid", session.handle, domain) == {"jsonrpc": "2.0", "result": 0, "id": 7}
    assert session.xenapi.VM.get_domid(domain) == "0"
    assert server.json("VM.get_snapshot_time", session.handle, domain)["result"] == "19700101T00:00:00Z"


def test_xml_has_no_white_space_between_elements(server: Server) -> None:
    status, body = server.ask("POST", "/RPC2", dumps((), "system.listMethods").encode())
    assert status == 200
    assert b"> <" not in body
    assert b">\n<" not in body
    assert body.startswith(b"<?xml version='1.0'?><methodResponse><params><param><value><array>")


@pytest.mark.parametrize(
    ("method", "path", "body", "headers", "expected"),
    [
        ("POST", "/", b"<nonsense", {}, 500),
        ("POST", "/json", b'{"method": "a", "params": [], "id": 1}', {}, 500),
        ("POST", "/jsonrpc", b'{"params": []}', {}, 500),
        ("POST", "/", b" " * (300 * 1024 + 1), {}, 500),
        ("POST", "/", b"", {"X-Long": "x" * 1100}, 431),
        ("GET", "/nowhere", b"", {}, 403),
    ],
)
def test_what_is_no_call_gets_a_status(server: Server, method: str, path: str, body: bytes, headers: dict[str, str], expected: int) -> None:
    assert server.ask(method, path, body, headers)[0] == expected


def test_fields_are_read_and_written_by_their_messages(api: Any, make_vdi: Callable[..., str]) -> None:
    vdi = make_vdi(other_config={"a": "1"}, tags=["x"])
    assert error(api.VDI.add_to_other_config, vdi, "a", "2") == ["MAP_DUPLICATE_KEY", "VDI", "other_config", vdi, "a"]
    api.VDI.remove_from_other_config(vdi, "a")
    api.VDI.remove_from_other_config(vdi, "never there")
    api.VDI.add_to_other_config(vdi, "a", "2")
    api.VDI.add_tags(vdi, "y")
    api.VDI.add_tags(vdi, "y")
    api.VDI.remove_tags(vdi, "x")
    api.VDI.set_name_label(vdi, "<new> & näme")
    record = api.VDI.get_record(vdi)
    assert (record["other_config"], record["tags"], record["name_label"]) == ({"a": "2"}, ["y"], "<new> & näme")
    assert api.VDI.get_by_name_label("<new> & näme") == [vdi]
    assert api.VDI.get_by_uuid(record["uuid"]) == vdi
    assert api.VDI.get_all_records()[vdi] == record
    assert error(api.VDI.set_uuid, vdi, "x") == ["MESSAGE_METHOD_UNKNOWN", "VDI.set_uuid"]


def test_an_asynchronous_call_is_a_task(api: Any, make_vdi: Callable[..., str]) -> None:
    vdi = make_vdi()
    done = wait(api, api.Async.VDI.clone(vdi))
    assert (done["status"], done["progress"], done["error_info"]) == ("success", 1.0, [])
    clone = done["result"].removeprefix("<value>").removesuffix("</value>")
    assert api.VDI.get_virtual_size(clone) == api.VDI.get_virtual_size(vdi)
    task = api.Async.VDI.resize(vdi, "1")
    failed = wait(api, task)
    assert (failed["status"], failed["error_info"][0]) == ("failure", "SR_BACKEND_FAILURE_79")
    api.task.destroy(task)
    assert error(api.task.get_status, task) == ["HANDLE_INVALID", "task", task]


def test_a_task_is_cancelled_while_it_waits(server: Server, api: Any, make_vdi: Callable[..., str]) -> None:
    vdi = make_vdi()
    server.fault(kind="slow", method="VDI.clone", seconds=0.5)
    before = set(api.VDI.get_all())
    task = api.Async.VDI.clone(vdi)
    api.task.cancel(task)
    record = wait(api, task)
    assert (record["status"], record["error_info"]) == ("cancelled", ["TASK_CANCELLED", task])
    assert set(api.VDI.get_all()) == before


def test_a_member_names_the_coordinator(server: Server, session: Any) -> None:
    assert error(server.login, server.member) == ["HOST_IS_SLAVE", server.url.partition("://")[2]]


def test_the_oldest_session_goes_when_there_are_too_many_and_an_unused_one_ends(launch: Callable[..., Server]) -> None:
    server = launch("--no-tls", "--session-limit", "3", "--session-timeout", "0.4")
    sessions = [server.login().handle for dummy in range(4)]
    assert call(server, "host.get_all", sessions[0]) == ["SESSION_INVALID", sessions[0]]
    assert "result" in server.json("host.get_all", sessions[1])
    time.sleep(0.5)
    assert call(server, "host.get_all", sessions[1]) == ["SESSION_INVALID", sessions[1]]


def test_objects_survive_a_restart_and_sessions_do_not(launch: Callable[..., Server]) -> None:
    server = launch("--no-tls")
    session = server.login()
    (pool,) = session.xenapi.pool.get_all()
    given = {"SR": session.xenapi.pool.get_default_SR(pool), "virtual_size": "4194304", "type": "user"}
    vdi = session.xenapi.VDI.create(given | {"sharable": False, "read_only": False, "other_config": {"k": "v"}})
    before = session.xenapi.VDI.get_record(vdi)
    server.kill()
    again = launch("--no-tls")
    assert call(again, "VDI.get_all", session.handle) == ["SESSION_INVALID", session.handle]
    assert again.login().xenapi.VDI.get_record(vdi) == before


def test_tls_is_signed_by_itself_and_can_be_trusted(launch: Callable[..., Server]) -> None:
    server = launch()
    trusted = ssl.create_default_context(cafile=server.state / "xapi-ssl.crt")
    connection = http.client.HTTPSConnection(urlsplit(server.url).netloc, context=trusted, timeout=10)
    connection.request("POST", "/RPC2", dumps((), "system.listMethods"))
    with contextlib.closing(connection), connection.getresponse() as answer:
        assert answer.status == 200
    strange = http.client.HTTPSConnection(urlsplit(server.url).netloc, context=ssl.create_default_context(), timeout=10)
    with contextlib.closing(strange), pytest.raises(ssl.SSLCertVerificationError):
        strange.request("GET", "/")
    assert (server.state / "xapi-ssl.key").stat().st_mode & 0o077 == 0
    assert server.login().xenapi.host.get_all()


@pytest.mark.parametrize("depth", [1, 130])
def test_programs_of_the_host_reach_it_by_a_socket(tmp_path: Path, depth: int) -> None:
    """However long the path is: the address of a socket holds about 107 bytes."""
    server = start(tmp_path / ("x" * depth) / "state")
    directory = os.open(server.state, os.O_RDONLY)
    with contextlib.closing(http.client.HTTPConnection("localhost", timeout=10)) as connection:
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.connect(f"/proc/self/fd/{directory}/xapi.sock")
        connection.request("POST", "/", dumps(("root", PASSWORD), "session.login_with_password"))
        assert b"<value>Success</value>" in connection.getresponse().read()
    os.close(directory)
    server.stop()
    assert not (server.state / "xapi.sock").exists()
