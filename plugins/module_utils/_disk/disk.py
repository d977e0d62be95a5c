# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""A disk whatever its format, and raw disks: what the import into Xen pools and the export from them read from."""

from __future__ import annotations

import errno
import io
import os
from collections.abc import Callable, Iterable, Iterator
from typing import BinaryIO, Protocol

from .._core.errors import ImageServicesError, cannot
from .extents import Block, Extent, pieces


class BlockStream(Protocol):
    """The content of a disk that is read once, in whatever order it comes in."""

    @property
    def label(self) -> str:
        """The disk as the operator named its source."""

    @property
    def virtual_size(self) -> int:
        """Bytes of the disk that a machine sees."""

    def blocks(self) -> Iterator[Block]:
        """(offset, bytes) of what was ever written, no byte twice; all else is zeros."""


class Disk(BlockStream, Protocol):
    """A disk of which is known beforehand where its data lies."""

    @property
    def ordered(self) -> bool:
        """Whether extents and blocks come in ascending order."""

    def extents(self) -> Iterator[Extent]:
        """(offset, length) of what may be other than zero, in the order of blocks(), which keeps to it."""


def broken(kind: str, label: str, cause: str, advice: str = "Get a complete copy of it, then run the task again") -> ImageServicesError:
    """The error for an image that cannot be read."""
    return cannot("read", kind, label, cause, advice, code="bad_source")


class ImageFile:
    """A seekable file: a read is complete, or raises an error of this collection."""

    def __init__(self, stream: BinaryIO, kind: str, label: str) -> None:
        self._stream = stream
        self._kind = kind
        self.label = label
        try:
            self.size = stream.seek(0, os.SEEK_END)
        except OSError as exc:
            raise self._unreadable(exc) from exc

    def broken(self, cause: str, advice: str = "") -> ImageServicesError:
        return broken(self._kind, self.label, cause, advice) if advice else broken(self._kind, self.label, cause)

    def read(self, offset: int, length: int, what: str) -> bytes:
        """``length`` bytes at ``offset``; ``what`` they are is said where the file ends before."""
        if offset + length > self.size:
            raise self.broken(f"{what} is at {offset}, beyond its end at {self.size}: it is cut off or damaged")
        data = b""
        try:
            self._stream.seek(offset)
            while len(data) < length:
                part = self._stream.read(length - len(data))
                if not part:
                    raise self.broken("it became shorter while it was read", "Run the task again when nothing writes to it")
                data = data + part if data else part
        except OSError as exc:
            raise self._unreadable(exc) from exc
        return data

    def data(self, start: int, end: int) -> Iterator[Extent]:
        """Where the file system keeps data from ``start`` to ``end``: all of it where it cannot tell."""
        try:
            descriptor = self._stream.fileno()
        except (OSError, io.UnsupportedOperation):
            if end > start:
                yield start, end - start
            return
        while start < end:
            try:
                start = os.lseek(descriptor, start, os.SEEK_DATA)
                hole = min(end, os.lseek(descriptor, start, os.SEEK_HOLE))
            except OSError as exc:
                # No data follows; anything else means that holes are not told here.
                if exc.errno == errno.ENXIO:
                    return
                hole = end
            if start >= end:
                return
            yield start, hole - start
            start = hole

    def _unreadable(self, exc: OSError) -> ImageServicesError:
        return self.broken(os.strerror(exc.errno or 0), "Check the file's mode and its disk")


class RawDisk:
    """A raw disk in a file, or in the beginning of one: its holes are left out."""

    ordered = True

    def __init__(self, stream: BinaryIO, label: str, size: int | None = None) -> None:
        self._file = ImageFile(stream, "raw disk", label)
        self.label = label
        self.virtual_size = self._file.size if size is None else size

    def extents(self) -> Iterator[Extent]:
        yield from self._file.data(0, self.virtual_size)

    def blocks(self) -> Iterator[Block]:
        for extent in self.extents():
            for offset, length in pieces(*extent):
                yield offset, self._file.read(offset, length, "data")


class ByteStream:
    """Bytes that only come forward, as a source sends them, for readers that ask for so and so many.

    ``broken`` makes the error for a stream that ends too early.
    """

    def __init__(self, blocks: Iterable[bytes], broken: Callable[[str], ImageServicesError]) -> None:
        self._blocks = iter(blocks)
        self._held = memoryview(b"")
        self._broken = broken
        self.position = 0

    def pieces(self, length: int) -> Iterator[memoryview]:
        """The next ``length`` bytes as they come; fewer only at the stream's end."""
        while length:
            while not self._held:
                block = next(self._blocks, None)
                if block is None:
                    return
                self._held = memoryview(block)
            piece = self._held[:length]
            self._held = self._held[len(piece) :]
            self.position += len(piece)
            length -= len(piece)
            yield piece

    def exactly(self, length: int, what: str) -> bytes:
        data = b"".join(self.pieces(length))
        if len(data) != length:
            raise self._broken(f"it ends after {self.position} bytes, in {what}: it is cut off")
        return data

    def skip(self, length: int) -> None:
        """Leave out the next ``length`` bytes; that the stream ends before is told by what is read next."""
        for _piece in self.pieces(length):
            pass


class RawStream:
    """A raw disk that comes forward only, once. Its size must be known, since the disk is created before its content arrives."""

    ordered = True

    def __init__(self, blocks: Iterable[bytes], label: str, size: int) -> None:
        self._stream = ByteStream(blocks, self._broken)
        self.label = label
        self.virtual_size = size

    def extents(self) -> Iterator[Extent]:
        if self.virtual_size:
            yield 0, self.virtual_size

    def blocks(self) -> Iterator[Block]:
        if self._stream.position:
            raise broken("raw disk", self.label, "it is a stream that was read already", "Open it again")
        for offset, length in pieces(0, self.virtual_size):
            yield offset, self._stream.exactly(length, "its data")
        if any(self._stream.pieces(1)):
            raise self._broken(f"it is longer than the {self.virtual_size} bytes that were told")

    def _broken(self, cause: str) -> ImageServicesError:
        return broken("raw disk", self.label, cause)
