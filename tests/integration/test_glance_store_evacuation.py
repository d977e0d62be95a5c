# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every image out of one store of a real Glance, whatever breaks and whenever the run is killed; judged by the files in the stores."""

from __future__ import annotations

import contextlib
import hashlib
import os
import random
import signal
import threading
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.xenstack.image_services.plugins.module_utils._glance.connection import Cloud as Connection
from ansible_collections.xenstack.image_services.tests.support.cloud import Cloud
from ansible_collections.xenstack.image_services.tests.support.faulty_proxy import Fault, FaultyProxy
from ansible_collections.xenstack.image_services.tests.support.modules import Result, RunningModule, kill_first, run_module

SIZE = 3 * 1024 * 1024
COPY = r"^POST /v2/images/[^/]+/import$"
REMOVE = r"^DELETE /v2/stores/"


def evacuate(cloud: Cloud, *, check: bool = False, user: str = "admin", through: FaultyProxy | None = None, **options: Any) -> Result:
    auth = cloud.auth(user) if through is None else cloud.through(through, user)
    return run_module("glance_store_evacuation", {**auth, "store": "archive", **options}, check=check)


def fill(cloud: Cloud, name: str, directory: Path, count: int = 1, **options: Any) -> dict[str, str]:
    """Images in the store archive, unless the options say otherwise, and the digest of each by its id; every second one of another project."""
    made: dict[str, str] = {}
    for number in range(count):
        path = directory / f"{name}-{number}.raw".replace(" ", "_").replace("/", "_")
        path.write_bytes(os.urandom(SIZE))
        who = ("alice", "bob")[number % 2]
        declared = {"name": f"{name} {number}", "src": str(path), "disk_format": "raw", "stores": ["archive"], **options}
        image = run_module("glance_image", {**cloud.auth(who), **declared}).succeeded()["image"]
        made[image["id"]] = hashlib.sha256(path.read_bytes()).hexdigest()
    return made


@dataclass
class Countdown:
    """Kills a module at one of its requests."""

    left: int
    running: list[RunningModule]
    lock: Any = field(default_factory=threading.Lock)

    def __call__(self) -> None:
        with self.lock:
            self.left -= 1
            if self.left == 0:
                kill_first(self.running)


def holders(cloud: Cloud, image_id: str, digest: str | None = None) -> list[str]:
    """Stores whose directory has all bytes of an image."""
    found = []
    for store in ("archive", "fast"):
        path = cloud.store_directory(store) / image_id
        with contextlib.suppress(FileNotFoundError):
            whole = path.stat().st_size == SIZE if digest is None else hashlib.sha256(path.read_bytes()).hexdigest() == digest
            found += [store] if whole else []
    return found


def assert_served(cloud: Cloud, images: dict[str, str], *stores: str) -> None:
    """Glance shows each active, in stores that hold it to the last byte, and gives out those bytes."""
    glance = Connection(cloud.auth("admin")).glance
    for image_id, digest in images.items():
        record = glance.image(image_id)
        assert record is not None
        assert record["status"] == "active"
        listed = record["stores"].split(",")
        assert set(listed) & set(holders(cloud, image_id, digest)), f"{image_id} is in {listed}"
        assert hashlib.sha256(glance.http.get(f"/v2/images/{image_id}/file").content).hexdigest() == digest
        if stores:
            assert sorted(listed) == sorted(holders(cloud, image_id, digest)) == sorted(stores)


class Watch:
    """Looks into the stores all the time for an image that has no whole copy in any."""

    def __init__(self, cloud: Cloud, images: dict[str, str]) -> None:
        self._cloud = cloud
        self._images = images
        self._end = threading.Event()
        self.lost: list[str] = []
        self.looks = 0
        self._thread = threading.Thread(target=self._look, daemon=True)

    def _look(self) -> None:
        while not self._end.wait(0.005):
            self.looks += 1
            # A copy may come between the looks into two stores, so what seems lost is looked at twice.
            self.lost += [image_id for image_id in self._images if not holders(self._cloud, image_id) and not holders(self._cloud, image_id)]

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._end.set()
        self._thread.join()


def test_every_image_of_every_project_is_moved(cloud: Cloud, image_name: str, tmp_path: Path) -> None:
    images = fill(cloud, image_name, tmp_path, 2)
    images |= fill(cloud, f"{image_name} hidden", tmp_path, 1, hidden=True)
    images |= fill(cloud, f"{image_name} protected", tmp_path, 2, is_protected=True, visibility="private")
    images |= fill(cloud, f"{image_name} both", tmp_path, 1, stores=["fast", "archive"])
    elsewhere = fill(cloud, f"{image_name} elsewhere", tmp_path, 1, stores=["fast"])

    predicted = evacuate(cloud, check=True).succeeded()
    assert predicted["changed"]
    assert {image["status"] for image in predicted["images"]} == {"planned"}
    assert {image["id"] for image in predicted["images"]} == set(images)
    assert predicted["totals"] == {"images": 6, "bytes": 6 * SIZE, "bytes_to_copy": 5 * SIZE, "done": 0, "failed": 0, "skipped": 0, "remaining": 6}
    assert predicted["images"][0]["copy_to"] == [], "what needs no copy comes first"
    assert all(not (cloud.store_directory("fast") / image["id"]).exists() for image in predicted["images"] if image["copy_to"])

    with Watch(cloud, images | elsewhere) as watch:
        done = evacuate(cloud).succeeded()
    assert watch.looks > 10
    assert watch.lost == []
    assert done["diff"] == predicted["diff"]
    assert [(image["id"], image["status"]) for image in done["images"]] == [
        (image["id"], "moved" if image["copy_to"] else "removed") for image in predicted["images"]
    ]
    assert done["totals"] == {**predicted["totals"], "done": 6, "remaining": 0}
    assert_served(cloud, images | elsewhere, "fast")
    assert not any((cloud.store_directory("archive") / image_id).exists() for image_id in images)
    for check in (True, False):
        again = evacuate(cloud, check=check).succeeded()
        assert (again["changed"], again["images"], again["totals"]["images"]) == (False, [], 0)
        assert again["diff"]["before"] == again["diff"]["after"]
    kept = [image for image in cloud.images("admin") if image["id"] in images]
    assert sorted((image["is_hidden"], image["is_protected"]) for image in kept) == [(False, False)] * 3 + [(False, True)] * 2 + [(True, False)]


def test_killed_again_and_again_no_image_is_ever_without_a_copy(cloud: Cloud, proxy: FaultyProxy, image_name: str, tmp_path: Path) -> None:
    images = fill(cloud, image_name, tmp_path, 8)
    moments = random.Random(image_name)
    running: list[RunningModule] = []
    killed = 0
    with Watch(cloud, images) as watch:
        for _run in range(8):
            proxy.reset()
            proxy.faults.append(Fault(".", times=100_000, hook=Countdown(moments.randint(4, 30), running)))
            running[:] = [RunningModule("glance_store_evacuation", {**cloud.through(proxy, "admin"), "store": "archive", "concurrency": 3})]
            running[0].process.communicate()
            killed += running[0].process.returncode == -signal.SIGKILL
            assert_served(cloud, images)
    assert killed >= 4
    assert watch.lost == []
    with Watch(cloud, images) as watch:
        done = evacuate(cloud).succeeded()
    assert watch.lost == []
    assert done["totals"]["remaining"] == 0
    assert_served(cloud, images, "fast")
    assert not any((cloud.store_directory("archive") / image_id).exists() for image_id in images)
    assert list((cloud.base / "data" / "staging").iterdir()) == [], "nothing half made is left"
    assert not evacuate(cloud).succeeded()["changed"]


@pytest.mark.parametrize(
    "fault",
    [
        Fault(COPY, answer=503, times=2),
        Fault(COPY, lose_answer=True, times=2),
        Fault(COPY, reset_after=0),
        Fault(REMOVE, answer=503, times=2),
        Fault(REMOVE, lose_answer=True, times=2),
        Fault(r"^GET ", answer=502, times=3),
    ],
    ids=["503 for copies", "copies' answers lost", "copy reset", "503 for removals", "removals' answers lost", "502 for reads"],
)
def test_a_passing_fault_is_survived(cloud: Cloud, proxy: FaultyProxy, image_name: str, tmp_path: Path, fault: Fault) -> None:
    images = fill(cloud, image_name, tmp_path, 2)
    times = fault.times
    proxy.faults.append(fault)
    with Watch(cloud, images) as watch:
        done = evacuate(cloud, through=proxy).succeeded()
    assert fault.times == 0, "the fault has happened"
    fault.times = times
    assert watch.lost == []
    assert {image["status"] for image in done["images"]} == {"moved"}
    assert_served(cloud, images, "fast")


def test_one_image_that_fails_does_not_hold_up_the_others(cloud: Cloud, image_name: str, tmp_path: Path) -> None:
    images = fill(cloud, image_name, tmp_path, 3)
    stuck = sorted(images)[0]
    in_the_way = cloud.store_directory("fast") / stuck
    in_the_way.write_bytes(b"left by somebody")
    failed = evacuate(cloud)
    assert failed.sentence().startswith("Cannot evacuate store 'archive': 1 of 3 images stay in it: ")
    assert f"({stuck}): the copy into store 'fast' failed" in failed.sentence()
    assert {image["id"]: image["status"] for image in failed.values["images"]} == {image_id: "failed" if image_id == stuck else "moved" for image_id in images}
    assert (failed.values["changed"], failed.values["totals"]["remaining"]) == (True, 1)
    assert holders(cloud, stuck, images[stuck]) == ["archive"]
    in_the_way.unlink()
    assert [image["id"] for image in evacuate(cloud).succeeded()["images"]] == [stuck]
    assert_served(cloud, images, "fast")


def test_a_refusal_that_meets_every_image_ends_the_run(cloud: Cloud, proxy: FaultyProxy, image_name: str, tmp_path: Path) -> None:
    images = fill(cloud, image_name, tmp_path, 3)
    proxy.faults.append(Fault(COPY, answer=403, times=99))
    failed = evacuate(cloud, through=proxy, concurrency=1)
    assert "Use an administrator's credentials" in failed.sentence()
    assert [image["status"] for image in failed.values["images"]] == ["failed", "planned", "planned"]
    assert not failed.values["changed"]
    assert_served(cloud, images, "archive")


def test_batches_add_up(cloud: Cloud, image_name: str, tmp_path: Path) -> None:
    images = fill(cloud, image_name, tmp_path, 3)
    predicted = evacuate(cloud, limit=2, check=True).succeeded()
    first = evacuate(cloud, limit=2).succeeded()
    assert first["diff"] == predicted["diff"]
    assert (first["totals"]["done"], first["totals"]["remaining"]) == (2, 1)
    second = evacuate(cloud, limit=2).succeeded()
    assert (second["totals"]["done"], second["totals"]["remaining"]) == (1, 0)
    assert not evacuate(cloud, limit=2).succeeded()["changed"]
    assert_served(cloud, images, "fast")


def deactivated(cloud: Cloud, image_id: str) -> bool:
    return bool(next(image["status"] for image in cloud.images("admin") if image["id"] == image_id) == "deactivated")


def test_deactivated_images_are_refused_skipped_or_reactivated_as_asked(cloud: Cloud, image_name: str, tmp_path: Path) -> None:
    closed, *_others = fill(cloud, f"{image_name} closed", tmp_path, 1, state="inactive")
    images = fill(cloud, image_name, tmp_path, 1)
    for check in (True, False):
        refused = evacuate(cloud, check=check)
        assert "1 of its images are deactivated, which Glance neither copies nor takes out of a store" in refused.sentence()
        assert refused.values["error"]["details"] == {"ids": [closed]}
    assert_served(cloud, images, "archive")
    skipped = evacuate(cloud, on_deactivated="skip").succeeded()
    assert {image["id"]: image["status"] for image in skipped["images"]} == {closed: "skipped", next(iter(images)): "moved"}
    assert skipped["totals"]["remaining"] == 1
    assert not evacuate(cloud, on_deactivated="skip").succeeded()["changed"]
    assert evacuate(cloud, on_deactivated="reactivate").succeeded()["totals"]["done"] == 1
    assert deactivated(cloud, closed)
    assert holders(cloud, closed) == ["fast"]
    assert not evacuate(cloud, on_deactivated="reactivate").succeeded()["changed"]


def test_an_image_that_a_killed_run_left_active_is_deactivated_by_the_next(cloud: Cloud, proxy: FaultyProxy, image_name: str, tmp_path: Path) -> None:
    closed, *_others = fill(cloud, image_name, tmp_path, 1, state="inactive")
    running: list[RunningModule] = []
    proxy.faults.append(Fault(COPY, reset_after=0, hook=partial(kill_first, running)))
    running.append(RunningModule("glance_store_evacuation", {**cloud.through(proxy, "admin"), "store": "archive", "on_deactivated": "reactivate"}))
    running[0].process.communicate()
    assert not deactivated(cloud, closed), "the run died while the image was active"
    assert evacuate(cloud, on_deactivated="skip", check=True).succeeded()["changed"]
    assert evacuate(cloud, on_deactivated="skip").succeeded()["changed"]
    assert deactivated(cloud, closed)
    assert not evacuate(cloud, on_deactivated="skip").succeeded()["changed"]


def test_bad_input_is_refused_before_anything_is_changed(cloud: Cloud, image_name: str, tmp_path: Path) -> None:
    images = fill(cloud, image_name, tmp_path, 1)
    for options, sentence in (
        ({"store": "nowhere"}, "Cannot evacuate store 'nowhere': there is no such store: the service offers archive, fast. Correct store."),
        ({"store": "fast"}, "Cannot evacuate store 'fast': it is the service's default store. Give to: with the stores that its images go to."),
        ({"to": ["nowhere"]}, "Cannot evacuate store 'archive': store 'nowhere' takes no data here: the service offers archive, fast."),
        ({"to": ["archive"]}, "Cannot evacuate store 'archive': to names the store itself."),
        ({"limit": 0}, "Cannot evacuate store 'archive': limit is 0. Give a number from 1."),
        ({"concurrency": 0}, "Cannot evacuate store 'archive': concurrency is 0. Give a number from 1."),
        ({"wait": False}, "Cannot evacuate store 'archive': wait is false, and an image stays until its copy is verified. Set wait: true."),
    ):
        for check in (True, False):
            assert evacuate(cloud, check=check, **options).sentence().startswith(sentence)
    assert evacuate(cloud, user="alice").sentence().startswith("Cannot evacuate store 'archive': Glance answered 403")
    assert_served(cloud, images, "archive")
