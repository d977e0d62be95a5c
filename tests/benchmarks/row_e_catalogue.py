# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""(e) A catalogue: one task of glance_images against a loop of openstack.cloud.image, and uploads side by side against one by one."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import Any

from ansible_collections.xenstack.image_services.plugins.module_utils._glance.connection import Cloud as Connection
from ansible_collections.xenstack.image_services.plugins.module_utils._images.lookup import PreloadedImageLookup
from ansible_collections.xenstack.image_services.tests.benchmarks.interleave import Series, in_turns, seconds_of, times_as_fast
from ansible_collections.xenstack.image_services.tests.benchmarks.playbooks import EMPTY, seconds_of_task
from ansible_collections.xenstack.image_services.tests.benchmarks.processes import OURS, run_module
from ansible_collections.xenstack.image_services.tests.benchmarks.report import Check
from ansible_collections.xenstack.image_services.tests.benchmarks.service import Glance
from ansible_collections.xenstack.image_services.tests.benchmarks.setting import Bench

TIMES_AS_FAST = 100.0
MAX_REQUESTS = 3
IMAGES_A_REQUEST = 1000
FILE_SIZE = 4096
LISTINGS = 5


def run(bench: Bench) -> list[Check]:
    glance = bench.glance()
    checks = []
    few, many = bench.sizes.catalogue, bench.sizes.catalogue_many
    try:
        items = _items(bench, few)
        _keep(glance, items, changed=True)
        checks += [_requests(glance, items), _against_a_loop(bench, glance, items)]
        small = _growth(bench, glance, items)
        items = _items(bench, many)
        _keep(glance, items, changed=True)
        large = _growth(bench, glance, items)
        checks += [_requests(glance, items), _no_faster_than_the_listing(few, small, many, large)]
    finally:
        _clear(glance)
    return [*checks, _side_by_side(bench, glance)]


def _items(bench: Bench, number: int) -> list[dict[str, Any]]:
    directory = bench.scratch / "catalogue"
    directory.mkdir(exist_ok=True)
    return [_item(directory, index) for index in range(number)]


def _item(directory: Path, index: int) -> dict[str, Any]:
    path = directory / f"{index}.raw"
    if not path.exists():
        path.write_bytes(os.urandom(FILE_SIZE))
        # What was written just now may change again, so its digest is not remembered yet.
        os.utime(path, (0, 0))
    return {"name": f"bench catalogue {index}", "src": str(path), "disk_format": "raw", "container_format": "bare", "visibility": "private"}


def _task(glance: Glance, items: list[dict[str, Any]]) -> dict[str, Any]:
    return {**glance.cloud.auth("admin"), "images": items, "concurrency": 8}


def _keep(glance: Glance, items: list[dict[str, Any]], changed: bool) -> float:
    return run_module(f"{OURS}.glance_images", _task(glance, items), changed=changed).seconds


def _clear(glance: Glance) -> None:
    nothing = [{"name": "none of the benchmark", "owner": "admin", "state": "absent"}]
    scope = {"prune": True, "prune_scope": {"owner": "admin"}, "prune_max": "100%"}
    run_module(f"{OURS}.glance_images", {**glance.cloud.auth("admin"), "images": nothing, **scope})


def _requests(glance: Glance, items: list[dict[str, Any]]) -> Check:
    with glance.cloud.proxy() as proxy:
        task = _task(glance, items)
        run_module(f"{OURS}.glance_images", {**task, "cloud": {**task["cloud"], "image_endpoint_override": proxy.url}}, changed=False)
        number = len(proxy.requests)
    most = MAX_REQUESTS + len(items) // IMAGES_A_REQUEST
    return Check("e", f"no change in {len(items):,} images: requests to Glance", f"{number} requests", "-", number, most, True)


def _against_a_loop(bench: Bench, glance: Glance, items: list[dict[str, Any]]) -> Check:
    options = {option: f"{{{{ item.{option} }}}}" for option in items[0] if option not in ("src",)}
    theirs = {
        "openstack.cloud.image": {**glance.cloud.auth("admin"), **options, "filename": "{{ item.src }}"},
        "loop": items,
        "loop_control": {"label": "-"},
    }
    ours = {"xenstack.image_services.glance_images": _task(glance, items)}
    contenders = {who: partial(seconds_of_task, task) for who, task in (("empty", EMPTY), ("ours", ours), ("theirs", theirs))}
    taken = in_turns(bench.sizes.catalogue_rounds, contenders, uncounted=0)
    mine, others = (taken[who].net_of(taken["empty"]) for who in ("ours", "theirs"))
    label = f"no change in {len(items)} images, one task, net of an empty playbook ({taken['empty']})"
    return Check("e", label, str(mine), f"{others}, a loop of openstack.cloud.image", times_as_fast(mine, others), TIMES_AS_FAST)


def _growth(bench: Bench, glance: Glance, items: list[dict[str, Any]]) -> dict[str, Series]:
    """The module and the listing alone, by the same client."""
    connection = Connection(glance.cloud.auth("admin")).glance
    contenders = {"ours": partial(_keep, glance, items, changed=False), "listing": partial(seconds_of, lambda: PreloadedImageLookup(connection))}
    return in_turns(LISTINGS, contenders)


def _no_faster_than_the_listing(few: int, small: dict[str, Series], many: int, large: dict[str, Series]) -> Check:
    grown = {who: large[who].median / small[who].median for who in small}
    ours = f"{small['ours']}, then {large['ours']}: {grown['ours']:.1f} times"
    listing = f"{small['listing']}, then {large['listing']}: {grown['listing']:.1f} times, the listing alone"
    return Check("e", f"no change in {few:,} and in {many:,} images, time of the module", ours, listing, grown["listing"] / grown["ours"], 1.0)


def _side_by_side(bench: Bench, glance: Glance) -> Check:
    source, number = bench.source(bench.sizes.side_by_side_mib), bench.sizes.side_by_side
    items = [{"name": f"bench catalogue {index}", "src": str(source), "disk_format": "raw"} for index in range(number)]

    def measure(concurrency: int) -> float:
        seconds = run_module(f"{OURS}.glance_images", {**_task(glance, items), "concurrency": concurrency}, changed=True).seconds
        _clear(glance)
        return seconds

    taken = in_turns(bench.sizes.catalogue_rounds, {"parallel": partial(measure, 4), "serial": partial(measure, 1)})
    label = f"upload of {number} x {bench.sizes.side_by_side_mib} MiB, 4 at a time"
    return Check("e", label, str(taken["parallel"]), f"{taken['serial']}, one by one", times_as_fast(taken["parallel"], taken["serial"]), 1.0)
