# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A proxy in front of a real server that counts requests and breaks those that a test names."""

from __future__ import annotations

import contextlib
import re
import socket
import struct
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Self

BLOCK = 256 * 1024


@dataclass
class Fault:
    """What to do to the next ``times`` requests whose «METHOD path» matches ``pattern``."""

    pattern: str
    times: int = 1
    # Answer with this status once the whole body has been read, without asking the server.
    answer: int | None = None
    # Forward this much of the body, then reset the client's connection (and the server's).
    reset_after: int | None = None
    # Forward all, then reset the client's connection in place of the answer.
    lose_answer: bool = False
    # Forward the head of the answer and this much of its body, then reset the client's connection.
    break_answer_after: int | None = None
    # Called when reset_after bytes have been forwarded, or before the request otherwise.
    hook: Callable[[], None] | None = None
    # Whether the test fails where it never strikes.
    sure: bool = True
    struck: int = 0


# Of the test that runs.
PLANNED: list[Fault] = []


def missed_faults() -> list[str]:
    """Those that should have struck since this was asked last, and have not."""
    planned, PLANNED[:] = list(PLANNED), []
    return [str(each) for each in planned if each.sure and not each.struck]


class Faults(list[Fault]):
    """The faults of a proxy, each noted as one that has to strike."""

    def append(self, fault: Fault) -> None:
        PLANNED.append(fault)
        super().append(fault)

    def extend(self, faults: Iterable[Fault]) -> None:
        for fault in faults:
            self.append(fault)

    def __iadd__(self, faults: Iterable[Fault]) -> Self:
        self.extend(faults)
        return self


@dataclass
class FaultyProxy:
    """Forwards 127.0.0.1:port to a server; each request gets a connection of its own."""

    upstream: tuple[str, int]
    faults: Faults = field(default_factory=Faults)
    requests: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._lock = threading.Lock()
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def close(self) -> None:
        # A blocked accept() is not woken by close() alone.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def reset(self) -> None:
        """Forget counted requests and planned faults."""
        with self._lock:
            self.requests.clear()
            self.faults.clear()

    def _accept(self) -> None:
        while True:
            try:
                client, _address = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError), client:
            head, rest = _read_head(client)
            if not head:
                return
            fault = self._note(head)
            if fault is not None and fault.hook is not None and fault.reset_after is None:
                fault.hook()
            if fault is not None and fault.answer is not None:
                for _block in _body(client, head, rest):
                    pass
                reason = b"made by the test"
                client.sendall(b"HTTP/1.1 %d Fault\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%b" % (fault.answer, len(reason), reason))
                return
            with socket.create_connection(self.upstream) as server:
                self._forward(client, server, head, rest, fault)

    def _note(self, head: bytes) -> Fault | None:
        line = head.split(b"\r\n", 1)[0].decode("latin-1").rsplit(" ", 1)[0]
        with self._lock:
            self.requests.append(line)
            for fault in self.faults:
                if fault.times > 0 and re.search(fault.pattern, line):
                    fault.times -= 1
                    # One that ends the connection strikes only when it comes so far.
                    fault.struck += fault.reset_after is None and fault.break_answer_after is None and not fault.lose_answer
                    return fault
        return None

    def _forward(self, client: socket.socket, server: socket.socket, head: bytes, rest: bytes, fault: Fault | None) -> None:
        server.sendall(_closing(head))
        forwarded = 0
        if fault is not None and fault.reset_after == 0:
            _reset(client, server, fault)
            return
        for block in _body(client, head, rest):
            server.sendall(block)
            forwarded += len(block)
            if fault is not None and fault.reset_after is not None and forwarded >= fault.reset_after:
                _reset(client, server, fault)
                return
        answer, rest = _read_head(server)
        if fault is not None and fault.lose_answer:
            _reset(client, server, fault)
            return
        client.sendall(_closing(answer) + rest)
        returned = len(rest)
        while block := server.recv(BLOCK):
            client.sendall(block)
            returned += len(block)
            if fault is not None and fault.break_answer_after is not None and returned >= fault.break_answer_after:
                _reset(client, server, fault)
                return


def _reset(client: socket.socket, server: socket.socket, fault: Fault) -> None:
    fault.struck += 1
    if fault.reset_after is not None and fault.hook is not None:
        fault.hook()
    for end in (client, server):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        end.close()


def _read_head(stream: socket.socket) -> tuple[bytes, bytes]:
    data = b""
    while b"\r\n\r\n" not in data:
        block = stream.recv(BLOCK)
        if not block:
            return b"", b""
        data += block
    head, rest = data.split(b"\r\n\r\n", 1)
    return head + b"\r\n\r\n", rest


def _closing(head: bytes) -> bytes:
    """One request a connection, so that the end of an answer is the end of its connection."""
    kept = re.sub(rb"\r\n(?:Connection|Keep-Alive):[^\r]*", b"", head, flags=re.IGNORECASE)
    return kept[:-4] + b"\r\nConnection: close\r\n\r\n"


def _body(client: socket.socket, head: bytes, rest: bytes) -> Iterator[bytes]:
    if re.search(rb"\r\nExpect:\s*100-continue", head, re.IGNORECASE):
        client.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
    length = re.search(rb"\r\nContent-Length:\s*(\d+)", head, re.IGNORECASE)
    if length is not None:
        left = int(length.group(1)) - len(rest)
        if rest:
            yield rest
        while left > 0:
            block = client.recv(min(BLOCK, left))
            if not block:
                raise ConnectionError("the client went away")
            left -= len(block)
            yield block
    elif re.search(rb"\r\nTransfer-Encoding:\s*chunked", head, re.IGNORECASE):
        data = rest
        if data:
            yield data
        while not data.endswith(b"0\r\n\r\n"):
            block = client.recv(BLOCK)
            if not block:
                raise ConnectionError("the client went away")
            data = data[-5:] + block
            yield block
