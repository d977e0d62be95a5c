# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The HTTP side: one thread for each connection."""

from __future__ import annotations

import base64
import binascii
import contextlib
import html
import json
import logging
import os
import socket
import socketserver
import ssl
import struct
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from . import transfer, wire
from .context import Context
from .errors import Failure
from .handlers import session

if TYPE_CHECKING:
    from .pool import Pool

LOG = logging.getLogger(__name__)
HEADER_LIMIT = 1024
HEADER_READ = 10.0
HEADER_TOTAL = 60.0
BODY_LIMIT = 300 * 1024
PIECE = 1 << 20


class Closed(Exception):
    """The client has gone, or is to be."""


class Client:
    """The socket of one client, with what was read too far."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.buffer = b""

    def read(self, count: int) -> bytes:
        if self.buffer:
            data, self.buffer = self.buffer[:count], self.buffer[count:]
            return data
        return self.sock.recv(min(count, PIECE))

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def drop(self) -> None:
        """A reset, as when a host dies: nothing of what is on its way arrives for certain."""
        with contextlib.suppress(OSError):
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.sock.close()

    def head(self) -> bytes | None:
        """Request line and headers; None when the client closed between requests."""
        until = time.monotonic() + HEADER_TOTAL
        while b"\r\n\r\n" not in self.buffer:
            if len(self.buffer) > HEADER_LIMIT:
                raise transfer.Answer("431 Request Header Fields Too Large")
            # A connection that is kept may stay idle; once a request began it has to continue.
            self.sock.settimeout(min(HEADER_READ, max(0.1, until - time.monotonic())) if self.buffer else None)
            try:
                data = self.sock.recv(4096)
            except TimeoutError:
                raise transfer.Answer("408 Request Timeout") from None
            if not data:
                return None
            self.buffer += data
        self.sock.settimeout(None)
        head, dummy, self.buffer = self.buffer.partition(b"\r\n\r\n")
        if len(head) + 4 > HEADER_LIMIT:
            raise transfer.Answer("431 Request Header Fields Too Large")
        return head


def page(status: str, text: str = "", location: str = "", keep: bool = False) -> bytes:
    body = f"<html><body><h1>HTTP {status}</h1>{html.escape(text)}</body></html>".encode()
    lines = [f"HTTP/1.1 {status}", f"Connection: {'keep-alive' if keep else 'close'}", "Cache-Control: no-cache, no-store"]
    lines += [f"Location: {location}"] if location else []
    lines += ["Content-Type: text/html", f"Content-Length: {len(body)}", "", ""]
    return "\r\n".join(lines).encode() + body


def good(body: bytes, content_type: str, keep: bool) -> bytes:
    head = f"HTTP/1.1 200 OK\r\nConnection: {'keep-alive' if keep else 'close'}\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def parse_head(head: bytes) -> tuple[str, str, str, dict[str, str]]:
    first, *lines = head.decode("latin-1").split("\r\n")
    parts = first.split(" ")
    if len(parts) != 3 or not parts[2].startswith("HTTP/1."):
        raise transfer.Answer("400 Bad Request")
    headers = {}
    for line in lines:
        name, dummy, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    return parts[0], parts[1], parts[2], headers


class Handler(socketserver.BaseRequestHandler):
    server: Listener | LocalListener

    def handle(self) -> None:
        sock = self.request
        try:
            if self.server.tls:
                sock.settimeout(HEADER_READ)
                sock = self.server.tls.wrap_socket(sock, server_side=True)
                sock.settimeout(None)
            if sock.family != socket.AF_UNIX:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            client = Client(sock)
            while self.serve(client):
                pass
            if isinstance(sock, ssl.SSLSocket):
                # Says that the stream is over; whether the client says so too is its own business.
                sock.settimeout(0.05)
                sock.unwrap()
        except (OSError, ValueError, Closed) as exc:
            LOG.debug("connection ended: %r", exc)
        finally:
            with contextlib.suppress(OSError):
                sock.close()

    def serve(self, client: Client) -> bool:
        """One request; whether the connection is kept for another."""
        try:
            head = client.head()
            if head is None:
                return False
            method, target, version, headers = parse_head(head)
            keep = version == "HTTP/1.1" and headers.get("connection", "").lower() != "close"
            return self.route(client, method, target, headers, keep)
        except transfer.Answer as exc:
            client.send(page(exc.status, exc.text, exc.location))
            return False

    def route(self, client: Client, method: str, target: str, headers: dict[str, str], keep: bool) -> bool:
        path, dummy, query = target.partition("?")
        if path.startswith("/simulator/"):
            return self.administer(client, method, path, headers, keep)
        for prefix, verb in (("/import_raw_vdi", "PUT"), ("/export_raw_vdi", "GET")):
            if path.startswith(prefix) and method == verb:
                return self.transfer(client, transfer.Request(method, {}, query, headers))
        if method == "POST":
            if path.startswith("/import_raw_vdi"):
                raise transfer.Answer("500 Internal Error", "Http.Client_requested_size_over_limit")
            return self.call(client, path, headers, keep)
        raise transfer.Answer("403 Forbidden")

    def body(self, client: Client, headers: dict[str, str]) -> bytes:
        length = headers.get("content-length", "")
        if not length.isdecimal() or int(length) > BODY_LIMIT:
            raise transfer.Answer("500 Internal Error", "Http.Client_requested_size_over_limit")
        if headers.get("expect", "").lower() == "100-continue":
            client.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        parts, left = [], int(length)
        while left:
            data = client.read(left)
            if not data:
                raise Closed
            parts.append(data)
            left -= len(data)
        return b"".join(parts)

    def call(self, client: Client, path: str, headers: dict[str, str], keep: bool) -> bool:
        content = self.body(client, headers)
        as_json = path == "/jsonrpc"
        try:
            call = wire.read_json(content) if as_json else wire.read_xml(content)
        except wire.Malformed as exc:
            raise transfer.Answer("500 Internal Error", str(exc)) from exc
        self.break_off(client, "drop_call", call.method)
        try:
            value = self.server.pool.answer(call, self.server.host)
            answer = wire.success(call, value, bare=call.method == "system.listMethods")
        except Failure as exc:
            answer = wire.failure(call, exc)
        self.break_off(client, "lose_answer", call.method)
        client.send(good(answer, "application/json" if as_json else "text/xml", keep))
        return keep

    def break_off(self, client: Client, kind: str, method: str) -> None:
        if self.server.pool.faults.take(kind, method):
            client.drop()
            raise Closed

    def authenticate(self, context: Context, query: dict[str, str], headers: dict[str, str]) -> None:
        """A session of the query, of a cookie, or the name and password in the header."""
        try:
            if "session_id" in query:
                context.session = query["session_id"]
                session.check(context)
                return
            kind, dummy, given = headers.get("authorization", "").partition(" ")
            user, dummy, password = base64.b64decode(given, validate=True).decode().partition(":")
            if kind.lower() != "basic":
                raise transfer.Answer("401 Unauthorised")
            session.authenticate(context, user, password)
        except (Failure, binascii.Error, UnicodeDecodeError):
            raise transfer.Answer("401 Unauthorised") from None

    def transfer(self, client: Client, request: transfer.Request) -> bool:
        cookies = (part.strip().partition("=") for part in request.headers.get("cookie", "").split(";") if "=" in part)
        request.query = {name: value for name, dummy, value in cookies} | dict(parse_qsl(request.raw_query, keep_blank_values=True))
        context = Context(self.server.pool, host=self.server.host)
        self.authenticate(context, request.query, request.headers)
        transfer.Transfer(self.server.pool, context, client, request).run()
        return False

    def administer(self, client: Client, method: str, path: str, headers: dict[str, str], keep: bool) -> bool:
        """The side door: faults on demand, and who is logged in. No real server has it."""
        self.authenticate(Context(self.server.pool, host=self.server.host), {}, headers)
        if (method, path) == ("GET", "/simulator/sessions"):
            db = self.server.pool.db
            with db.lock:
                open_now = [{"uuid": each["uuid"], "originator": each["originator"]} for each in db.objects["session"].values()]
            client.send(good(json.dumps(open_now).encode(), "application/json", keep))
            return keep
        faults = self.server.pool.faults
        if (method, path) == ("GET", "/simulator/strikes"):
            with faults.lock:
                told = [asdict(fault) for fault in faults.known]
            client.send(good(json.dumps(told).encode(), "application/json", keep))
            return keep
        if path != "/simulator/faults" or method not in ("GET", "POST", "DELETE"):
            raise transfer.Answer("404 Not Found")
        answer: dict[str, Any] | list[dict[str, Any]]
        if method == "POST":
            try:
                answer = asdict(faults.add(json.loads(self.body(client, headers))))
            except (ValueError, TypeError) as exc:
                raise transfer.Answer("400 Bad Request", str(exc)) from exc
        else:
            if method == "DELETE":
                faults.clear()
            answer = [asdict(fault) for fault in faults.wanted]
        client.send(good(json.dumps(answer).encode(), "application/json", keep))
        return keep


class Listener(socketserver.ThreadingTCPServer):
    """The address of one host of the pool."""

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], pool: Pool, tls: ssl.SSLContext | None) -> None:
        super().__init__(address, Handler)
        self.pool, self.tls, self.host = pool, tls, ""


class LocalListener(socketserver.ThreadingUnixStreamServer):
    """The socket by which programs in the control domain of a host reach XAPI: plain HTTP."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, path: Path, pool: Pool) -> None:
        path.unlink(missing_ok=True)
        # The address of a socket holds about 107 bytes: a longer path is bound by way of its directory.
        directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            address = str(path) if len(os.fsencode(path)) < 100 else f"/proc/self/fd/{directory}/{path.name}"
            super().__init__(address, Handler)
        finally:
            os.close(directory)
        self.pool, self.tls, self.host = pool, None, pool.coordinator
        self.path = path

    def server_close(self) -> None:
        super().server_close()
        self.path.unlink(missing_ok=True)
