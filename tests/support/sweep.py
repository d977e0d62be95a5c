# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cases too many for every run: each run draws a few, `make sweep` runs all of them."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Sequence
from typing import TypeVar

Case = TypeVar("Case")

# Set once by the first process of a run, so that all of its workers draw the same cases.
SEED = os.environ.setdefault("IMAGE_SERVICES_SEED", str(int(time.time()) // 60))
COMPLETE = bool(os.environ.get("IMAGE_SERVICES_SWEEP"))


def sample(cases: Sequence[Case], count: int, name: str) -> list[Case]:
    """The cases of this run, in their order: all of them in a sweep, else ``count`` drawn by the seed and the name of the test."""
    if COMPLETE or count >= len(cases):
        return list(cases)
    drawn = random.Random(f"{SEED} {name}").sample(range(len(cases)), count)
    return [cases[number] for number in sorted(drawn)]


def header() -> str:
    """What the report of a run says, so that it can be repeated."""
    return "sweep: all cases" if COMPLETE else f"sweep: cases drawn by IMAGE_SERVICES_SEED={SEED}; make sweep runs all"
