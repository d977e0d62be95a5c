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


class Beyond(Exception):
    """A write past the end of the disk."""


class Disk(ABC):
    """A disk of `size` bytes. Blocks that were never written read as zeros."""

    size: int
    file: BinaryIO

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

    def __init__(self, path: Path, writable: bool) -> None:
        self.writable = writable
        self.file = path.open("r+b" if writable else "rb")
        self.footer = self.file.read(vhd.SECTOR)
        at, self.size, self.kind = vhd.read_footer(self.footer)
        self.file.seek(at)
        self.table, self.entries, block = vhd.read_header(self.file.read(1024))
        if block != vhd.BLOCK or self.kind != vhd.DYNAMIC:
            raise vhd.Invalid("not a dynamic VHD with blocks of 2 MiB")
        self.file.seek(self.table)
        self.places = list(struct.unpack(f">{self.entries}I", self.file.read(4 * self.entries)))
        self.changed = False

    def read(self, offset: int, length: int) -> bytes:
        parts = []
        end = min(offset + length, self.size)
        while offset < end:
            index, within = divmod(offset, vhd.BLOCK)
            count = min(end - offset, vhd.BLOCK - within)
            place = self.places[index]
            if place == vhd.UNUSED:
                parts.append(ZEROS[:count])
            else:
                self.file.seek(place * vhd.SECTOR + vhd.SECTOR + within)
                parts.append(self.file.read(count))
            offset += count
        return b"".join(parts)

    def write(self, offset: int, data: bytes) -> None:
        if offset + len(data) > self.size:
            raise Beyond
        view = memoryview(data)
        while view:
            index, within = divmod(offset, vhd.BLOCK)
            count = min(len(view), vhd.BLOCK - within)
            if self.places[index] == vhd.UNUSED:
                self.allocate(index)
            self.file.seek(self.places[index] * vhd.SECTOR + vhd.SECTOR + within)
            self.file.write(view[:count])
            view, offset = view[count:], offset + count

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
        return (index for index, place in enumerate(self.places) if place != vhd.UNUSED)

    def close(self) -> None:
        if self.changed:
            self.file.seek(self.table)
            self.file.write(table(self.places))
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
