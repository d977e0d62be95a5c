# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""Entries of a tarball that comes as a stream, in constant memory (POSIX.1-2017 pax, ustar and GNU tar).

Python's tarfile keeps headers of any length in memory, and follows sparse files and links; nothing of that is wanted of a tarball from elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from .._core.errors import ImageServicesError, quoted
from .disk import ByteStream

_BLOCK = 512
_MAX_HEADER = 64 * 1024
_MAX_PADDING = 64 * 1024 * 1024
_FILE, _DIRECTORY, _LONG_NAME, _PAX, _PAX_GLOBAL = (b"0", b"\0", b"7"), b"5", b"L", b"x", b"g"
_REFUSED = {b"1": "a hard link", b"2": "a symbolic link", b"3": "a device", b"4": "a device", b"6": "a pipe", b"S": "a sparse file of tar's own kind"}

Broken = Callable[[str], ImageServicesError]


@dataclass(frozen=True)
class Entry:
    """A regular file: its name without a leading './', and its length."""

    name: str
    size: int


class TarStream:
    """Iterates over the regular files. The content of each is read, or left out, before the next."""

    def __init__(self, stream: ByteStream, broken: Broken) -> None:
        self._stream = stream
        self._broken = broken
        self._left = self._padding = 0

    def __iter__(self) -> Iterator[Entry]:
        extended: dict[str, str] = {}
        while True:
            self._stream.skip(self._left + self._padding)
            self._left = self._padding = 0
            header = self._stream.exactly(_BLOCK, "the tarball, before its end")
            if not any(header):
                # What follows is padding; to read it lets a decompressor see its end.
                self._stream.skip(_MAX_PADDING)
                if any(self._stream.pieces(1)):
                    raise self._broken("the tarball ends, and something else follows it")
                return
            self._check(header)
            size, kind = self._number(header[124:136]), header[156:157]
            if kind in (_LONG_NAME, _PAX, _PAX_GLOBAL):
                extended = {**({} if kind == _PAX_GLOBAL else extended), **self._extension(kind, size)}
                continue
            name = extended.get("path", self._name(header))
            if any(key.startswith("GNU.sparse") for key in extended):
                raise self._refused(name, _REFUSED[b"S"])
            size = self._pax_size(extended.get("size"), size)
            extended = {}
            if kind in _REFUSED:
                raise self._refused(name, _REFUSED[kind])
            if kind == _DIRECTORY:
                self._plain(name)
                continue
            if kind not in _FILE:
                raise self._refused(name, f"of the unknown type {kind!r}")
            self._left, self._padding = size, -size % _BLOCK
            yield Entry(self._plain(name), size)

    def content(self) -> Iterator[bytes]:
        """What is left of the entry at hand, as it comes."""
        while self._left:
            for piece in self._stream.pieces(min(self._left, 64 * 1024)):
                self._left -= len(piece)
                yield bytes(piece)
                break
            else:
                raise self._broken(f"the tarball ends after {self._stream.position} bytes, in the middle of an entry: it is cut off")

    def _check(self, header: bytes) -> None:
        expected = sum(header) - sum(header[148:156]) + 8 * 32
        if self._number(header[148:156]) != expected:
            raise self._broken("a header of the tarball has a wrong checksum, or something else than a tarball begins there")

    def _number(self, field: bytes) -> int:
        if field[0] == 0x80:
            return int.from_bytes(field[1:], "big")
        digits = field.strip(b" \0") or b"0"
        if digits.strip(b"01234567"):
            raise self._broken("a header of the tarball holds no number where one must be")
        return int(digits, 8)

    def _extension(self, kind: bytes, size: int) -> dict[str, str]:
        """What a header of its own says of the next entry."""
        if size > _MAX_HEADER:
            raise self._broken(f"a header of the tarball has {size} bytes; {_MAX_HEADER} is the most that is read")
        data = self._stream.exactly(size, "a header of the tarball")
        self._stream.skip(-size % _BLOCK)
        if kind == _LONG_NAME:
            return {"path": _text(data.partition(b"\0")[0])}
        found = {}
        while data:
            length, space, _rest = data.partition(b" ")
            if not space or not length.isdigit() or len(length) > 6 or not len(length) + 2 < int(length) <= len(data):
                raise self._broken("an extended header of the tarball is damaged")
            key, _equals, value = data[len(length) + 1 : int(length) - 1].partition(b"=")
            found[_text(key)] = _text(value)
            data = data[int(length) :]
        return found if kind == _PAX else {}

    def _pax_size(self, value: str | None, size: int) -> int:
        if value is None:
            return size
        if not value.isdecimal() or len(value) > 19:
            raise self._broken("an extended header of the tarball holds no number where one must be")
        return int(value)

    @staticmethod
    def _name(header: bytes) -> str:
        name = header[:100].partition(b"\0")[0]
        prefix = header[345:500].partition(b"\0")[0] if header[257:263] == b"ustar\0" else b""
        return _text(prefix + b"/" + name if prefix else name)

    def _plain(self, name: str) -> str:
        parts = [part for part in name.split("/") if part not in ("", ".")]
        if name.startswith("/") or ".." in parts or "\0" in name:
            raise self._refused(name, "outside of the tarball's own directory")
        return "/".join(parts)

    def _refused(self, name: str, what: str) -> ImageServicesError:
        return self._broken(f"the tarball's entry {quoted(name)} is {what}, which is not followed")


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")
