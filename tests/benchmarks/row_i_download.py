# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""(i) Downloads to a file: throughput against curl and the openstack client, the memory of the module, and what a second run costs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from ansible_collections.xenstack.image_services.tests.benchmarks.interleave import NO_SLOWER, in_turns
from ansible_collections.xenstack.image_services.tests.benchmarks.peers import CLIENT
from ansible_collections.xenstack.image_services.tests.benchmarks.processes import OURS, Finished, run_command, run_module
from ansible_collections.xenstack.image_services.tests.benchmarks.report import Check, peak_memory, throughput
from ansible_collections.xenstack.image_services.tests.benchmarks.setting import Bench

NAME = "bench download"


def run(bench: Bench) -> list[Check]:
    glance, mib = bench.glance(), bench.sizes.put_mib
    source, path = bench.source(mib), bench.scratch / "downloaded.raw"
    image = glance.create(NAME)
    glance.put([image], source)
    task = {**glance.cloud.auth("admin"), "name": image, "dest": str(path)}
    peaks: list[int] = []

    def ours() -> float:
        finished = _module(task, changed=True)
        peaks.append(finished.peak_kib)
        return finished.seconds

    client = [str(CLIENT), "image", "save", "--file", str(path), image]
    variables = {"OS_CLIENT_CONFIG_FILE": str(glance.cloud.base / "clouds.yaml"), "OS_CLOUD": "admin"}
    contenders: dict[str, Callable[[], float]] = {
        "ours": ours,
        "curl --output": lambda: glance.fetch(image, path),
        "openstack image save": lambda: run_command(client, variables=variables).seconds,
    }
    try:
        taken = in_turns(bench.sizes.rounds, {name: partial(_downloaded, action, path, mib) for name, action in contenders.items()})
        _module(task, changed=True)
        idle = _module(task, changed=False).peak_kib
    finally:
        glance.delete(image)
        path.unlink(missing_ok=True)
    targets = {"curl --output": NO_SLOWER, "openstack image save": 1.0}
    what = f"download of {mib} MiB to a file"
    speeds = [throughput("i", what, mib, taken["ours"], taken[other], other, target) for other, target in targets.items()]
    return [*speeds, peak_memory("i", f"peak memory of the module, {mib} MiB", max(peaks), idle, "unchanged")]


def _module(task: Mapping[str, Any], *, changed: bool) -> Finished:
    return run_module(f"{OURS}.glance_image_download", task, changed=changed)


def _downloaded(download: Callable[[], float], path: Path, mib: int) -> float:
    """Seconds of one download; its file is checked and goes."""
    seconds = download()
    if path.stat().st_size != mib << 20:
        raise RuntimeError(f"a download left {path.stat().st_size} bytes")
    path.unlink()
    return seconds
