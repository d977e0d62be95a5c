# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bodies of requests, which stay readable for Glance after the filter has read them."""

from __future__ import annotations

import io
from typing import Any

PIECE = 64 * 1024


class ReplayedStream:
    """A stream that repeats the bytes that were read already, and then continues with the rest."""

    def __init__(self, head: bytes, tail: Any) -> None:
        self.head = io.BytesIO(head)
        self.tail = tail

    def read(self, size: int = -1) -> bytes:
        if size is None or size < 0:
            return self.head.read() + self.tail.read()
        return self.head.read(size) or self.tail.read(size)

    def readline(self, size: int = -1) -> bytes:
        line = self.head.readline(size)
        if line.endswith(b"\n") or 0 <= size <= len(line):
            return line
        return line + self.tail.readline(size - len(line) if size >= 0 else size)

    def __iter__(self) -> ReplayedStream:
        return self

    def __next__(self) -> bytes:
        line = self.readline()
        if not line:
            raise StopIteration
        return line


class UwsgiChunks:
    """Chunked bodies, which uWSGI returns from a function of its own."""

    def __init__(self, uwsgi: Any) -> None:
        self.uwsgi = uwsgi

    def read(self, _size: int = -1) -> bytes:
        return bytes(self.uwsgi.chunked_read())


def chunked(environ: dict[str, Any]) -> bool:
    return environ.get("HTTP_TRANSFER_ENCODING", "").lower() == "chunked"


def length(environ: dict[str, Any]) -> int | None:
    try:
        return int(environ.get("CONTENT_LENGTH") or "")
    except ValueError:
        return None


def uwsgi_module() -> Any:
    """The module that exists only inside uWSGI, or None."""
    try:
        import uwsgi
    except ImportError:
        return None
    return uwsgi


def read(environ: dict[str, Any], limit: int) -> bytes | None:
    """The body, which stays readable in the environment; None where it is larger than ``limit``."""
    size = length(environ)
    if size is None and not chunked(environ):
        return b""
    if size is not None and size > limit:
        return None
    stream = environ["wsgi.input"]
    uwsgi = uwsgi_module() if size is None else None
    if uwsgi is not None:
        stream = UwsgiChunks(uwsgi)
    head, ended = read_up_to(stream, limit + 1 if size is None else size)
    if ended and size is not None:
        # The client has disconnected: the next reader gets the same error.
        environ["wsgi.input"] = ReplayedStream(head, stream)
        return b""
    if uwsgi is not None:
        # Glance would ask the server for chunks again.
        del environ["HTTP_TRANSFER_ENCODING"]
        environ["wsgi.input_terminated"] = True
    if not ended and size is None:
        environ["wsgi.input"] = ReplayedStream(head, stream)
        return None
    if uwsgi is not None:
        environ["CONTENT_LENGTH"] = str(len(head))
    environ["wsgi.input"] = io.BytesIO(head)
    return head


def read_up_to(stream: Any, limit: int) -> tuple[bytes, bool]:
    """The bytes that were read, and whether the stream ended before the limit."""
    pieces: list[bytes] = []
    have = 0
    while have < limit:
        piece = stream.read(min(PIECE, limit - have))
        if not piece:
            return b"".join(pieces), True
        pieces.append(piece)
        have += len(piece)
    return b"".join(pieces), False


def put(environ: dict[str, Any], body: bytes) -> None:
    """Replace the body of a request."""
    environ.pop("HTTP_TRANSFER_ENCODING", None)
    environ["wsgi.input"] = io.BytesIO(body)
    environ["CONTENT_LENGTH"] = str(len(body))
