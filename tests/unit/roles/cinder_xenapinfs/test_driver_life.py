# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The life of volumes and snapshots, and what the pool and the share have of it."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from backend import GIB, Backend
from cinder import exception
from cinder.volume import volume_utils
from xapi import PoolUnderTest


def test_life_of_a_volume(backend: Backend, pool: PoolUnderTest) -> None:
    driver = backend.set_up()
    with pool.nothing_left():
        volume = backend.made(1)
        sr, vdi = volume.provider_location.split("/")
        assert backend.share == [f"{sr}/{vdi}.vhd"]
        driver.extend_volume(volume, 3)
        assert driver.manage_existing_get_size(volume, {"source-name": volume.provider_location}) == 3
        driver.delete_volume(volume)
        assert backend.share == []
        driver.delete_volume(volume)


def test_clones_and_snapshots_share_the_sr_and_outlive_their_source(backend: Backend, pool: PoolUnderTest) -> None:
    driver = backend.set_up()
    with pool.nothing_left():
        volume = backend.made(1)
        sr = volume.provider_location.split("/")[0]
        snapshot = backend.snapshot(volume)
        snapshot.update(driver.create_snapshot(snapshot))
        copy = backend.volume(2)
        copy.update(driver.create_volume_from_snapshot(copy, snapshot))
        clone = backend.volume(1)
        clone.update(driver.create_cloned_volume(clone, volume))
        assert {each.provider_location.split("/")[0] for each in (snapshot, copy, clone)} == {sr}
        assert backend.size(copy) == 2 * GIB
        driver.delete_snapshot(snapshot)
        driver.delete_volume(volume)
        assert len(backend.share) == 2
        driver.delete_volume(copy)
        assert backend.share == [f"{clone.provider_location}.vhd"]
        driver.delete_volume(clone)
        assert backend.share == []


def test_a_volume_in_use_is_copied_into_an_sr_of_its_own(backend: Backend, pool: PoolUnderTest) -> None:
    driver = backend.set_up()
    with pool.nothing_left():
        volume = backend.made(1, attach_status="attached")
        snapshot = backend.snapshot(volume)
        snapshot.update(driver.create_snapshot(snapshot))
        assert snapshot.provider_location.split("/")[0] != volume.provider_location.split("/")[0]
        driver.delete_snapshot(snapshot)
        driver.delete_volume(volume)
        assert backend.share == []


def test_a_volume_of_the_historic_driver_is_adopted(backend: Backend, pool: PoolUnderTest) -> None:
    """It made an SR on the share, a VDI in it, and forgot the SR."""
    driver = backend.set_up()
    api = pool.api
    with pool.nothing_left():
        host = api.session.get_this_host(pool.session.handle)
        sr = api.SR.create(host, driver.settings.device_config, "0", "volume", "", "nfs", "", False, {})
        record = {"name_label": "volume", "name_description": "", "SR": sr, "virtual_size": str(GIB), "type": "User", "sharable": False, "read_only": False}
        vdi = api.VDI.create(record | {"other_config": {}})
        where = f"{api.SR.get_uuid(sr)}/{api.VDI.get_uuid(vdi)}"
        for pbd in api.SR.get_PBDs(sr):
            api.PBD.unplug(pbd)
        api.SR.forget(sr)
        volume = backend.volume(1)
        reference = {"source-name": where}
        assert driver.manage_existing_get_size(volume, reference) == 1
        volume.update(driver.manage_existing(volume, reference))
        assert volume.provider_location == where
        driver.extend_volume(volume, 2)
        driver.unmanage(volume)
        assert backend.share == [f"{where}.vhd"]
        driver.delete_volume(volume)
        assert backend.share == []


@pytest.mark.parametrize("name", ["nonsense", "../../etc/passwd", "", "0/1"])
def test_what_cannot_be_managed_is_said(backend: Backend, name: str) -> None:
    with pytest.raises(exception.ManageExistingInvalidReference, match="is not of the form"):
        backend.set_up().manage_existing_get_size(backend.volume(), {"source-name": name})


def test_what_is_not_on_the_share_cannot_be_managed(backend: Backend, pool: PoolUnderTest) -> None:
    missing = "/".join(["11111111-2222-3333-4444-555555555555"] * 2)
    with pool.nothing_left(), pytest.raises(exception.ManageExistingInvalidReference):
        backend.set_up().manage_existing_get_size(backend.volume(), {"source-name": missing})


def test_a_disk_in_use_is_busy(backend: Backend, pool: PoolUnderTest) -> None:
    """Somebody introduced the SR and attached the disk: it stays theirs."""
    driver = backend.set_up()
    volume = backend.made(1)
    api = pool.api
    sr_uuid, vdi_uuid = volume.provider_location.split("/")
    sr = api.SR.introduce(sr_uuid, "theirs", "", "nfs", "user", False, {})
    host = api.session.get_this_host(pool.session.handle)
    pbd = api.PBD.create({"host": host, "SR": sr, "device_config": driver.settings.device_config})
    api.PBD.plug(pbd)
    api.SR.scan(sr)
    template = api.VM.get_by_name_label("Other install media")[0]
    machine = api.VM.clone(template, "user of the disk")
    api.VM.provision(machine)
    record = {"VM": machine, "VDI": api.VDI.get_by_uuid(vdi_uuid), "userdevice": "0", "bootable": True, "mode": "RW", "type": "Disk", "empty": False}
    vbd = api.VBD.create(record | {"unpluggable": True, "other_config": {}, "qos_algorithm_type": "", "qos_algorithm_params": {}})
    api.VM.start(machine, False, False)
    with pool.nothing_left(), pytest.raises(exception.VolumeIsBusy):
        driver.delete_volume(volume)
    api.VM.hard_shutdown(machine)
    api.VBD.destroy(vbd)
    api.VM.destroy(machine)
    api.PBD.unplug(pbd)
    api.SR.forget(sr)
    driver.delete_volume(volume)
    assert backend.share == []


def test_connections(make_backend: Callable[..., Backend]) -> None:
    backend = make_backend()
    driver = backend.set_up()
    volume = backend.made(1)
    sr, vdi = volume.provider_location.split("/")
    connected = driver.initialize_connection(volume, {"host": "node"})
    assert connected == {
        "driver_volume_type": "xensm",
        "data": {
            "name_label": "a volume",
            "name_description": "",
            "sr_uuid": sr,
            "vdi_uuid": vdi,
            "sr_type": "nfs",
            "server": "nfs.example.org",
            "serverpath": "/srv/first",
            "introduce_sr_keys": ["sr_type", "server", "serverpath"],
        },
    }
    driver.terminate_connection(volume, {"host": "node"})
    other = make_backend(xenapi_connection_type="nfs").set_up()
    data = {"export": "nfs.example.org:/srv/first", "name": f"{sr}/{vdi}.vhd", "format": "vpc", "options": None}
    assert other.initialize_connection(volume, {}) == {"driver_volume_type": "nfs", "data": data}
    driver.delete_volume(volume)


def test_retype_is_free_on_the_backend_only(backend: Backend) -> None:
    driver = backend.set_up()
    volume = backend.volume()
    here, there = {"host": volume.host}, {"host": "node@second#second"}
    assert driver.retype(None, volume, None, {}, here)[0]
    assert not driver.retype(None, volume, None, {}, there)[0]
    assert not driver.retype(None, volume, None, {"encryption": {"cipher": (None, "aes")}}, here)[0]


def test_two_backends_keep_to_their_shares(make_backend: Callable[..., Backend], pool: PoolUnderTest) -> None:
    first, second = make_backend("first"), make_backend("second")
    with pool.nothing_left():
        first.set_up(), second.set_up()
        volumes = [(each, each.made(1)) for each in (first, second)]
        assert [len(each.share) for each in (first, second)] == [1, 1]
        for each, volume in volumes:
            each.driver.delete_volume(volume)


def test_statistics(backend: Backend, pool: PoolUnderTest) -> None:
    driver = backend.set_up()
    with pool.nothing_left():
        stats = driver.get_volume_stats(refresh=True)
    assert stats["total_capacity_gb"] == 1024
    assert 0 < stats["free_capacity_gb"] <= 1024
    wanted = {"volume_backend_name": "first", "storage_protocol": "xensm", "backend_state": "up", "thin_provisioning_support": True}
    assert {key: stats[key] for key in wanted} == wanted
    assert {"vendor_name", "driver_version"} <= set(stats)
    assert volume_utils.extract_host(driver.host, "backend") == "node@first"
    assert backend.share == []


def test_many_at_once(backend: Backend, pool: PoolUnderTest) -> None:
    driver = backend.set_up()
    with pool.nothing_left():
        source = backend.made(1)
        volumes = [backend.volume(1) for dummy in range(12)]
        clones = [backend.volume(1) for dummy in range(8)]
        failed: list[BaseException] = []

        def work(volume: object, *source: object) -> None:
            try:
                volume.update((driver.create_cloned_volume if source else driver.create_volume)(volume, *source))
            except BaseException as exc:  # noqa: BLE001 - a thread has nobody else to tell
                failed.append(exc)

        threads = [threading.Thread(target=work, args=(each,)) for each in volumes]
        threads += [threading.Thread(target=work, args=(each, source)) for each in clones]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not failed
        assert len({each.provider_location for each in [source, *volumes, *clones]}) == 21
        assert len(backend.share) == 21
        for each in [source, *volumes, *clones]:
            driver.delete_volume(each)
        assert backend.share == []
