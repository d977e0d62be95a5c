# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""A digest of a disk's content that is the same in each format, and costs nothing for what was never written.

It is for files that can be read at any place: a digest of the file itself would have to read its holes as well.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator

from .._disk.extents import PIECE, Block
from .digest import hashing_thread

_ZEROS = bytes(PIECE)


class DiskDigest:
    """SHA-256 of the disk's size, and of each 2 MiB that are not zeros with their number before them, in ascending order."""

    def __init__(self, virtual_size: int) -> None:
        self._hash = hashlib.sha256(virtual_size.to_bytes(8, "little"))
        self._at = -1

    def passing(self, blocks: Iterable[Block]) -> Iterator[Block]:
        """What whole_pages() gives for a disk whose blocks ascend; each is hashed while it is on its way and the next one is read."""
        hashed = None
        with hashing_thread() as hasher:
            for block in blocks:
                if hashed is not None:
                    hashed.result()
                hashed = hasher.submit(self.add, *block)
                yield block
            if hashed is not None:
                hashed.result()

    def add(self, offset: int, data: bytes) -> None:
        number = offset // PIECE
        if self._at < 0 or self._at // PIECE != number or self._at % PIECE == 0:
            self._fill()
            self._hash.update(number.to_bytes(8, "little"))
            self._at = number * PIECE
        self._hash.update(_ZEROS[: offset - self._at])
        self._hash.update(data)
        self._at = offset + len(data)

    def hexdigest(self) -> str:
        self._fill()
        return self._hash.hexdigest()

    def _fill(self) -> None:
        if self._at >= 0 and self._at % PIECE:
            self._hash.update(_ZEROS[: PIECE - self._at % PIECE])
            self._at += PIECE - self._at % PIECE
