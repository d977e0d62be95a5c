# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run things in turns and compare them round by round, so that whatever else the machine does hits all of them."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

# The ratio of what is no slower, as far as two equal contenders differ between rounds.
NO_SLOWER = 0.95


@dataclass(frozen=True)
class Series:
    """Seconds of one contender, one value a round."""

    seconds: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)

    def __str__(self) -> str:
        return f"{self.median:.2f} s ({min(self.seconds):.2f})"

    def net_of(self, other: Series) -> Series:
        """Without what an empty run costs, which is taken as the same in every round."""
        return Series(tuple(max(value - other.median, 0.001) for value in self.seconds))


def in_turns(rounds: int, contenders: Mapping[str, Callable[[], float]], uncounted: int = 1) -> dict[str, Series]:
    """Each contender measures itself once a round; every other round goes backwards, so that none always follows the same one.

    What comes first is not counted: memory that a machine never touched costs whoever touches it first.
    """
    taken: dict[str, list[float]] = {name: [] for name in contenders}
    for measure in list(contenders.values()) * uncounted:
        measure()
    for number in range(rounds):
        for name in list(contenders) if number % 2 == 0 else reversed(list(contenders)):
            taken[name].append(contenders[name]())
    return {name: Series(tuple(values)) for name, values in taken.items()}


def times_as_fast(ours: Series, theirs: Series) -> float:
    """How many times as fast ours is, as the median over the rounds."""
    return statistics.median(their / our for our, their in zip(ours.seconds, theirs.seconds))


def seconds_of(action: Callable[[], object]) -> float:
    started = time.monotonic()
    action()
    return time.monotonic() - started
