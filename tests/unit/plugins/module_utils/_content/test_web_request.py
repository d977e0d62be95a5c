# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Servers that are busy, break or refuse: what passes is asked again, and each cause has words of its own, none of them Python's."""

from __future__ import annotations

import gzip
import re
import socket
import ssl
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from ansible_collections.xenstack.image_services.plugins.module_utils._content.checksum_fetch import ChecksumFiles
from ansible_collections.xenstack.image_services.plugins.module_utils._content.source import HttpSource
from ansible_collections.xenstack.image_services.plugins.module_utils._content.web_request import HTTP_ATTEMPTS
from ansible_collections.xenstack.image_services.plugins.module_utils._core.errors import ImageServicesError
from ansible_collections.xenstack.image_services.plugins.module_utils._core.wait import MAX_RETRY_AFTER
from ansible_collections.xenstack.image_services.tests.support.clocks import JumpingClock

CONTENT = bytes(range(256)) * 400
# A class of Python's or a library's, and the way Python writes an error.
PYTHON = re.compile(r"[A-Z]\w+(Error|Exception|Timeout|Redirects)|\[Errno|object at|\(\)|_ssl|HTTPConnection")


class Server(ThreadingHTTPServer):
    """Answers from a list of statuses with headers, then with the content; a status of 0 closes the connection."""

    def __init__(self, *script: tuple[int, Mapping[str, str]]) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.script = list(script)
        self.headers: Mapping[str, str] = {}
        self.content = CONTENT
        self.asked = 0

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that goes away is none."""


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.asked += 1
        status, headers = self.server.script.pop(0) if self.server.script else (200, self.server.headers)
        if status == 0:
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        body = self.server.content if status == 200 else b""
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def do_CONNECT(self) -> None:
        self.do_GET()

    def log_message(self, *_arguments: object) -> None:
        """Nobody reads it."""


@contextmanager
def serving(*script: tuple[int, Mapping[str, str]], tls: Path | None = None) -> Iterator[tuple[Server, int]]:
    server = Server(*script)
    if tls is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tls)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield server, server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One that nobody trusts, with its key."""
    path = tmp_path_factory.mktemp("tls") / "own.pem"
    names = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", str(path), "-out", str(path.with_suffix(".crt")), "-days", "1", *names]
    subprocess.run(command, check=True, capture_output=True)
    path.write_bytes(path.read_bytes() + path.with_suffix(".crt").read_bytes())
    return path


def refusal(uri: str, clock: JumpingClock | None = None) -> str:
    """The sentence of a source, of which a checksum file at this address has the same cause."""
    causes = set()
    with pytest.raises(ImageServicesError) as source:
        HttpSource(uri, clock or JumpingClock()).head()
    with pytest.raises(ImageServicesError) as checksum:
        ChecksumFiles(JumpingClock()).digest(uri, "sha256", "disk")
    for kind, error in (("uri", source), ("checksum file", checksum)):
        sentence = str(error.value)
        assert not PYTHON.search(sentence), sentence
        found = re.fullmatch(rf"Cannot read {kind} '{re.escape(uri)}': (.*)\. Check \w+ from the host that the task runs on\.", sentence)
        assert found, sentence
        causes.add(found[1])
    (cause,) = causes
    return cause


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504, 0])
def test_what_passes_is_asked_again(status: int) -> None:
    clock = JumpingClock()
    with serving((status, {}), (status, {})) as (server, port):
        assert CONTENT.startswith(HttpSource(f"http://127.0.0.1:{port}/disk", clock).head())
        assert server.script == []
    assert clock.slept == [2.0, 4.0]


def test_a_checksum_file_is_asked_for_again() -> None:
    clock = JumpingClock()
    with serving((503, {"Retry-After": "7"}), (429, {})) as (server, port):
        server.content = b"a" * 64 + b"  disk\n"
        assert ChecksumFiles(clock).digest(f"http://127.0.0.1:{port}/SHA256SUMS", "sha256", "disk") == "a" * 64
    assert clock.slept == [7.0, 4.0]


@pytest.mark.parametrize(
    ("told", "pause"),
    [
        ("9", 9.0),
        ("1", 2.0),
        ("100000", MAX_RETRY_AFTER),
        ("soon", 2.0),
        ("-5", 2.0),
        ("Wed, 01 Jan 2121 00:00:00 GMT", MAX_RETRY_AFTER),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 2.0),
        ("Thu, 01 Jan 99999 00:00:00 GMT", 2.0),
    ],
)
def test_the_pause_that_a_server_asks_for(told: str, pause: float) -> None:
    clock = JumpingClock()
    with serving((503, {"Retry-After": told})) as (_server, port):
        HttpSource(f"http://127.0.0.1:{port}/disk", clock).head()
    assert clock.slept == [pause]


def test_it_is_given_up_in_the_end() -> None:
    clock = JumpingClock()
    with serving(*[(503, {})] * 2 * HTTP_ATTEMPTS) as (server, port):
        assert refusal(f"http://127.0.0.1:{port}/disk", clock) == "the server answered 503 Service Unavailable"
        assert server.asked == 2 * HTTP_ATTEMPTS
    assert clock.slept == [2.0, 4.0, 8.0, 15.0]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 501])
def test_a_final_refusal_is_final(status: int) -> None:
    clock = JumpingClock()
    with serving((status, {}), (status, {})) as (server, port):
        assert refusal(f"http://127.0.0.1:{port}/disk", clock).startswith(f"the server answered {status} ")
        assert (server.asked, clock.slept) == (2, [])


def test_a_compressed_file_that_is_declared_as_encoded_is_taken_as_it_is_stored() -> None:
    """As Apache declares what ends in .gz."""
    with serving() as (server, port):
        server.headers, server.content = {"Content-Encoding": "gzip"}, gzip.compress(CONTENT)
        source = HttpSource(f"http://127.0.0.1:{port}/disk.gz", JumpingClock())
        assert (source.size, b"".join(source.blocks())) == (len(server.content), server.content)


def test_each_cause_has_its_words(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    assert refusal("http://nowhere.invalid/disk") == "host 'nowhere.invalid' is not known"
    with socket.create_server(("127.0.0.1", 0)) as listener:
        closed = listener.getsockname()[1]
    assert refusal(f"http://127.0.0.1:{closed}/disk") == f"nothing listens at 127.0.0.1:{closed}"
    with serving(tls=certificate) as (_server, port):
        assert re.fullmatch(rf"the certificate of 127\.0\.0\.1:{port} is not trusted \(self[- ]signed certificate\)", refusal(f"https://127.0.0.1:{port}/disk"))
        assert refusal(f"http://127.0.0.1:{port}/disk") == f"127.0.0.1:{port} closes the connection without an answer, as a server does that expects https"
    with serving() as (_server, port):
        assert refusal(f"https://127.0.0.1:{port}/disk") == f"127.0.0.1:{port} does not speak TLS"
    with serving((403, {}), (403, {})) as (_server, port):
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{port}")
        assert refusal("https://mirror.example.org/disk") == "the proxy does not pass the request on (tunnel connection failed: 403 forbidden)"
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{closed}")
    assert refusal("https://mirror.example.org/disk") == "the proxy cannot be reached"


def test_the_host_of_a_redirect_is_the_one_that_is_named() -> None:
    with serving(*[(302, {"Location": "http://other.invalid/disk"})] * 2) as (_server, port):
        assert refusal(f"http://127.0.0.1:{port}/disk") == "host 'other.invalid' is not known"
