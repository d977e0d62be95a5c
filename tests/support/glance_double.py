# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""An image service of one process that does to each request what a test has planned, for faults that a real Glance does not have on demand."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import re
import socket
import ssl
import struct
import sys
import termios
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

PIECE = 64 * 1024


@dataclass
class Plan:
    """What to do to one GET of data (or one PUT)."""

    status: int | None = None
    drop_after: int | None = None
    redirect: str | None = None
    ranges: bool = True
    chunked: bool = False
    length: bool = True
    # Sends no more after so many bytes until the double ends, or until go is set.
    stall_after: int | None = None
    wrong_range: bool = False
    # The end of what is sent is told to lie behind the end of all.
    wrong_end: bool = False


@dataclass
class GlanceDouble:
    certificate: Path | None = None
    key: Path | None = None
    data: dict[str, bytes] = field(default_factory=dict)
    records: dict[str, dict[str, Any]] = field(default_factory=dict)
    plans: list[Plan] = field(default_factory=list)
    # Method, path and headers of every request.
    requests: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    # What an active image says wrongly of itself.
    lie: dict[str, Any] = field(default_factory=dict)
    # What was patched.
    described: dict[str, dict[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.go, self.stalled, self.lock = threading.Event(), threading.Event(), threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (Handler,), {"double": self}))
        self._server.daemon_threads = False
        if self.certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(self.certificate, self.key)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    @property
    def url(self) -> str:
        return f"{'https' if self.certificate else 'http'}://127.0.0.1:{self._server.server_address[1]}"

    def put(self, image: str, data: bytes) -> dict[str, Any]:
        """An active image; gives the download's field of that name."""
        digest = hashlib.sha512(data).hexdigest()
        self.data[image] = data
        self.records[image] = {"id": image, "status": "active", "size": len(data), "os_hash_algo": "sha512", "os_hash_value": digest}
        return {"id": image, "size": len(data), "digest": {"algorithm": "sha512", "value": digest}}

    def queue(self, image: str) -> str:
        self.records[image] = {"id": image, "status": "queued", "size": None, "os_hash_algo": None, "os_hash_value": None}
        return f"{self.url}/v2/images/{image}"

    def source(self, image: str, **more: Any) -> dict[str, Any]:
        return {"url": f"{self.url}/v2/images/{image}/file", "headers": {"X-Auth-Token": "the-token"}} | more

    def asked(self, method: str) -> list[dict[str, str]]:
        return [headers for each, _path, headers in self.requests if each == method]

    def close(self) -> None:
        self.go.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class Handler(BaseHTTPRequestHandler):
    double: GlanceDouble
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def handle(self) -> None:
        with contextlib.suppress(OSError):
            super().handle()

    def handle_one_request(self) -> None:
        self.close_connection = True
        super().handle_one_request()
        self.close_connection = True

    def finish(self) -> None:
        with contextlib.suppress(OSError):
            super().finish()

    def note(self) -> Plan:
        with self.double.lock:
            self.double.requests.append((self.command, self.path, {name.lower(): value for name, value in self.headers.items()}))
            return self.double.plans.pop(0) if self.path.partition("?")[0].endswith("/file") and self.double.plans else Plan()

    def answer(self, status: int, body: bytes = b"", headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(body)), "Connection": "close"} | (headers or {})).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    @property
    def image(self) -> str:
        found = re.match(r"/v2/images/([^/?]+)", self.path)
        return found[1] if found else ""

    def drop(self) -> None:
        """A reset, once all that was sent has reached the other side: a reset loses what has not."""
        until = time.monotonic() + 10
        while self.waiting() and time.monotonic() < until:
            time.sleep(0.005)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        raise OSError

    def waiting(self) -> int:
        """Bytes in the kernel that the other side has not got."""
        return int.from_bytes(fcntl.ioctl(self.connection.fileno(), termios.TIOCOUTQ, bytes(4)), sys.byteorder)

    def do_GET(self) -> None:
        plan = self.note()
        if plan.redirect:
            return self.answer(302, headers={"Location": plan.redirect})
        if plan.status or self.image not in self.double.records:
            return self.answer(plan.status or 404)
        if not self.path.partition("?")[0].endswith("/file"):
            record = self.double.records[self.image]
            return self.answer(200, json.dumps(record | (self.double.lie if record["status"] == "active" else {})).encode())
        return self.give(plan, self.double.data[self.image])

    def give(self, plan: Plan, data: bytes) -> None:
        wanted = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        start = int(wanted[1]) if wanted and plan.ranges else 0
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start + plan.wrong_range}-{len(data) - 1 + plan.wrong_end}/{len(data)}")
        if plan.chunked:
            self.send_header("Transfer-Encoding", "chunked")
        elif plan.length:
            self.send_header("Content-Length", str(len(data) - start))
        self.send_header("Connection", "close")
        self.end_headers()
        for sent, piece in self.pieces(data[start:]):
            for limit in (plan.drop_after, plan.stall_after):
                if limit is not None and sent + len(piece) >= limit:
                    self.wfile.write(piece[: limit - sent])
                    self.wfile.flush()
                    if limit == plan.drop_after:
                        self.drop()
                    self.double.stalled.set()
                    assert self.double.go.wait(60)
                    raise OSError
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece) if plan.chunked else piece)
        if plan.chunked:
            self.wfile.write(b"0\r\n\r\n")

    @staticmethod
    def pieces(data: bytes) -> Iterator[tuple[int, bytes]]:
        for start in range(0, len(data), PIECE):
            yield start, data[start : start + PIECE]

    def do_PATCH(self) -> None:
        self.note()
        changes = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.double.described[self.image] = {change["path"][1:].replace("~1", "/").replace("~0", "~"): change["value"] for change in changes}
        self.answer(200, json.dumps(self.double.records[self.image]).encode())

    def line(self) -> bytes:
        line = self.rfile.readline()
        if not line:
            raise OSError
        return line

    def do_PUT(self) -> None:
        plan = self.note()
        if plan.status:
            return self.answer(plan.status)
        data = bytearray()
        while length := int(self.line(), 16):
            data += self.rfile.read(length)
            assert self.line() == b"\r\n"
            if plan.drop_after is not None and len(data) >= plan.drop_after:
                self.drop()
            if plan.stall_after is not None and len(data) >= plan.stall_after:
                plan.stall_after = None
                self.double.stalled.set()
                assert self.double.go.wait(60)
        self.double.put(self.image, bytes(data))
        return self.answer(204)
