# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""The structures of a VHD: footer, dynamic header, block table. Microsoft's Virtual Hard Disk Image Format, with what Xen adds to it."""

from __future__ import annotations

import struct
import sys
from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from uuid import UUID

from ..._core.errors import ImageServicesError
from ..extents import GIB, MIB

SECTOR = 512
HEADER_SIZE = 1024
FIXED, DYNAMIC, DIFFERENCING = 2, 3, 4
NO_OFFSET = 0xFFFFFFFFFFFFFFFF
UNUSED = 0xFFFFFFFF
# Places are counted in sectors of 32 bits, and Xen keeps some of them for its own tables.
MAX_SIZE = 2048 * GIB
MAX_XEN_SIZE = 2040 * GIB
BLOCK = 2 * MIB
# Seconds from 1970 to 2000, where a VHD's time begins.
EPOCH = 946684800

_FOOTER = struct.Struct(">8sIIQI4sI4sQQHBBII16sBB426x")
_HEADER = struct.Struct(">8sQQIIII16sII512s192s256x")
_BATMAP = struct.Struct(">8sQIIIB483x")
_FOOTER_CHECKSUM, _HEADER_CHECKSUM = 64, 36
_VERSION = 0x00010000
_BATMAP_VERSION = 0x00010002
_CREATOR, _CREATOR_VERSION = b"tap\0", 0x00010003

Broken = Callable[[str], ImageServicesError]


@dataclass(frozen=True)
class Footer:
    kind: int
    size: int
    data_offset: int
    uuid: UUID
    timestamp: int = 0

    def pack(self) -> bytes:
        cylinders, heads, sectors = geometry(self.size)
        fields = [b"conectix", 2, _VERSION, self.data_offset, self.timestamp, _CREATOR, _CREATOR_VERSION, bytes(4), self.size, self.size]
        fields += [cylinders, heads, sectors, self.kind, 0, self.uuid.bytes, 0, 0]
        return _summed(_FOOTER.pack(*fields), _FOOTER_CHECKSUM)


@dataclass(frozen=True)
class Header:
    table_offset: int
    entries: int
    block_size: int = BLOCK
    parent: UUID = UUID(int=0)
    # The parent's file, and where locators() say it too.
    parent_name: str = ""
    locators: bytes = b""

    def pack(self) -> bytes:
        name = self.parent_name.encode("utf-16-be")
        fields = (b"cxsparse", NO_OFFSET, self.table_offset, _VERSION, self.entries, self.block_size, 0, self.parent.bytes, 0, 0, name, self.locators)
        return _summed(_HEADER.pack(*fields), _HEADER_CHECKSUM)

    @property
    def bitmap_size(self) -> int:
        """Bytes of the bitmap that says which sectors of a block were written."""
        return -(-self.block_size // (SECTOR * 8 * SECTOR)) * SECTOR


def is_footer(data: bytes) -> bool:
    return data[:8] == b"conectix"


def parse_footer(data: bytes, broken: Broken, where: str) -> Footer:
    if not is_footer(data) or len(data) != SECTOR:
        raise broken(f"no VHD footer is at {where}")
    if _sum(data, _FOOTER_CHECKSUM) != int.from_bytes(data[_FOOTER_CHECKSUM : _FOOTER_CHECKSUM + 4], "big"):
        raise broken(f"the footer at {where} has a wrong checksum")
    _cookie, _features, version, data_offset, timestamp, _creator, _by, _os, _original, size, _cyl, _heads, _spt, kind, _sum_, uuid, _saved, _hidden = (
        _FOOTER.unpack(data)
    )
    if version != _VERSION:
        raise broken(f"the footer at {where} is of the unknown version {version:#x}")
    if kind not in (FIXED, DYNAMIC, DIFFERENCING):
        raise broken(f"the footer at {where} names the unknown type {kind}")
    if size == 0 or size % SECTOR or size > MAX_SIZE:
        raise broken(f"the footer at {where} gives a size of {size} bytes; a VHD holds whole sectors, and {MAX_SIZE // GIB} GiB at most")
    return Footer(kind, size, data_offset, UUID(bytes=uuid), timestamp)


def fixed_disk_size(tail: bytes) -> int | None:
    """Bytes of the disk whose fixed VHD ends with ``tail``, its last sector; None where no fixed VHD ends so."""
    if len(tail) != SECTOR or not is_footer(tail):
        return None
    try:
        footer = parse_footer(tail, ImageServicesError, "its end")
    except ImageServicesError:
        return None
    return footer.size if footer.kind == FIXED else None


def parse_header(data: bytes, size: int, broken: Broken) -> Header:
    """The dynamic header of a disk of ``size`` bytes. Where a parent lies is never looked at, so its locators are not either."""
    cookie, _next, table_offset, version, entries, block_size, checksum, parent, _time, _zero, _name, _locators = _HEADER.unpack(data)
    if cookie != b"cxsparse":
        raise broken("it has no dynamic header where its footer says")
    if _sum(data, _HEADER_CHECKSUM) != checksum:
        raise broken("its dynamic header has a wrong checksum")
    if version != _VERSION:
        raise broken(f"its dynamic header is of the unknown version {version:#x}")
    # Smaller blocks would make tables that no longer fit in memory.
    if not MIB // 2 <= block_size <= 256 * MIB or block_size & (block_size - 1):
        raise broken(f"its blocks are of {block_size} bytes; a power of two from 512 KiB to 256 MiB is read")
    if entries < -(-size // block_size):
        raise broken(f"its block table has {entries} entries, but {size} bytes take {-(-size // block_size)}")
    return Header(table_offset, entries, block_size, UUID(bytes=parent))


class BlockTable:
    """Where each block begins, in sectors; every block at a place of its own."""

    def __init__(self, data: bytes, header: Header, begin: int, end: int | None, broken: Broken) -> None:
        """Blocks lie from byte ``begin`` to ``end``."""
        self._stride = (header.bitmap_size + header.block_size) // SECTOR
        self._entries = array("I")
        self._entries.frombytes(data)
        if sys.byteorder == "little":
            self._entries.byteswap()
        last = -1
        for index, sector in self:
            if sector * SECTOR < begin:
                raise broken(f"block {index} is at {sector * SECTOR}, in the tables")
            if end is not None and (sector + self._stride) * SECTOR > end:
                raise broken(f"block {index} is at {sector * SECTOR}, beyond the end of the data at {end}: it is cut off or damaged")
            last = max(last, sector)
        self._slots = self._sort(last, broken)

    def _sort(self, last: int, broken: Broken) -> array[int]:
        # Blocks that do not overlap begin in different strides, so their numbers are sorted by counting.
        slots = array("I", bytes(4 * (last // self._stride + 1)))
        for index, sector in self:
            if slots[sector // self._stride]:
                raise broken(f"blocks {slots[sector // self._stride] - 1} and {index} are in the same place")
            slots[sector // self._stride] = index + 1
        end = 0
        for number in slots:
            if number:
                if self._entries[number - 1] < end:
                    raise broken(f"block {number - 1} is in the place of another")
                end = self._entries[number - 1] + self._stride
        return slots

    def __iter__(self) -> Iterator[tuple[int, int]]:
        """(number, first sector) of each block, by number."""
        return ((index, sector) for index, sector in enumerate(self._entries) if sector != UNUSED)

    def in_file_order(self) -> Iterator[tuple[int, int]]:
        """(number, first sector) of each block, by where it lies."""
        return ((number - 1, self._entries[number - 1]) for number in self._slots if number)


def locators(parent: str, offset: int) -> tuple[bytes, bytes]:
    """The three paths to a parent's file in the same directory that Xen's tools write: their entries in the header, and the sectors from ``offset`` on."""
    windows = f".\\{parent}".encode("utf-16-le")
    entries, data = b"", b""
    for code, text in ((b"MacX", f"file://./{parent}".encode()), (b"W2ku", windows), (b"W2ru", windows)):
        entries += struct.pack(">4sIIIQ", code, SECTOR, len(text), 0, offset + len(data))
        data += text.ljust(SECTOR, b"\0")
    return entries, data


def pack_table(entries: array[int]) -> bytes:
    """The block table, filled up to whole sectors."""
    swapped = entries[:]
    if sys.byteorder == "little":
        swapped.byteswap()
    data = swapped.tobytes()
    return data + b"\xff" * (-len(data) % SECTOR)


def pack_batmap(offset: int, bits: bytes) -> bytes:
    """Xen's map of the blocks of which every sector is there, with its header; ``offset`` is that of the header."""
    bits += bytes(-len(bits) % SECTOR)
    return _BATMAP.pack(b"tdbatmap", offset + SECTOR, len(bits) // SECTOR, _BATMAP_VERSION, ~sum(bits) & 0xFFFFFFFF, 0) + bits


def geometry(size: int) -> tuple[int, int, int]:
    """Cylinders, heads, sectors per track as the format's appendix computes them: never more than the disk has."""
    total = min(size // SECTOR, 65535 * 16 * 255)
    if total >= 65535 * 16 * 63:
        return total // 255 // 16, 16, 255
    sectors, heads = 17, max(4, -(-(total // 17) // 1024))
    if total // 17 >= heads * 1024 or heads > 16:
        sectors, heads = 31, 16
    if sectors == 31 and total // 31 >= heads * 1024:
        sectors, heads = 63, 16
    return total // sectors // heads, heads, sectors


def _sum(data: bytes, checksum: int) -> int:
    return ~(sum(data) - sum(data[checksum : checksum + 4])) & 0xFFFFFFFF


def _summed(data: bytes, checksum: int) -> bytes:
    return data[:checksum] + _sum(data, checksum).to_bytes(4, "big") + data[checksum + 4 :]
