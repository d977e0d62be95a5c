# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""Parts of a disk: joined, cut at zeros. What moves images into and out of Xen pools sends only these parts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

# (offset, length) of bytes that may be other than zero, and (offset, bytes).
Extent = tuple[int, int]
Block = tuple[int, bytes]

MIB = 1024 * 1024
GIB = 1024 * MIB
# What is read, and so kept in memory, at a time.
PIECE = 2 * MIB
_ZEROS = bytes(64 * 1024)


def merged(extents: Iterable[Extent]) -> Iterator[Extent]:
    """The extents with those that touch each other made one; the order stays."""
    start = end = -1
    for offset, length in extents:
        if offset == end:
            end += length
            continue
        if end > start:
            yield start, end - start
        start, end = offset, offset + length
    if end > start:
        yield start, end - start


def pieces(offset: int, length: int, boundary: int = PIECE) -> Iterator[Extent]:
    """The extent cut at the multiples of ``boundary``."""
    end = offset + length
    while offset < end:
        cut = min(end, (offset // boundary + 1) * boundary)
        yield offset, cut - offset
        offset = cut


def is_zero(data: bytes | memoryview) -> bool:
    """Whether all bytes are zero."""
    if not data or data[0] or data[-1]:
        return not data
    # Bytes are compared at once, what is in a view one by one.
    return all(_zero(bytes(data[start : start + len(_ZEROS)])) for start in range(0, len(data), len(_ZEROS)))


def _zero(data: bytes) -> bool:
    return data == (_ZEROS if len(data) == len(_ZEROS) else _ZEROS[: len(data)])


def without_zeros(blocks: Iterable[Block], grain: int = 64 * 1024) -> Iterator[Block]:
    """The blocks without what is all zeros between two multiples of ``grain``."""
    for offset, data in blocks:
        view = memoryview(data)
        wanted = (part for part in pieces(offset, len(data), grain) if not is_zero(view[part[0] - offset : sum(part) - offset]))
        for start, length in merged(wanted):
            yield start, data if length == len(data) else bytes(view[start - offset : start - offset + length])


def joined(blocks: Iterable[Block], boundary: int = 2 * MIB) -> Iterator[Block]:
    """The blocks with those that follow each other made one, up to the multiples of ``boundary``."""
    start, held = 0, bytearray()
    for offset, data in blocks:
        for part, length in pieces(offset, len(data), boundary):
            if held and (part != start + len(held) or part % boundary == 0):
                yield start, bytes(held)
                held.clear()
            if length == boundary:
                yield part, data if length == len(data) else data[part - offset : part - offset + length]
                continue
            if not held:
                start = part
            held += data[part - offset : part - offset + length]
    if held:
        yield start, bytes(held)
