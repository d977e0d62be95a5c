# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""Bytes on their way, with their digests, count and progress."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence

from .._core.errors import ImageServicesError
from .._core.signals import refuse_when_ending
from .._disk.formats import TAIL_SIZE
from .digest import Hashes, hashing_thread
from .source import Source

Progress = Callable[[int, "int | None"], None]


class HashingSource:
    """A source whose bytes are counted and hashed when they pass, for an upload or a reader: from the first byte and with fresh digests each time.

    A library that repeats a request with a half-read file sends the rest, or nothing. ``failure`` keeps what went wrong with the source, because
    urllib3 reports any error below a request as a lost connection.
    """

    def __init__(self, source: Source, algorithms: Sequence[str], progress: Progress | None = None) -> None:
        self.origin = source
        self._algorithms = tuple(algorithms)
        self._progress = progress
        self._blocks: Iterator[bytes] = iter(())
        self.digests_passed: dict[str, str] = {}
        self.sent = 0
        self.failure: ImageServicesError | None = None
        # The last bytes that were sent.
        self.last = b""

    @property
    def label(self) -> str:
        return self.origin.label

    @property
    def size(self) -> int | None:
        return self.origin.size

    @property
    def fingerprint(self) -> str | None:
        return self.origin.fingerprint

    def head(self) -> bytes:
        return self.origin.head()

    def tail(self) -> bytes:
        return self.origin.tail()

    def digests(self, algorithms: Iterable[str]) -> dict[str, str]:
        return self.origin.digests(algorithms)

    def __iter__(self) -> Iterator[bytes]:
        self.digests_passed, self.sent, self.failure, self.last = {}, 0, None, b""
        hashes = Hashes(self._algorithms)
        # Both hashing and sending leave the interpreter's lock, so a block is hashed while it is sent.
        with hashing_thread() as hasher:
            try:
                for block in self.origin.blocks():
                    refuse_when_ending("read", "source", self.origin.label)
                    hashed = hasher.submit(hashes.update, block)
                    yield block
                    hashed.result()
                    self.sent += len(block)
                    self.last = bytes(block[-TAIL_SIZE:]) if len(block) >= TAIL_SIZE else (self.last + block)[-TAIL_SIZE:]
                    if self._progress is not None:
                        self._progress(self.sent, self.origin.size)
            except ImageServicesError as exc:
                self.failure = exc
                raise
        self.digests_passed = hashes.hexdigests()

    def blocks(self) -> Iterator[bytes]:
        """The same bytes for a reader, who may leave some of them to rest()."""
        self.close()
        self._blocks = iter(self)
        return self._blocks

    def rest(self) -> dict[str, str]:
        """Read what a reader had no use for; the digests of all."""
        for _block in self._blocks:
            pass
        return self.digests_passed

    def close(self) -> None:
        """End a reading whose rest is not needed, and with it the thread that hashes: left to the garbage collector, it could wait for itself."""
        if isinstance(self._blocks, Generator):
            self._blocks.close()


class SizedHashingSource(HashingSource):
    """A body of known length: requests sends Content-Length for what has a length, chunks for what has none."""

    def __len__(self) -> int:
        return self.size or 0


def upload_body(source: Source, algorithms: Sequence[str], progress: Progress | None = None) -> HashingSource:
    return (HashingSource if source.size is None else SizedHashingSource)(source, algorithms, progress)
