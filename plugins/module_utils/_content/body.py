# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""The body of an upload: bytes with their digests, from the start each time they are sent."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from .._core.errors import ImageServicesError
from .._core.signals import refuse_when_ending
from .._disk.formats import TAIL_SIZE
from .digest import Hashes, hashing_thread
from .source import Source

Progress = Callable[[int, "int | None"], None]


class UploadBody:
    """An iterable that requests can send, and send again.

    A library that repeats a request with a half-read file sends the rest, or nothing; each iteration here starts anew
    at the first byte with fresh digests. ``failure`` keeps what went wrong with the source, because urllib3 reports any
    error below a request as a lost connection.
    """

    def __init__(self, source: Source, algorithms: Sequence[str], progress: Progress | None = None) -> None:
        self._source = source
        self._algorithms = tuple(algorithms)
        self._progress = progress
        self.digests: dict[str, str] = {}
        self.sent = 0
        self.failure: ImageServicesError | None = None
        # The last bytes that were sent.
        self.tail = b""

    def __iter__(self) -> Iterator[bytes]:
        self.digests, self.sent, self.failure, self.tail = {}, 0, None, b""
        hashes = Hashes(self._algorithms)
        # Both hashing and sending leave the interpreter's lock, so a block is hashed while it is on its way.
        with hashing_thread() as hasher:
            try:
                for block in self._source.blocks():
                    refuse_when_ending("read", "source", self._source.label)
                    hashed = hasher.submit(hashes.update, block)
                    yield block
                    hashed.result()
                    self.sent += len(block)
                    self.tail = bytes(block[-TAIL_SIZE:]) if len(block) >= TAIL_SIZE else (self.tail + block)[-TAIL_SIZE:]
                    if self._progress is not None:
                        self._progress(self.sent, self._source.size)
            except ImageServicesError as exc:
                self.failure = exc
                raise
        self.digests = hashes.hexdigests()


class SizedUploadBody(UploadBody):
    """A body of known length: requests sends Content-Length for what has a length, chunks for what has none."""

    def __len__(self) -> int:
        return self._source.size or 0


def upload_body(source: Source, algorithms: Sequence[str], progress: Progress | None = None) -> UploadBody:
    return (UploadBody if source.size is None else SizedUploadBody)(source, algorithms, progress)
