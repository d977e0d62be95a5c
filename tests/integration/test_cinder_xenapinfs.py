# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real Cinder with a backend that the role has set up: the life of volumes through its API, with a real Glance and a simulated pool."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.xenstack.image_services.tests.support.cinder import Cinder
from ansible_collections.xenstack.image_services.tests.support.cloud import Cloud
from ansible_collections.xenstack.image_services.tests.support.modules import run_module
from ansible_collections.xenstack.image_services.tests.support.xapi import MIB, PoolUnderTest

TYPE = "xenapinfs"
KINDS = ("backup", "snapshot", "volume")


@pytest.fixture
def volumes(cinder: Cinder, volume_pool: PoolUnderTest) -> Iterator[Cinder]:
    """What a test makes goes with it, and nothing of it stays in the pool."""
    with volume_pool.nothing_left("session"):
        yield cinder
        for kind in KINDS:
            left = [each["id"] for each in cinder.ask("GET", f"/{kind}s")[f"{kind}s"]]
            for identity in left:
                cinder.ask("DELETE", f"/{kind}s/{identity}")
            for identity in left:
                cinder.gone(kind, identity)


@pytest.fixture
def image(cloud: Cloud, image_name: str, tmp_path: Path) -> tuple[dict[str, Any], Path]:
    """A raw image of 3 MiB and its content."""
    content = tmp_path / "content.raw"
    content.write_bytes(os.urandom(2 * MIB) + bytes(MIB // 2) + os.urandom(MIB // 2))
    return upload(cloud, image_name, content, "raw"), content


def upload(cloud: Cloud, name: str, content: Path, disk_format: str) -> dict[str, Any]:
    options = {**cloud.auth("admin"), "name": name, "src": str(content), "disk_format": disk_format, "stores": ["fast"]}
    made: dict[str, Any] = run_module("glance_image", options).succeeded()["image"]
    return made


def same(cloud: Cloud, image: dict[str, Any], kind: str, content: Path) -> None:
    """The stored image is a disk of this content, and zeros behind it."""
    done = subprocess.run(
        ["qemu-img", "compare", "-f", "raw", "-F", kind, content, cloud.stored_bytes(image, "fast")], stdout=subprocess.PIPE, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


def as_image(cinder: Cinder, cloud: Cloud, volume: str, name: str, disk_format: str) -> dict[str, Any]:
    """A volume as a new image, once that is there."""
    given = {"image_name": name, "disk_format": disk_format, "container_format": "bare"}
    made = cinder.action(f"/volumes/{volume}", "os-volume_upload_image", **given)["os-volume_upload_image"]
    cinder.settled("volume", volume)
    (found,) = (each for each in cloud.images("admin") if each["id"] == made["image_id"])
    assert found["status"] == "active", cinder.log()[-6000:]
    return found


def snapshot(cinder: Cinder, volume: str) -> str:
    made: str = cinder.ask("POST", "/snapshots", {"snapshot": {"volume_id": volume}})["snapshot"]["id"]
    cinder.settled("snapshot", made)
    return made


def test_the_life_of_a_volume(volumes: Cinder, volume_pool: PoolUnderTest) -> None:
    with volume_pool.nothing_left("session"):
        first = volumes.create(volume_type=TYPE, name="first", description="the first")["id"]
        found = volumes.settled("volume", first)
        assert (found["size"], found["os-vol-host-attr:host"]) == (1, "tests@xenapinfs#xenapinfs")
        volumes.action(f"/volumes/{first}", "os-extend", new_size=2)
        volumes.settled("volume", first, also=lambda found: bool(found["size"] == 2))
        taken = snapshot(volumes, first)
        second = volumes.create(None, volume_type=TYPE, snapshot_id=taken)["id"]
        third = volumes.create(3, volume_type=TYPE, source_volid=first)["id"]
        assert volumes.settled("volume", second)["size"] == 2
        assert volumes.settled("volume", third)["size"] == 3
        volumes.delete("snapshot", taken)
        for each in (first, second, third):
            volumes.delete("volume", each)


def test_images_become_volumes_and_images_again(cloud: Cloud, volumes: Cinder, image: tuple[dict[str, Any], Path], image_name: str, tmp_path: Path) -> None:
    """Bit for bit, also through a snapshot and a clone, and from a format that only qemu-img reads."""
    raw, content = image
    packed = tmp_path / "content.qcow2"
    subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", "-c", content, packed], check=True)
    of_raw = volumes.create(volume_type=TYPE, imageRef=raw["id"])["id"]
    of_qcow2 = volumes.create(volume_type=TYPE, imageRef=upload(cloud, f"{image_name} packed", packed, "qcow2")["id"])["id"]
    assert volumes.settled("volume", of_raw)["bootable"] == "true"
    volumes.settled("volume", of_qcow2)
    restored = volumes.create(volume_type=TYPE, snapshot_id=snapshot(volumes, of_raw))["id"]
    volumes.settled("volume", restored)
    clone = volumes.create(volume_type=TYPE, source_volid=of_qcow2)["id"]
    volumes.settled("volume", clone)
    vhd = as_image(volumes, cloud, restored, f"{image_name} vhd", "vhd")
    same(cloud, vhd, "vpc", content)
    same(cloud, as_image(volumes, cloud, clone, f"{image_name} qcow2", "qcow2"), "qcow2", content)
    again = volumes.create(volume_type=TYPE, imageRef=vhd["id"])["id"]
    volumes.settled("volume", again)
    same(cloud, as_image(volumes, cloud, again, f"{image_name} again", "vhd"), "vpc", content)


def test_a_backup_is_restored(cloud: Cloud, volumes: Cinder, image: tuple[dict[str, Any], Path], image_name: str) -> None:
    raw, content = image
    source = volumes.create(volume_type=TYPE, imageRef=raw["id"])["id"]
    volumes.settled("volume", source)
    backup = volumes.back_up(source)
    target = volumes.create(volume_type=TYPE)["id"]
    volumes.settled("volume", target)
    volumes.ask("POST", f"/backups/{backup}/restore", {"restore": {"volume_id": target}})
    volumes.settled("backup", backup)
    volumes.settled("volume", target)
    same(cloud, as_image(volumes, cloud, target, f"{image_name} restored", "vhd"), "vpc", content)


def test_a_volume_is_unmanaged_managed_and_retyped(volumes: Cinder) -> None:
    managed = volumes.create(volume_type=TYPE)["id"]
    volumes.settled("volume", managed)
    where = volumes.provider_location(managed)
    volumes.action(f"/volumes/{managed}", "os-unmanage")
    volumes.gone("volume", managed)
    given = {"host": "tests@xenapinfs#xenapinfs", "ref": {"source-name": where}, "volume_type": TYPE}
    again = volumes.ask("POST", "/manageable_volumes", {"volume": given})["volume"]["id"]
    assert volumes.settled("volume", again)["size"] == 1
    assert volumes.provider_location(again) == where
    other = volumes.ask("POST", "/types", {"volume_type": {"name": "same backend", "extra_specs": {"volume_backend_name": TYPE}}})["volume_type"]["id"]
    volumes.action(f"/volumes/{again}", "os-retype", new_type=other, migration_policy="never")
    assert volumes.settled("volume", again, also=lambda found: bool(found["volume_type"] == "same backend"))
    assert volumes.provider_location(again) == where
    volumes.delete("volume", again)
    volumes.ask("DELETE", f"/types/{other}")


def test_fifty_volumes_at_once(volumes: Cinder, volume_pool: PoolUnderTest) -> None:
    with volume_pool.nothing_left("session"):
        made = [volumes.create(volume_type=TYPE, name=f"one of fifty {number}")["id"] for number in range(50)]
        for each in made:
            volumes.settled("volume", each)
        assert len({volumes.provider_location(each) for each in made}) == 50
        for each in made:
            volumes.ask("DELETE", f"/volumes/{each}")
        for each in made:
            volumes.gone("volume", each)


def test_a_service_that_is_killed_half_way(volumes: Cinder, volume_pool: PoolUnderTest) -> None:
    """The volume that it was about to make is in error afterwards and can be deleted; another one can be made."""
    with volume_pool.nothing_left("session"):
        volume_pool.fault(kind="slow", method="VDI.create", seconds=3)
        half = volumes.create(volume_type=TYPE)["id"]
        volume_pool.await_object("SR", lambda record: record["type"] == "nfs")
        volumes.run("kill")
        volumes.run("start")
        volumes.settled("volume", half, "error")
        whole = volumes.create(volume_type=TYPE)["id"]
        volumes.settled("volume", whole)
        for each in (half, whole):
            volumes.delete("volume", each)


def test_a_pool_that_goes_away(volumes: Cinder, volume_pool: PoolUnderTest) -> None:
    volume_pool.go_away()
    try:
        failed = volumes.create(volume_type=TYPE)["id"]
        volumes.settled("volume", failed, "error")
    finally:
        volume_pool.come_back()
    whole = volumes.create(volume_type=TYPE)["id"]
    volumes.settled("volume", whole)


def test_statistics(volumes: Cinder) -> None:
    pools = volumes.ask("GET", "/scheduler-stats/get_pools?detail=true")["pools"]
    (told,) = (each["capabilities"] for each in pools if each["name"] == "tests@xenapinfs#xenapinfs")
    assert (told["volume_backend_name"], told["storage_protocol"], told["vendor_name"]) == ("xenapinfs", "xensm", "xenstack.image_services")
    assert 0 < told["free_capacity_gb"] <= told["total_capacity_gb"]
