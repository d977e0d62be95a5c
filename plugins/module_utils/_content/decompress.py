# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""A compressed source as what it holds: decompressed on the way, in constant memory, with the digest of the compressed bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

from .._core.errors import ImageServicesError, cannot
from .._disk.decoders import BrokenStream, decoder
from .._disk.formats import HEAD_SIZE, MARKS_END
from .digest import Hashes, digests_of
from .source import Source


class DecompressedSource:
    """The content of a compressed source. Its size is known when it has passed."""

    size = None

    def __init__(self, origin: Source, compression: str, algorithms: Sequence[str]) -> None:
        """``algorithms`` are those of the digests to take of the compressed bytes while they pass."""
        self.origin = origin
        self.compression = compression
        self._algorithms = tuple(algorithms)
        self._head: bytes | None = None
        self.passed: dict[str, str] = {}
        # A missing library is told before anything is sent.
        decoder(compression)

    @property
    def label(self) -> str:
        return self.origin.label

    @property
    def fingerprint(self) -> str | None:
        mark = self.origin.fingerprint
        return None if mark is None else hashlib.sha256(f"{mark}\ndecompressed".encode()).hexdigest()

    def head(self) -> bytes:
        if self._head is None:
            beginning = self.origin.head()
            found = self._beginning((beginning,))
            if len(found) < MARKS_END and self.origin.size != len(beginning):
                # A block of bzip2 is larger than the beginning that is at hand.
                found = self._beginning(self.origin.blocks())
            if not found:
                raise self._broken("it is empty, or ends at its beginning")
            self._head = found
        return self._head

    def _beginning(self, blocks: Iterable[bytes]) -> bytes:
        decoding = decoder(self.compression)
        found = bytearray()
        try:
            for piece in chain.from_iterable(map(decoding.decode, blocks)):
                found += piece
                if len(found) >= HEAD_SIZE:
                    break
        except BrokenStream as exc:
            raise self._broken(str(exc)) from exc
        return bytes(found[:HEAD_SIZE])

    def tail(self) -> bytes:
        return b""

    def blocks(self) -> Iterator[bytes]:
        self.passed = {}
        hashes = Hashes(self._algorithms)
        decoding = decoder(self.compression)
        try:
            for block in self.origin.blocks():
                hashes.update(block)
                yield from decoding.decode(block)
            decoding.finish()
        except BrokenStream as exc:
            raise self._broken(str(exc)) from exc
        self.passed = hashes.hexdigests()

    def digests(self, algorithms: Iterable[str]) -> dict[str, str]:
        return digests_of(self.blocks(), algorithms)

    def _broken(self, cause: str) -> ImageServicesError:
        advice = "Get a complete copy of it, then run the task again"
        return cannot("decompress", f"{self.compression} data of", self.label, cause, advice, code="bad_source")
