# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Time for tests that would have to wait otherwise."""

from __future__ import annotations

from ansible_collections.xenstack.image_services.plugins.module_utils._core.wait import Clock


class JumpingClock(Clock):
    """Time that passes only in sleep, or when the test says so; ``slept`` are the pauses taken."""

    def __init__(self, time: float = 0.0) -> None:
        self.time = time
        self.slept: list[float] = []

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.time += seconds
