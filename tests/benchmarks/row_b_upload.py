# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""(b) Uploads: throughput against curl and the two usual tools, and the memory that the module needs."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

from ansible_collections.xenstack.image_services.tests.benchmarks.interleave import in_turns
from ansible_collections.xenstack.image_services.tests.benchmarks.peers import CLIENT
from ansible_collections.xenstack.image_services.tests.benchmarks.processes import OURS, PEER, Finished, run_command, run_module
from ansible_collections.xenstack.image_services.tests.benchmarks.report import Check, peak_memory, throughput
from ansible_collections.xenstack.image_services.tests.benchmarks.service import Glance
from ansible_collections.xenstack.image_services.tests.benchmarks.setting import Bench

NAME = "bench upload"
SHARE_OF_CURL = 0.9


def run(bench: Bench) -> list[Check]:
    glance = bench.glance()
    *smaller, largest = bench.sizes.uploads_mib
    peaks: dict[int, list[int]] = {mib: [] for mib in bench.sizes.uploads_mib}
    idle = _idle_kib(glance)

    def ours(mib: int) -> float:
        finished = _module(f"{OURS}.glance_image", glance, bench.source(mib))
        peaks[mib].append(finished.peak_kib)
        return finished.seconds

    for mib in smaller:
        _uploaded(glance, partial(ours, mib))
    source = bench.source(largest)
    contenders: dict[str, Callable[[], float]] = {
        "ours": partial(ours, largest),
        "curl -T": lambda: glance.put([glance.create(NAME)], source),
        "openstack.cloud.image": lambda: _module(f"{PEER}.image", glance, source).seconds,
        "openstack image create": lambda: _client(glance, source).seconds,
    }
    taken = in_turns(bench.sizes.rounds, {name: partial(_uploaded, glance, action) for name, action in contenders.items()})
    what = f"upload of {largest} MiB"
    targets = {other: SHARE_OF_CURL if other == "curl -T" else 1.0 for other in list(contenders)[1:]}
    speeds = [throughput("b", what, largest, taken["ours"], taken[other], other, target) for other, target in targets.items()]
    memory = [peak_memory("b", f"peak memory of the module, {mib} MiB", max(peaks[mib]), idle) for mib in bench.sizes.uploads_mib]
    return speeds + memory


def _module(module: str, glance: Glance, source: Path) -> Finished:
    task = {**glance.cloud.auth("admin"), "name": NAME, "filename": str(source), "disk_format": "raw", "container_format": "bare"}
    return run_module(module, task, changed=True)


def _idle_kib(glance: Glance) -> int:
    """The same module with nothing to do: it has logged in and asked, and found nothing to remove."""
    task = {**glance.cloud.auth("admin"), "name": "bench no such image", "state": "absent"}
    return run_module(f"{OURS}.glance_image", task, changed=False).peak_kib


def _client(glance: Glance, source: Path) -> Finished:
    command = [str(CLIENT), "image", "create", "--disk-format", "raw", "--container-format", "bare", "--file", str(source), "-f", "json", NAME]
    return run_command(command, variables={"OS_CLIENT_CONFIG_FILE": str(glance.cloud.base / "clouds.yaml"), "OS_CLOUD": "admin"})


def _uploaded(glance: Glance, upload: Callable[[], float]) -> float:
    """Seconds of one upload; its image is checked and goes."""
    seconds = upload()
    images = glance.named(NAME)
    if [image["status"] for image in images] != ["active"]:
        raise RuntimeError(f"an upload left {json.dumps(images)}")
    glance.delete_named(NAME)
    return seconds
