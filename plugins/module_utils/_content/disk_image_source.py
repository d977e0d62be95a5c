# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""An image that is encoded from a disk while it is sent: no part of it is stored here."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, suppress
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from .._core.errors import cannot
from .._disk.disk import Disk
from .._disk.extents import PIECE, Block, Extent, pieces, without_zeros
from .._disk.qcow2_writer import Qcow2Writer
from .._disk.vhd.tarball_writer import VhdTarWriter
from .._disk.vhd.writer import VhdWriter
from .._disk.zero_fill import RawWriter
from .digest import DiskDigest, digests_of
from .source import Source

_HEADS = {"vhd": b"conectix", "vhd_tarball": b"\x1f\x8b\x08", "qcow2": b"QFI\xfb"}


class ImageWriter(Protocol):
    """The bytes of an image, and how many they are where that is known before."""

    @property
    def size(self) -> int | None: ...

    def __iter__(self) -> Iterator[bytes]: ...


class ImageEncoding:
    """How a disk becomes an image: the same disk makes the same bytes."""

    def __init__(self, format: str, uuid: UUID | None = None, timestamp: int = 0, parent: UUID | None = None, level: int = 1) -> None:
        """``uuid``, ``timestamp`` in seconds since 1970 and ``parent`` are what a VHD says of itself, ``level`` how hard a tarball is compressed."""
        self.format = format
        self._uuid = uuid
        self._timestamp = timestamp
        self._parent = parent
        self._level = level

    def writer(self, disk: Disk) -> ImageWriter:
        if self.format == "raw":
            return RawWriter(disk)
        if self.format == "qcow2":
            return Qcow2Writer(disk)
        if not disk.ordered:
            # The map of a VHD allows any order, the digest of a disk does not.
            raise cannot("read", "disk", disk.label, "its data does not come in ascending order", "Export it as raw", code="bad_source")
        vhd = VhdWriter(disk, uuid=self._uuid, timestamp=self._timestamp, parent=self._parent)
        return VhdTarWriter(vhd, self._level) if self.format == "vhd_tarball" else vhd


class DigestedDisk:
    """The disk as it is; with its last block its digest is known. Blocks must come in ascending order."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk
        self.label = disk.label
        self.virtual_size = disk.virtual_size
        self.ordered = disk.ordered
        self.digest: str | None = None

    def extents(self) -> Iterator[Extent]:
        return self._disk.extents()

    def blocks(self) -> Iterator[Block]:
        found = DiskDigest(self.virtual_size)
        for offset, data in self._disk.blocks():
            for start, part in without_zeros([(offset, data)]):
                for at, length in pieces(start, len(part)):
                    found.add(at, part[at - start : at - start + length])
            yield offset, data
        self.digest = found.hexdigest()


class DiskImageSource:
    """A source for an upload, as `source.FileSource` is one: from the start each time it is read, by opening the disk again.

    It is known again by ``identity`` where the disk can never change, else by what it holds, which is known when it was read once.
    """

    def __init__(
        self,
        label: str,
        encoding: ImageEncoding,
        open_disk: Callable[[], AbstractContextManager[Disk]],
        identity: str | None,
        notes: Mapping[str, str],
    ) -> None:
        """``notes`` are marks that the image is to carry."""
        self.label = label
        self.notes = notes
        self._encoding = encoding
        self._open_disk = open_disk
        self._identity = identity
        self._digest: str | None = None
        self._open: _Open | None = None
        self._size: int | None = None

    @property
    def origin(self) -> Source:
        return self

    @property
    def size(self) -> int | None:
        """Known from the disk's tables, which come first; of a tarball never."""
        if self._size is None and self._encoding.format != "vhd_tarball":
            self._unread()
        return self._size

    @property
    def fingerprint(self) -> str | None:
        known = self._identity or self._digest
        return hashlib.sha256(f"made\n{self._encoding.format}\n{known}".encode()).hexdigest() if known else None

    def head(self) -> bytes:
        return _HEADS.get(self._encoding.format, b"")

    def tail(self) -> bytes:
        return b""

    def blocks(self) -> Iterator[bytes]:
        opened = self._unread()
        opened.reading = True
        with opened.stack:
            for block in opened.writer:
                # A body of one large piece would hold back who counts what passes.
                for start in range(0, len(block), PIECE):
                    yield block if len(block) <= PIECE else block[start : start + PIECE]
        if opened.digested is not None:
            self._digest = opened.digested.digest

    def digests(self, algorithms: Iterable[str]) -> dict[str, str]:
        return digests_of(self.blocks(), algorithms)

    def read(self) -> None:
        """Read the disk for its fingerprint alone: nothing is encoded."""
        with self._open_disk() as disk:
            digested = DigestedDisk(disk)
            for _block in digested.blocks():
                pass
        self._digest = digested.digest

    def close(self) -> None:
        """Release the disk, also where it was not read to its end."""
        opened, self._open = self._open, None
        if opened is not None:
            # To leave well would be to read the rest.
            with suppress(_Abandoned):
                opened.stack.__exit__(_Abandoned, _Abandoned(), None)

    def _unread(self) -> _Open:
        if self._open is not None and not self._open.reading:
            return self._open
        self.close()
        with ExitStack() as stack:
            disk = stack.enter_context(self._open_disk())
            digested = DigestedDisk(disk) if self._identity is None else None
            writer = self._encoding.writer(digested or disk)
            self._open, self._size = _Open(stack.pop_all(), writer, digested), writer.size
        return self._open


class _Abandoned(Exception):
    """Whoever reads has given up."""


@dataclass
class _Open:
    """An image that has been begun: with its first byte, or before so as to know its size."""

    stack: ExitStack
    writer: ImageWriter
    digested: DigestedDisk | None
    reading: bool = False
