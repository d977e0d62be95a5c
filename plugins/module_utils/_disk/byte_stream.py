# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""Bytes that only come forward, as a source sends them, for readers that ask for so and so many."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from .._core.errors import ImageServicesError


class ByteStream:
    """``broken`` makes the error for a stream that ends too early."""

    def __init__(self, blocks: Iterable[bytes], broken: Callable[[str], ImageServicesError]) -> None:
        self._blocks = iter(blocks)
        self._held = memoryview(b"")
        self._broken = broken
        self.position = 0

    def pieces(self, length: int) -> Iterator[memoryview]:
        """The next ``length`` bytes as they come; fewer only at the stream's end."""
        while length:
            while not self._held:
                block = next(self._blocks, None)
                if block is None:
                    return
                self._held = memoryview(block)
            piece = self._held[:length]
            self._held = self._held[len(piece) :]
            self.position += len(piece)
            length -= len(piece)
            yield piece

    def exactly(self, length: int, what: str) -> bytes:
        data = b"".join(self.pieces(length))
        if len(data) != length:
            raise self._broken(f"it ends after {self.position} bytes, in {what}: it is cut off")
        return data

    def skip(self, length: int) -> None:
        """Leave out the next ``length`` bytes; that the stream ends before is told by what is read next."""
        for _piece in self.pieces(length):
            pass
