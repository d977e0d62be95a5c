# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the modules reach a pool, what they say when they cannot, and that they leave neither a session nor a task there."""

from __future__ import annotations

import http.server
import json
import os
import socket
import socketserver
import subprocess
import sys
import threading
import xmlrpc.client
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.xenstack.image_services.plugins.module_utils._core.errors import ImageServicesError
from ansible_collections.xenstack.image_services.plugins.module_utils._core.wait import Clock
from ansible_collections.xenstack.image_services.plugins.module_utils._xapi.failures import XapiFailure
from ansible_collections.xenstack.image_services.plugins.module_utils._xapi.session import Pool
from ansible_collections.xenstack.image_services.plugins.module_utils._xapi.tasks import Task
from ansible_collections.xenstack.image_services.tests.support.deployment import ROOT
from ansible_collections.xenstack.image_services.tests.support.modules import run_module
from ansible_collections.xenstack.image_services.tests.support.xapi import MIB, PASSWORD, PoolUnderTest, start


def refusal(pool: PoolUnderTest, **options: Any) -> str:
    """The sentence with which a login ends, after which the pool is as it was."""
    with pool.nothing_left(), pytest.raises(ImageServicesError) as caught, Pool(pool.params(**options)):
        pass
    assert PASSWORD not in str(caught.value)
    return str(caught.value)


def reached(pool: PoolUnderTest, url: str = "", **options: Any) -> None:
    with pool.nothing_left(), Pool(pool.params(**options)) as api:
        assert api.url == (url or pool.server.url)
        assert api.version == (2, 21)


def disk(pool: PoolUnderTest, **fields: Any) -> dict[str, Any]:
    (record,) = pool.api.pool.get_all_records().values()
    size = {"virtual_size": 8 * MIB, "type": "user", "sharable": False, "read_only": False, "other_config": {}}
    return {"SR": record["default_SR"], "name_label": "of a test", **size, **fields}


def test_a_pool_that_signed_its_own_certificate_is_refused(pool: PoolUnderTest) -> None:
    said = refusal(pool, ca_path=None)
    assert "not trusted (self-signed certificate)" in said
    assert pool.fingerprint in said
    assert "ca_path" in said
    assert "fingerprint after comparing it" in said


def test_such_a_pool_is_reached_by_its_certificate_or_its_fingerprint(pool: PoolUnderTest) -> None:
    reached(pool)
    named = pool.server.url.replace("127.0.0.1", "localhost")
    reached(pool, named, hostname=f"{named}/")
    bare = pool.fingerprint.replace(":", "").lower()
    for given in ([pool.fingerprint], [bare], ["0" * 64, f"SHA256:{bare}"]):
        reached(pool, ca_path=None, fingerprint=given)


def test_validate_certs_false_trusts_whoever_answers(pool: PoolUnderTest) -> None:
    reached(pool, ca_path=None, validate_certs=False)


@pytest.mark.parametrize("validate_certs", [True, False])
def test_another_certificate_than_the_pinned_one_gets_no_password(pool: PoolUnderTest, validate_certs: bool) -> None:
    said = refusal(pool, fingerprint=["0" * 64], validate_certs=validate_certs)
    assert f"fingerprint {pool.fingerprint}, which is not the one given" in said


def test_a_certificate_must_name_the_host_unless_it_is_pinned(pool: PoolUnderTest, monkeypatch: pytest.MonkeyPatch) -> None:
    port = pool.server.url.rpartition(":")[2]
    known = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, *rest, **named: known("127.0.0.1" if host == "pool.example" else host, *rest, **named))
    assert "Hostname mismatch" in refusal(pool, hostname=f"pool.example:{port}")
    with Pool(pool.params(hostname=f"pool.example:{port}", ca_path=None, fingerprint=[pool.fingerprint])) as api:
        assert api.default_sr()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"hostname": "xen 1"}, "hostname 'xen 1': it is not the address of a host"),
        ({"hostname": "ftp://xen1"}, "it is not the address of a host"),
        ({"hostname": "root:secret@xen1"}, "it is not the address of a host"),
        ({"hostname": "xen1:99999"}, "it is not the address of a host"),
        ({"hostname": "http://127.0.0.1"}, "http:// shows no certificate"),
        ({"fingerprint": ["ab:cd"]}, "it is not a SHA-256 fingerprint"),
        ({"ca_path": "/nonexistent/ca.pem"}, "ca_path '/nonexistent/ca.pem': No such file or directory"),
        ({"ca_path": str(ROOT / "galaxy.yml")}, "it holds no certificate in PEM form"),
    ],
)
def test_bad_options_are_refused_before_a_connection_is_made(pool: PoolUnderTest, options: dict[str, Any], words: str) -> None:
    assert words in refusal(pool, **options)


def test_a_wrong_password_is_named_as_such(pool: PoolUnderTest) -> None:
    assert "the pool refuses this user name and password. Check username and password" in refusal(pool, password="wrong")
    assert "Check username and password" in refusal(pool, username="nobody")


def test_a_member_sends_to_the_coordinator(pool: PoolUnderTest) -> None:
    reached(pool, hostname=pool.server.member)
    assert "Check username and password" in refusal(pool, hostname=pool.server.member, password="wrong")


@contextmanager
def listening(handler: type[socketserver.BaseRequestHandler]) -> Iterator[int]:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()


class Website(http.server.BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.send_response(404)
        self.end_headers()
        self.wfile.write(b"<html>nothing here</html>")

    def log_message(self, *dummy: Any) -> None:
        pass


class Greeting(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        self.request.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")
        self.request.shutdown(socket.SHUT_WR)
        # What is not read would reset the connection, and the greeting might be lost.
        while self.request.recv(1 << 16):
            pass


class OtherXml(Website):
    def do_POST(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"<?xml version='1.0'?><methodResponse><params><param><value>hello</value></param></params></methodResponse>")


class Garbage(Website):
    def do_POST(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"\x00\xff not XML")


class Silence(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        self.request.recv(1 << 16)
        # Until the client has given up.
        while self.request.recv(1 << 16):
            pass


@pytest.mark.parametrize("handler", [Website, Greeting, OtherXml, Garbage])
def test_what_is_no_pool_is_said_to_be_none(pool: PoolUnderTest, handler: type[socketserver.BaseRequestHandler]) -> None:
    with listening(handler) as port:
        said = refusal(pool, hostname=f"127.0.0.1:{port}")
        assert "it does not speak TLS as expected" in said
        assert "http://" in said
        said = refusal(pool, hostname=f"http://127.0.0.1:{port}", ca_path=None)
        assert f"pool 'http://127.0.0.1:{port}'" in said
        assert "it answers session.login_with_password with HTTP 404" in said if handler is Website else "what answers there is no XAPI" in said


def test_a_server_that_says_nothing_is_not_waited_for_without_end(pool: PoolUnderTest) -> None:
    with listening(Silence) as port:
        for prefix in ("https", "http"):
            ca_path = str(pool.certificate) if prefix == "https" else None
            assert "it does not answer" in refusal(pool, hostname=f"{prefix}://127.0.0.1:{port}", timeout=1, ca_path=ca_path)


def test_nobody_at_home(pool: PoolUnderTest) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        assert "connection refused. See that the host is up" in refusal(pool, hostname=f"127.0.0.1:{taken.getsockname()[1]}")
    assert "its name is not found" in refusal(pool, hostname="pool.invalid")


def test_a_lost_session_is_made_again_for_what_reads(pool: PoolUnderTest) -> None:
    with pool.nothing_left(), Pool(pool.params()) as api:
        first = api.session_ref
        pool.fault(kind="session_lost")
        assert api.call("VDI.get_all") == []
        assert api.session_ref != first
    assert pool.clear_faults() == []


def test_a_lost_session_ends_what_writes_and_not_what_gives_back(pool: PoolUnderTest) -> None:
    wanted = disk(pool)
    with pool.nothing_left(), Pool(pool.params()) as api:
        pool.fault(kind="session_lost")
        with pytest.raises(ImageServicesError, match=r"Cannot call XAPI 'VDI\.create': the pool has ended the session\. Run the task again\."):
            api.call("VDI.create", wanted)
        made = api.call("VDI.create", wanted)
        pool.fault(kind="session_lost")
        api.call("VDI.destroy", made)
    assert pool.clear_faults() == []


@pytest.mark.parametrize("after", range(5))
def test_a_task_goes_on_when_its_session_is_lost(pool: PoolUnderTest, after: int) -> None:
    with pool.nothing_left(), Pool(pool.params()) as api:
        made = api.run("VDI.create", disk(pool))
        pool.fault(kind="session_lost", after=after)
        try:
            api.run("VDI.destroy", made)
        except ImageServicesError:
            assert after == 0, "only the call that starts the task may fail"
            api.run("VDI.destroy", made)


def test_a_task_that_fails_says_why_and_goes(pool: PoolUnderTest) -> None:
    with pool.nothing_left(), Pool(pool.params()) as api:
        pool.fault(kind="sr_full", method="VDI.create")
        with pytest.raises(XapiFailure) as caught:
            api.run("VDI.create", disk(pool))
        said = str(caught.value.explained("create", "VDI", "x"))
        assert said == "Cannot create VDI 'x': the SR has no room left (There is insufficient space). Free space in it, or choose another SR."


def test_a_failure_that_nobody_put_into_words_is_a_sentence_nonetheless(pool: PoolUnderTest) -> None:
    with pytest.raises(ImageServicesError, match=r"Cannot use pool '127.*': there is no VDI with the uuid nope\. Check the uuid\."), Pool(pool.params()) as api:
        api.call("VDI.get_by_uuid", "nope")


class Jumping(Clock):
    """Its sleeps pass at once."""

    time = 0.0

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += seconds


def test_a_task_that_stands_still_is_given_up(pool: PoolUnderTest) -> None:
    said = r"Cannot finish task 'import of x': its progress has been 0% \(pending\) for 60 seconds\..* raise timeout\."
    with pool.nothing_left(), Pool(pool.params(timeout=60), Jumping()) as api, Task(api, "a transfer") as task, pytest.raises(ImageServicesError, match=said):
        task.wait("import of x")


class Interrupted(Clock):
    struck = False

    def sleep(self, seconds: float) -> None:
        if not self.struck:
            self.struck = True
            raise KeyboardInterrupt
        super().sleep(seconds)


def test_an_interruption_takes_back_what_the_task_makes(pool: PoolUnderTest) -> None:
    wanted = disk(pool)
    # Too late to be cancelled: the disk is made.
    pool.fault(kind="slow", method="VDI.create", seconds=0.3)
    with pool.nothing_left(), pytest.raises(KeyboardInterrupt), Pool(pool.params(timeout=60), Interrupted()) as api:
        api.run("VDI.create", wanted, undo="VDI.destroy")


class Breaking(http.server.BaseHTTPRequestHandler):
    """Answers the login, and drops the connection at whatever comes next."""

    protocol_version = "HTTP/1.1"
    calls: list[str] = []

    def do_POST(self) -> None:
        _given, method = xmlrpc.client.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.calls.append(str(method))
        if not str(method).startswith("session."):
            self.close_connection = True
            return
        body = xmlrpc.client.dumps(({"Status": "Success", "Value": "OpaqueRef:session"},), methodresponse=True).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *dummy: Any) -> None:
        pass


def test_a_call_that_may_have_been_heard_is_not_made_twice(pool: PoolUnderTest) -> None:
    with listening(Breaking) as port, Pool(pool.params(hostname=f"http://127.0.0.1:{port}", ca_path=None)) as api:
        for method, times in (("VDI.create", 1), ("VDI.get_all", 2)):
            Breaking.calls.clear()
            with pytest.raises(ImageServicesError, match="it has closed the connection"):
                api.call(method)
            assert Breaking.calls == [method] * times


def test_a_connection_that_the_pool_has_closed_meanwhile_is_made_anew(tmp_path: Path) -> None:
    server = start(tmp_path / "state", "--no-tls")
    try:
        options = {"hostname": server.url, "username": "root", "password": PASSWORD, "timeout": 20}
        with Pool(options) as api:
            assert api.default_sr()
            server.stop()
            server = start(tmp_path / "state", "--no-tls", "--listen", server.url.removeprefix("http://"))
            # Sessions end with the server: the first call finds a closed connection, then no session.
            assert api.default_sr()
    finally:
        server.stop()


def test_the_environment_says_which_pool(pool: PoolUnderTest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XENSERVER_HOST", pool.server.url)
    monkeypatch.setenv("XENSERVER_USER", "root")
    monkeypatch.setenv("XENSERVER_PASSWORD", PASSWORD)
    with pool.nothing_left():
        assert run_module("xen_sr_info", {"ca_path": str(pool.certificate)}).succeeded()["srs"][0]["name"] == "Local storage"
        monkeypatch.setenv("XENSERVER_VALIDATE_CERTS", "false")
        assert run_module("xen_sr_info", {}).succeeded()["srs"]


def test_no_secret_is_shown_at_full_verbosity(pool: PoolUnderTest, tmp_path: Path) -> None:
    options = pool.options()
    variables = tmp_path / "variables.json"
    variables.write_text(json.dumps({"good": options, "bad": options | {"password": "another-pass-word"}, "untrusted": options | {"ca_path": None}}))
    tasks = [
        {"xenstack.image_services.xen_sr_info": None, "args": "{{ good }}", "register": "kept"},
        {"xenstack.image_services.xen_sr_info": None, "args": "{{ bad }}", "ignore_errors": True},
        {"xenstack.image_services.xen_sr_info": None, "args": "{{ untrusted }}", "ignore_errors": True},
        {"xenstack.image_services.xen_sr_info": None, "args": "{{ good | combine({'fingerprint': 'x', 'nonsense': 1}) }}", "ignore_errors": True},
        {"ansible.builtin.debug": {"var": "kept"}},
    ]
    local = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    playbook = tmp_path / "play.yml"
    playbook.write_text(json.dumps([{"hosts": "localhost", "gather_facts": False, "vars": local, "tasks": tasks}]))
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("ANSIBLE_", "OS_", "XENSERVER_"))}
    environment = {**kept, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_LOG_PATH": str(tmp_path / "ansible.log")}
    command = [str(Path(sys.executable).with_name("ansible-playbook")), "-i", "localhost,", "-vvvv", "--diff", "-e", f"@{variables}", str(playbook)]
    with pool.nothing_left():
        done = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    assert done.returncode == 0, done.stdout
    shown = done.stdout + (tmp_path / "ansible.log").read_text()
    assert "the pool refuses this user name and password" in shown
    for secret in (PASSWORD, "another-pass-word", "OpaqueRef:"):
        assert secret not in shown
