# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A catalogue on the real Glance: bad ones change nothing, killed ones are finished by the next run, and what is in use stays."""

from __future__ import annotations

import os
import random
import re
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.xenstack.image_services.plugins.module_utils._glance.properties import INCOMING, REPLACES
from ansible_collections.xenstack.image_services.tests.support import sweep
from ansible_collections.xenstack.image_services.tests.support.cloud import Cloud
from ansible_collections.xenstack.image_services.tests.support.consumers import Consumers, serving
from ansible_collections.xenstack.image_services.tests.support.faulty_proxy import Fault, FaultyProxy
from ansible_collections.xenstack.image_services.tests.support.modules import RunningModule, run_module

TAG = "test-glance-images"
KILLS = 20 if sweep.COMPLETE else 6
# Declares nothing that is there.
OTHER = [{"name": f"{TAG} of nobody", "state": "absent"}]


def disks(directory: Path, number: int, size: int = 64 * 1024) -> list[Path]:
    paths = [directory / f"disk-{index}.raw" for index in range(number)]
    for path in paths:
        path.write_bytes(os.urandom(size))
    return paths


def items(name: str, paths: list[Path], **more: Any) -> list[dict[str, Any]]:
    return [{"name": f"{name} {index}", "src": str(path), "disk_format": "raw", **more} for index, path in enumerate(paths)]


def named(cloud: Cloud, name: str) -> list[dict[str, Any]]:
    return [image for image in cloud.images("alice") if str(image["name"]).startswith(name)]


def writes(proxy: FaultyProxy) -> list[str]:
    return [request for request in proxy.requests if not request.startswith("GET ")]


@pytest.mark.parametrize(
    ("bad", "sentence"),
    [
        ({"filname": "/x"}, r"images\[1\] \(NAME bad\): it has no option 'filname'"),
        ({"visibility": "secret"}, r"images\[1\] \(NAME bad\): value of visibility must be one of"),
        ({"name": "NAME 0"}, r"images\[1\] \(NAME 0\): images\[0\] \(NAME 0\) declares the same image"),
        ({"name": None}, r"images\[1\]: one of the following is required: name, id"),
        ({"src": "/no/such/file"}, r"images\[1\] \(NAME bad\): Cannot read file '/no/such/file'"),
        ({"uri": "http://127.0.0.1:9/disk.raw"}, r"images\[1\] \(NAME bad\): Cannot read uri 'http://127\.0\.0\.1:9/disk\.raw': nothing listens at"),
        (
            {"uri": "http://127.0.0.1:9/disk.raw", "checksum": "sha256:" + "0" * 64},
            r"images\[1\] \(NAME bad\): Cannot read uri 'http://127\.0\.0\.1:9/disk\.raw'",
        ),
        ({"uri": "http://127.0.0.1:9/d", "checksum": "sha256:http://127.0.0.1:9/SHA256SUMS"}, r"images\[1\] \(NAME bad\): .*127\.0\.0\.1:9/SHA256SUMS"),
        ({"src": "DISK", "checksum": "sha256:" + "0" * 64}, r"images\[1\] \(NAME bad\): Cannot upload image 'NAME bad': the sha256 digest of"),
        ({"src": "DISK", "disk_format": "qcow2"}, r"images\[1\] \(NAME bad\): Cannot upload image 'NAME bad': disk_format is 'qcow2'"),
        ({"src": "DISK", "stores": ["nowhere"]}, r"images\[1\] \(NAME bad\): Cannot upload image 'NAME bad': store 'nowhere' takes no data here"),
        ({"keep": 0}, r"images\[1\] \(NAME bad\): keep is 0"),
        ({"properties": {"os_glance_x": "1"}}, r"images\[1\] \(NAME bad\): Cannot manage image 'NAME bad': property 'os_glance_x' is reserved"),
    ],
    ids=[
        "unknown key",
        "bad choice",
        "two of one name",
        "no name",
        "no file",
        "unreachable",
        "unreachable with a checksum",
        "unreachable checksums",
        "checksum",
        "format",
        "store",
        "keep",
        "reserved property",
    ],
)
def test_a_bad_item_is_named_and_nothing_changes(
    cloud: Cloud, proxy: FaultyProxy, image_name: str, small_disk: Path, bad: dict[str, Any], sentence: str
) -> None:
    def filled(value: Any) -> Any:
        return value.replace("NAME", image_name).replace("DISK", str(small_disk)) if isinstance(value, str) else value

    images = [*items(image_name, [small_disk]), {"name": f"{image_name} bad", **{key: filled(value) for key, value in bad.items()}}]
    pattern = sentence.replace("NAME", image_name.replace("[", r"\[").replace("]", r"\]"))
    for check in (True, False):
        failed = run_module("glance_images", {**cloud.through(proxy, "alice"), "images": images}, check=check)
        assert re.search(pattern, failed.sentence()), failed.sentence()
    assert writes(proxy) == []


def test_prune_needs_a_scope(cloud: Cloud, proxy: FaultyProxy) -> None:
    for options, sentence in (({}, "prune_scope"), ({"prune_scope": {"owner_domain": "Default"}}, "tag, owner")):
        failed = run_module("glance_images", {**cloud.through(proxy, "alice"), "images": [], "prune": True, **options})
        assert failed.failed
        assert sentence in failed.values["msg"]
    assert writes(proxy) == []


def test_what_ansible_itself_refuses_shows_no_secret(cloud: Cloud) -> None:
    auth = cloud.auth("alice")
    for module, options in (("glance_images", {"images": [], "prune": True}), ("glance_image", {})):
        failed = run_module(module, {**auth, **options})
        assert failed.failed
        assert auth["cloud"]["auth"]["password"] not in failed.output


def test_no_change_costs_two_listings_however_many_items(cloud: Cloud, proxy: FaultyProxy, image_name: str, tmp_path: Path) -> None:
    images = items(image_name, disks(tmp_path, 12), stores=["fast"])
    options = {**cloud.through(proxy, "alice"), "images": images}
    first = run_module("glance_images", options).succeeded()
    assert [result["result"] for result in first["results"]] == ["changed"] * 12
    assert [result["name"] for result in first["results"]] == [image["name"] for image in images]
    assert first["ids"] == {image["name"]: image["id"] for image in named(cloud, image_name)}
    for result, image in zip(first["results"], images):
        cloud.assert_stored(result["image"], Path(image["src"]), *result["image"]["stores"])
    assert proxy.requests.count("GET /v2/info/stores") == 1, "all uploads need them, and they are the same for all"
    proxy.reset()
    again = run_module("glance_images", options).succeeded()
    assert not again["changed"]
    assert {result["result"] for result in again["results"]} == {"ok"}
    assert [request.split("?")[0] for request in proxy.requests] == ["GET /v2/images"] * 2


def test_one_failure_ends_the_run_unless_it_shall_go_on(cloud: Cloud, proxy: FaultyProxy, image_name: str, tmp_path: Path) -> None:
    images = items(image_name, disks(tmp_path, 4))
    images[1]["properties"] = {"x" * 300: "longer than Glance takes"}
    options = {**cloud.auth("alice"), "images": images, "concurrency": 1}
    failed = run_module("glance_images", options)
    assert f"images[1] ({image_name} 1): Cannot upload image" in failed.sentence()
    assert [result["result"] for result in failed.values["results"]] == ["changed", "failed", "skipped", "skipped"]
    assert [image["name"] for image in named(cloud, image_name)] == [f"{image_name} 0"]
    going_on = run_module("glance_images", {**options, "continue_on_error": True})
    assert going_on.failed
    assert [result["result"] for result in going_on.values["results"]] == ["ok", "failed", "changed", "changed"]
    assert going_on.values["results"][1]["error"]["code"] == 400
    assert sorted(image["name"] for image in named(cloud, image_name)) == [f"{image_name} {index}" for index in (0, 2, 3)]


def test_a_run_that_goes_on_prunes_nothing(cloud: Cloud, image_name: str, small_disk: Path) -> None:
    auth = cloud.auth("alice")
    run_module("glance_images", {**auth, "images": items(f"{image_name} old", [small_disk], tags=[TAG])}).succeeded()
    images = [{"name": f"{image_name} new", "src": "/no/such/file", "tags": [TAG]}]
    options = {**auth, "images": images, "prune": True, "prune_scope": {"tag": TAG}, "continue_on_error": True}
    assert run_module("glance_images", options).failed
    assert [image["name"] for image in named(cloud, image_name)] == [f"{image_name} old 0"]


def test_rotation_and_pruning_leave_what_is_used(cloud: Cloud, image_name: str, tmp_path: Path) -> None:
    auth = cloud.auth("alice")
    made = []
    for path in disks(tmp_path, 5):
        item = {"name": image_name, "src": str(path), "disk_format": "raw", "tags": [TAG]}
        made.append(run_module("glance_images", {**auth, "images": [item]}).succeeded()["results"][0]["image"]["id"])
        time.sleep(1.1)
    stray = run_module(
        "glance_images", {**auth, "images": [{"name": f"{image_name} {word}", "state": "reserved", "tags": [TAG]} for word in ("stray", "booted")]}
    ).succeeded()["ids"]
    protected = {"name": f"{image_name} protected", "state": "reserved", "tags": [TAG], "is_protected": True}
    stray.update(run_module("glance_images", {**auth, "images": [protected]}).succeeded()["ids"])
    consumers = Consumers(servers={"s-1": made[1], "s-2": stray[f"{image_name} booted"]}, volumes={f"v-{index}": "another" for index in range(1500)})
    consumers.volumes["v-last"] = made[0]
    with serving(consumers):
        auth["cloud"].update(consumers.overrides())
        options = {**auth, "images": [{**item, "keep": 2}], "prune": True, "prune_scope": {"tag": TAG}}
        predicted = run_module("glance_images", options, check=True).succeeded()
        assert len(named(cloud, image_name)) == 8
        done = run_module("glance_images", options).succeeded()
        again = run_module("glance_images", options).succeeded()
    assert [image["id"] for image in done["results"][0]["rotated"]] == [made[2]], "of five, the two newest stay, and two in use"
    assert [image["id"] for image in done["pruned"]] == [stray[f"{image_name} stray"]]
    assert {image["id"]: image["used_by"] for image in done["kept"]} == {
        made[0]: ["volume v-last"],
        made[1]: ["server s-1"],
        stray[f"{image_name} booted"]: ["server s-2"],
        stray[f"{image_name} protected"]: ["protected"],
    }
    assert [predicted[key] for key in ("pruned", "kept", "diff")] == [done[key] for key in ("pruned", "kept", "diff")]
    assert not again["changed"]
    assert len(named(cloud, image_name)) == 6


def test_who_may_not_see_all_projects_is_told_what_was_looked_at(cloud: Cloud, image_name: str, small_disk: Path) -> None:
    auth = cloud.auth("alice")
    run_module("glance_images", {**auth, "images": [{"name": image_name, "state": "reserved", "tags": [TAG]}]}).succeeded()
    with serving(Consumers(admin=False)) as consumers:
        auth["cloud"].update(consumers.overrides())
        done = run_module("glance_images", {**auth, "images": OTHER, "prune": True, "prune_scope": {"tag": TAG}, "prune_max": 1}).succeeded()
    assert [image["name"] for image in done["pruned"]] == [image_name]
    assert any("own project" in str(warning) for warning in done["warnings"])


def test_who_cannot_ask_prunes_nothing(cloud: Cloud, image_name: str) -> None:
    auth = cloud.auth("alice")
    run_module("glance_images", {**auth, "images": [{"name": image_name, "state": "reserved", "tags": [TAG]}]}).succeeded()
    with serving(Consumers()) as consumers:
        auth["cloud"].update({**consumers.overrides(), "compute_endpoint_override": f"{consumers.url}/elsewhere"})
        failed = run_module("glance_images", {**auth, "images": OTHER, "prune": True, "prune_scope": {"tag": TAG}})
    assert "Cannot list servers of image" in failed.sentence()
    assert [image["name"] for image in named(cloud, image_name)] == [image_name]


def test_a_typo_prunes_nothing_and_names_what_it_would_have_deleted(cloud: Cloud, proxy: FaultyProxy, image_name: str) -> None:
    auth = cloud.auth("alice")
    images = [{"name": f"{image_name} {number}", "state": "reserved", "tags": [TAG]} for number in range(4)]
    run_module("glance_images", {**auth, "images": images}).succeeded()
    scope = {**cloud.through(proxy, "alice"), "prune": True, "prune_scope": {"tag": TAG}}
    for declared, words in (
        ([], "images is empty, and prune would delete all images in prune_scope"),
        (images[:1], f"3 of the 4 in prune_scope would be deleted, more than prune_max (50%) allows: {', '.join(image['name'] for image in images[1:])}."),
        (OTHER, "4 of the 4 in prune_scope would be deleted"),
    ):
        for check in (True, False):
            assert words in run_module("glance_images", {**scope, "images": declared}, check=check).sentence()
    assert "more than prune_max (1) allows" in run_module("glance_images", {**scope, "images": images[:2], "prune_max": 1}).sentence()
    assert writes(proxy) == []
    # What stays anyhow does not count.
    protected = [{**image, "is_protected": True} for image in images[2:]]
    run_module("glance_images", {**auth, "images": [*images[:2], *protected]}).succeeded()
    assert len(run_module("glance_images", {**scope, "images": OTHER}).succeeded()["pruned"]) == 2


def test_uploads_share_one_cap(cloud: Cloud, image_name: str, tmp_path: Path) -> None:
    images = items(image_name, disks(tmp_path, 4, 4 * 1024 * 1024))
    done = run_module("glance_images", {**cloud.auth("alice"), "images": images, "bandwidth": "4M"}).succeeded()
    # 16 MiB at 4 MiB a second; the cap is a lower bound of the time, whatever the machine does.
    assert done["bytes_transferred"] == 16 * 1024 * 1024
    assert done["elapsed"] >= 3.5


def test_a_passing_fault_is_survived_by_every_item(cloud: Cloud, proxy: FaultyProxy, image_name: str, tmp_path: Path) -> None:
    images = items(image_name, disks(tmp_path, 6))
    proxy.faults += [Fault(r"^PUT ", answer=503, times=3), Fault(r"^POST /v2/images$", lose_answer=True, times=2), Fault(r"^PATCH ", answer=502, times=2)]
    done = run_module("glance_images", {**cloud.through(proxy, "alice"), "images": images}).succeeded()
    assert {result["result"] for result in done["results"]} == {"changed"}
    assert not any(fault.times for fault in proxy.faults), "all faults have happened"
    assert sorted(image["name"] for image in named(cloud, image_name)) == sorted(image["name"] for image in images)


def test_a_run_killed_at_any_moment_is_finished_by_the_next(cloud: Cloud, image_name: str, tmp_path: Path) -> None:
    """30 images, 20 of which are there and get new content again and again; kills at random moments of the run."""
    auth = cloud.auth("alice")
    paths = disks(tmp_path, 30, 512 * 1024)
    images = items(image_name, paths, on_replace="delete")
    duration = 1.5 * run_module("glance_images", {**auth, "images": images[:20], "concurrency": 6}).succeeded()["elapsed"]
    chance = random.Random(sweep.SEED)
    finished = 0
    for kill in range(KILLS):
        for path in paths[:: 2 + kill % 3]:
            path.write_bytes(os.urandom(512 * 1024))
        running = RunningModule("glance_images", {**auth, "images": images, "concurrency": 6})
        time.sleep(chance.uniform(0.5, duration))
        finished += running.process.poll() is not None
        running.kill()
        _assert_nothing_lost(cloud, image_name)
    assert finished < KILLS / 2, "most runs were killed before their end"
    done = run_module("glance_images", {**auth, "images": images, "concurrency": 8}).succeeded()
    left = named(cloud, image_name)
    assert Counter(image["name"] for image in left) == Counter(image["name"] for image in images), "no duplicate, none lost, no orphan"
    assert all(image["status"] == "active" and not image["is_hidden"] for image in left)
    assert not any(key in image["properties"] for image in left for key in (INCOMING, REPLACES))
    for result, path in zip(done["results"], paths):
        cloud.assert_stored(result["image"], path, *result["image"]["stores"])
    assert not run_module("glance_images", {**auth, "images": images}).succeeded()["changed"]


def _assert_nothing_lost(cloud: Cloud, name: str) -> None:
    """Every name that was complete before the kill still has an active image with its data."""
    active, broken = _active_and_broken(cloud, name)
    assert {f"{name} {index}" for index in range(20)} <= {image["name"] for image in active if image not in broken}
    # Glance finishes a DELETE whose client is gone, and removes the data before the image: what is broken is on its way out.
    deadline = time.monotonic() + 60
    while broken and time.monotonic() < deadline:
        time.sleep(0.1)
        active, broken = _active_and_broken(cloud, name)
    assert not broken


def _active_and_broken(cloud: Cloud, name: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    active = [image for image in named(cloud, name) if image["status"] == "active"]
    return active, [image for image in active if not all(_stored_size(cloud, image, store) == image["size"] for store in image["stores"])]


def _stored_size(cloud: Cloud, image: dict[str, Any], store: str) -> int | None:
    try:
        return cloud.stored_bytes(image, store).stat().st_size
    except FileNotFoundError:
        return None
