# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""A qcow2 image made while its disk is read. Source: qemu's docs/interop/qcow2.

All tables come before all data, in ascending order: so it can be a stream, and so the receiver of Xen pools takes it, which refuses what qemu-img
writes as soon as it has a second table.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Iterator
from itertools import chain

from .._core.errors import cannot
from .disk import Disk
from .extents import Extent, merged
from .zero_fill import filled, out_of_order

CLUSTER_BITS = 16
CLUSTER = 1 << CLUSTER_BITS
# Entries of a table of clusters, and reference counts of 16 bits, that one cluster holds.
_PER_TABLE, _PER_COUNT = CLUSTER // 8, CLUSTER // 2
_COPIED = 1 << 63
# magic, version, no backing file, cluster bits, size, no encryption, L1 entries and place, refcount table's place and clusters, no snapshots,
# no features of three kinds, refcount order, header length.
_HEADER = struct.Struct(">4sIQIIQIIQQIIQQQQII")
# A table of counts for a whole cluster of the refcount table is as much as any disk that qemu takes needs.
_MAX_SIZE = 1 << 56


class Qcow2Writer:
    """The bytes of a qcow2 image of version 3. Their number is known before the first; each iteration gives the same ones."""

    def __init__(self, disk: Disk) -> None:
        if not disk.ordered:
            raise out_of_order("qcow2 image", disk.label)
        if disk.virtual_size > _MAX_SIZE:
            raise cannot("write", "qcow2 image", disk.label, f"a disk of {disk.virtual_size} bytes is too large", "Write it as a raw disk", code="too_large")
        self._disk = disk
        clusters = -(-disk.virtual_size // CLUSTER)
        self._used = bytearray(-(-clusters // 8))
        data = 0
        for first, count in self._runs():
            for cluster in range(first, first + count):
                self._used[cluster // 8] |= 1 << cluster % 8
            data += count
        # A table covers this many bytes of the bitmap.
        covered = _PER_TABLE // 8
        self._tables = [number for number in range(-(-clusters // _PER_TABLE)) if any(self._used[number * covered : (number + 1) * covered])]
        self._entries = -(-clusters // _PER_TABLE)
        self._table_clusters = -(-self._entries * 8 // CLUSTER)
        known = 1 + self._table_clusters + len(self._tables) + data
        self._counts = 0
        while True:
            self._counts_clusters = max(1, -(-self._counts * 8 // CLUSTER))
            total = known + self._counts + self._counts_clusters
            needed = -(-total // _PER_COUNT)
            if needed == self._counts:
                break
            self._counts = needed
        self._clusters = total
        self.size = total * CLUSTER

    def __len__(self) -> int:
        return self.size

    def __iter__(self) -> Iterator[bytes]:
        return chain(self._metadata(), filled(self._disk.blocks(), self._ranges(), "qcow2 image", self._disk.label), self._padding())

    def _runs(self) -> Iterator[Extent]:
        """(first, number) of clusters that hold something, none twice."""
        end = 0
        for offset, length in merged(self._disk.extents()):
            first, after = max(end, offset // CLUSTER), -(-(offset + length) // CLUSTER)
            if after > first:
                yield first, after - first
                end = after

    def _ranges(self) -> Iterator[Extent]:
        size = self._disk.virtual_size
        return merged((first * CLUSTER, min(count * CLUSTER, size - first * CLUSTER)) for first, count in self._runs())

    def _padding(self) -> Iterator[bytes]:
        """The rest of the last cluster, where the disk ends within it and it holds something."""
        clusters, rest = divmod(self._disk.virtual_size, CLUSTER)
        if rest and self._used[clusters // 8] >> clusters % 8 & 1:
            yield bytes(CLUSTER - rest)

    def _metadata(self) -> Iterator[bytes]:
        counts_table = CLUSTER
        counts = counts_table + self._counts_clusters * CLUSTER
        table = counts + self._counts * CLUSTER
        tables = table + self._table_clusters * CLUSTER
        fields = (
            b"QFI\xfb",
            3,
            0,
            0,
            CLUSTER_BITS,
            self._disk.virtual_size,
            0,
            self._entries,
            table,
            counts_table,
            self._counts_clusters,
            0,
            0,
            0,
            0,
            0,
            4,
            104,
        )
        yield _HEADER.pack(*fields).ljust(CLUSTER, b"\0")
        yield _packed(array("Q", (counts + number * CLUSTER for number in range(self._counts)))).ljust(self._counts_clusters * CLUSTER, b"\0")
        for number in range(self._counts):
            yield (b"\0\1" * min(_PER_COUNT, self._clusters - number * _PER_COUNT)).ljust(CLUSTER, b"\0")
        first = array("Q", bytes(8 * self._entries))
        for order, number in enumerate(self._tables):
            first[number] = _COPIED | (tables + order * CLUSTER)
        yield _packed(first).ljust(self._table_clusters * CLUSTER, b"\0")
        place = tables + len(self._tables) * CLUSTER
        for number in self._tables:
            second = array("Q", bytes(CLUSTER))
            for index in range(_PER_TABLE):
                cluster = number * _PER_TABLE + index
                if cluster // 8 < len(self._used) and self._used[cluster // 8] >> cluster % 8 & 1:
                    second[index] = _COPIED | place
                    place += CLUSTER
            yield _packed(second)


def _packed(entries: array[int]) -> bytes:
    if struct.pack("=H", 1) == b"\1\0":
        entries.byteswap()
    return entries.tobytes()
