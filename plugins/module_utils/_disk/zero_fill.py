# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""The holes of a disk filled with zeros, for formats that have none: what comes in is ascending, what goes out is every byte asked for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from .._core.errors import ImageServicesError, cannot
from .disk import Disk
from .extents import PIECE, Block, Extent, pieces

_ZEROS = bytes(PIECE)
_AGAIN = "Run the task again when nothing writes to it"


def out_of_order(kind: str, label: str) -> ImageServicesError:
    return cannot("write", kind, label, "its data does not come in ascending order", "Write it as a VHD, which needs none", code="bad_source")


def filled(blocks: Iterable[Block], ranges: Iterable[Extent], kind: str, label: str) -> Iterator[bytes]:
    """Every byte of the ranges, which are ascending as the blocks are; no block may be outside of them."""
    coming = iter(blocks)
    held = _next(coming)
    for offset, length in ranges:
        end = offset + length
        while offset < end:
            if held is None or held[0] >= end:
                yield from _zeros(end - offset)
                break
            start, data = held
            if start < offset:
                raise cannot("write", kind, label, f"data at {start} comes where its tables announced none", _AGAIN, code="bad_source")
            yield from _zeros(start - offset)
            here = data[: end - start]
            yield bytes(here)
            offset = start + len(here)
            held = (offset, data[len(here) :]) if len(here) < len(data) else _next(coming)
    if held is not None:
        raise cannot("write", kind, label, f"data at {held[0]} comes where its tables announced none", _AGAIN, code="bad_source")


def _next(blocks: Iterator[Block]) -> tuple[int, memoryview] | None:
    for offset, data in blocks:
        if data:
            return offset, memoryview(data)
    return None


def _zeros(length: int) -> Iterator[bytes]:
    for _start, part in pieces(0, length):
        yield _ZEROS if part == PIECE else _ZEROS[:part]


class RawWriter:
    """The bytes of a raw disk, zeros included."""

    def __init__(self, disk: Disk) -> None:
        if not disk.ordered:
            raise out_of_order("raw disk", disk.label)
        self._disk = disk
        self.size = disk.virtual_size

    def __len__(self) -> int:
        return self.size

    def __iter__(self) -> Iterator[bytes]:
        return filled(self._disk.blocks(), [(0, self.size)], "raw disk", self._disk.label)
