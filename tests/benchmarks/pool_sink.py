# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A pool that takes every disk and keeps none, so that a sender is measured and no disk; a program of its own, to be run by its path.

It answers 200 before the body and ends the connection when all has come, as hosts do. GET tells how many bytes of bodies have come.
"""

from __future__ import annotations

import socketserver
import struct
import xmlrpc.client
from typing import Any

PIECE = 1 << 20
OK = b"HTTP/1.1 200 OK\r\nConnection: close\r\n"
SR = {"uuid": "5f0c3ad4-0000-4000-8000-000000000001", "name_label": "sink", "VDIs": [], "other_config": {}}
VDI = {
    "uuid": "5f0c3ad4-0000-4000-8000-000000000002",
    "name_label": "bench",
    "name_description": "",
    "SR": "sr",
    "virtual_size": "0",
    "tags": [],
    "read_only": False,
    "sharable": False,
    "other_config": {},
    "VBDs": [],
    "is_a_snapshot": False,
}
TASK = {"status": "success", "progress": 1.0, "result": "<value>vdi</value>", "error_info": []}
ANSWERS: dict[str, Any] = {
    "session.login_with_password": "session",
    "pool.get_all_records": {"pool": {"default_SR": "sr", "master": "host"}},
    "host.get_API_version_major": "2",
    "host.get_API_version_minor": "21",
    "SR.get_record": SR,
    "SR.get_other_config": {},
    "VDI.get_record": VDI,
    "VDI.get_by_name_label": [],
    "task.get_record": TASK,
    "task.get_status": "success",
}


class Sink(socketserver.BaseRequestHandler):
    taken = 0

    def handle(self) -> None:
        self.buffer = b""
        self.room = memoryview(bytearray(PIECE))
        while self.one():
            pass

    def one(self) -> bool:
        head = self.until(b"\r\n\r\n")
        if not head:
            return False
        length = next((int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0)
        if head.startswith(b"PUT"):
            self.request.sendall(OK + b"\r\n")
            Sink.taken += self.records() if b"chunked=true" in head.split(b"\r\n")[0] else self.discard(length)
            return False
        if head.startswith(b"GET"):
            self.request.sendall(OK + b"\r\n%d" % Sink.taken)
            return False
        _arguments, method = xmlrpc.client.loads(self.exactly(length))
        value = ANSWERS.get(str(method), "task" if str(method).startswith(("Async.", "task.create")) else "")
        body = xmlrpc.client.dumps(({"Status": "Success", "Value": value},), methodresponse=True).encode()
        self.request.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        return True

    def records(self) -> int:
        taken = 0
        while True:
            _offset, length = struct.unpack("<QI", self.exactly(12))
            taken += 12 + self.discard(length)
            if not length:
                return taken

    def until(self, mark: bytes) -> bytes:
        while mark not in self.buffer:
            data = self.request.recv(PIECE)
            if not data:
                return b""
            self.buffer += data
        found, _mark, self.buffer = self.buffer.partition(mark)
        return found

    def exactly(self, count: int) -> bytes:
        while len(self.buffer) < count:
            data = self.request.recv(PIECE)
            if not data:
                raise ConnectionError
            self.buffer += data
        found, self.buffer = self.buffer[:count], self.buffer[count:]
        return found

    def discard(self, count: int) -> int:
        held = min(count, len(self.buffer))
        self.buffer = self.buffer[held:]
        left = count - held
        while left:
            found = self.request.recv_into(self.room, min(left, PIECE))
            if not found:
                raise ConnectionError
            left -= found
        return count


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A sender that goes away is no matter here."""


if __name__ == "__main__":
    with Server(("127.0.0.1", 0), Sink) as server:
        print(server.server_address[1], flush=True)
        server.serve_forever()
