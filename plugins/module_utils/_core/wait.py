# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""Waiting for a state with one monotonic clock, so that tests need not sleep."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import TypeVar

State = TypeVar("State")


# Answers of HTTP after which the same request may succeed.
RETRYABLE_STATUS = frozenset({429, 500, 502, 503, 504})
# What a server may ask for by Retry-After.
MAX_RETRY_AFTER = 120.0


class Clock:
    """The time as waiting code sees it; tests hand in one that jumps."""

    def now(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


def retry_after(told: str | None) -> float:
    """Seconds that a busy server asks for in Retry-After, as a number or a date; none where it says nothing that can be used."""
    told = (told or "").strip()
    try:
        seconds = float(told) if told.isdigit() else (parsedate_to_datetime(told) - datetime.now(timezone.utc)).total_seconds()
    except (TypeError, ValueError, OverflowError):
        return 0.0
    return min(max(seconds, 0.0), MAX_RETRY_AFTER)


class Stalled(Exception):
    """Nothing has moved for the time allowed; ``state`` is the last one seen."""

    def __init__(self, state: object) -> None:
        super().__init__(f"last state seen: {state}")
        self.state = state


def wait_while_moving(
    probe: Callable[[], State],
    done: Callable[[State], bool],
    idle_timeout: float,
    clock: Clock | None = None,
    interval: float = 0.25,
    longest_interval: float = 5.0,
) -> State:
    """Probe until ``done``; give up only when the probed state has not changed for ``idle_timeout`` seconds."""
    clock = clock or Clock()
    last: State | None = None
    moved_at, pause = clock.now(), interval
    while True:
        state = probe()
        if done(state):
            return state
        if state != last:
            last, moved_at, pause = state, clock.now(), interval
        elif clock.now() - moved_at >= idle_timeout:
            raise Stalled(state)
        clock.sleep(pause)
        pause = min(pause * 1.5, longest_interval)
