# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real Glance that breaks in the middle: nothing is lost, nothing half made stays, and the next run ends as declared."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import openstack
import openstack.exceptions
import pytest
from ansible_collections.xenstack.image_services.tests.support.cloud import Cloud
from ansible_collections.xenstack.image_services.tests.support.deployment import control
from ansible_collections.xenstack.image_services.tests.support.faulty_proxy import Fault, FaultyProxy
from ansible_collections.xenstack.image_services.tests.support.modules import RunningModule, kill_first, run_module

UPLOAD = r"^PUT /v2/images/[^/]+/file$"
HALF = 16 * 1024 * 1024


def named(cloud: Cloud, name: str) -> list[dict[str, Any]]:
    """Everything under a name, replaced and unfinished images as well."""
    return [image for image in cloud.images("alice") if str(image["name"]).startswith(name)]


def keep(options: dict[str, Any], name: str, path: Path, **more: Any) -> dict[str, Any]:
    return {**options, "name": name, "src": str(path), "disk_format": "raw", **more}


@pytest.mark.parametrize(
    "fault",
    [
        Fault(UPLOAD, answer=503),
        Fault(UPLOAD, answer=401),
        Fault(UPLOAD, reset_after=HALF),
        Fault(UPLOAD, lose_answer=True),
        Fault(r"^POST /v2/images$", answer=503),
        Fault(r"^POST /v2/images$", lose_answer=True),
        Fault(r"^PATCH ", lose_answer=True),
        Fault(r"^GET ", answer=502, times=2),
    ],
    ids=[
        "503 for the data",
        "token expired",
        "reset half way",
        "answer to the data lost",
        "503 for the image",
        "image's answer lost",
        "patch's answer lost",
        "502 for reads",
    ],
)
def test_a_passing_fault_is_survived(cloud: Cloud, proxy: FaultyProxy, image_name: str, disk: Path, fault: Fault) -> None:
    times = fault.times
    proxy.faults.append(fault)
    done = run_module("glance_image", keep(cloud.through(proxy, "alice"), image_name, disk)).succeeded()
    assert fault.times < times, "the fault has happened"
    fault.times = times
    assert done["image"]["status"] == "active"
    assert [image["id"] for image in named(cloud, image_name)] == [done["image"]["id"]]
    cloud.assert_stored(done["image"], disk, *done["image"]["stores"])
    assert not run_module("glance_image", keep(cloud.auth("alice"), image_name, disk)).succeeded()["changed"]


@pytest.mark.parametrize(
    ("fault", "advice"),
    [
        (Fault(UPLOAD, times=99, reset_after=HALF), "whether a proxy in front of it limits the size or the time of uploads"),
        (Fault(UPLOAD, times=99, answer=403), "Use a project or a role that may do this."),
    ],
    ids=["reset", "refused"],
)
def test_a_lasting_fault_leaves_the_old_image_and_nothing_else(
    cloud: Cloud, proxy: FaultyProxy, image_name: str, disk: Path, small_disk: Path, fault: Fault, advice: str
) -> None:
    old = run_module("glance_image", keep(cloud.auth("alice"), image_name, small_disk)).succeeded()["image"]
    proxy.faults.append(fault)
    sentence = run_module("glance_image", keep(cloud.through(proxy, "alice"), image_name, disk)).sentence()
    assert sentence.startswith(f"Cannot upload image '{image_name}': ")
    assert advice in sentence
    assert named(cloud, image_name) == [old]
    cloud.assert_stored(old, small_disk, *old["stores"])


def test_the_task_killed_half_way_is_made_good_by_the_next(cloud: Cloud, proxy: FaultyProxy, image_name: str, disk: Path, small_disk: Path) -> None:
    old = run_module("glance_image", keep(cloud.auth("alice"), image_name, small_disk)).succeeded()["image"]
    running: list[RunningModule] = []
    proxy.faults.append(Fault(UPLOAD, reset_after=HALF, hook=partial(kill_first, running)))
    running.append(RunningModule("glance_image", keep(cloud.through(proxy, "alice"), image_name, disk)))
    running[0].process.communicate(timeout=60)
    found = {image["id"]: image for image in named(cloud, image_name)}
    assert found[old["id"]] == old
    assert len(found) == 2, "the unfinished image is there"
    assert run_module("glance_image_info", {**cloud.auth("alice"), "name": image_name}).succeeded()["images"] == [old], "and nobody sees it"
    done = run_module("glance_image", keep(cloud.auth("alice"), image_name, disk, on_replace="delete")).succeeded()
    assert [image["id"] for image in named(cloud, image_name)] == [done["image"]["id"]]
    cloud.assert_stored(done["image"], disk, *done["image"]["stores"])
    assert {path.name for path in cloud.store_directory("fast").iterdir()}.isdisjoint(set(found)), "no bytes of the others are left"


def test_killed_between_the_new_name_and_the_old_image_is_made_good_by_the_next(
    cloud: Cloud, proxy: FaultyProxy, image_name: str, disk: Path, small_disk: Path
) -> None:
    old = run_module("glance_image", keep(cloud.auth("alice"), image_name, small_disk)).succeeded()["image"]
    running: list[RunningModule] = []
    proxy.faults.append(Fault(rf"^PATCH /v2/images/{old['id']}$", reset_after=0, hook=partial(kill_first, running)))
    running.append(RunningModule("glance_image", keep(cloud.through(proxy, "alice"), image_name, disk, on_replace="hide")))
    running[0].process.communicate(timeout=60)
    assert len(named(cloud, image_name)) == 2
    done = run_module("glance_image", keep(cloud.auth("alice"), image_name, disk, on_replace="hide")).succeeded()
    assert done["changed"]
    visible = run_module("glance_image_info", {**cloud.auth("alice"), "name": image_name}).succeeded()["images"]
    assert [image["id"] for image in visible] == [done["image"]["id"]]
    retired = [image for image in named(cloud, image_name) if image["id"] == old["id"]]
    assert [(image["is_hidden"], image["status"]) for image in retired] == [(True, "active")]
    assert not run_module("glance_image", keep(cloud.auth("alice"), image_name, disk)).succeeded()["changed"]


@pytest.mark.parametrize("how", ["restart", "kill"])
def test_glance_that_goes_away_half_way_is_waited_for(cloud: Cloud, proxy: FaultyProxy, image_name: str, disk: Path, how: str) -> None:
    def kill() -> None:
        """The service manager has to bring it back."""
        for pid in cloud.glance_processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    restarting = threading.Thread(target=control, args=("glance", cloud.base, "restart"))
    proxy.faults.append(Fault(UPLOAD, reset_after=HALF, hook={"kill": kill, "restart": restarting.start}[how]))
    done = run_module("glance_image", keep(cloud.through(proxy, "alice"), image_name, disk)).succeeded()
    assert proxy.faults[0].times == 0
    if how == "restart":
        restarting.join()
    assert [image["id"] for image in named(cloud, image_name)] == [done["image"]["id"]]
    cloud.assert_stored(done["image"], disk, *done["image"]["stores"])


@pytest.fixture
def full_store(cloud: Cloud) -> Iterator[Path]:
    with cloud.small_store("fast", 8) as directory:
        yield directory


def test_a_store_without_space_is_named_and_left_clean(cloud: Cloud, image_name: str, disk: Path, full_store: Path) -> None:
    sentence = run_module("glance_image", keep(cloud.auth("alice"), image_name, disk)).sentence()
    assert sentence.startswith(f"Cannot upload image '{image_name}': ")
    assert named(cloud, image_name) == []
    assert list(full_store.iterdir()) == []
    assert shutil.disk_usage(full_store).used == 0


@pytest.mark.filterwarnings("ignore::Warning")
def test_the_sdk_sends_an_empty_body_again_and_we_do_not(cloud: Cloud, proxy: FaultyProxy, image_name: str, small_disk: Path) -> None:
    """After a 503, openstacksdk's own retry sends the file object from where it stands: at its end."""
    connection = openstack.connect(**cloud.through(proxy, "alice")["cloud"], status_code_retries=1, image_status_code_retries=1, image_api_version="2")
    proxy.faults.append(Fault(UPLOAD, answer=503))
    try:
        made = connection.image.create_image(image_name, filename=str(small_disk), disk_format="raw", container_format="bare", wait=True)
        stored = connection.image.get_image(made.id).size
    except openstack.exceptions.SDKException:
        stored = None
    finally:
        connection.close()
    uploads = [line for line in proxy.requests if line.startswith("PUT ")]
    assert stored != small_disk.stat().st_size, "the SDK has learnt to rewind; this collection's own retry may go"
    cloud.remove_images(image_name)
    proxy.reset()
    proxy.faults.append(Fault(UPLOAD, answer=503))
    done = run_module("glance_image", keep(cloud.through(proxy, "alice"), image_name, small_disk)).succeeded()
    assert len([line for line in proxy.requests if line.startswith("PUT ")]) == 2, uploads
    cloud.assert_stored(done["image"], small_disk, *done["image"]["stores"])


def test_a_slow_import_that_moves_is_not_given_up(cloud: Cloud, image_name: str, disk: Path) -> None:
    started = time.monotonic()
    done = run_module("glance_image", keep(cloud.auth("alice"), image_name, disk, stores=["fast", "archive"])).succeeded()
    assert {store["status"] for store in done["stores"]} == {"active"}
    assert done["elapsed"] <= time.monotonic() - started
    cloud.assert_stored(done["image"], disk, "fast", "archive")
