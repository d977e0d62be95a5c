# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""A disk in whole pages, for receivers that write around the page cache, and the sum by which two copies of a disk are compared.

Hosts write imported disks with O_DIRECT, which on some devices takes pieces of 4096 bytes only.
"""

from __future__ import annotations

import hashlib
import struct
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import closing

from .._core.errors import cannot
from .disk import BlockStream
from .extents import MIB, PIECE, Block, is_zero, joined, without_zeros

PAGE = 4096
MAX_RECORD = PIECE
_RECORD_HEAD = struct.Struct("<QI")
END = bytes(_RECORD_HEAD.size)
# Parts of pages that are kept in memory; more go to a file without a name.
_MAX_MEMORY = 8 * MIB
_MAX_PARTS = 256 * 1024


class _Parts:
    """Pages of which only a part has come so far."""

    def __init__(self, label: str, spool_dir: str | None) -> None:
        self._label = label
        self._kept = tempfile.SpooledTemporaryFile(_MAX_MEMORY, dir=spool_dir)  # noqa: SIM115
        # Page -> its place in the file, and how many of its bytes have come.
        self._places: dict[int, tuple[int, int]] = {}
        self._free: list[int] = []
        self._slots = 0

    def close(self) -> None:
        self._kept.close()

    def add(self, offset: int, data: bytes | memoryview) -> Block | None:
        """Keep a part of a page; the page itself, when this was its last part."""
        page, start = offset // PAGE, offset % PAGE
        slot, count = self._places.get(page, (-1, 0))
        content = bytearray(self._read(slot) if slot >= 0 else PAGE)
        content[start : start + len(data)] = data
        if count + len(data) == PAGE:
            self._places.pop(page, None)
            if slot >= 0:
                self._free.append(slot)
            return page * PAGE, bytes(content)
        if slot < 0:
            slot = self._free.pop() if self._free else self._new_slot()
        self._kept.seek(slot * PAGE)
        self._kept.write(content)
        self._places[page] = slot, count + len(data)
        return None

    def beside(self, offset: int) -> Iterator[Block]:
        """The pages of which the one at the offset is none, with zeros where nothing came: all, for a negative offset."""
        for page in sorted(page for page in self._places if page != offset // PAGE):
            slot, _count = self._places.pop(page)
            self._free.append(slot)
            yield page * PAGE, self._read(slot)

    def _read(self, slot: int) -> bytes:
        self._kept.seek(slot * PAGE)
        return self._kept.read(PAGE)

    def _new_slot(self) -> int:
        if self._slots == _MAX_PARTS:
            cause = f"its members share more than {_MAX_PARTS} pages of {PAGE} bytes between them"
            raise cannot("read", "disk", self._label, cause, "Make one image of it, for example with qemu-img convert", code="bad_source")
        self._slots += 1
        return self._slots - 1


def whole_pages(disk: BlockStream, scattered: bool = False, spool_dir: str | None = None) -> Iterator[Block]:
    """What a disk holds beside zeros, in whole pages, no page twice, in the disk's order, in pieces between multiples of PIECE.

    ``scattered`` says that parts of one page may come apart from each other, as those of several VHDs do: such pages come when they are whole, or at the end.
    """
    return joined(_pages(disk, scattered, spool_dir), PIECE)


def _pages(disk: BlockStream, scattered: bool, spool_dir: str | None) -> Iterator[Block]:
    with closing(_Parts(disk.label, spool_dir)) as parts:
        for offset, data in without_zeros(disk.blocks()):
            if not scattered:
                yield from parts.beside(offset)
            end = offset + len(data)
            if not (offset % PAGE or end % PAGE):
                yield offset, data
                continue
            view = memoryview(data)
            first, last = min(end, -(-offset // PAGE) * PAGE), max(offset, end // PAGE * PAGE)
            if offset // PAGE == (end - 1) // PAGE:
                first = last = end
            for start, stop in ((offset, first), (first, last), (last, end)):
                if start == stop:
                    continue
                if start % PAGE or stop % PAGE:
                    whole = parts.add(start, view[start - offset : stop - offset])
                    if whole is not None:
                        yield whole
                else:
                    yield start, bytes(view[start - offset : stop - offset])
        yield from parts.beside(-1)


def records(pages: Iterable[Block], size: int) -> Iterator[bytes]:
    """Whole pages in any order as the records in which a Xen host takes a raw disk piece by piece (`format=raw&chunked=true`).

    A record is <offset u64><length u32><data>, little endian, and twelve zero bytes are the end. What is beyond ``size``, which is padding, is left out.
    """
    for offset, data in pages:
        content = data[: size - offset]
        if content:
            yield _RECORD_HEAD.pack(offset, len(content))
            yield content
    yield END


class PageSum:
    """A number that is the same for the same content, whatever the order in which it passes and whichever zeros pass with it."""

    def __init__(self) -> None:
        self._sum = 0

    def add(self, offset: int, data: bytes) -> None:
        """Pages, from a multiple of PAGE on."""
        view = memoryview(data)
        for start in range(0, len(data), PAGE):
            page = view[start : start + PAGE]
            if is_zero(page):
                continue
            number = (offset + start) // PAGE
            digest = hashlib.blake2b(page, digest_size=32, key=number.to_bytes(8, "little")).digest()
            self._sum = (self._sum + int.from_bytes(digest, "little")) % (1 << 256)

    def __str__(self) -> str:
        return f"{self._sum:064x}"
