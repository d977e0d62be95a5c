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
import requests
from ansible_collections.xenstack.image_services.plugins.module_utils._content.checksum_fetch import ChecksumFiles
from ansible_collections.xenstack.image_services.plugins.module_utils._content.http_put import put
from ansible_collections.xenstack.image_services.plugins.module_utils._content.source import FileSource, HttpSource
from ansible_collections.xenstack.image_services.plugins.module_utils._content.web import access_of, checksum_access
from ansible_collections.xenstack.image_services.plugins.module_utils._content.web_request import HTTP_ATTEMPTS, explain
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
        # Who has shown a certificate, and what was sent.
        self.clients: list[object] = []
        self.received = b""

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that goes away is none."""


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.asked += 1
        if isinstance(self.connection, ssl.SSLSocket):
            self.server.clients.append(self.connection.getpeercert())
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

    def do_PUT(self) -> None:
        self.server.received = self.rfile.read(int(self.headers["Content-Length"]))
        self.do_GET()

    def log_message(self, *_arguments: object) -> None:
        """Nobody reads it."""


@contextmanager
def serving(*script: tuple[int, Mapping[str, str]], tls: Path | None = None, clients: ssl.VerifyMode = ssl.CERT_NONE) -> Iterator[tuple[Server, int]]:
    """``clients`` says whether a certificate is asked of them, which is to be the server's own."""
    server = Server(*script)
    if tls is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tls)
        context.load_verify_locations(tls)
        context.verify_mode = clients
        server.socket = context.wrap_socket(server.socket, server_side=True)
    Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield server, server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One that nobody trusts, with its key. Beside it are both in files of their own, the key encrypted, another key, and what is neither."""
    directory = tmp_path_factory.mktemp("tls")
    names = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-addext", "keyUsage=critical,digitalSignature,keyCertSign"]
    elliptic = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1", *names]
    for name in ("own", "other"):
        files = ["-keyout", str(directory / f"{name}.key"), "-out", str(directory / f"{name}.crt")]
        subprocess.run(["openssl", "req", "-x509", *elliptic, *files], check=True, capture_output=True)
    encrypting = ["openssl", "pkcs8", "-topk8", "-in", str(directory / "own.key"), "-out", str(directory / "encrypted.key"), "-passout", "pass:secret"]
    subprocess.run(encrypting, check=True, capture_output=True)
    (directory / "text").write_text("no certificate\n", encoding="utf-8")
    path = directory / "own.pem"
    path.write_bytes((directory / "own.key").read_bytes() + (directory / "own.crt").read_bytes())
    return path


def options(certificate: Path, given: Mapping[str, object]) -> dict[str, object]:
    """Options of a task, with the names of files beside the certificate as paths."""
    return {option: str(certificate.with_name(value)) if isinstance(value, str) else value for option, value in given.items()}


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
        found = re.fullmatch(rf"Cannot read {kind} '{re.escape(uri)}': (.*)\. (Check \w+ from the host that the task runs on|[^.]* in url_ca_cert)\.", sentence)
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


CA, CLIENT = {"url_ca_cert": "own.crt"}, {"url_client_cert": "own.crt", "url_client_key": "own.key"}
NOT_TRUSTED = (
    r"the certificate of 127\.0\.0\.1:\d+ is not trusted \(self[- ]signed certificate\)\. Name the file of the authority that signed it in url_ca_cert\."
)


@pytest.mark.parametrize(
    ("given", "clients", "refused"),
    [
        (CA, ssl.CERT_NONE, None),
        ({"url_validate_certs": False}, ssl.CERT_NONE, None),
        ({**CA, "url_validate_certs": True}, ssl.CERT_NONE, None),
        ({"url_ca_cert": "other.crt", "url_validate_certs": False}, ssl.CERT_NONE, None),
        ({**CA, **CLIENT}, ssl.CERT_REQUIRED, None),
        ({**CA, "url_client_cert": "own.pem"}, ssl.CERT_REQUIRED, None),
        ({"url_validate_certs": False, **CLIENT}, ssl.CERT_REQUIRED, None),
        ({**CA, **CLIENT}, ssl.CERT_NONE, None),
        ({}, ssl.CERT_NONE, NOT_TRUSTED),
        ({"url_validate_certs": True}, ssl.CERT_NONE, NOT_TRUSTED),
        ({"url_ca_cert": "other.crt"}, ssl.CERT_NONE, r"the certificate of 127\.0\.0\.1:\d+ is not trusted"),
        (CLIENT, ssl.CERT_REQUIRED, NOT_TRUSTED),
        # In TLS 1.3 the refusal of a client comes at any time after its first request.
        (CA, ssl.CERT_REQUIRED, r"Cannot "),
        ({**CA, "url_client_cert": "other.crt", "url_client_key": "other.key"}, ssl.CERT_REQUIRED, r"Cannot "),
    ],
)
def test_whom_a_source_trusts_and_who_asks(
    certificate: Path, given: Mapping[str, object], clients: ssl.VerifyMode, refused: str | None, tmp_path: Path
) -> None:
    """Content, the list of its checksum and what is sent to an address, each over TLS."""
    access = access_of(options(certificate, given))
    (tmp_path / "disk").write_bytes(CONTENT)
    with serving(tls=certificate, clients=clients) as (server, port):
        uri = f"https://127.0.0.1:{port}/disk"
        uses = (
            lambda: b"".join(HttpSource(uri, JumpingClock(), access).blocks()) == CONTENT,
            lambda: ChecksumFiles(JumpingClock()).digest(uri, "sha256", None, checksum_access({"uri": uri, **options(certificate, given)}, uri)) == "a" * 64,
            lambda: put(uri, FileSource(str(tmp_path / "disk")), access, 60.0).size == len(server.received) == len(CONTENT),
        )
        for content, use in zip((CONTENT, b"a" * 64, b""), uses, strict=True):
            server.content = content
            if refused is None:
                assert use()
            else:
                with pytest.raises(ImageServicesError, match=refused) as excinfo:
                    use()
                assert not PYTHON.search(str(excinfo.value))
        assert all(bool(client) is (clients is ssl.CERT_REQUIRED) for client in server.clients)


def test_a_redirect_keeps_the_trust_and_another_server_gets_no_client_certificate(certificate: Path) -> None:
    access = access_of(options(certificate, {**CA, **CLIENT}))
    with serving(tls=certificate, clients=ssl.CERT_OPTIONAL) as (other, there), serving(tls=certificate, clients=ssl.CERT_OPTIONAL) as (own, here):
        own.script = [(302, {"Location": f"https://127.0.0.1:{here}/disk"}), (302, {"Location": f"https://127.0.0.1:{there}/disk"})]
        assert CONTENT.startswith(HttpSource(f"https://127.0.0.1:{here}/", JumpingClock(), access).head())
    assert [bool(client) for client in own.clients] == [True, True]
    assert [bool(client) for client in other.clients] == [False]


@pytest.mark.parametrize("given", [CA, {"url_validate_certs": False}])
def test_a_list_on_another_server_is_trusted_as_the_host_says(certificate: Path, given: Mapping[str, object]) -> None:
    """What vouches for the content of a server that is not verified must not come from another one that is not."""
    with serving(tls=certificate) as (server, port):
        server.content = b"a" * 64
        address = f"https://127.0.0.1:{port}/SHA256SUMS"
        for uri, trusted in ((f"https://127.0.0.1:{port}/disk", True), (None, True), ("https://mirror.example.org/disk", False)):
            access = checksum_access({"uri": uri, **options(certificate, given)}, address)
            if trusted:
                assert ChecksumFiles(JumpingClock()).digest(address, "sha256", "disk", access) == "a" * 64
            else:
                with pytest.raises(ImageServicesError, match=NOT_TRUSTED):
                    ChecksumFiles(JumpingClock()).digest(address, "sha256", "disk", access)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"url_ca_cert": "missing"}, "Cannot use url_ca_cert '{dir}/missing': No such file or directory. Give the path of a file in the form PEM on"),
        ({"url_ca_cert": ""}, "Cannot use url_ca_cert '{dir}': Is a directory. Give the path of a file in the form PEM on"),
        ({"url_ca_cert": "text"}, "Cannot use url_ca_cert '{dir}/text': it holds no certificate in the form PEM. Give the path of a file in the form PEM on"),
        ({"url_client_cert": "missing"}, "Cannot use url_client_cert '{dir}/missing': No such file or directory. Give the path"),
        ({"url_client_cert": "own.crt", "url_client_key": "missing"}, "Cannot use url_client_key '{dir}/missing': No such file or directory. Give the path"),
        ({"url_client_cert": "own.crt"}, "Cannot use url_client_cert '{dir}/own.crt': a certificate or its key is missing, not in the form PEM, or encrypted."),
        ({"url_client_cert": "text"}, "Cannot use url_client_cert '{dir}/text': a certificate or its key is missing, not in the form PEM, or encrypted."),
        ({"url_client_cert": "own.crt", "url_client_key": "encrypted.key"}, "Cannot use url_client_cert '{dir}/own.crt': a certificate or its key is missing,"),
        ({"url_client_cert": "own.crt", "url_client_key": "other.key"}, "Cannot use url_client_cert '{dir}/own.crt': url_client_key is the key of another"),
    ],
)
def test_files_of_certificates_are_looked_at_before_any_request(certificate: Path, given: Mapping[str, str], sentence: str) -> None:
    paths = {option: str(certificate.with_name(value) if value else certificate.parent) for option, value in given.items()}
    with pytest.raises(ImageServicesError) as excinfo:
        access_of(paths)
    assert str(excinfo.value).startswith(sentence.format(dir=certificate.parent))


@pytest.mark.parametrize(
    ("reason", "cause", "advice"),
    [
        ("WRONG_VERSION_NUMBER", "a:443 does not speak TLS", None),
        ("TLSV13_ALERT_CERTIFICATE_REQUIRED", "a:443 asks for a client certificate", "url_client_cert and url_client_key"),
        ("TLSV1_ALERT_UNKNOWN_CA", "a:443 does not take the client certificate (tlsv1 alert unknown ca)", "url_client_cert and url_client_key"),
        ("SSLV3_ALERT_BAD_CERTIFICATE", "a:443 does not take the client certificate (sslv3 alert bad certificate)", "url_client_cert and url_client_key"),
        ("SSLV3_ALERT_HANDSHAKE_FAILURE", "no TLS connection to a:443 (sslv3 alert handshake failure)", "which url_client_cert gives"),
        ("UNEXPECTED_EOF_WHILE_READING", "no TLS connection to a:443 (unexpected eof while reading)", None),
    ],
)
def test_what_a_server_says_of_tls(reason: str, cause: str, advice: str | None) -> None:
    broken = ssl.SSLError(1, "text")
    broken.reason = reason
    found = explain(requests.exceptions.SSLError(broken), "https://a/disk")
    assert (found.cause, found.passing) == (cause, False)
    assert found.advice is None if advice is None else advice in str(found.advice)


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (ssl.SSLEOFError(8, "EOF occurred in violation of protocol (_ssl.c:997)"), "the server ends it"),
        (ssl.SSLZeroReturnError(6, "TLS/SSL connection has been closed (EOF) (_ssl.c:1134)"), "the server ends it"),
        (ssl.SSLError(5, "A failure in the SSL library occurred (_ssl.c:1007)"), "it fails"),
    ],
)
def test_what_python_says_of_tls_is_not_shown(broken: ssl.SSLError, words: str) -> None:
    assert explain(requests.exceptions.SSLError(broken), "https://a/disk").cause == f"no TLS connection to a:443 ({words})"
