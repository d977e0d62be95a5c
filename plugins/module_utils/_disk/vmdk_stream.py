# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""VMDKs for streaming (streamOptimized), read forward only, once: each of their grains says where on the disk it belongs.

Their tables, which come before the grains (qemu) or behind them (VMware), must say the same, so that such an image holds one disk, however it is read.
"""

from __future__ import annotations

import hashlib
import os
import struct
from collections.abc import Iterable, Iterator
from itertools import chain

from .._core.errors import ImageServicesError
from .clusters import Claims
from .disk import ByteStream, broken
from .extents import Block
from .vmdk_format import (
    DIRECTORY,
    ENTRIES,
    EOS,
    FIXED_PLACE,
    FOOTER,
    GD_AT_END,
    GRAIN_HEAD,
    MARKER,
    MAX_DESCRIPTION,
    SECTOR,
    TABLE,
    TABLE_SECTORS,
    agree,
    check_description,
    check_description_place,
    inflate,
    most_packed,
    parse_header,
)

# Of more tables (4 TiB with grains of 64 KiB) not even the sums are kept in memory: such disks are read from a file.
MAX_TABLES = 128 * 1024
# The description, which is kept in memory, lies within so many sectors.
_MAX_LEAD = 2 * MAX_DESCRIPTION
_AS_FILE = "Give the image as a file"


def is_streamable(head: bytes, label: str) -> bool:
    """Whether the header that an image begins with is of one that can be read while it comes; ImageServicesError where it is of none that is read."""
    header = parse_header(head[:SECTOR], lambda cause, *advice: broken("vmdk image", label, cause, *advice))
    return header.compressed and header.tables <= MAX_TABLES and header.description + header.description_length <= min(header.overhead, _MAX_LEAD)


class _Sum:
    """Of pairs (grain, sector), in whatever order they come; no one outside can find two that are the same, for lack of the key."""

    def __init__(self) -> None:
        self._key = os.urandom(16)

    def of(self, index: int, sector: int) -> int:
        return int.from_bytes(hashlib.blake2b(GRAIN_HEAD.pack(sector, index), digest_size=12, key=self._key).digest(), "little")


class VmdkStream:
    """What is wrong with the tables is told at the end, after data: the caller then removes what it created."""

    # Known when it has passed.
    ordered = False

    def __init__(self, blocks: Iterable[bytes], label: str) -> None:
        self.label = label
        begin = ByteStream(blocks, self._broken)
        head = begin.exactly(SECTOR, "its header")
        self._header = header = parse_header(head, self._broken)
        if not header.compressed or header.tables > MAX_TABLES:
            raise self._broken("only VMDKs for streaming are read while they come", _AS_FILE)
        check_description_place(header, min(header.overhead, _MAX_LEAD), self._broken)
        # Not more than header, description, tables and their copies.
        limit = _MAX_LEAD + 2 * (header.directory_sectors + header.tables * TABLE_SECTORS + header.grain)
        if header.overhead > limit:
            raise self._broken(f"its data is said to begin at sector {header.overhead}, behind all that can be before it")
        lead = max(FIXED_PLACE[1], header.description + header.description_length)
        head += b"".join(begin.pieces((lead - 1) * SECTOR))
        named = head[header.description * SECTOR :][: header.description_length * SECTOR]
        check_description(named, head[FIXED_PLACE[0] * SECTOR : FIXED_PLACE[1] * SECTOR], self._broken)
        self.virtual_size = header.virtual_size
        self._stream = ByteStream(chain((head,), map(bytes, begin.pieces(1 << 63))), self._broken)
        self._sum = _Sum()
        self._tables: dict[int, int] = {}
        self._grains: dict[int, int] = {}
        self._directories: dict[int, bytes] = {}
        self._read = False

    def blocks(self) -> Iterator[Block]:
        if self._read:
            raise self._broken("it is a stream that was read already", "Open it again")
        self._read = True
        directory = self._header.directory
        if directory != GD_AT_END:
            self._tables_in_front(directory)
        self._forward(self._header.overhead, "its data")
        disk = Claims()
        while (marker := b"".join(self._stream.pieces(SECTOR))) or directory == GD_AT_END:
            if len(marker) < SECTOR:
                raise self._broken(f"it ends after {self._stream.position} bytes, before its end mark: it is cut off")
            value, size, kind = MARKER.unpack_from(marker)
            if size:
                yield self._grain(marker, value, size, disk)
            elif kind == EOS and value == 0:
                break
            elif kind == TABLE and value == TABLE_SECTORS:
                self._table()
            elif kind == DIRECTORY and value == self._header.directory_sectors and len(self._directories) < 2:
                place = self._place()
                self._directories[place] = self._stream.exactly(value * SECTOR, "its directory")
            elif kind == FOOTER and value == 1 and directory == GD_AT_END:
                footer = parse_header(self._stream.exactly(SECTOR, "its footer"), self._broken)
                agree(self._header, footer, self._broken)
                directory = footer.directory
                self._last("its footer")
                break
            else:
                raise self._broken(f"there is no mark that is known at {self._stream.position - SECTOR}: it is damaged")
        # qemu fills the last grain up with zeros.
        rest = 0 if self._header.directory == GD_AT_END else self._header.grain_size
        if any(map(any, self._stream.pieces(rest))) or any(self._stream.pieces(1)):
            raise self._broken("something follows behind its end mark")
        self._check_tables(directory)

    # Parts

    def _grain(self, marker: bytes, sector: int, size: int, disk: Claims) -> Block:
        header, place = self._header, self._stream.position // SECTOR - 1
        if sector % header.grain or sector >= header.capacity or size > most_packed(header):
            raise self._broken(f"it holds {size} bytes for sector {sector}, which no grain of it has: it is damaged")
        index = sector // header.grain
        if not disk.claim(index, 1):
            raise self._broken(f"it holds the data of offset {sector * SECTOR} twice: it is damaged")
        number = index // ENTRIES
        self._grains[number] = self._grains.get(number, 0) + self._sum.of(index % ENTRIES, place)
        end = GRAIN_HEAD.size + size
        data = marker[GRAIN_HEAD.size : end]
        if end > SECTOR:
            data += self._stream.exactly(end - SECTOR, "a compressed grain")
            # The last sector of an image may be left short.
            self._stream.skip(-end % SECTOR)
        return sector * SECTOR, inflate(data, header, sector * SECTOR, self._broken)

    def _table(self) -> None:
        place, total = self._place(), 0
        data = self._stream.exactly(TABLE_SECTORS * SECTOR, "a grain table")
        for index, (entry,) in enumerate(struct.iter_unpack("<I", data)):
            if entry and not (entry == 1 and self._header.zeroed):
                total += self._sum.of(index, entry)
        if len(self._tables) == 2 * self._header.tables:
            raise self._broken(f"it holds more grain tables than the {self._header.tables} of its disk")
        self._tables[place] = total

    def _tables_in_front(self, directory: int) -> None:
        self._forward(directory, "its directory")
        data = self._stream.exactly(self._header.directory_sectors * SECTOR, "its directory")
        self._directories[directory] = data
        for place in sorted({entry for (entry,) in struct.iter_unpack("<I", data[: self._header.tables * 4])} - {0}):
            self._forward(place, "a grain table")
            self._table()

    def _last(self, what: str) -> None:
        if MARKER.unpack_from(self._stream.exactly(SECTOR, "its end mark")) != (0, 0, EOS):
            raise self._broken(f"{what} is not its end")

    def _check_tables(self, directory: int) -> None:
        """Whether the tables that its directory names tell of the grains that came, and of no others."""
        data = self._directories.get(directory)
        if data is None:
            raise self._broken("its directory is not where it is said to be")
        for number, (place,) in enumerate(struct.iter_unpack("<I", data[: self._header.tables * 4])):
            told = self._tables.pop(place, None) if place else 0
            if told is None or told != self._grains.pop(number, 0):
                raise self._broken(f"its grain table {number} tells of other data than it holds: it is damaged")

    def _place(self) -> int:
        return self._stream.position // SECTOR

    def _forward(self, sector: int, what: str) -> None:
        if sector < self._place():
            raise self._broken(f"{what} is at sector {sector}, before or in something else: as a stream it is not readable", _AS_FILE)
        self._stream.skip((sector - self._place()) * SECTOR)

    def _broken(self, cause: str, *advice: str) -> ImageServicesError:
        return broken("vmdk image", self.label, cause, *advice)
