# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""VMDKs read from a file: sparse ones and those for streaming, for the import of such images into Xen pools."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import replace
from typing import BinaryIO

from .clusters import Claims, Cluster, runs
from .disk import ImageFile
from .extents import Block, Extent, is_zero, merged, pieces
from .vmdk_format import (
    ENTRIES,
    EOS,
    FIXED_PLACE,
    FOOTER,
    GD_AT_END,
    GRAIN_HEAD,
    MARKER,
    SECTOR,
    TABLE_SECTORS,
    Header,
    agree,
    check_description,
    check_description_place,
    inflate,
    most_packed,
    parse_header,
)


class VmdkFile:
    """A VMDK that holds its complete disk, in a seekable file."""

    ordered = True

    def __init__(self, stream: BinaryIO, label: str) -> None:
        self.label = label
        self._file = ImageFile(stream, "vmdk image", label)
        header = parse_header(self._file.read(0, min(SECTOR, self._file.size), "its header"), self._file.broken)
        self._sectors = -(-self._file.size // SECTOR)
        check_description_place(header, self._file.size // SECTOR, self._file.broken)
        named = self._file.read(header.description * SECTOR, header.description_length * SECTOR, "its description")
        start, end = (min(place * SECTOR, self._file.size) for place in FIXED_PLACE)
        check_description(named, self._file.read(start, end - start, "its beginning"), self._file.broken)
        self._header = self._complete(header)
        self.virtual_size = header.virtual_size
        for place in (self._header.directory, self._header.redundant):
            if place and (place + self._header.directory_sectors) * SECTOR > self._file.size:
                raise self._file.broken(f"its directory of {header.tables} tables is at sector {place}, beyond its end at {self._file.size}: it is cut off")
        if not self._header.directory:
            raise self._file.broken("it does not say where its tables are")

    def extents(self) -> Iterator[Extent]:
        yield from merged((grain.offset, grain.length) for grain in self._grains())

    def blocks(self) -> Iterator[Block]:
        for run in runs(self._grains()):
            if run.compressed:
                data = self._file.read(run.place, run.compressed, "a compressed grain")
                yield run.offset, inflate(data, self._header, run.offset, self._file.broken)
                continue
            for offset, length in pieces(run.offset, run.length):
                yield offset, self._file.read(run.place + offset - run.offset, length, f"the data of offset {offset}")

    def _complete(self, header: Header) -> Header:
        """The header with the place of its tables, which a footer may tell."""
        if header.directory != GD_AT_END:
            return header
        if self._file.size % SECTOR or self._file.size < 4 * SECTOR:
            raise self._file.broken(f"its tables are at its end, and its {self._file.size} bytes have none: it is cut off or damaged")
        end = self._file.read(self._file.size - 3 * SECTOR, 3 * SECTOR, "its footer")
        if MARKER.unpack_from(end) != (1, 0, FOOTER) or MARKER.unpack_from(end, 2 * SECTOR) != (0, 0, EOS):
            raise self._file.broken("it does not end as a VMDK with its tables at the end does: it is cut off or damaged")
        footer = parse_header(end[SECTOR : 2 * SECTOR], self._file.broken)
        agree(header, footer, self._file.broken)
        return replace(header, directory=footer.directory, redundant=footer.redundant)

    def _grains(self) -> Iterator[Cluster]:
        """All that is not zeros, ascending. No sector of the file serves twice, so the size of the file bounds the work."""
        header, claims = self._header, Claims()
        self._claim(claims, 0, 1, "its header")
        self._claim(claims, header.description, header.description_length, "its description")
        self._claim(claims, header.directory, header.directory_sectors, "its directory")
        if header.redundant:
            self._claim(claims, header.redundant, header.directory_sectors, "its second directory")
        for number, table in self._entries(header.directory, header.tables):
            self._claim(claims, table, TABLE_SECTORS, f"grain table {number}")
            first = number * ENTRIES
            for index, place in self._entries(table, min(ENTRIES, -(-header.capacity // header.grain) - first)):
                if place == 1 and header.zeroed:
                    continue
                offset = (first + index) * header.grain_size
                yield self._packed(claims, place, offset) if header.compressed else self._plain(claims, place, offset)

    def _plain(self, claims: Claims, place: int, offset: int) -> Cluster:
        length = min(self._header.grain_size, self.virtual_size - offset)
        self._claim(claims, place, -(-length // SECTOR), f"the data of offset {offset}")
        return Cluster(offset, length, place * SECTOR)

    def _packed(self, claims: Claims, place: int, offset: int) -> Cluster:
        head = self._file.read(place * SECTOR, GRAIN_HEAD.size, f"the data of offset {offset}")
        sector, size = GRAIN_HEAD.unpack(head)
        if sector * SECTOR != offset or not 0 < size <= most_packed(self._header):
            raise self._file.broken(f"its tables are damaged: the data of offset {offset} is said to be at {place * SECTOR}, where something else is")
        self._claim(claims, place, -(-(len(head) + size) // SECTOR), f"the data of offset {offset}")
        return Cluster(offset, min(self._header.grain_size, self.virtual_size - offset), place * SECTOR + len(head), size)

    def _claim(self, claims: Claims, place: int, count: int, what: str) -> None:
        if place + count > self._sectors:
            raise self._file.broken(f"{what} is at {place * SECTOR}, beyond its end at {self._file.size}: it is cut off or damaged")
        if not claims.claim(place, count):
            raise self._file.broken(f"its tables are damaged: {what} is said to be at {place * SECTOR}, where something else is already")

    def _entries(self, place: int, count: int) -> Iterator[tuple[int, int]]:
        """(number, entry) of those that are not zero."""
        for start, length in pieces(0, count * 4, 64 * 1024):
            data = self._file.read(place * SECTOR + start, length, "a table")
            if not is_zero(data):
                for index, (entry,) in enumerate(struct.iter_unpack("<I", data), start // 4):
                    if entry:
                        yield index, entry
