# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stores as declared state on a real Glance: copies come first and are looked at, and only then others go, whatever breaks in between."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sqlite3
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.xenstack.image_services.tests.support.cloud import Cloud
from ansible_collections.xenstack.image_services.tests.support.faulty_proxy import Fault, FaultyProxy
from ansible_collections.xenstack.image_services.tests.support.modules import Result, RunningModule, kill_first, run_module

COPY = r"^POST /v2/images/[^/]+/import$"
REMOVE = r"^DELETE /v2/stores/"


@pytest.fixture
def placed(cloud: Cloud, image_name: str, small_disk: Path) -> dict[str, Any]:
    """An image of an administrator in the store fast."""
    return place(cloud, image_name, src=str(small_disk), disk_format="raw", stores=["fast"]).succeeded()["image"]


def place(cloud: Cloud, name: str, *, check: bool = False, user: str = "admin", through: FaultyProxy | None = None, **options: Any) -> Result:
    auth = cloud.auth(user) if through is None else cloud.through(through, user)
    return run_module("glance_image", {**auth, "name": name, **options}, check=check)


def assert_lies(cloud: Cloud, image: dict[str, Any], source: Path, *stores: str) -> None:
    """In these stores with every byte, in no other, and Glance says the same."""
    found = next(found for found in cloud.images("admin") if found["id"] == image["id"])
    assert sorted(found["stores"]) == sorted(stores)
    cloud.assert_stored(image, source, *stores)
    for store in {"fast", "archive"} - set(stores):
        assert not cloud.stored_bytes(image, store).exists(), store


def test_missing_stores_are_filled_and_none_is_emptied_unasked(cloud: Cloud, image_name: str, placed: dict[str, Any], small_disk: Path) -> None:
    predicted = place(cloud, image_name, stores=["archive"], check=True).succeeded()
    assert_lies(cloud, placed, small_disk, "fast")
    done = place(cloud, image_name, stores=["archive"]).succeeded()
    assert done["changed"]
    assert done["diff"] == predicted["diff"]
    assert (done["diff"]["before"]["stores"], sorted(done["diff"]["after"]["stores"])) == (["fast"], ["archive", "fast"])
    assert sorted(predicted["image"]["stores"]) == sorted(done["image"]["stores"]) == ["archive", "fast"]
    assert done["stores"] == [{"id": "archive", "status": "active"}]
    assert_lies(cloud, placed, small_disk, "fast", "archive")
    again = place(cloud, image_name, stores=["archive"]).succeeded()
    assert (again["changed"], again["stores"], again.get("warnings")) == (False, [], None)


def test_all_stores_are_filled_without_being_named(cloud: Cloud, image_name: str, placed: dict[str, Any], small_disk: Path) -> None:
    predicted = place(cloud, image_name, stores="all", check=True).succeeded()
    done = place(cloud, image_name, stores="all").succeeded()
    assert done["diff"] == predicted["diff"]
    assert sorted(done["diff"]["after"]["stores"]) == ["archive", "fast"]
    assert_lies(cloud, placed, small_disk, "fast", "archive")
    assert not place(cloud, image_name, stores=["all"], stores_mode="exact").succeeded()["changed"]
    new = place(cloud, f"{image_name} new", user="alice", src=str(small_disk), stores="all").succeeded()
    assert_lies(cloud, new["image"], small_disk, "fast", "archive")
    assert "store 'all' takes no data here: the service offers archive, fast." in place(cloud, image_name, stores=["all", "fast"]).sentence()


def test_exact_moves_the_image_and_the_next_run_has_nothing_to_do(cloud: Cloud, image_name: str, placed: dict[str, Any], small_disk: Path) -> None:
    declared = {"stores": ["archive"], "stores_mode": "exact"}
    predicted = place(cloud, image_name, **declared, check=True).succeeded()
    done = place(cloud, image_name, **declared).succeeded()
    assert done["diff"] == predicted["diff"] == {"before": {"name": image_name, "stores": ["fast"]}, "after": {"name": image_name, "stores": ["archive"]}}
    assert done["image"]["stores"] == predicted["image"]["stores"] == ["archive"]
    assert done["stores"] == [{"id": "archive", "status": "active"}, {"id": "fast", "status": "removed"}]
    assert_lies(cloud, placed, small_disk, "archive")
    assert not place(cloud, image_name, **declared).succeeded()["changed"]


def test_nothing_is_asked_of_an_image_that_lies_where_it_should(cloud: Cloud, proxy: FaultyProxy, image_name: str, placed: dict[str, Any]) -> None:
    place(cloud, image_name, through=proxy).succeeded()
    without = len(proxy.requests)
    proxy.reset()
    place(cloud, image_name, stores=["fast"], stores_mode="exact", through=proxy).succeeded()
    assert len(proxy.requests) == without


def test_new_content_goes_straight_to_the_declared_stores(
    cloud: Cloud, proxy: FaultyProxy, image_name: str, placed: dict[str, Any], tmp_path: Path, small_disk: Path
) -> None:
    other = tmp_path / "other.raw"
    other.write_bytes(os.urandom(64 * 1024))
    options = {"src": str(other), "disk_format": "raw", "stores": ["archive"], "stores_mode": "exact", "on_replace": "delete"}
    done = place(cloud, image_name, **options, through=proxy).succeeded()
    assert done["replaced_image_id"] == placed["id"]
    assert_lies(cloud, done["image"], other, "archive")
    assert not [request for request in proxy.requests if request.startswith(("DELETE /v2/stores", "POST")) and "import" in request]
    assert not place(cloud, image_name, **options).succeeded()["changed"]


@pytest.mark.parametrize(
    "fault",
    [
        Fault(COPY, answer=503),
        Fault(COPY, reset_after=0),
        Fault(COPY, lose_answer=True),
        Fault(REMOVE, answer=503, times=2),
        Fault(REMOVE, reset_after=0),
        Fault(REMOVE, lose_answer=True),
        Fault(r"^GET /v2/images/[^/?]+(/tasks)?$", answer=502, times=3),
    ],
    ids=["503 for the copy", "copy reset", "copy's answer lost", "503 for the removal", "removal reset", "removal's answer lost", "502 for reads"],
)
def test_a_passing_fault_is_survived(cloud: Cloud, proxy: FaultyProxy, image_name: str, placed: dict[str, Any], small_disk: Path, fault: Fault) -> None:
    times = fault.times
    proxy.faults.append(fault)
    done = place(cloud, image_name, stores=["archive"], stores_mode="exact", through=proxy).succeeded()
    assert fault.times == 0, "the fault has happened"
    fault.times = times
    assert done["image"]["stores"] == ["archive"]
    assert_lies(cloud, placed, small_disk, "archive")


@pytest.mark.parametrize("pattern", [COPY, REMOVE], ids=["copy", "removal"])
def test_a_lasting_fault_leaves_every_copy_and_the_next_run_goes_on(
    cloud: Cloud, proxy: FaultyProxy, image_name: str, placed: dict[str, Any], small_disk: Path, pattern: str
) -> None:
    proxy.faults.append(Fault(pattern, answer=400, times=99))
    declared = {"stores": ["archive"], "stores_mode": "exact"}
    failed = place(cloud, image_name, **declared, through=proxy)
    assert failed.sentence().startswith(f"Cannot place image '{image_name}': Glance answered 400")
    outcomes = {store["id"]: store["status"] for store in failed.values["stores"]}
    assert outcomes == ({"archive": "failed", "fast": "kept"} if pattern == COPY else {"archive": "active", "fast": "kept"})
    assert failed.values["changed"] == (pattern == REMOVE)
    assert_lies(cloud, placed, small_disk, *(["fast"] if pattern == COPY else ["fast", "archive"]))
    assert place(cloud, image_name, **declared).succeeded()["changed"]
    assert_lies(cloud, placed, small_disk, "archive")


@pytest.fixture
def full_archive(cloud: Cloud) -> Iterator[Path]:
    with cloud.small_store("archive", 1) as directory:
        yield directory


def test_a_store_that_cannot_take_the_copy_is_named_and_the_old_copy_stays(cloud: Cloud, image_name: str, disk: Path, full_archive: Path) -> None:
    image = place(cloud, image_name, src=str(disk), disk_format="raw", stores=["fast"]).succeeded()["image"]
    failed = place(cloud, image_name, stores=["archive"], stores_mode="exact", tags=["later"])
    assert failed.sentence().startswith(f"Cannot place image '{image_name}': the copy into store 'archive' failed")
    assert [(store["id"], store["status"]) for store in failed.values["stores"]] == [("archive", "failed"), ("fast", "kept")]
    assert failed.values["error"]["details"] == {"stores": failed.values["stores"]}
    assert_lies(cloud, image, disk, "fast")
    assert shutil.disk_usage(cloud.store_directory("archive")).used == 0, "nothing of the copy is left"


def test_after_a_failed_copy_the_next_run_moves_the_image(cloud: Cloud, image_name: str, placed: dict[str, Any], small_disk: Path) -> None:
    """Something in the way fails the copy; Glance's note of it does not stop the next one."""
    in_the_way = cloud.stored_bytes(placed, "archive")
    in_the_way.write_bytes(b"left by somebody")
    declared = {"stores": ["archive"], "stores_mode": "exact"}
    assert "the copy into store 'archive' failed" in place(cloud, image_name, **declared).sentence()
    assert cloud.stored_bytes(placed, "fast").exists()
    in_the_way.unlink()
    assert place(cloud, image_name, **declared).succeeded()["image"]["stores"] == ["archive"]
    assert_lies(cloud, placed, small_disk, "archive")


def test_a_copy_whose_bytes_are_gone_from_the_store_can_be_removed(cloud: Cloud, image_name: str, placed: dict[str, Any], small_disk: Path) -> None:
    """As after a Glance that died between the file and its record."""
    place(cloud, image_name, stores=["archive"]).succeeded()
    cloud.stored_bytes(placed, "fast").unlink()
    assert place(cloud, image_name, stores=["archive"], stores_mode="exact").succeeded()["image"]["stores"] == ["archive"]
    assert_lies(cloud, placed, small_disk, "archive")


def test_a_run_killed_in_the_copy_is_made_good_by_the_next(cloud: Cloud, proxy: FaultyProxy, image_name: str, disk: Path) -> None:
    """The copy goes on in Glance; the next run finds it under way and waits for it, the 409 of the active task included."""
    image = place(cloud, image_name, src=str(disk), disk_format="raw", stores=["fast"]).succeeded()["image"]
    declared = {"stores": ["archive"], "stores_mode": "exact"}
    running: list[RunningModule] = []
    # The request has reached Glance when its answer is lost.
    proxy.faults.append(Fault(r"^GET /v2/images/[^/?]+/tasks$", reset_after=0, hook=partial(kill_first, running)))
    running.append(RunningModule("glance_image", {**cloud.through(proxy, "admin"), "name": image_name, **declared}))
    running[0].process.communicate(timeout=60)
    assert proxy.faults[0].times == 0
    assert cloud.stored_bytes(image, "fast").exists()
    done = place(cloud, image_name, **declared).succeeded()
    assert done["image"]["stores"] == ["archive"]
    assert_lies(cloud, image, disk, "archive")
    assert not place(cloud, image_name, **declared).succeeded()["changed"]


def test_the_active_task_of_another_run_is_waited_out(cloud: Cloud, proxy: FaultyProxy, image_name: str, disk: Path) -> None:
    """Between our look and our request another copy begins: Glance answers 409, and the copy that was asked for is there in the end."""
    place(cloud, image_name, src=str(disk), disk_format="raw", stores=["fast"]).succeeded()
    others: list[Result] = []
    proxy.faults.append(Fault(COPY, hook=lambda: others.append(place(cloud, image_name, stores=["archive"], wait=False)), times=1))
    done = place(cloud, image_name, stores=["archive"], through=proxy)
    assert others[0].succeeded()["stores"][0]["status"] in ("importing", "active")
    assert sorted(done.succeeded()["image"]["stores"]) == ["archive", "fast"]


def test_two_runs_at_once_lose_nothing(cloud: Cloud, image_name: str, disk: Path) -> None:
    image = place(cloud, image_name, src=str(disk), disk_format="raw", stores=["fast"]).succeeded()["image"]
    options = {**cloud.auth("admin"), "name": image_name, "stores": ["archive"], "stores_mode": "exact"}
    for run in [RunningModule("glance_image", options) for _number in range(2)]:
        assert run.result().succeeded()["image"]["stores"] == ["archive"]
    assert_lies(cloud, image, disk, "archive")


def test_glance_killed_in_the_copy_leaves_the_old_copy(cloud: Cloud, proxy: FaultyProxy, image_name: str, disk: Path) -> None:
    """Glance keeps the lock of the dead import for an hour, so the task says that it is busy, and nothing has gone."""
    with disk.open("ab") as stream:
        stream.truncate(512 * 1024 * 1024)
    image = place(cloud, image_name, src=str(disk), disk_format="raw", stores=["fast"]).succeeded()["image"]

    def kill() -> None:
        for pid in cloud.glance_processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    proxy.faults.append(Fault(r"^GET /v2/images/[^/?]+/tasks$", reset_after=0, hook=kill))
    declared = {"stores": ["archive"], "stores_mode": "exact"}
    failed = place(cloud, image_name, **declared, timeout=3, through=proxy)
    assert "holds it and has not moved for 3 s. Run the task again later" in failed.sentence()
    assert [(store["id"], store["status"]) for store in failed.values["stores"]] == [("archive", "failed"), ("fast", "kept")]
    assert_lies(cloud, image, disk, "fast")
    an_hour_passes(cloud)
    assert place(cloud, image_name, **declared).succeeded()["image"]["stores"] == ["archive"]
    assert_lies(cloud, image, disk, "archive")


def an_hour_passes(cloud: Cloud) -> None:
    """For the tasks of Glance alone, in its database."""
    with contextlib.closing(sqlite3.connect(cloud.base / "glance" / "state" / "glance.sqlite", timeout=30)) as database:
        database.execute("UPDATE tasks SET updated_at = datetime(updated_at, '-61 minutes') WHERE status = 'processing'")
        database.execute("UPDATE tasks SET updated_at = datetime(updated_at, '-121 minutes') WHERE status = 'pending'")
        database.commit()


def test_a_member_is_told_who_may_before_anything_is_changed(cloud: Cloud, image_name: str, small_disk: Path) -> None:
    image = place(cloud, image_name, user="alice", src=str(small_disk), disk_format="raw", stores=["fast"]).succeeded()["image"]
    refused = place(cloud, image_name, user="alice", stores=["archive"], tags=["new"])
    assert refused.sentence().startswith(f"Cannot place image '{image_name}': Glance answered 403")
    assert "Use an administrator's credentials" in refused.sentence()
    assert not refused.values["changed"]
    assert [found for found in cloud.images("alice") if found["id"] == image["id"]] == [image]
    assert place(cloud, image_name, owner="alpha", stores=["archive"]).succeeded()["changed"], "an administrator moves it"
    assert not place(cloud, image_name, user="alice", stores=["archive", "fast"]).succeeded()["changed"], "and its owner finds it as declared"


def test_a_store_that_is_none_is_refused_before_anything_is_changed(cloud: Cloud, image_name: str, placed: dict[str, Any]) -> None:
    for check in (True, False):
        sentence = place(cloud, image_name, stores=["fast", "nowhere"], tags=["new"], check=check).sentence()
        assert sentence == f"Cannot place image '{image_name}': store 'nowhere' takes no data here: the service offers archive, fast. Correct stores."
    assert [found for found in cloud.images("admin") if found["id"] == placed["id"]] == [placed]


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("/v2/info/import", "the service has switched on import methods none, not 'copy-image'"),
        ("/v2/info/stores", "the service does not offer several stores"),
    ],
)
def test_a_service_that_cannot_copy_is_refused(cloud: Cloud, proxy: FaultyProxy, image_name: str, placed: dict[str, Any], path: str, sentence: str) -> None:
    """A Glance without these answers them with 404."""
    proxy.faults.append(Fault(f"^GET {path}$", answer=404, times=9))
    for check in (True, False):
        assert sentence in place(cloud, image_name, stores=["archive"], through=proxy, check=check).sentence()
    assert not [request for request in proxy.requests if not request.startswith("GET ")]


def test_a_deactivated_image_is_moved_only_when_it_becomes_active(cloud: Cloud, image_name: str, placed: dict[str, Any], small_disk: Path) -> None:
    place(cloud, image_name, state="inactive").succeeded()
    for check in (True, False):
        sentence = place(cloud, image_name, state="inactive", stores=["archive"], tags=["new"], check=check).sentence()
        assert "it is deactivated, and Glance copies and takes out of stores only active images. Give state: present" in sentence
    assert not place(cloud, image_name, state="inactive", stores=["fast"]).succeeded()["changed"]
    done = place(cloud, image_name, state="present", stores=["archive"], stores_mode="exact").succeeded()
    assert (done["image"]["status"], done["image"]["stores"]) == ("active", ["archive"])
    done = place(cloud, image_name, state="inactive", stores=["fast"], stores_mode="exact").succeeded()
    assert (done["image"]["status"], done["image"]["stores"]) == ("deactivated", ["fast"])
    assert_lies(cloud, placed, small_disk, "fast")


def test_a_copy_that_is_not_waited_for_ends_in_the_next_run(cloud: Cloud, image_name: str, disk: Path) -> None:
    image = place(cloud, image_name, src=str(disk), disk_format="raw", stores=["fast"]).succeeded()["image"]
    declared = {"stores": ["archive"], "stores_mode": "exact"}
    begun = place(cloud, image_name, **declared, wait=False).succeeded()
    assert begun["changed"]
    assert {store["id"]: store["status"] for store in begun["stores"]}["fast"] == "kept"
    assert place(cloud, image_name, **declared, wait=False).values.get("failed") is None
    place(cloud, image_name, **declared).succeeded()
    assert_lies(cloud, image, disk, "archive")
