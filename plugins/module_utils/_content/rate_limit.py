# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""One cap on the bandwidth of all transfers of a run."""

from __future__ import annotations

import threading

from .._core.wait import Clock
from .body import Progress

# Bytes may come early by what the cap allows in this many seconds, so that short pauses need not be exact.
BURST_SECONDS = 0.25


class RateLimiter:
    """Called after each block by any number of uploads; whoever is ahead of the cap waits."""

    def __init__(self, bytes_per_second: int, clock: Clock | None = None) -> None:
        self._rate = bytes_per_second
        self._clock = clock or Clock()
        self._lock = threading.Lock()
        self._free_at = self._clock.now()

    def step(self, count: int) -> None:
        """Account for bytes that were sent, and wait until more may be."""
        with self._lock:
            now = self._clock.now()
            self._free_at = max(self._free_at, now - BURST_SECONDS) + count / self._rate
            pause = self._free_at - now
        if pause > 0:
            self._clock.sleep(pause)

    def wrap(self, progress: Progress | None) -> Progress:
        """The progress of one upload, held to the cap."""
        before = 0

        def stepped(sent: int, size: int | None) -> None:
            nonlocal before
            if progress is not None:
                progress(sent, size)
            # An upload that starts again counts from zero.
            count, before = sent - before if sent > before else sent, sent
            self.step(count)

        return stepped
