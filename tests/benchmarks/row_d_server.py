# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""(d) The Glance that the roles deploy, against the same Glance with upstream's defaults behind uwsgi."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from ansible_collections.xenstack.image_services.tests.benchmarks.interleave import NO_SLOWER, Series, in_turns, times_as_fast
from ansible_collections.xenstack.image_services.tests.benchmarks.report import Check
from ansible_collections.xenstack.image_services.tests.benchmarks.service import Glance
from ansible_collections.xenstack.image_services.tests.benchmarks.setting import PARALLEL, Bench

PUT_TIMES_AS_FAST = 1.5


def run(bench: Bench) -> list[Check]:
    servers = {"ours": bench.glance(), "upstream": bench.upstream_glance()}
    sizes = ((1, bench.sizes.put_mib), (PARALLEL, bench.sizes.parallel_mib))
    return [check for images, mib in sizes for check in _measure(bench, servers, images, mib)]


def _measure(bench: Bench, servers: dict[str, Glance], images: int, mib: int) -> list[Check]:
    source = bench.source(mib)
    gets: dict[str, list[float]] = {name: [] for name in servers}
    puts = in_turns(bench.sizes.rounds, {name: partial(_put_and_get, glance, source, images, gets[name]) for name, glance in servers.items()})
    size = f"{mib} MiB" if images == 1 else f"{images} x {mib} MiB at once"
    fetched = {name: Series(tuple(seconds[-bench.sizes.rounds :])) for name, seconds in gets.items()}
    return [_check(f"PUT of {size}", puts, PUT_TIMES_AS_FAST), _check(f"GET of {size}", fetched, NO_SLOWER)]


def _check(what: str, taken: dict[str, Series], target: float) -> Check:
    ours, upstream = taken["ours"], taken["upstream"]
    return Check("d", what, str(ours), f"{upstream}, upstream's defaults behind uwsgi", times_as_fast(ours, upstream), target)


def _put_and_get(glance: Glance, source: Path, number: int, gets: list[float]) -> float:
    images = [glance.create(f"bench {index}") for index in range(number)]
    try:
        seconds = glance.put(images, source)
        gets.append(glance.get(images))
    finally:
        glance.delete(*images)
    return seconds
