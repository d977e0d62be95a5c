# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""qcow2 read from a file, for the import of such images into Xen pools. Source: qemu's docs/interop/qcow2.

The disk as it is now is read, not its snapshots. Reference counts are not needed for that, so they are not looked at.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator
from typing import BinaryIO

from .._core.errors import ImageServicesError
from .clusters import Cluster, runs
from .decoders import BrokenStream, decompress_zstd
from .disk import ImageFile
from .extents import MIB, Block, Extent, is_zero, merged, pieces

_HEADER = struct.Struct(">4sIQIIQIIQ")
_PLACE = 0x00FFFFFFFFFFFE00
_COMPRESSED, _ZERO = 1 << 62, 1
_CORRUPT, _EXTERNAL, _COMPRESSION, _EXTENDED = 1 << 1, 1 << 2, 1 << 3, 1 << 4
_KNOWN_FEATURES = 1 | _CORRUPT | _EXTERNAL | _COMPRESSION | _EXTENDED
# What qemu takes as well.
_MAX_TABLE = 32 * MIB
# A cluster has 2 MiB at most.
_MAX_WINDOW = 8 * MIB
# No compressed cluster is shorter than this.
_LEAST_COMPRESSED = 8
_CONVERT = "Convert it with: qemu-img convert -O qcow2"
# To convert such an image would read whatever file it names.
_WHOLE = "Ask its owner for one image that holds the complete disk"


def check_standalone(head: bytes, broken: Callable[..., ImageServicesError]) -> None:
    """Of the header alone: whether the image holds its disk itself, by features that readers know."""
    version, backing, backing_length = struct.unpack_from(">IQI", head.ljust(20, b"\0"), 4)
    features = int.from_bytes(head[72:80], "big") if version == 3 else 0
    if version not in (2, 3):
        raise broken(f"it is of version {version}; 2 and 3 are read", "Ask its owner for one of version 3")
    # First, so that no user is told to convert what names another file.
    if backing or backing_length:
        raise broken("it holds only what differs from a backing file", _WHOLE)
    if features & _EXTERNAL:
        raise broken("its data is in another file", _WHOLE)
    if features & ~_KNOWN_FEATURES:
        raise broken(f"it uses unknown features ({features & ~_KNOWN_FEATURES:#x})", f"{_CONVERT} -o compat=1.1")
    if features & _EXTENDED:
        raise broken("its clusters are divided (extended_l2)", f"{_CONVERT} -o extended_l2=off")


class Qcow2File:
    """A qcow2 image of version 2 or 3 in a seekable file."""

    ordered = True

    def __init__(self, stream: BinaryIO, label: str) -> None:
        self.label = label
        self._file = ImageFile(stream, "qcow2 image", label)
        head = self._file.read(0, 72, "its header")
        magic, version, _backing, _backing_length, bits, size, encryption, entries, table = _HEADER.unpack(head[: _HEADER.size])
        if magic != b"QFI\xfb":
            raise self._file.broken("it does not begin as a qcow2 image does")
        if version == 3:
            head += self._file.read(72, 32, "its header")
        check_standalone(head, self._file.broken)
        if not 9 <= bits <= 21:
            raise self._file.broken(f"its clusters are of 2^{bits} bytes; 2^9 to 2^21 is allowed")
        self._zstd = version == 3 and self._features(head, bits)
        if encryption:
            raise self._file.broken("it is encrypted", f"{_CONVERT}, with its secret, to an image without encryption")
        self.virtual_size = size
        self._cluster = 1 << bits
        self._bits = bits
        self._version = version
        self._table, self._entries = table, -(-size // (self._cluster * (self._cluster // 8)))
        if entries * 8 > _MAX_TABLE or entries < self._entries:
            raise self._file.broken(f"it gives a size of {size} bytes, and a table of {entries} entries for it")
        if table % self._cluster:
            raise self._file.broken(f"its first table is at {table}, between its clusters")
        if table + self._entries * 8 > self._file.size:
            raise self._file.broken(f"its first table is at {table}, beyond its end at {self._file.size}: it is cut off or damaged")

    def _features(self, head: bytes, bits: int) -> bool:
        """Whether compressed clusters are zstd's."""
        features, header_length = int.from_bytes(head[72:80], "big"), int.from_bytes(head[100:104], "big")
        if header_length < 104 or header_length % 8 or header_length > 1 << bits:
            raise self._file.broken(f"its header gives its own length as {header_length} bytes")
        if features & _CORRUPT:
            raise self._file.broken("it is marked as corrupt", "Repair it with: qemu-img check -r all")
        method = self._file.read(104, 1, "its header")[0] if header_length > 104 else 0
        if method > 1 or bool(features & _COMPRESSION) != bool(method):
            raise self._file.broken(f"it names compression {method}; 0 (zlib) and 1 (zstd) are read")
        return bool(method)

    def extents(self) -> Iterator[Extent]:
        yield from merged((cluster.offset, cluster.length) for cluster in self._clusters())

    def blocks(self) -> Iterator[Block]:
        for run in runs(self._clusters()):
            if run.compressed:
                yield run.offset, self._decompressed(run)
                continue
            for offset, length in pieces(run.offset, run.length):
                yield offset, self._file.read(run.place + offset - run.offset, length, f"the data of offset {offset}")

    def _clusters(self) -> Iterator[Cluster]:
        """All that is not zeros, ascending.

        No place in a file is used twice by one disk, so tables that refer to more than the file can hold are refused: they could keep a reader busy for years.
        """
        left, left_compressed = self._file.size, self._file.size // _LEAST_COMPRESSED
        per_table = self._cluster // 8
        for number, place in self._table_entries(self._table, self._entries):
            place &= _PLACE
            if not place:
                continue
            self._check_place(place, self._cluster, number * per_table * self._cluster)
            left = self._spend(left, self._cluster)
            count = min(per_table, -(-self.virtual_size // self._cluster) - number * per_table)
            for index, entry in self._table_entries(place, count):
                offset = (number * per_table + index) * self._cluster
                length = min(self._cluster, self.virtual_size - offset)
                if entry & _COMPRESSED:
                    left_compressed = self._spend(left_compressed, 1)
                    yield self._compressed(entry, offset, length)
                elif entry & _PLACE and not (entry & _ZERO and self._version == 3):
                    self._check_place(entry & _PLACE, length, offset)
                    left = self._spend(left, length)
                    yield Cluster(offset, length, entry & _PLACE)

    def _table_entries(self, place: int, count: int) -> Iterator[tuple[int, int]]:
        """(number, entry) of those that are not zero."""
        for start, length in pieces(0, count * 8, 64 * 1024):
            data = self._file.read(place + start, length, "a table")
            if not is_zero(data):
                for index, (entry,) in enumerate(struct.iter_unpack(">Q", data), start // 8):
                    if entry:
                        yield index, entry

    def _compressed(self, entry: int, offset: int, length: int) -> Cluster:
        shift = 62 - (self._bits - 8)
        place = entry & ((1 << shift) - 1)
        sectors = (entry & (_COMPRESSED - 1)) >> shift
        size = (sectors + 1) * 512 - place % 512
        if place >= self._file.size:
            raise self._beyond(place, offset)
        return Cluster(offset, length, place, min(size, self._file.size - place))

    def _decompressed(self, cluster: Cluster) -> bytes:
        data = self._file.read(cluster.place, cluster.compressed, "a compressed cluster")
        try:
            found = self._unzstd(data) if self._zstd else zlib.decompressobj(wbits=-15).decompress(data, self._cluster)
        except zlib.error as exc:
            raise self._file.broken(f"the compressed data of offset {cluster.offset} is damaged ({exc})") from exc
        if len(found) < self._cluster:
            raise self._file.broken(f"the compressed data of offset {cluster.offset} is cut off")
        return found[: cluster.length]

    def _unzstd(self, data: bytes) -> bytes:
        try:
            return decompress_zstd(data, self._cluster, _MAX_WINDOW)
        except BrokenStream as exc:
            raise self._file.broken(f"compressed data: {exc}") from exc

    def _check_place(self, place: int, length: int, offset: int) -> None:
        if place % self._cluster:
            raise self._file.broken(f"its tables are damaged: offset {offset} is said to be at {place}, between two clusters")
        if place + length > self._file.size:
            raise self._beyond(place, offset)

    def _beyond(self, place: int, offset: int) -> ImageServicesError:
        return self._file.broken(f"the data of offset {offset} is at {place}, beyond its end at {self._file.size}: it is cut off or damaged")

    def _spend(self, left: int, amount: int) -> int:
        if amount > left:
            raise self._file.broken("its tables are damaged: they use the same part of the file again and again")
        return left - amount
