# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""(a) A task that has nothing to change: requests to Glance, and time against openstack.cloud.image."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from ansible_collections.xenstack.image_services.tests.benchmarks.interleave import NO_SLOWER, in_turns, times_as_fast
from ansible_collections.xenstack.image_services.tests.benchmarks.processes import OURS, PEER, run_module
from ansible_collections.xenstack.image_services.tests.benchmarks.report import Check
from ansible_collections.xenstack.image_services.tests.benchmarks.service import Glance
from ansible_collections.xenstack.image_services.tests.benchmarks.setting import Bench

MAX_REQUESTS = 3
CREATORS = 4
MODULES = {"ours": f"{OURS}.glance_image", "openstack.cloud.image": f"{PEER}.image"}


def run(bench: Bench) -> list[Check]:
    glance = bench.glance()
    others = glance.count()
    tasks = {who: _task(glance, bench, f"bench {who}") for who in MODULES}
    try:
        for who, module in MODULES.items():
            run_module(module, tasks[who], changed=True)
        checks: list[Check] = []
        for number in (bench.sizes.few_images, bench.sizes.many_images):
            _fill(glance, number + others)
            checks += _measure(bench, glance, tasks, f"{number:,} images")
    finally:
        for task in tasks.values():
            glance.delete_named(task["name"])
    return checks


def _task(glance: Glance, bench: Bench, name: str) -> dict[str, Any]:
    source = bench.source(bench.sizes.uploads_mib[0])
    return {**glance.cloud.auth("admin"), "name": name, "filename": str(source), "disk_format": "raw", "container_format": "bare"}


def _fill(glance: Glance, number: int) -> None:
    missing = number - glance.count()
    with ThreadPoolExecutor(CREATORS) as pool:
        list(pool.map(glance.create, (f"filler {index}" for index in range(missing))))
    if glance.count() != number:
        raise RuntimeError(f"{glance.count()} images instead of {number}")


def _measure(bench: Bench, glance: Glance, tasks: dict[str, dict[str, Any]], where: str) -> list[Check]:
    requests = {who: _requests(glance, module, tasks[who]) for who, module in MODULES.items()}
    taken = in_turns(3 * bench.sizes.rounds, {who: partial(_seconds, module, tasks[who]) for who, module in MODULES.items()})
    ours, theirs = (taken[who] for who in MODULES)
    most = len(requests["ours"])
    return [
        Check(
            "a",
            f"no change among {where}: requests to Glance",
            ", ".join(requests["ours"]),
            f"{len(requests['openstack.cloud.image'])} requests of openstack.cloud.image",
            most,
            MAX_REQUESTS,
            True,
        ),
        Check("a", f"no change among {where}: time of the module", str(ours), f"{theirs}, openstack.cloud.image", times_as_fast(ours, theirs), NO_SLOWER),
    ]


def _seconds(module: str, task: dict[str, Any]) -> float:
    return run_module(module, task, changed=False).seconds


def _requests(glance: Glance, module: str, task: dict[str, Any]) -> list[str]:
    """Everything that reaches Glance, its discovery included."""
    with glance.cloud.proxy() as proxy:
        through = {**task, "cloud": {**task["cloud"], "image_endpoint_override": proxy.url}}
        run_module(module, through, changed=False)
        if not proxy.requests:
            raise RuntimeError(f"{module} went past the proxy that counts")
        return [line.split("?")[0] for line in proxy.requests]
