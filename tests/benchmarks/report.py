# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Results against their targets, and the table that they end in."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.xenstack.image_services.tests.benchmarks.interleave import Series, times_as_fast

# More than an idle module needs.
MAX_MEMORY_MIB = 64.0
PARAGRAPHS = """\
Written by `make bench` on the machine below, all in one run. What is compared ran in turns, several rounds each, after one that is
discarded; seconds are medians with the best round in brackets, ratios are medians of the rounds' own ratios. `>= 0.9` means that the target is a
ratio of at least 0.9.
"""
HEAD = "| | measured | with this collection | compared with | ratio | target | |\n|---|---|---|---|---|---|---|\n"


@dataclass(frozen=True)
class Check:
    """One result. ``value`` is what the target is about: a ratio, or an amount where nothing is compared."""

    row: str
    what: str
    ours: str
    theirs: str
    value: float
    # A lower bound, or with ``at_most`` an upper one.
    target: float
    at_most: bool = False
    unit: str = ""

    @property
    def passed(self) -> bool:
        return self.value <= self.target if self.at_most else self.value >= self.target

    @property
    def bound(self) -> str:
        return f"{'<=' if self.at_most else '>='} {self.target:g}{self.unit}"

    @property
    def verdict(self) -> str:
        return "met" if self.passed else "MISSED"

    def __str__(self) -> str:
        return f"{self.row} {self.what}: {self.ours} against {self.theirs}: {self.value:.2f}{self.unit}, target {self.bound}: {self.verdict}"


def throughput(row: str, what: str, mib: int, ours: Series, theirs: Series, other: str, target: float) -> Check:
    """The same amount moved by both; ``other`` is what the other is called."""
    rates = [f"{series}, {mib / series.median:.0f} MiB/s" for series in (ours, theirs)]
    return Check(row, what, rates[0], f"{rates[1]}, {other}", times_as_fast(ours, theirs), target)


def peak_memory(row: str, what: str, peak: int, idle: int, called: str = "idle") -> Check:
    """Both in KiB; ``called`` is what the module did in the second case."""
    ours, theirs = f"{peak / 1024:.0f} MiB", f"{idle / 1024:.0f} MiB, {called}"
    return Check(row, what, ours, theirs, (peak - idle) / 1024, MAX_MEMORY_MIB, True, " MiB")


def write_report(path: Path, checks: Sequence[Check], seconds: float) -> None:
    rows = [f"| {c.row} | {c.what} | {c.ours} | {c.theirs} | {c.value:.2f}{c.unit} | {c.bound} | {c.verdict} |\n" for c in checks]
    facts = f"{os.cpu_count()} cores, {_memory_gib():.0f} GiB of memory, Python {platform.python_version()}. The run took {seconds / 60:.0f} minutes.\n"
    licence = "<!--\nSPDX-FileCopyrightText: 2026 xenstack.image_services contributors\nSPDX-License-Identifier: GPL-3.0-or-later\n-->\n"
    path.write_text(f"{licence}# Benchmarks\n\n{PARAGRAPHS}\n{HEAD}{''.join(rows)}\n{facts}", encoding="utf-8")


def _memory_gib() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
