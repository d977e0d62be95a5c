# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Disk streams as the host's own tool reads and writes them, with its limits."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from typing import Protocol

from . import vhdformat as vhd
from .disk import Disk

PIECE = 1 << 20
MAX_ENTRIES = 1 << 26
RECORD = struct.Struct("<QI")

Progress = Callable[[float], None]


class Refused(Exception):
    """The tool gave up; its text stays in the log of the host."""


class Source(Protocol):
    def read(self, count: int) -> bytes:
        """At most so many bytes; none at the end. Waits for as long as the sender does."""


class Stream:
    """Bytes that only go forward."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.position = 0

    def pieces(self, count: int) -> Iterator[bytes]:
        while count:
            data = self.source.read(min(count, PIECE))
            if not data:
                raise Refused("End_of_file")
            self.position += len(data)
            count -= len(data)
            yield data

    def take(self, count: int) -> bytes:
        return b"".join(self.pieces(count))

    def go_to(self, offset: int) -> None:
        if offset < self.position:
            raise Refused(f'Invalid_argument("Cstruct.sub: off=0 len={offset - self.position}")')
        for _dummy in self.pieces(offset - self.position):
            pass


def import_raw(source: Source, disk: Disk, length: int, progress: Progress) -> None:
    if length == 0:
        raise Refused("Non-zero size required")
    stream = Stream(source)
    for data in stream.pieces(length):
        disk.write(stream.position - len(data), data)
        progress(stream.position / length)


def import_chunked(source: Source, disk: Disk) -> None:
    """Records of offset, length and data; the share that is done is not known before the end."""
    stream = Stream(source)
    while True:
        offset, length = RECORD.unpack(stream.take(RECORD.size))
        if not length:
            if not offset:
                return
            continue
        if length >= 1 << 31:
            raise Refused(f'Invalid_argument("Cstruct.sub: len={length - (1 << 32)}")')
        for value in (offset, length):
            if value % vhd.SECTOR:
                raise Refused(f"ERROR: {value} not sector aligned")
        for data in stream.pieces(length):
            disk.write(offset, data)
            offset += len(data)


def import_vhd(source: Source, disk: Disk, length: int, progress: Progress) -> None:
    """Blocks in the order of the file. The type, the virtual size and the map of full blocks are not looked at."""
    stream = Stream(source)
    at = vhd.read_footer(stream.take(vhd.SECTOR))[0]
    stream.go_to(at)
    table, entries, block = vhd.read_header(stream.take(1024))
    if entries > MAX_ENTRIES:
        raise Refused("Out_of_memory")
    stream.go_to(table)
    places = struct.unpack(f">{entries}I", stream.take(4 * entries))
    # Two entries for one place: the later one is used.
    blocks = {place: index for index, place in enumerate(places) if place != vhd.UNUSED}
    for done, place in enumerate(sorted(blocks)):
        stream.go_to(place * vhd.SECTOR)
        bitmap = stream.take(vhd.bitmap_size(block))
        write_sectors(disk, blocks[place] * block, bitmap, stream.take(block))
        progress((done + 1) / (len(blocks) + 1))
    stream.go_to((length - 1) & ~511)
    vhd.read_footer(stream.take(vhd.SECTOR))


def write_sectors(disk: Disk, offset: int, bitmap: bytes, data: bytes) -> None:
    """Only the sectors whose bit is set, in runs."""
    sectors = len(data) // vhd.SECTOR
    if bitmap[: sectors // 8].count(0xFF) * 8 == sectors:
        disk.write(offset, data)
        return
    start = None
    for sector in range(sectors + 1):
        present = sector < sectors and bool(bitmap[sector // 8] & (0x80 >> (sector % 8)))
        if present and start is None:
            start = sector
        elif not present and start is not None:
            disk.write(offset + start * vhd.SECTOR, data[start * vhd.SECTOR : sector * vhd.SECTOR])
            start = None


def export_raw(disk: Disk) -> Iterator[bytes]:
    for offset in range(0, disk.size, PIECE):
        yield disk.read(offset, min(PIECE, disk.size - offset))


def export_vhd(disk: Disk, identity: str, base: Disk | None = None, parent: str | None = None) -> Iterator[bytes]:
    """A dynamic VHD in ascending order; with a base only the blocks that differ from it, as its child."""
    entries = -(-disk.size // vhd.BLOCK)
    if base is None:
        wanted = [index for index in disk.blocks() if disk.block(index).strip(b"\0")]
    else:
        wanted = [index for index in sorted({*disk.blocks(), *base.blocks()}) if disk.block(index) != base.block(index)]
    kind = vhd.DYNAMIC if base is None else vhd.DIFFERENCING
    end = vhd.footer(disk.size, identity, kind, creator=b"caml", creator_version=1)
    size = vhd.up(4 * entries, vhd.SECTOR)
    first = (2048 + size) // vhd.SECTOR
    step = (vhd.BLOCK + vhd.SECTOR) // vhd.SECTOR
    places = [vhd.UNUSED] * entries
    for order, index in enumerate(wanted):
        places[index] = first + order * step
    packed = struct.pack(f">{entries}I", *places)
    yield end + vhd.header(entries, 2048, parent) + bytes(512) + packed + b"\xff" * (size - len(packed))
    for index in wanted:
        yield b"\xff" * vhd.SECTOR
        yield disk.block(index).ljust(vhd.BLOCK, b"\0")
    yield end
