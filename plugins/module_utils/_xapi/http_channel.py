# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""One connection on which both sides may speak at any time, which http.client has no notion of."""

from __future__ import annotations

import http.client
import select
import socket
import ssl
from typing import Any

# Between two such pieces it is looked whether the host has given up.
_PIECE = 1024 * 1024
_READ = 256 * 1024
_MAX_HEAD = 64 * 1024
_MAX_PAGE = 16 * 1024


class Ended(Exception):
    """The far end has closed, or has spoken where it had to listen."""


class Silent(Ended):
    """Nothing has come for as long as we wait."""


class HttpChannel:
    """``idle_timeout`` in seconds is for silence, and for data that is not taken."""

    def __init__(self, connection: http.client.HTTPConnection, idle_timeout: float) -> None:
        self._connection = connection
        self._sock: Any = connection.sock
        self._idle_timeout = idle_timeout
        self._sock.settimeout(idle_timeout)
        self._held = b""

    def close(self) -> None:
        self._connection.close()

    def send(self, data: bytes) -> None:
        view = memoryview(data)
        for start in range(0, len(data), _PIECE):
            if self.readable(0) and (said := self.heard()) is not None:
                raise Ended("it answers before all was sent" if said else "it closed before all was sent")
            try:
                self._sock.sendall(view[start : start + _PIECE])
            except (TimeoutError, socket.timeout) as exc:
                raise Silent(f"it took no data for {self._idle_timeout:g} seconds") from exc
            except OSError as exc:
                raise Ended(_reason(exc)) from exc

    def readable(self, seconds: float) -> bool:
        """Whether something comes within that time, even if only the end."""
        if self._held or (isinstance(self._sock, ssl.SSLSocket) and self._sock.pending()):
            return True
        return bool(select.select([self._sock], [], [], seconds)[0])

    def heard(self) -> bytes | None:
        """What has come by now; nothing at the end, None where it was only TLS's own talk."""
        if self._held:
            data, self._held = self._held, b""
            return data
        self._sock.settimeout(0)
        try:
            return bytes(self._sock.recv(_READ))
        except (ssl.SSLWantReadError, BlockingIOError):
            return None
        except OSError:
            return b""
        finally:
            self._sock.settimeout(self._idle_timeout)

    def read(self, count: int) -> bytes:
        """At most so many bytes, as soon as there are some; none at the end."""
        if self._held:
            data, self._held = self._held[:count], self._held[count:]
            return data
        try:
            return bytes(self._sock.recv(count))
        except (TimeoutError, socket.timeout) as exc:
            raise Silent(f"it sent nothing for {self._idle_timeout:g} seconds") from exc
        except OSError as exc:
            raise Ended(_reason(exc)) from exc

    def head(self) -> tuple[int, str, dict[str, str]]:
        """Status, reason and headers of an answer; what follows them stays to be read."""
        data = b""
        while b"\r\n\r\n" not in data:
            piece = self.read(_READ)
            data += piece
            if not piece or len(data) > _MAX_HEAD:
                raise Ended("without an answer" if not piece else "what it answers is no HTTP")
        head, _mark, self._held = data.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        version, _space, status = first.partition(" ")
        code, _space, reason = status.partition(" ")
        if not version.startswith("HTTP/1.") or not code.isdecimal():
            raise Ended("what it answers is no HTTP")
        pairs = (line.partition(":") for line in lines)
        return int(code), reason, {name.strip().lower(): value.strip() for name, _colon, value in pairs}

    def rest(self) -> bytes:
        """A page that follows a head, as far as it is of interest."""
        data = b""
        try:
            while len(data) < _MAX_PAGE and (piece := self.read(_MAX_PAGE)):
                data += piece
        except Ended:
            pass
        return data


def _reason(exc: OSError) -> str:
    return (exc.strerror or str(exc) or "the connection failed").lower()
