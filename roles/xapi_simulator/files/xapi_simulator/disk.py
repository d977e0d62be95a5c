# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Disks as an SR keeps them: a VHD file that grows block by block, or a raw file."""

from __future__ import annotations

import os
import struct
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from . import vhdformat as vhd

ALIGNMENT = 4096
ZEROS = bytes(vhd.BLOCK)
FULL = b"\xff" * vhd.SECTOR


class Beyond(Exception):
    """A write past the end of the disk."""


class Disk(ABC):
    """A disk of `size` bytes. Blocks that were never written read as zeros."""

    size: int
    file: BinaryIO

    @property
    def listed_size(self) -> int:
        """As a scan of the SR tells it."""
        return self.size

    @abstractmethod
    def read(self, offset: int, length: int) -> bytes: ...

    @abstractmethod
    def write(self, offset: int, data: bytes) -> None: ...

    @abstractmethod
    def blocks(self) -> Iterator[int]:
        """Indexes of the blocks of 2 MiB that may hold data, ascending."""

    def block(self, index: int) -> bytes:
        """The block, shorter at the end of the disk."""
        offset = index * vhd.BLOCK
        return self.read(offset, min(vhd.BLOCK, self.size - offset))

    def close(self) -> None:
        self.file.close()

    def __enter__(self) -> Disk:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


class RawDisk(Disk):
    def __init__(self, path: Path, writable: bool) -> None:
        self.file = path.open("r+b" if writable else "rb")
        self.size = os.fstat(self.file.fileno()).st_size

    def read(self, offset: int, length: int) -> bytes:
        self.file.seek(offset)
        return self.file.read(length)

    def write(self, offset: int, data: bytes) -> None:
        if offset + len(data) > self.size:
            raise Beyond
        self.file.seek(offset)
        self.file.write(data)

    def blocks(self) -> Iterator[int]:
        done = -1
        offset, handle = 0, self.file.fileno()
        self.file.flush()
        while offset < self.size:
            try:
                start = os.lseek(handle, offset, os.SEEK_DATA)
                offset = os.lseek(handle, start, os.SEEK_HOLE)
            except OSError:  # no data behind here
                return
            for index in range(max(start // vhd.BLOCK, done + 1), (offset - 1) // vhd.BLOCK + 1):
                done = index
                yield index


class VhdDisk(Disk):
    """A dynamic VHD as the toolstack of the host writes it: footer, header, table, map of full blocks, aligned blocks, footer."""

    def __init__(self, path: Path, writable: bool, depth: int = 0) -> None:
        self.writable = writable
        self.file = path.open("r+b" if writable else "rb")
        self.footer = self.file.read(vhd.SECTOR)
        self.parent: VhdDisk | None = None
        try:
            at, self.size, self.kind = vhd.read_footer(self.footer)
            self.file.seek(at)
            header = self.file.read(1024)
            self.table, self.entries, block = vhd.read_header(header)
            if block != vhd.BLOCK or self.kind not in (vhd.DYNAMIC, vhd.DIFFERENCING):
                raise vhd.Invalid("not a dynamic or differencing VHD with blocks of 2 MiB")
            self.file.seek(self.table)
            self.places = list(struct.unpack(f">{self.entries}I", self.file.read(4 * self.entries)))
            if self.kind == vhd.DIFFERENCING:
                self.parent = self.find_parent(path, header, depth)
        except BaseException:
            self.file.close()
            raise
        self.changed = False

    @property
    def listed_size(self) -> int:
        """The host's tool tells whole MiB."""
        return self.size >> 20 << 20

    def read(self, offset: int, length: int) -> bytes:
        parts = []
        end = min(offset + length, self.size)
        while offset < end:
            index, within = divmod(offset, vhd.BLOCK)
            count = min(end - offset, vhd.BLOCK - within)
            place = self.places[index]
            if place == vhd.UNUSED:
                parts.append(self.below(offset, count))
            elif self.bitmap(index) != FULL:
                parts.append(self.merged(index)[within : within + count])
            else:
                self.file.seek(place * vhd.SECTOR + vhd.SECTOR + within)
                parts.append(self.file.read(count))
            offset += count
        return b"".join(parts)

    def find_parent(self, path: Path, header: bytes, depth: int) -> VhdDisk:
        """The file beside this one that the first locator names; a chain has 30 at most."""
        name = vhd.parent_name(self.file, header)
        if depth >= 29:
            raise vhd.Invalid("the chain is too long")
        parent = VhdDisk(path.parent / Path(name).name, False, depth + 1)
        if parent.footer[68:84] != header[40:56]:
            parent.close()
            raise vhd.Invalid(f"{name} is not the parent")
        return parent

    def below(self, offset: int, count: int) -> bytes:
        """What the parent shows there."""
        data = self.parent.read(offset, count) if self.parent and offset < self.parent.size else b""
        return data + ZEROS[: count - len(data)]

    def bitmap(self, index: int) -> bytes:
        self.file.seek(self.places[index] * vhd.SECTOR)
        return self.file.read(vhd.SECTOR)

    def merged(self, index: int) -> bytes:
        """A block of which only some sectors were written."""
        bitmap, data = self.bitmap(index), bytearray(self.below(index * vhd.BLOCK, vhd.BLOCK))
        own = self.file.read(vhd.BLOCK)
        for sector in range(vhd.BLOCK // vhd.SECTOR):
            if bitmap[sector // 8] & (0x80 >> (sector % 8)):
                data[sector * vhd.SECTOR : (sector + 1) * vhd.SECTOR] = own[sector * vhd.SECTOR : (sector + 1) * vhd.SECTOR]
        return bytes(data)

    def write(self, offset: int, data: bytes) -> None:
        if offset + len(data) > self.size:
            raise Beyond
        view = memoryview(data)
        while view:
            index, within = divmod(offset, vhd.BLOCK)
            count = min(len(view), vhd.BLOCK - within)
            if self.places[index] == vhd.UNUSED:
                self.allocate(index)
                if self.parent and count < vhd.BLOCK:
                    self.replace(index, self.below(index * vhd.BLOCK, vhd.BLOCK))
            elif self.bitmap(index) != FULL:
                self.replace(index, self.merged(index))
            self.file.seek(self.places[index] * vhd.SECTOR + vhd.SECTOR + within)
            self.file.write(view[:count])
            view, offset = view[count:], offset + count

    def replace(self, index: int, data: bytes) -> None:
        self.file.seek(self.places[index] * vhd.SECTOR)
        self.file.write(FULL + data)

    def allocate(self, index: int) -> None:
        """A new block behind all others: its bitmap says that every sector counts, its data starts on a page."""
        end = self.file.seek(0, os.SEEK_END) - vhd.SECTOR  # the footer moves
        data = vhd.up(end + vhd.SECTOR, ALIGNMENT)
        self.file.seek(data - vhd.SECTOR)
        self.file.write(b"\xff" * vhd.SECTOR)
        self.file.truncate(data + vhd.BLOCK)
        self.file.seek(data + vhd.BLOCK)
        self.file.write(self.footer)
        # The old footer may lie between two blocks: what is there must not look like one.
        self.file.seek(end)
        self.file.write(bytes(data - vhd.SECTOR - end)[: vhd.SECTOR])
        self.places[index] = (data - vhd.SECTOR) // vhd.SECTOR
        self.changed = True

    def blocks(self) -> Iterator[int]:
        used = {index for index, place in enumerate(self.places) if place != vhd.UNUSED}
        if self.parent:
            used |= {index for index in self.parent.blocks() if index < self.entries}
        return iter(sorted(used))

    def close(self) -> None:
        if self.changed:
            self.file.seek(self.table)
            self.file.write(table(self.places))
        if self.parent:
            self.parent.close()
        super().close()


def table(places: list[int]) -> bytes:
    """The table of blocks, and behind it the map of those that are full, which is every one in use."""
    packed = struct.pack(f">{len(places)}I", *places)
    packed += b"\xff" * (vhd.up(len(packed), vhd.SECTOR) - len(packed))
    full = bytearray(vhd.up((len(places) + 7) // 8, vhd.SECTOR))
    for index, place in enumerate(places):
        if place != vhd.UNUSED:
            full[index // 8] |= 0x80 >> (index % 8)
    at = 1536 + len(packed) + vhd.SECTOR
    head = struct.pack(">8sQIIIB", b"tdbatmap", at, len(full) // vhd.SECTOR, 0x00010002, vhd.checksum(bytes(full)), 0)
    return packed + head.ljust(vhd.SECTOR, b"\0") + bytes(full)


def create(path: Path, size: int, identity: str) -> None:
    """An empty disk; the suffix of the path says which kind."""
    with path.open("xb") as file:
        if path.suffix != ".vhd":
            file.truncate(size)
            return
        entries = -(-size // vhd.BLOCK)
        end = vhd.footer(size, identity)
        file.write(end + vhd.header(entries, 1536) + table([vhd.UNUSED] * entries) + end)


class NotCreatedByXen(Exception):
    """A VHD that the host's own tool does not resize."""


def grown(path: Path, size: int) -> int:
    """What the host's tool makes of a disk that is to have so many bytes, of whole MiB.

    It refuses VHDs of other creators, and adds blocks to those that are there for what is missing: one more than needed where the old size
    is no multiple of a block.
    """
    if path.suffix != ".vhd":
        return size
    with path.open("rb") as file:
        footer = file.read(vhd.SECTOR)
        at, old, dummy = vhd.read_footer(footer)
        file.seek(at)
        dummy, entries, block = vhd.read_header(file.read(1024))
    if not vhd.creator(footer).startswith(b"tap"):
        raise NotCreatedByXen(f"{path} not created by xen; resize not supported")
    return old if size == old else (entries + -(-(size - old) // block)) * block


def attach(path: Path, writable: bool) -> Disk:
    return VhdDisk(path, writable) if path.suffix == ".vhd" else RawDisk(path, writable)


def copy(source: Path, target: Path, identity: str, size: int | None = None) -> None:
    """The content of one disk in a new one, which may be larger. A copy that fails leaves nothing."""
    with attach(source, False) as old:
        create(target, size or old.size, identity)
        try:
            with attach(target, True) as new:
                for index in old.blocks():
                    data = old.block(index)
                    if data.count(0) != len(data):
                        new.write(index * vhd.BLOCK, data)
        except BaseException:
            target.unlink()
            raise
