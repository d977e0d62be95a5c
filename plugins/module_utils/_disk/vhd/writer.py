# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""A dynamic VHD as Xen's own tools write it, made while its disk is read: for pools and image services that want a VHD.

qemu-img's VHDs are refused by the checks in Dom0, for their geometry or for their creator, so they are never used.
"""

from __future__ import annotations

import time
from array import array
from collections.abc import Callable, Iterator
from uuid import UUID, uuid4

from ..._core.errors import cannot
from ..disk import Disk
from ..extents import GIB, Block, Extent, pieces
from .format import BLOCK, DIFFERENCING, DYNAMIC, EPOCH, HEADER_SIZE, MAX_XEN_SIZE, SECTOR, UNUSED, Footer, Header, locators, pack_batmap, pack_table

_TABLE_OFFSET = SECTOR + HEADER_SIZE
_BITMAP = b"\xff" * SECTOR
# The data of each block begins at a multiple of this.
_ALIGNMENT = 4096


class VhdWriter:
    """The bytes of a VHD. Their number is known before the first; each iteration gives the same ones."""

    def __init__(
        self,
        disk: Disk,
        virtual_size: int | None = None,
        uuid: UUID | None = None,
        timestamp: int | None = None,
        parent: UUID | None = None,
        blocks: Callable[[], Iterator[Block]] | None = None,
    ) -> None:
        """``virtual_size`` is that of the VDI, where it is larger than the disk; ``timestamp`` is in seconds since 1970.

        ``blocks`` are those of the disk where its reader passes them on in another form, such as whole pages.

        With the id of a ``parent`` it is a differencing VHD: what the disk gives hides the parent's, zeros included, and what it does not give
        is the parent's. As the parent's file it names the one of its id in the same directory; receivers set another, which Xen's tools do only
        where there is one.
        """
        self._disk = disk
        self._blocks = blocks or disk.blocks
        self._parent = parent
        size = max(disk.virtual_size, virtual_size or 0)
        self.virtual_size = max(SECTOR, -(-size // SECTOR) * SECTOR)
        if self.virtual_size > MAX_XEN_SIZE:
            cause = f"a VHD of Xen holds {MAX_XEN_SIZE // GIB} GiB at most, and the disk has {size / GIB:.1f} GiB"
            raise cannot("write", "VHD", disk.label, cause, "Move it as raw or qcow2, into a storage repository that holds such disks", code="too_large")
        entries = -(-self.virtual_size // BLOCK)
        self._table = array("I", [UNUSED]) * entries
        self._order = array("I")
        bits = bytearray(-(-entries // 8))
        batmap = _TABLE_OFFSET + len(pack_table(self._table))
        paths = batmap + len(pack_batmap(batmap, bytes(bits)))
        name = "" if parent is None else f"{parent}.vhd"
        path_entries, self._paths = (b"", b"") if parent is None else locators(name, paths)
        self._header = Header(_TABLE_OFFSET, len(self._table), parent=parent or UUID(int=0), parent_name=name, locators=path_entries)
        self._place = end = paths + len(self._paths)
        for index in self._used():
            bitmap_at = _bitmap_after(end)
            self._table[index] = bitmap_at // SECTOR
            # Of a differencing VHD it is known too late which blocks are complete; a block that is not marked does no harm.
            bits[index // 8] |= 0x80 >> index % 8 if parent is None else 0
            self._order.append(index)
            end = bitmap_at + SECTOR + BLOCK
        self.size = end + SECTOR
        moment = int(time.time()) if timestamp is None else timestamp
        kind = DYNAMIC if parent is None else DIFFERENCING
        self._footer = Footer(kind, self.virtual_size, SECTOR, uuid or uuid4(), max(0, moment - EPOCH)).pack()
        self._batmap = pack_batmap(batmap, bytes(bits))

    def __len__(self) -> int:
        return self.size

    def __iter__(self) -> Iterator[bytes]:
        yield self._footer + self._header.pack()
        yield pack_table(self._table)
        yield self._batmap + self._paths
        place = self._place
        for bitmap, data in self._whole(self._cut(self._blocks())):
            bitmap_at = _bitmap_after(place)
            yield bytes(bitmap_at - place) + bitmap
            yield data
            place = bitmap_at + SECTOR + BLOCK
        yield self._footer

    def _used(self) -> Iterator[int]:
        """Numbers of the blocks that hold something, in the order in which their data will come."""
        seen = bytearray(-(-len(self._table) // 8))
        last = -1
        for extent in self._disk.extents():
            self._inside(extent)
            for index in range(extent[0] // BLOCK, -(-sum(extent) // BLOCK)):
                if index == last:
                    continue
                if seen[index // 8] >> index % 8 & 1:
                    cause = f"parts of its block {index} come apart from each other"
                    raise cannot("write", "VHD", self._disk.label, cause, "Give the disk as a file instead of a stream", code="bad_source")
                seen[index // 8] |= 1 << index % 8
                last = index
                yield index

    def _cut(self, blocks: Iterator[Block]) -> Iterator[tuple[int, memoryview]]:
        for offset, data in blocks:
            self._inside((offset, len(data)))
            view = memoryview(data)
            for part, length in pieces(offset, len(data), BLOCK):
                yield part, view[part - offset : part - offset + length]

    def _whole(self, parts: Iterator[tuple[int, memoryview]]) -> Iterator[tuple[bytes, bytes]]:
        """Bitmap and data of each block in the order of the table, zeros where the disk gives nothing."""
        part = next(parts, None)
        for index in self._order:
            begin = index * BLOCK
            if part is not None and part[0] == begin and len(part[1]) == BLOCK:
                yield _BITMAP, bytes(part[1])
                part = next(parts, None)
                continue
            data, given = bytearray(BLOCK), 0
            while part is not None and begin <= part[0] < begin + BLOCK:
                data[part[0] - begin : part[0] - begin + len(part[1])] = part[1]
                given |= self._sectors(part[0] - begin, len(part[1]))
                part = next(parts, None)
            yield _BITMAP if self._parent is None else given.to_bytes(SECTOR, "big"), bytes(data)
        if part is not None:
            cause = f"data at {part[0]} comes where its tables announced none"
            raise cannot("write", "VHD", self._disk.label, cause, "Run the task again when nothing writes to it", code="bad_source")

    def _sectors(self, start: int, length: int) -> int:
        """The bits in a block's bitmap of a part of the block."""
        if self._parent is None:
            return 0
        if start % SECTOR or length % SECTOR:
            raise cannot("write", "VHD", self._disk.label, "what differs from its parent is not whole sectors", "Give the complete disk", code="bad_source")
        return ((1 << length // SECTOR) - 1) << (BLOCK - start - length) // SECTOR

    def _inside(self, extent: Extent) -> None:
        if extent[0] < 0 or sum(extent) > self.virtual_size:
            raise cannot("write", "VHD", self._disk.label, "its data lies beyond its size", "Report this as a fault of the reader", code="bad_source")


def _bitmap_after(place: int) -> int:
    """Where the bitmap of the next block lies, so that its data is aligned."""
    return -(-(place + SECTOR) // _ALIGNMENT) * _ALIGNMENT - SECTOR
