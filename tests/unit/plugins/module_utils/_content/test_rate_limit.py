# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cap on bandwidth, on a clock that jumps."""

from __future__ import annotations

from ansible_collections.xenstack.image_services.plugins.module_utils._content.rate_limit import BURST_SECONDS, RateLimiter
from ansible_collections.xenstack.image_services.tests.support.clocks import JumpingClock
from hypothesis import given
from hypothesis import strategies as st


@given(st.lists(st.tuples(st.integers(1, 5_000), st.floats(0, 3)), min_size=1, max_size=40))
def test_no_more_passes_than_the_cap_and_its_burst_allow(blocks: list[tuple[int, float]]) -> None:
    clock = JumpingClock()
    pace = RateLimiter(1000, clock)
    started, sent = clock.now(), 0
    for count, idle in blocks:
        clock.time += idle
        pace.step(count)
        sent += count
        assert sent <= 1000 * (clock.now() - started + BURST_SECONDS) + 1e-6


def test_two_uploads_share_the_cap() -> None:
    clock = JumpingClock()
    pace = RateLimiter(1000, clock)
    first, second = pace.wrap(None), pace.wrap(None)
    for step in range(1, 11):
        first(step * 1000, None)
        second(step * 1000, None)
    assert 19.5 <= clock.now() <= 20.5


def test_an_upload_that_starts_anew_counts_anew_and_still_reports() -> None:
    clock, seen = JumpingClock(), []
    limited = RateLimiter(1000, clock).wrap(lambda sent, size: seen.append((sent, size)))
    for sent in (1000, 2000, 1000, 2000):
        limited(sent, 5000)
    assert seen == [(1000, 5000), (2000, 5000), (1000, 5000), (2000, 5000)]
    assert 3.5 <= clock.now() <= 4.5
