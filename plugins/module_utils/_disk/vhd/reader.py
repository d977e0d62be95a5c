# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""VHDs read from a file or from a stream, for the import of VHD images into Xen pools.

A differencing VHD gives what it holds itself; `vhd_chain` lays it over its parents.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import BinaryIO

from ..._core.errors import ImageServicesError
from ..disk import ByteStream, ImageFile, RawDisk, broken
from ..extents import MIB, PIECE, Block, Extent, merged, pieces
from .format import DIFFERENCING, FIXED, HEADER_SIZE, SECTOR, BlockTable, Broken, Footer, Header, is_footer, parse_footer, parse_header

_AS_FILE = "Give the VHD as a file"
# What was open, or on a host that crashed, may lack it; all else of the disk is there, or told to be missing.
NO_FOOTER = "'{0}' has no footer at its end, as a VHD that was in use when it was copied. It was read by the copy of the footer at its beginning."


def needed_table(header: Header, size: int) -> int:
    """Bytes of the block table's part that a disk of ``size`` bytes uses."""
    return -(-size // header.block_size) * 4


def most_length(size: int) -> int:
    """What a VHD of ``size`` bytes may take in a file: more is a way to keep a reader busy."""
    return size + size // 32 + 64 * MIB


def written(bitmap: bytes, block_size: int) -> Iterator[Extent]:
    """(offset, length) in a block of the sectors whose bits are set."""
    sectors = block_size // SECTOR
    bits = f"{int.from_bytes(bitmap, 'big'):0{len(bitmap) * 8}b}"
    for run in re.finditer("1+", bits[:sectors]):
        yield run.start() * SECTOR, (run.end() - run.start()) * SECTOR


class VhdFile:
    """A VHD in a seekable file."""

    ordered = True

    def __init__(self, stream: BinaryIO, label: str, lenient: bool = False) -> None:
        """``lenient`` takes a dynamic VHD without its footer at the end, with a warning."""
        self.label = label
        self._stream = stream
        self._file = ImageFile(stream, "VHD", label)
        if self._file.size < 2 * SECTOR:
            raise self._file.broken(f"it has {self._file.size} bytes")
        self.warnings: list[str] = []
        head = self._file.read(0, SECTOR, "its footer's copy")
        last = self._file.read(self._file.size - SECTOR, SECTOR, "its footer")
        ended = not lenient or is_footer(last) or not is_footer(head)
        if not ended:
            self.warnings.append(NO_FOOTER.format(label))
        self.footer = parse_footer(*(last, self._file.broken, "its end") if ended else (head, self._file.broken, "its beginning"))
        self.virtual_size = self.footer.size
        self._table: BlockTable | None = None
        if self.footer.kind == FIXED and not ended:
            raise self._file.broken("it is a fixed VHD, yet begins with a footer")
        if self.footer.kind == FIXED:
            if self._file.size - SECTOR != self.footer.size:
                raise self._file.broken(f"its footer gives {self.footer.size} bytes, but it holds {self._file.size - SECTOR}")
            return
        agree(self.footer, parse_footer(head, self._file.broken, "its beginning"), self._file.broken)
        data = self._file.read(self.footer.data_offset, HEADER_SIZE, "its dynamic header")
        self.header = parse_header(data, self.footer.size, self._file.broken)
        length = needed_table(self.header, self.footer.size)
        table = self._file.read(self.header.table_offset, length, "its block table")
        begin = max(self.footer.data_offset + HEADER_SIZE, self.header.table_offset + length)
        self._table = BlockTable(table, self.header, begin, self._file.size - (SECTOR if ended else 0), self._file.broken)

    @property
    def parent(self) -> bool:
        """Whether what it does not hold is in a parent."""
        return self.footer.kind == DIFFERENCING

    def extents(self) -> Iterator[Extent]:
        if self._table is None:
            yield from RawDisk(self._stream, self.label, self.virtual_size).extents()
            return
        size = self.header.block_size
        yield from merged((index * size, min(size, self.virtual_size - index * size)) for index, _sector in self._table)

    def blocks(self) -> Iterator[Block]:
        if self._table is None:
            yield from RawDisk(self._stream, self.label, self.virtual_size).blocks()
            return
        for index, sector in self._table:
            begin, place = index * self.header.block_size, sector * SECTOR
            bitmap = self._file.read(place, self.header.bitmap_size, "a block's bitmap")
            place += len(bitmap)
            for start, length in written(bitmap, min(self.header.block_size, self.virtual_size - begin)):
                for offset, part in pieces(begin + start, length):
                    yield offset, self._file.read(place + offset - begin, part, f"block {index}")


class VhdStream:
    """A VHD that comes forward only, once: its tables first, its blocks in the order in which they lie.

    So Dom0, qemu-img and `vhd_writer` write dynamic VHDs. A fixed one has its mark at its end, so its length must be known.
    """

    def __init__(self, blocks: Iterable[bytes], label: str, length: int | None = None, lenient: bool = False) -> None:
        """``lenient`` takes a dynamic VHD without its footer at the end, with a warning."""
        self.label = label
        self.warnings: list[str] = []
        self._length = length
        self._lenient = lenient
        self._stream = ByteStream(blocks, self._broken)
        head = self._stream.exactly(SECTOR, "its beginning")
        self._table: BlockTable | None = None
        self._read = False
        self._head = b""
        if not is_footer(head):
            if length is None:
                raise self._broken("it does not begin as a dynamic VHD does, and a fixed one is not told from its beginning", _AS_FILE)
            if length <= SECTOR or length % SECTOR:
                raise self._broken(f"it begins as no dynamic VHD does, and has {length} bytes, which no fixed VHD has")
            self.footer: Footer | None = None
            self._head, self.virtual_size = head, length - SECTOR
            return
        self.footer = footer = parse_footer(head, self._broken, "its beginning")
        if footer.kind == FIXED:
            raise self._broken("it is a fixed VHD, yet begins with a footer")
        self.virtual_size = footer.size
        self._limit = most_length(footer.size)
        if length is not None and length > self._limit:
            raise self._broken(f"it has {length} bytes, more than a VHD of {footer.size} bytes takes")
        self._forward(footer.data_offset, "its dynamic header")
        self.header = parse_header(self._stream.exactly(HEADER_SIZE, "its dynamic header"), footer.size, self._broken)
        self._forward(self.header.table_offset, "its block table")
        table = self._stream.exactly(needed_table(self.header, footer.size), "its block table")
        end = length - (0 if lenient else SECTOR) if length is not None else self._limit
        self._table = BlockTable(table, self.header, self._stream.position, end, self._broken)

    @property
    def ordered(self) -> bool:
        if self._table is None:
            return True
        last = -1
        for index, _sector in self._table.in_file_order():
            if index < last:
                return False
            last = index
        return True

    @property
    def parent(self) -> bool:
        """Whether what it does not hold is in a parent."""
        return self.footer is not None and self.footer.kind == DIFFERENCING

    def extents(self) -> Iterator[Extent]:
        if self._table is None:
            yield 0, self.virtual_size
            return
        size = self.header.block_size
        for index, _sector in self._table.in_file_order():
            yield index * size, min(size, self.virtual_size - index * size)

    def blocks(self) -> Iterator[Block]:
        if self._read:
            raise self._broken("it is a stream that was read already", "Open it again")
        self._read = True
        yield from self._fixed() if self._table is None or self.footer is None else self._dynamic(self._table, self.footer)

    def _fixed(self) -> Iterator[Block]:
        yield 0, self._head
        offset = SECTOR
        for offset, length in pieces(SECTOR, self.virtual_size - SECTOR):
            yield offset, self._stream.exactly(length, "its data")
        footer = parse_footer(self._last(), self._broken, "its end")
        if footer.kind != FIXED or footer.size != self.virtual_size:
            raise self._broken(f"its footer does not tell of a fixed VHD of {self.virtual_size} bytes")
        self.footer = footer

    def _dynamic(self, table: BlockTable, footer: Footer) -> Iterator[Block]:
        for index, sector in table.in_file_order():
            begin, name = index * self.header.block_size, f"block {index}"
            self._forward(sector * SECTOR, name)
            bitmap = self._stream.exactly(self.header.bitmap_size, name)
            data = self._stream.position
            for start, length in written(bitmap, min(self.header.block_size, self.virtual_size - begin)):
                self._stream.skip(data + start - self._stream.position)
                for offset, part in pieces(begin + start, length):
                    yield offset, self._stream.exactly(part, name)
            self._stream.skip(data + self.header.block_size - self._stream.position)
        last = self._last()
        if self._lenient and not (is_footer(last) and len(last) == SECTOR):
            self.warnings.append(NO_FOOTER.format(self.label))
        else:
            agree(parse_footer(last, self._broken, "its end"), footer, self._broken)

    def _forward(self, place: int, what: str) -> None:
        if place < self._stream.position:
            raise self._broken(f"{what} is at {place}, before what came already: its parts are not in the order of a stream", _AS_FILE)
        if place > self._limit:
            raise self._broken(f"{what} is at {place}, further than a VHD of {self.virtual_size} bytes goes")
        self._stream.skip(place - self._stream.position)

    def _last(self) -> bytes:
        """The sector with which it ends."""
        last = bytearray()
        for piece in self._stream.pieces(self._limit - self._stream.position if self._table is not None else PIECE):
            last += piece
            del last[:-SECTOR]
        if len(last) < SECTOR and not (self._lenient and self._table is not None):
            raise self._broken(f"it ends after {self._stream.position} bytes, without its footer: it is cut off")
        if any(self._stream.pieces(1)):
            raise self._broken("it does not end where a VHD of its size does")
        return bytes(last)

    def _broken(self, cause: str, advice: str = "") -> ImageServicesError:
        return broken("VHD", self.label, cause, advice) if advice else broken("VHD", self.label, cause)


def raw_parent(vhd: VhdFile | VhdStream) -> bool:
    """Whether its parent is a raw disk: such a parent has no uuid, as Xen writes it."""
    return vhd.parent and not vhd.header.parent.int


def agree(end: Footer, beginning: Footer, error: Broken) -> None:
    """Refuse a VHD whose two footers do not tell of the same disk."""
    if (end.kind, end.size, end.data_offset, end.uuid) != (beginning.kind, beginning.size, beginning.data_offset, beginning.uuid):
        raise error("its footer and the footer's copy at its beginning tell of different disks")
