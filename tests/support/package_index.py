# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A package index behind TLS, whose certificate is from an authority that nobody trusts, and a proxy that leads to it alone."""

from __future__ import annotations

import base64
import hashlib
import http.server
import io
import socket
import ssl
import threading
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.xenstack.image_services.tests.support.authority import certificates

# A name that nobody but the proxy knows.
NAME = "packages.invalid"


def wheel(name: str, version: str = "1.0") -> tuple[str, bytes]:
    """The file of a package that holds nothing but a module of its name."""
    info = f"{name}-{version}.dist-info"
    files = {
        f"{name}.py": "",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    digests = {path: base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode() for path, text in files.items()}
    files[f"{info}/RECORD"] = "".join(f"{path},sha256={digests[path]},{len(files[path])}\n" for path in digests) + f"{info}/RECORD,,\n"
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)
    return f"{name}-{version}-py3-none-any.whl", content.getvalue()


@dataclass
class PackageIndex:
    """``asked`` are the paths that were asked for, ``connected`` what the proxy was asked to connect to."""

    port: int
    proxy_port: int
    authority: Path
    wheels: dict[str, bytes]
    asked: list[str] = field(default_factory=list)
    connected: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}/simple"

    @property
    def hidden_url(self) -> str:
        """Where only the proxy leads."""
        return f"https://{NAME}/simple"

    @property
    def proxy(self) -> str:
        return f"http://127.0.0.1:{self.proxy_port}"

    def requirement(self, name: str) -> str:
        """A line of a lock file."""
        (content,) = (content for file, content in self.wheels.items() if file.startswith(f"{name}-"))
        return f"{name}==1.0 --hash=sha256:{hashlib.sha256(content).hexdigest()}\n"

    def answer(self, path: str) -> bytes | None:
        parts = path.strip("/").split("/")
        if len(parts) == 2 and parts[0] == "simple":
            files = [file for file in self.wheels if file.startswith(f"{parts[1]}-")]
            return "".join(f'<a href="/files/{file}">{file}</a>\n' for file in files).encode() if files else None
        return self.wheels.get(parts[-1])


@contextmanager
def package_index(directory: Path, names: Sequence[str]) -> Iterator[PackageIndex]:
    """Serves a wheel of each name, version 1.0."""
    authority, certificate = certificates(directory, NAME)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            index.asked.append(self.path)
            content = index.answer(self.path)
            self.send_response(200 if content is not None else 404)
            self.send_header("Content-Type", "text/html" if self.path.startswith("/simple") else "application/octet-stream")
            self.send_header("Content-Length", str(len(content or b"")))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content or b"")

        do_HEAD = do_GET  # noqa: N815 - the server asks for this name

        def log_message(self, format: str, *args: Any) -> None:
            pass

    class Proxy(http.server.BaseHTTPRequestHandler):
        def do_CONNECT(self) -> None:
            index.connected.append(self.path)
            with socket.create_connection(("127.0.0.1", index.port)) as far:
                self.send_response(200)
                self.end_headers()
                back = threading.Thread(target=_copy, args=(far, self.connection), daemon=True)
                back.start()
                _copy(self.connection, far)
                back.join()
            self.close_connection = True

        def log_message(self, format: str, *args: Any) -> None:
            pass

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with _Server(("127.0.0.1", 0), Handler) as server, _Server(("127.0.0.1", 0), Proxy) as proxy:
        # The handshake of one client must not hold up others.
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        index = PackageIndex(server.server_address[1], proxy.server_address[1], authority, dict(map(wheel, names)))
        for each in (server, proxy):
            threading.Thread(target=each.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        try:
            yield index
        finally:
            for each in (server, proxy):
                each.shutdown()


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that does not trust the certificate goes away."""


def _copy(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(1 << 16):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass
