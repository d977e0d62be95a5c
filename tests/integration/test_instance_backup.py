# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups of instances, night after night: in a real Glance with the instance-aware filter, of VMs in a simulated pool."""

from __future__ import annotations

import os
import threading
import uuid
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.xenstack.image_services.plugins.module_utils._glance.connection import Cloud as Connection
from ansible_collections.xenstack.image_services.tests.support.aware import A, AwareCloud, B
from ansible_collections.xenstack.image_services.tests.support.cloud import Cloud
from ansible_collections.xenstack.image_services.tests.support.deployment import ROOT, Run, kill_tree, run_playbook, running_playbook
from ansible_collections.xenstack.image_services.tests.support.faulty_proxy import Fault, FaultyProxy
from ansible_collections.xenstack.image_services.tests.support.modules import run_module
from ansible_collections.xenstack.image_services.tests.support.xapi import MIB, PASSWORD, PoolUnderTest

LOCAL = ["-i", "localhost,", "-e", "ansible_connection=local", "-e", "ansible_python_interpreter={{ ansible_playbook_python }}"]
PLAYBOOK = ROOT / "playbooks" / "instance_backup.yml"
DATABASE = "6a5c2f0b-7a51-4c0e-9a55-3f5d9d0c7a11"
# A loaded machine takes long to come to the second disk.
DEADLINE = 180
WEB, DB = {"vm": "web", "instance_id": 123}, {"vm": "db", "instance_id": DATABASE.upper(), "disks": "all"}


@pytest.fixture(scope="module")
def vms(pool_of_the_run: PoolUnderTest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, bytes]]:
    """Two running VMs and what their disks hold: web with one disk, db with two."""
    pool = pool_of_the_run
    contents = {name: os.urandom(64 * 1024).ljust(2 * MIB, b"\0") for name in ("web root", "db root", "db data")}
    for name, content in contents.items():
        path = tmp_path_factory.mktemp("disks") / "disk.raw"
        path.write_bytes(content)
        run_module("xen_vdi_import", pool.options(name=name, src=str(path), disk_format="raw")).succeeded()
    run_module("xen_vm", pool.options(name="web", boot_disk="web root", state="running")).succeeded()
    run_module("xen_vm", pool.options(name="db", boot_disk="db root", disks=[{"vdi": "db data"}], state="running")).succeeded()
    yield contents
    for name in ("web", "db"):
        run_module("xen_vm", pool.options(name=name, state="absent", force=True, remove_disks=True)).succeeded()


@pytest.fixture
def clean(aware_cloud: AwareCloud) -> Iterator[None]:
    yield
    for prefix in ("web-backup", "db-backup", "foreign"):
        aware_cloud.cloud.remove_images(prefix)


def settings(aware: AwareCloud, pool: PoolUnderTest, *instances: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Variables of the playbook."""
    given = {
        "instances": list(instances) or [WEB],
        "nova_installation_uuid": A,
        "cloud": aware.cloud.auth("alice")["cloud"],
        "format": "raw",
        **more,
    }
    return {"xen_pool": pool.options(), **{f"instance_backup_{name}": value for name, value in given.items() if value is not None}}


def play(given: dict[str, Any], *arguments: str, playbook: Path = PLAYBOOK) -> Run:
    run = run_playbook(playbook, given, *LOCAL, *arguments)
    assert PASSWORD not in run.output
    return run


def told(run: Run) -> str:
    """What it said, however it was broken into lines."""
    return " ".join(run.output.split())


@cache
def glance(cloud: Cloud, who: str) -> Any:
    return Connection(cloud.auth(who)).glance


def related(aware: AwareCloud, instance: str = "123", installation: str = A, who: str = "alice", hidden: bool = False) -> list[dict[str, Any]]:
    """The images of an instance, as Glance shows them to somebody."""
    query = {"nova_installation_uuid": installation, "instance_id": instance, "os_hidden": str(hidden).lower()}
    return [dict(image) for image in glance(aware.cloud, who).images(list(query.items()))]


def nights(aware: AwareCloud, **of: Any) -> list[tuple[str, str]]:
    """Run and kind of the images of an instance."""
    return sorted((image["image_services_backup_run"], image["backup_type"]) for image in related(aware, **of))


def seed(aware: AwareCloud, run: str, kind: str = "daily", who: str = "alice", data: bool = True, **more: Any) -> str:
    """An image as the playbook makes them, but for what ``more`` says; its id."""
    name = f"web-backup-{run}-disk0-{kind}"
    marks = {"run": run, "vm": str(uuid.uuid4()), "snapshot": str(uuid.uuid4()), "device": "0", "devices": "0"}
    body = {
        "name": name,
        "disk_format": "raw",
        "container_format": "bare",
        "nova_installation_uuid": A,
        "instance_id": "123",
        "image_type": "backup",
        "backup_type": kind,
        "image_services_backup": name,
        **{f"image_services_backup_{key}": value for key, value in marks.items()},
        **more,
    }
    ident = str(glance(aware.cloud, who).create(body)["id"])
    if data:
        glance(aware.cloud, who).upload(ident, b"x" * 512, 512)
    return ident


def snapshots(pool: PoolUnderTest, name: str) -> list[str]:
    return [each["name"] for each in run_module("xen_vm", pool.options(name=name)).succeeded()["vm"]["snapshots"]]


def test_one_that_is_not_there_stops_no_other_and_a_second_run_has_nothing_to_do(
    aware_cloud: AwareCloud, pool: PoolUnderTest, vms: dict[str, bytes], clean: None
) -> None:
    with pool.nothing_left():
        failed = play(settings(aware_cloud, pool, WEB, {"vm": "gone", "instance_id": 5}, DB, run="2026-06-03"))
    assert failed.returncode != 0
    assert "Cannot back up VM 'gone': the pool has no such VM. Correct vm, or remove it from instance_backup_instances." in told(failed)
    assert failed.changed == 6
    assert "VM db: weekly backup 2026-06-03 of disks 0, 1 exists" in told(failed)
    (web,) = related(aware_cloud)
    assert aware_cloud.cloud.stored_bytes(web, "fast").read_bytes() == vms["web root"]
    assert (web["visibility"], web["image_type"], web["hw_firmware_type"]) == ("private", "backup", "bios")
    databases = {image["image_services_backup_device"]: image for image in related(aware_cloud, DATABASE)}
    assert [aware_cloud.cloud.stored_bytes(image, "fast").read_bytes() for _device, image in sorted(databases.items())] == [vms["db root"], vms["db data"]]
    assert len({image["image_services_backup_snapshot"] for image in databases.values()}) == 1

    again = play(settings(aware_cloud, pool, WEB, DB, run="2026-06-03")).succeeded()
    assert again.changed == 0

    # Nova's own backup of the instance, with a restored instance's properties.
    nova = seed(aware_cloud, "2026-06-03", name="foreign made by Nova", instance_id=DATABASE)
    listing = {"instance_id": DATABASE, "nova_installation_uuid": A, "cloud": aware_cloud.cloud.auth("alice")["cloud"]}
    listed = play({f"instance_backups_{name}": value for name, value in listing.items()}, playbook=PLAYBOOK.with_name("instance_backups.yml")).succeeded()
    for device, image in databases.items():
        assert f"2026-06-03 weekly, disk {device}: {image['id']} 2097152 bytes" in told(listed)
    assert f"not created by this playbook: {nova} foreign made by Nova" in told(listed)
    assert web["id"] not in listed.output


def test_night_after_night_the_last_ones_stay_and_nothing_else_goes(
    aware_cloud: AwareCloud, pool: PoolUnderTest, vms: dict[str, bytes], clean: None, tmp_path: Path
) -> None:
    foreign = [
        # Nova hands properties on; and others may relate theirs to whatever they like.
        seed(aware_cloud, "2026-05-01", name="foreign by Nova"),
        seed(aware_cloud, "2026-05-02", image_services_backup=""),
        seed(aware_cloud, "2026-05-03", image_type="snapshot"),
        seed(aware_cloud, "2026-05-04", protected=True),
        seed(aware_cloud, "2026-05-05", who="bob"),
        seed(aware_cloud, "2026-05-06", who="bob", nova_installation_uuid=B),
        # The same number in another installation, and another instance of this one.
        *(seed(aware_cloud, run, nova_installation_uuid=B) for run in ("2026-05-07", "2026-05-08", "2026-05-09")),
        seed(aware_cloud, "2026-05-10", instance_id="1234"),
    ]
    for run in ("2026-05-27", "2026-05-28", "2026-05-29"):
        seed(aware_cloud, run)
    # What an interrupted run has left, and what is none of its.
    left = seed(aware_cloud, "2026-05-30", data=False, os_hidden=True)
    for name in ("instance_backup 2026-05-30", "before the upgrade"):
        run_module("xen_vm", pool.options(name="web", snapshot=name)).succeeded()

    # A Sunday, some nights after it, and none on the next one.
    days = ["2026-05-31", "2026-06-01", "2026-06-02", "2026-06-08", "2026-06-09"]
    many = tmp_path / "nights.yml"
    many.write_text(yaml.safe_dump([{"import_playbook": str(PLAYBOOK), "vars": {"instance_backup_run": day}} for day in days]))
    run = play(settings(aware_cloud, pool, keep={"daily": 2, "weekly": 1}), playbook=many).succeeded()
    said = told(run)
    assert "weekly backup 2026-05-31 of disks 0 exists, without web-backup-2026-05-30-disk0-daily, without web-backup-2026-05-27-disk0-daily" in said
    for kind, day, gone in (
        ("daily", "06-01", "05-28"),
        ("daily", "06-02", "05-29"),
        ("weekly", "06-08", "05-31"),
        ("daily", "06-09", "06-01"),
    ):
        assert f"{kind} backup 2026-{day} of disks 0 exists, without web-backup-2026-{gone}-disk0-" in said
    assert said.count("without web-backup") == 6

    images = {image["id"]: image for image in aware_cloud.cloud.images("admin")}
    assert set(foreign) <= set(images)
    assert left not in images
    mine = [image["properties"] for image in images.values() if str(image["name"]).startswith("web-backup") and image["id"] not in foreign]
    made = sorted((each["image_services_backup_run"], each["backup_type"]) for each in mine)
    assert made == [("2026-06-02", "daily"), ("2026-06-08", "weekly"), ("2026-06-09", "daily")]
    assert snapshots(pool, "web") == ["before the upgrade"]
    run_module("xen_vm", pool.options(name="web", drop_snapshots=["before the upgrade"])).succeeded()
    # Each installation has its own 123, and each project its own view of it.
    assert nights(aware_cloud, installation=B) == [("2026-05-07", "daily"), ("2026-05-08", "daily"), ("2026-05-09", "daily")]
    assert nights(aware_cloud, who="bob", installation=B) == [("2026-05-06", "daily")]


def test_a_run_that_was_killed_is_gone_on_with(aware_cloud: AwareCloud, pool: PoolUnderTest, vms: dict[str, bytes], proxy: FaultyProxy, clean: None) -> None:
    given = settings(aware_cloud, pool, DB, run="2026-06-03")
    arrived, release = threading.Event(), threading.Event()

    def hold() -> None:
        arrived.set()
        release.wait(DEADLINE)

    # The first disk passes; of the second one, Glance has a part when the power goes.
    proxy.faults += [Fault("PUT .*/file"), Fault("PUT .*/file", reset_after=256 * 1024, hook=hold)]
    with pool.nothing_left("session", "task"):
        try:
            with running_playbook(PLAYBOOK, {**given, "instance_backup_cloud": aware_cloud.cloud.through(proxy, "alice")["cloud"]}, *LOCAL) as process:
                came = arrived.wait(DEADLINE)
                kill_tree(process.pid)
                output = process.communicate()[0]
        finally:
            release.set()
        assert came, output
        assert "PLAY RECAP" not in output
        (first,) = related(aware_cloud, DATABASE)
        (half,) = related(aware_cloud, DATABASE, hidden=True)
        assert snapshots(pool, "db") == ["instance_backup 2026-06-03"]

        resumed = play(given).succeeded()
    # One upload, and the snapshot.
    assert resumed.changed == 2
    images = {image["image_services_backup_device"]: image for image in related(aware_cloud, DATABASE)}
    assert images["0"]["id"] == first["id"]
    assert [aware_cloud.cloud.stored_bytes(image, "fast").read_bytes() for _device, image in sorted(images.items())] == [vms["db root"], vms["db data"]]
    assert half["id"] not in {image["id"] for image in aware_cloud.cloud.images("alice")}


def test_a_run_that_fails_deletes_nothing_and_a_check_run_says_what_would_go(
    aware_cloud: AwareCloud, pool: PoolUnderTest, vms: dict[str, bytes], clean: None
) -> None:
    for run in ("2026-05-27", "2026-05-28", "2026-05-29"):
        seed(aware_cloud, run)
    before = nights(aware_cloud)
    given = settings(aware_cloud, pool, WEB, run="2026-05-30", keep={"daily": 2})
    with pool.nothing_left():
        pool.fault(kind="drop", method="export_raw_vdi", after=100_000, times=0)
        failed = play(given)
        pool.clear_faults()
        assert failed.returncode != 0
        assert "Cannot back up VM 'web': Cannot " in told(failed)
        assert nights(aware_cloud) == before

        asked = play(given, "--check").succeeded()
        assert "VM web: daily backup 2026-05-30 of disks 0 would be created, without web-backup-2026-05-28-disk0-daily, without" in told(asked)
        assert asked.changed == 2
    assert nights(aware_cloud) == before


def test_bad_settings_and_a_glance_without_the_filter_are_refused(aware_cloud: AwareCloud, pool: PoolUnderTest, proxy: FaultyProxy) -> None:
    bad = settings(aware_cloud, pool, {"vm": "web", "instance_id": "007"}, nova_installation_uuid="A", keep={"daily": 0}, run="today")
    proxy.faults.append(Fault("GET /v2/info/instance-aware", answer=404))
    without = settings(aware_cloud, pool, WEB, cloud=aware_cloud.cloud.through(proxy, "alice")["cloud"])
    with pool.nothing_left():
        refused, unfiltered = play(bad), play(without)
    assert (refused.returncode, unfiltered.returncode) == (2, 2)
    assert "Cannot back up instances: instance_backup_nova_installation_uuid is 'A', which is no UUID." in told(refused)
    for sentence in ("VM 'web' has instance_id '007'.", "instance_backup_keep has daily: 0.", "instance_backup_run is 'today'."):
        assert sentence in told(refused)
    assert "glance_instance_aware" in told(unfiltered)
    assert not [line for line in proxy.requests if not line.startswith("GET ")]
