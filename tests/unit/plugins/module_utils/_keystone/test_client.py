# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sentences of the client of Keystone, and what it repeats, against a server that answers as it is told."""

from __future__ import annotations

import itertools
import json
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.xenstack.image_services.plugins.module_utils._core.errors import ImageServicesError
from ansible_collections.xenstack.image_services.plugins.module_utils._glance import http
from ansible_collections.xenstack.image_services.plugins.module_utils._keystone import client
from ansible_collections.xenstack.image_services.plugins.module_utils._keystone.plan import Change
from ansible_collections.xenstack.image_services.tests.support.authority import certificates

SECRET = "a-secret-word"
TOKEN = {"token": {"methods": ["password"], "expires_at": "2999-01-01T00:00:00.000000Z", "issued_at": "2020-01-01T00:00:00.000000Z", "user": {}}}


class Keystone(ThreadingHTTPServer):
    """Gives a token to whoever has the secret word; ``answers`` come first, in their order."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers: list[tuple[int, dict[str, Any]]] = []
        self.requests: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    server: Keystone

    def answer(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"{}")
        self.server.requests.append(f"{self.command} {self.path}")
        headers = {"x-openstack-request-id": "req-1"}
        if self.server.answers:
            status, answer = self.server.answers.pop(0)
        elif "auth" in body:
            accepted = body["auth"]["identity"]["password"]["user"]["password"] == SECRET
            status, answer = (201, TOKEN) if accepted else (401, {"error": {"message": "The request you have made requires authentication."}})
            headers["X-Subject-Token"] = "a-token"
        else:
            status, answer = 200, {"projects": [], "users": [], "roles": [], "services": [], "endpoints": [], "role_assignments": []}
        text = json.dumps(answer).encode()
        self.send_response(status)
        for name, value in {**headers, "Content-Type": "application/json", "Content-Length": str(len(text))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_POST = do_PATCH = do_PUT = answer  # noqa: N815

    def log_message(self, *_args: Any) -> None:
        """Tests stay quiet."""


@pytest.fixture
def keystone(monkeypatch: pytest.MonkeyPatch) -> Iterator[Keystone]:
    monkeypatch.setattr(http, "pauses", lambda: itertools.repeat(0.0))
    with Keystone() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def logged_in(url: str, password: str = SECRET, validate_certs: bool = True) -> client.KeystoneClient:
    made = client.KeystoneClient(url, username="admin", password=password, project="admin", domain="default", validate_certs=validate_certs, timeout=5)
    made.log_in()
    return made


@pytest.mark.parametrize("suffix", ["", "/", "/v3", "/v3/"])
def test_one_login_is_enough(keystone: Keystone, suffix: str) -> None:
    logged_in(keystone.url + suffix).read({})
    assert keystone.requests == [
        "POST /v3/auth/tokens",
        *(f"GET /v3/{path}" for path in ("projects?domain_id=default", "users?domain_id=default", "roles", "services", "endpoints")),
        "GET /v3/role_assignments?include_names=true",
    ]


def test_a_password_that_is_refused(keystone: Keystone) -> None:
    with pytest.raises(ImageServicesError) as excinfo:
        logged_in(keystone.url, "another-secret-word")
    assert str(excinfo.value).startswith(f"Cannot log in to Keystone '{keystone.url}/v3': the identity service refused: The request you have made requires")
    assert str(excinfo.value).endswith("Check that it runs, the URL, and user 'admin', its password and project.")
    assert (excinfo.value.code, excinfo.value.request_id) == (401, "req-1")
    assert "another-secret-word" not in str(excinfo.value.as_result())
    assert not logged_in(keystone.url).accepts("somebody", "another-secret-word")
    assert logged_in(keystone.url).accepts("somebody", SECRET)


def test_reads_and_logins_wait_for_a_busy_keystone(keystone: Keystone) -> None:
    keystone.answers = [(503, {}), (503, {})]
    session = logged_in(keystone.url)
    keystone.answers = [(503, {}), (502, {})]
    assert session.read({}).projects == {}


def test_a_change_is_sent_once_and_its_refusal_is_a_sentence(keystone: Keystone) -> None:
    session = logged_in(keystone.url)
    keystone.answers = [(503, {"error": {"message": "Busy."}}), (409, {"error": {"message": "Duplicate entry."}})]
    for status, reason in ((503, "503 Service Unavailable: Busy."), (409, "409 Conflict: Duplicate entry.")):
        with pytest.raises(ImageServicesError) as excinfo:
            session.apply(Change("create", "user", "glance", {"password": SECRET}))
        assert str(excinfo.value) == f"Cannot create user 'glance': Keystone answered {reason} Read Keystone's log."
        assert (excinfo.value.code, excinfo.value.request_id) == (status, "req-1")
    assert keystone.requests.count("POST /v3/users") == 2


def test_nobody_answers(keystone: Keystone) -> None:
    keystone.server_close()
    keystone.shutdown()
    with pytest.raises(
        ImageServicesError, match=rf"^Cannot log in to Keystone '{keystone.url}/v3': no answer from {keystone.url} \(\[Errno 111\] Connection refused\)"
    ):
        logged_in(keystone.url)


@pytest.mark.filterwarnings("error")
def test_the_authorities_of_the_host_are_trusted_and_no_others(keystone: Keystone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority, certificate = certificates(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    keystone.socket = context.wrap_socket(keystone.socket, server_side=True)
    url = keystone.url.replace("http:", "https:")
    with pytest.raises(ImageServicesError, match="no secure connection to https://127.0.0.1:.*CERTIFICATE_VERIFY_FAILED") as excinfo:
        logged_in(url)
    assert excinfo.value.code == "tls"
    monkeypatch.setenv("SSL_CERT_FILE", str(authority))
    logged_in(url)
    monkeypatch.delenv("SSL_CERT_FILE")
    logged_in(url, validate_certs=False).read({})


def test_the_library_is_asked_for_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "KEYSTONEAUTH_IMPORT_ERROR", "no such module")
    with pytest.raises(ImageServicesError, match="keystoneauth1"):
        logged_in("http://127.0.0.1:1")
