# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Disk streams to and from the pool over HTTP. Only the task of a transfer tells whether it succeeded."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import struct
import time
from collections.abc import Iterable, Iterator
from typing import BinaryIO
from urllib.parse import urlsplit

from . import wire
from .errors import PoolError, PoolFailure, PoolUnreachable
from .session import LOST, QUICK, Session

RECORD = 1 << 20
# Offsets and lengths of records are multiples of it, as devices require.
ALIGNED = 4096
HEAD = struct.Struct("<QI")
HEAD_LIMIT = 16384
SLOWEST_POLL = 1.0
ZEROS = bytes(RECORD)


class Channel:
    """One HTTP request whose response header is read; then bytes in one direction."""

    def __init__(self, session: Session, method: str, target: str, headers: tuple[str, ...] = ()) -> None:
        self.rest = b""
        url = session.url
        for _dummy in range(2):
            self.connection = wire.connection(url, session.settings, QUICK)
            try:
                status, location = self.ask(method, target, urlsplit(url).netloc, headers)
            except BaseException:
                self.close()
                raise
            if status == 200:
                return
            self.close()
            # A host that does not reach the SR redirects to one that does.
            if status != 302 or not location.startswith(("http://", "https://")):
                raise PoolError(
                    f"Cannot transfer a disk: the pool answers {method} {target.partition('?')[0]} with the HTTP status {status}. Check the log of XAPI."
                )
            parts = urlsplit(location)
            url = f"{urlsplit(session.url).scheme}://{parts.netloc}"
            target = f"{parts.path}?{parts.query}"
        raise PoolError("Cannot transfer a disk: the pool redirects the request more than once. Check that the hosts of the pool reach the SR.")

    def ask(self, method: str, target: str, host: str, headers: tuple[str, ...]) -> tuple[int, str]:
        self.connection.connect()
        lines = [f"{method} {target} HTTP/1.1", f"Host: {host}", *headers]
        self.sock.sendall("\r\n".join([*lines, "", ""]).encode())
        while b"\r\n\r\n" not in self.rest:
            data = self.sock.recv(4096)
            if not data or len(self.rest) > HEAD_LIMIT:
                raise ConnectionResetError(errno.ECONNRESET, "the connection ended before the answer")
            self.rest += data
        head, dummy, self.rest = self.rest.partition(b"\r\n\r\n")
        first, *others = head.decode("latin-1").split("\r\n")
        fields = {name.strip().lower(): value.strip() for name, dummy, value in (line.partition(":") for line in others)}
        return int(first.split(" ")[1]), fields.get("location", "")

    @property
    def sock(self) -> socket.socket:
        assert self.connection.sock is not None
        return self.connection.sock

    def read(self, count: int = RECORD) -> bytes:
        if self.rest:
            data, self.rest = self.rest[:count], self.rest[count:]
            return data
        return self.sock.recv(min(count, RECORD))

    def close(self) -> None:
        self.connection.close()


def wait(session: Session, task: str) -> None:
    delay = 0.02
    while True:
        status = session.call("task.get_status", task)
        if status == "success":
            return
        if status in ("failure", "cancelled"):
            raise PoolFailure("The transfer", session.call("task.get_error_info", task) or [status.upper()])
        time.sleep(delay)
        delay = min(1.5 * delay, SLOWEST_POLL)


@contextlib.contextmanager
def connection_errors(session: Session, what: str) -> Iterator[None]:
    """Turn errors of the connection into PoolUnreachable; errors of the other end of the stream pass unchanged."""
    try:
        yield
    except LOST as exc:
        raise PoolUnreachable(f"Cannot {what} the pool at {session.url}: {exc}.") from exc


def send(session: Session, vdi: str, kind: str, chunks: Iterable[bytes], length: int | None = None) -> None:
    """Write a stream into a VDI: a VHD of a known length, or records where kind is raw."""
    with session.task("cinder_xenapinfs import") as task:
        given = {"task_id": task, "vdi": vdi, "format": kind} | ({"chunked": "true"} if length is None else {})
        headers = () if length is None else (f"Content-Length: {length}",)
        with connection_errors(session, "send a disk to"):
            channel = Channel(session, "PUT", session.query("/import_raw_vdi", **given), headers)
        with contextlib.closing(channel):
            for chunk in chunks:
                try:
                    channel.sock.sendall(chunk)
                except OSError as exc:
                    raise send_error(session, task, exc) from exc
            wait(session, task)


def send_error(session: Session, task: str, exc: OSError) -> PoolError:
    """Why the pool closed the connection: the error of its task, where there is one."""
    lost = PoolUnreachable(f"Cannot send a disk to the pool at {session.url}: {exc}.")
    with contextlib.suppress(PoolUnreachable):
        until = time.monotonic() + 5
        while time.monotonic() < until:
            if session.call("task.get_status", task) == "failure":
                return PoolFailure("The transfer", session.call("task.get_error_info", task))
            time.sleep(0.1)
    return lost


@contextlib.contextmanager
def receive(session: Session, vdi: str, kind: str) -> Iterator[Received]:
    """Read a VDI as a stream. It is complete when the block ends without an error."""
    with session.task("cinder_xenapinfs export") as task:
        with connection_errors(session, "read a disk from"):
            channel = Channel(session, "GET", session.query("/export_raw_vdi", task_id=task, vdi=vdi, format=kind))
        with contextlib.closing(channel):
            received = Received(session, channel, task)
            yield received
            received.finish()


class Received:
    """The stream of a disk as a file. Its end is reported only after the task of the pool has succeeded."""

    def __init__(self, session: Session, channel: Channel, task: str) -> None:
        self.session, self.channel, self.task = session, channel, task
        self.over = False

    def read(self, count: int = -1) -> bytes:
        wanted = RECORD if count < 0 else count
        parts = []
        while wanted and not self.over:
            with connection_errors(self.session, "read a disk from"):
                data = self.channel.read(wanted)
            if not data:
                self.over = True
                wait(self.session, self.task)
                break
            parts.append(data)
            wanted -= len(data)
        return b"".join(parts)

    def __iter__(self) -> Iterator[bytes]:
        return iter(lambda: self.read(RECORD), b"")

    def finish(self) -> None:
        if not self.over:
            raise PoolError("Cannot read the disk: the reader stopped before its end. Try again.")


def records(pieces: Iterable[tuple[int, bytes]], size: int, dense: bool = False) -> Iterator[bytes]:
    """Encode pieces as records of the raw format. Zeros are left out unless ``dense``; data behind the end of the disk is an error."""
    for offset, data in pieces:
        if not dense and data == ZEROS[: len(data)]:
            continue
        padded = data + bytes(-len(data) % ALIGNED)
        if offset + len(padded) > size:
            raise PoolError(f"Cannot write the image: it is larger than the disk of {size} bytes. Create a larger volume.")
        yield HEAD.pack(offset, len(padded)) + padded
    yield HEAD.pack(0, 0)


def aligned_pieces(chunks: Iterable[bytes]) -> Iterator[tuple[int, bytes]]:
    """Split a raw stream into aligned pieces with their offsets."""
    offset, waiting = 0, bytearray()
    for chunk in chunks:
        waiting += chunk
        while len(waiting) >= RECORD:
            yield offset, bytes(waiting[:RECORD])
            del waiting[:RECORD]
            offset += RECORD
    if waiting:
        yield offset, bytes(waiting)


def extents(file: BinaryIO, dense_to: int = 0) -> Iterator[tuple[int, bytes]]:
    """A sparse file in aligned pieces without its holes; with ``dense_to``, all of it and zeros up to that size."""
    end = os.fstat(file.fileno()).st_size
    offset = 0
    while offset < max(end, dense_to):
        if not dense_to:
            try:
                offset = os.lseek(file.fileno(), offset, os.SEEK_DATA) // ALIGNED * ALIGNED
            except OSError as exc:
                if exc.errno == errno.ENXIO:
                    return
                raise
        file.seek(offset)
        data = file.read(RECORD) if offset < end else b""
        if dense_to:
            data += bytes(min(RECORD, dense_to - offset) - len(data))
        yield offset, data
        offset += len(data)


def write_sparse(file: BinaryIO, chunks: Iterable[bytes]) -> int:
    """Write the chunks to a file with holes for zeros, and return its size."""
    size = 0
    for chunk in chunks:
        if chunk == ZEROS[: len(chunk)]:
            file.seek(len(chunk), os.SEEK_CUR)
        else:
            file.write(chunk)
        size += len(chunk)
    file.truncate(size)
    return size
