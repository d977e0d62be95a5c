# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Disks of a pool as images in a real Glance, and back: bit for bit, verified, and with nothing half made where either side breaks."""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.xenstack.image_services.plugins.module_utils._disk.vhd.tarball import VhdTarball
from ansible_collections.xenstack.image_services.tests.support.cloud import Cloud
from ansible_collections.xenstack.image_services.tests.support.disks import MIB, qemu_img
from ansible_collections.xenstack.image_services.tests.support.exports import Exporter
from ansible_collections.xenstack.image_services.tests.support.faulty_proxy import Fault
from ansible_collections.xenstack.image_services.tests.support.modules import run_module
from ansible_collections.xenstack.image_services.tests.support.pool_disks import PoolDisks, pool_disks
from ansible_collections.xenstack.image_services.tests.support.xapi import PASSWORD, PoolUnderTest

UPLOAD = r"^PUT /v2/images/[^/]+/file$"


@pytest.fixture
def disks(pool: PoolUnderTest) -> Iterator[PoolDisks]:
    with pool_disks(pool) as made:
        yield made


@pytest.fixture
def export(pool: PoolUnderTest, cloud: Cloud) -> Exporter:
    return Exporter(pool, glance=cloud.auth("alice"))


def image(name: str, **more: Any) -> dict[str, Any]:
    usual = {"on_replace": "delete", "stores_mode": "at_least", "properties_mode": "merge"}
    return {"name": name, **usual, **more}


def named(cloud: Cloud, name: str) -> list[str]:
    return [str(found["id"]) for found in cloud.images("alice") if str(found["name"]).startswith(name)]


def content(path: Path, format: str, size: int) -> bytes:
    if format == "vhd_tarball":
        data = bytearray(size)
        with path.open("rb") as stream:
            for offset, block in VhdTarball(iter(lambda: stream.read(65536), b""), "image").blocks():
                data[offset : offset + len(block)] = block
        return bytes(data)
    raw = path.with_suffix(".raw")
    qemu_img("convert", "-f", {"vhd": "vpc"}.get(format, format), "-O", "raw", path, raw)
    try:
        return raw.read_bytes()
    finally:
        raw.unlink()


@pytest.mark.parametrize(
    ("format", "formats"),
    [("vhd_tarball", ("vhd", "ovf")), ("vhd", ("vhd", "bare")), ("raw", ("raw", "bare")), ("qcow2", ("qcow2", "bare"))],
)
def test_a_disk_becomes_an_image_of_every_format(
    pool: PoolUnderTest, cloud: Cloud, disks: PoolDisks, export: Exporter, image_name: str, tmp_path: Path, format: str, formats: tuple[str, str]
) -> None:
    data = disks.fill(disks.make("a disk", 10 * MIB), seed=len(format))
    given = {"vdi": "a disk", "format": format, "image": image(image_name, tags=["xen"], min_disk=1, visibility="private", properties={"xen_note": "golden"})}
    with pool.nothing_left():
        predicted = export(check=True, **given)
        assert named(cloud, image_name) == []
        done = export(**given)
        again = export(**given)
    found = done["image"]
    assert (found["disk_format"], found["container_format"], found["status"], found["tags"], found["min_disk"]) == (*formats, "active", ["xen"], 1)
    assert (found["visibility"], found["is_hidden"], found["properties"]["xen_note"]) == ("private", False, "golden")
    assert (predicted["changed"], done["changed"], again["changed"]) == (True, True, False)
    assert predicted["diff"] == done["diff"]
    assert again["bytes_transferred"] == 0
    stored = tmp_path / "stored"
    shutil.copyfile(cloud.stored_bytes(found, "fast"), stored)
    assert done["bytes_transferred"] == stored.stat().st_size == found["size"]
    assert content(stored, format, len(data)) == data


def test_as_a_task_it_keeps_secrets_and_options(pool: PoolUnderTest, cloud: Cloud, disks: PoolDisks, image_name: str) -> None:
    """Through the module itself, into two stores, by the name of a VM that runs; each run sends what has changed meanwhile."""
    disks.fill(root := disks.make("root"))
    disks.machine("golden", root)
    options = pool.options(vm="golden", image={"name": image_name, "stores": ["fast", "archive"], "hidden": True}, glance=cloud.auth("alice"))
    with pool.nothing_left():
        first = run_module("xen_vdi_export", options)
        second = run_module("xen_vdi_export", options)
    shown = first.succeeded()
    assert (shown["snapshot"], shown["image"]["is_hidden"]) == (True, True)
    assert sorted(shown["image"]["stores"]) == ["archive", "fast"]
    for secret in (PASSWORD, cloud.auth("alice")["cloud"]["auth"]["password"]):
        assert secret not in first.output
    assert second.succeeded()["replaced_image_id"] == shown["image"]["id"]
    assert second.succeeded()["image"]["id"] != shown["image"]["id"]


def test_what_came_from_glance_is_the_same_when_it_returns(pool: PoolUnderTest, cloud: Cloud, disks: PoolDisks, export: Exporter, image_name: str) -> None:
    """VDI, image, VDI, image: the same tarball but for the id that it names."""
    data = disks.fill(disks.make("a disk", 12 * MIB), seed=5)
    export(vdi="a disk", image=image(image_name))
    imported = run_module("xen_vdi_import", pool.options(name="returned", image=image_name, glance=cloud.auth("alice"))).succeeded()
    disks.vdis.append(pool.api.VDI.get_by_uuid(imported["vdi"]["uuid"]))
    back = export(vdi="returned", format="raw", image=image(f"{image_name} back"))["image"]
    assert cloud.stored_bytes(back, "fast").read_bytes() == data


def test_new_content_replaces_the_image_and_the_same_content_does_not(
    pool: PoolUnderTest, cloud: Cloud, disks: PoolDisks, export: Exporter, image_name: str
) -> None:
    vdi = disks.make("a disk")
    disks.fill(vdi)
    given = {"vdi": "a disk", "format": "raw", "image": image(image_name)}
    first = export(**given)
    data = disks.fill(vdi, seed=1)
    assert export(check=True, **given)["changed"]
    second = export(**given)
    assert second["replaced_image_id"] == first["image"]["id"]
    assert named(cloud, image_name) == [second["image"]["id"]]
    assert cloud.stored_bytes(second["image"], "fast").read_bytes() == data
    snapshot = pool.api.VDI.get_uuid(disks.snapshot(vdi))
    known = {**given, "vdi": snapshot}
    assert export(**known)["changed"], "of a snapshot it is known which one an image holds, not what it holds"
    again = export(**known)
    assert (again["changed"], again["bytes_read"]) == (False, 0)
    changed = export(**{**known, "image": image(image_name, tags=["new"])})
    assert (changed["changed"], changed["bytes_read"], changed["image"]["tags"]) == (True, 0, ["new"])


@pytest.mark.parametrize("fault", [Fault(UPLOAD, reset_after=MIB), Fault(UPLOAD, answer=503)], ids=["reset", "503"])
def test_a_passing_fault_of_glance_is_survived(pool: PoolUnderTest, cloud: Cloud, disks: PoolDisks, export: Exporter, image_name: str, fault: Fault) -> None:
    """The disk is read again from its first byte, from the same snapshot."""
    data = disks.fill(root := disks.make("root"))
    disks.machine("web", root)
    with cloud.proxy() as proxy, pool.nothing_left():
        proxy.faults.append(fault)
        done = export(vm="web", format="raw", image=image(image_name), glance=cloud.through(proxy, "alice"))
        assert fault.times == 0, "the fault has happened"
    fault.times = 1
    assert done["bytes_read"] > 6 * MIB
    assert named(cloud, image_name) == [done["image"]["id"]]
    assert cloud.stored_bytes(done["image"], "fast").read_bytes() == data


def test_a_lasting_fault_of_glance_leaves_the_old_image_and_no_snapshot(
    pool: PoolUnderTest, cloud: Cloud, disks: PoolDisks, export: Exporter, image_name: str
) -> None:
    disks.fill(root := disks.make("root"))
    old = export(vdi="root", image=image(image_name))["image"]["id"]
    disks.machine("web", root)
    for fault in (Fault(UPLOAD, times=99, answer=403), Fault(r"^POST /v2/images$", times=99, answer=403)):
        with cloud.proxy() as proxy, pool.nothing_left():
            proxy.faults.append(fault)
            assert export.refused(vm="web", image=image(image_name), glance=cloud.through(proxy, "alice"))
        assert named(cloud, image_name) == [old]


def faults() -> list[Any]:
    """Each fault of the simulator at points that chance has chosen, once for all."""
    chance = random.Random(20261121)
    calls = ["VDI.snapshot", "VDI.destroy", "VDI.get_record", "VBD.get_record", "task.create", "VDI.add_to_other_config", "session.login_with_password"]
    points: list[dict[str, Any]] = [{"kind": "drop", "method": "export_raw_vdi", "after": chance.randrange(5 * MIB)} for _number in range(5)]
    points += [{"kind": "session_lost", "after": chance.randrange(1, 18)} for _number in range(5)]
    points += [{"kind": "fail_call", "method": method} for method in chance.sample(calls, 5)]
    points += [{"kind": "fail_task"}, {"kind": "fail_task", "error": ["SR_BACKEND_FAILURE_46", "", "The VDI is not available", ""]}]
    points += [{"kind": "slow", "seconds": 2.0, "method": method} for method in ("export_raw_vdi", "VDI.snapshot")]
    points += [{"kind": "fail_call", "method": "export_raw_vdi", "error": ["VDI_IO_ERROR", "Device I/O errors"]}]
    return [pytest.param(point, id=" ".join(str(value) for value in point.values())) for point in points]


@pytest.mark.parametrize("fault", faults())
def test_a_fault_of_the_pool_leaves_nothing_and_the_next_run_succeeds(
    pool: PoolUnderTest, cloud: Cloud, disks: PoolDisks, export: Exporter, image_name: str, tmp_path: Path, fault: dict[str, Any]
) -> None:
    data = disks.fill(root := disks.make("root"), seed=3)
    disks.machine("web", root)
    dest = tmp_path / "exported"
    for given in ({"format": "raw", "dest": str(dest)}, {"image": image(image_name)}):
        # What is slow is stuck to a task with a short idle timeout.
        timeout = 1 if fault["kind"] == "slow" and "dest" in given else 600
        with pool.nothing_left():
            pool.fault(**fault)
            refused = export.refused(vm="web", timeout=timeout, **given)
            pool.clear_faults()
        if refused:
            assert list(tmp_path.iterdir()) == ([dest] if "image" in given else []), "no file is half made"
            assert named(cloud, image_name) == []
            assert export(vm="web", **given)["changed"]
    assert dest.read_bytes() == data
    (found,) = [each for each in cloud.images("alice") if each["name"] == image_name]
    assert content(cloud.stored_bytes(found, "fast"), "vhd_tarball", len(data)) == data
