# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The life of SRs, disks and VMs: what follows what, and what is refused."""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.xenstack.image_services.tests.support.xapi import MIB, PASSWORD, Server, content, disk_file, error

NULL = "OpaqueRef:NULL"


@pytest.fixture
def vm(api: Any) -> str:
    (template,) = api.VM.get_by_name_label("Other install media")
    made = api.VM.clone(template, "a guest")
    api.VM.provision(made)
    return made


def connect(api: Any, vm: str, vdi: str, **fields: Any) -> str:
    given = {"VM": vm, "VDI": vdi, "userdevice": "autodetect", "bootable": True, "mode": "RW", "type": "Disk", "empty": False}
    return api.VBD.create(given | {"other_config": {}, "qos_algorithm_type": "", "qos_algorithm_params": {}} | fields)


def nfs(api: Any, name: str = "shared", server: str = "nfs.example", path: str = "/export") -> str:
    host = api.host.get_all()[0]
    return api.SR.create(host, {"server": server, "serverpath": path}, "0", name, "", "nfs", "", True, {})


def unplug_all(api: Any, sr: str) -> None:
    for pbd in api.SR.get_PBDs(sr):
        api.PBD.unplug(pbd)


@pytest.mark.parametrize(("asked", "got"), [(1, 2 * MIB), (2 * MIB, 2 * MIB), (2 * MIB + 1, 4 * MIB), (2040 << 30, 2040 << 30)])
def test_a_disk_is_a_vhd_of_whole_steps(server: Server, api: Any, make_vdi: Callable[..., str], asked: int, got: int) -> None:
    vdi = make_vdi(asked)
    assert int(api.VDI.get_virtual_size(vdi)) == got
    path = disk_file(server, api, vdi)
    info = subprocess.run(["qemu-img", "info", "--output=json", path], check=True, capture_output=True, text=True).stdout
    assert '"format": "vpc"' in info
    assert f'"virtual-size": {got}' in info
    api.VDI.destroy(vdi)
    assert not path.exists()
    assert error(api.VDI.get_record, vdi) == ["HANDLE_INVALID", "VDI", vdi]


def test_a_vhd_is_not_larger_than_its_format_allows(make_vdi: Callable[..., str], api: Any) -> None:
    before = api.VDI.get_all()
    assert error(make_vdi, (2040 << 30) + 1)[0] == "SR_BACKEND_FAILURE_79"
    assert api.VDI.get_all() == before


def test_copies_carry_the_bytes_and_live_alone(server: Server, api: Any, make_vdi: Callable[..., str], fill: Callable[..., bytes]) -> None:
    vdi = make_vdi()
    data = fill(vdi)
    snapshot, clone, copy = api.VDI.snapshot(vdi), api.VDI.clone(vdi), api.VDI.copy(vdi, nfs(api))
    assert (api.VDI.get_snapshot_of(snapshot), api.VDI.get_is_a_snapshot(snapshot)) == (vdi, True)
    assert (api.VDI.get_snapshot_of(clone), api.VDI.get_snapshots(vdi)) == (NULL, [snapshot])
    new = fill(vdi)
    assert new != data
    api.VDI.resize(vdi, str(12 * MIB))
    assert content(disk_file(server, api, vdi)) == new + bytes(4 * MIB)
    assert [content(disk_file(server, api, each)) == data for each in (snapshot, clone, copy)] == [True, True, True]
    assert error(api.VDI.resize, vdi, str(8 * MIB))[0] == "SR_BACKEND_FAILURE_79"
    target = make_vdi(16 * MIB)
    assert api.VDI.copy(vdi, NULL, NULL, target) == target
    assert content(disk_file(server, api, target)) == new + bytes(8 * MIB)
    assert error(api.VDI.copy, target, NULL, NULL, vdi) == ["VDI_TOO_SMALL", vdi, str(16 * MIB)]
    assert error(api.VDI.copy, vdi, NULL, snapshot, NULL)[0] == "NOT_IMPLEMENTED"


def test_a_full_sr_takes_no_disk(server: Server, api: Any, make_vdi: Callable[..., str]) -> None:
    server.fault(kind="sr_full", method="VDI.create")
    before = api.VDI.get_all()
    assert error(make_vdi) == ["SR_BACKEND_FAILURE_44", "", "There is insufficient space", ""]
    assert api.VDI.get_all() == before
    make_vdi()


def test_an_sr_is_left_and_found_again_with_its_disks(server: Server, api: Any) -> None:
    sr = nfs(api)
    assert len(api.SR.get_PBDs(sr)) == 2
    identity, given = api.SR.get_uuid(sr), {"SR": sr, "virtual_size": "4194304", "type": "user", "sharable": False, "read_only": False, "other_config": {}}
    vdi = api.VDI.get_uuid(api.VDI.create(given))
    assert error(api.SR.forget, sr) == ["SR_HAS_PBD", sr]
    assert error(api.SR.destroy, sr) == ["SR_HAS_PBD", sr]
    unplug_all(api, sr)
    assert error(api.VDI.create, given) == ["SR_HAS_NO_PBDS", sr]
    assert error(api.SR.scan, sr) == ["SR_HAS_NO_PBDS", sr]
    assert error(api.SR.destroy, sr) == ["SR_NOT_EMPTY"]
    api.SR.forget(sr)
    assert error(api.VDI.get_by_uuid, vdi) == ["UUID_INVALID", "VDI", vdi]
    again = api.SR.introduce(identity, "found", "", "nfs", "user", True, {})
    assert error(api.SR.introduce, identity, "twice", "", "nfs", "user", True, {}) == ["SR_UUID_EXISTS", identity]
    config = {"server": "nfs.example", "serverpath": "/export"}
    for host in api.host.get_all():
        pbd = api.PBD.create({"host": host, "SR": again, "device_config": config})
        assert error(api.PBD.create, {"host": host, "SR": again, "device_config": config}) == ["PBD_EXISTS", again, host, pbd]
        api.PBD.plug(pbd)
    api.SR.scan(again)
    found = api.VDI.get_by_uuid(vdi)
    assert (api.VDI.get_virtual_size(found), api.SR.get_VDIs(again)) == ("4194304", [found])
    api.VDI.destroy(found)
    unplug_all(api, again)
    api.SR.destroy(again)
    assert not any(server.state.glob(f"devices/*/*/{identity}"))


def test_one_bad_file_fails_the_whole_scan(server: Server, api: Any, sr: str) -> None:
    bad = server.state / "sr-mount" / api.SR.get_uuid(sr) / "00000000-0000-0000-0000-000000000000.vhd"
    bad.write_bytes(b"nonsense")
    try:
        assert error(api.SR.scan, sr)[0] == "SR_BACKEND_FAILURE_40"
    finally:
        bad.unlink()
    api.SR.scan(sr)


@pytest.mark.parametrize(
    ("kind", "config", "expected"),
    [("cephfs", {"server": "a"}, ["SR_UNKNOWN_DRIVER", "cephfs"]), ("nfs", {"server": "a"}, ["SR_BACKEND_FAILURE_90"])],
)
def test_an_sr_that_cannot_be_made_leaves_nothing(api: Any, kind: str, config: dict[str, str], expected: list[str]) -> None:
    before = (api.SR.get_all(), api.PBD.get_all())
    assert error(api.SR.create, api.host.get_all()[0], config, "0", "bad", "", kind, "", False, {})[: len(expected)] == expected
    assert (api.SR.get_all(), api.PBD.get_all()) == before


def test_a_probe_finds_the_srs_of_a_device(api: Any) -> None:
    host, config = api.host.get_all()[0], {"device": "/dev/probed"}
    assert "<UUID>" not in api.SR.probe(host, config, "ext", {})
    sr = api.SR.create(host, config, "0", "probed", "", "ext", "", False, {})
    assert api.SR.get_uuid(sr) in api.SR.probe(host, config, "ext", {})
    assert api.SR.get_uuid(sr) not in api.SR.probe(host, config, "lvm", {})
    assert error(api.SR.probe, host, {"location": "/x"}, "iso", {})[0] == "UNIMPLEMENTED_IN_SM_BACKEND"
    assert error(api.SR.probe, host, {}, "ext", {})[0] == "SR_BACKEND_FAILURE_90"


@pytest.mark.parametrize("location", ["../../pool", "nothing-there"])
def test_a_disk_is_introduced_only_from_its_sr(api: Any, sr: str, location: str) -> None:
    call = ("00000000-0000-0000-0000-000000000001", "x", "", sr, "user", False, False, {}, location)
    assert error(api.VDI.introduce, *call) == ["VDI_LOCATION_MISSING", sr, location]


def test_a_disk_that_was_forgotten_is_introduced_with_its_bytes(
    server: Server, api: Any, sr: str, make_vdi: Callable[..., str], fill: Callable[..., bytes]
) -> None:
    vdi = make_vdi()
    data, identity = fill(vdi), api.VDI.get_uuid(vdi)
    api.VDI.forget(vdi)
    back = api.VDI.introduce(identity, "back", "", sr, "user", False, False, {}, identity)
    assert (api.VDI.get_uuid(back), content(disk_file(server, api, back))) == (identity, data)


def test_an_sr_uuid_never_leaves_the_state_directory(api: Any) -> None:
    sr = api.SR.introduce("../../../../outside", "hostile", "", "nfs", "user", False, {})
    pbd = api.PBD.create({"host": api.host.get_all()[0], "SR": sr, "device_config": {"server": "a", "serverpath": "/b"}})
    assert error(api.PBD.plug, pbd)[0] == "SR_BACKEND_FAILURE"
    api.SR.forget(sr)


def test_a_vm_starts_with_its_disks_and_holds_them(api: Any, vm: str, make_vdi: Callable[..., str]) -> None:
    vdi = make_vdi()
    vbd = connect(api, vm, vdi)
    assert error(connect, api, vm, vdi, userdevice="0") == ["DEVICE_ALREADY_EXISTS", "0"]
    assert error(connect, api, vm, vdi, userdevice="99") == ["INVALID_DEVICE", "99"]
    assert error(api.VBD.plug, vbd) == ["VM_BAD_POWER_STATE", vm, "running", "halted"]
    assert error(api.VM.clean_shutdown, vm) == ["VM_BAD_POWER_STATE", vm, "running", "halted"]
    api.VM.start(vm, False, False)
    assert error(api.VM.start, vm, False, False) == ["VM_BAD_POWER_STATE", vm, "halted", "running"]
    record = api.VM.get_record(vm)
    assert (record["power_state"], record["VBDs"], api.VBD.get_currently_attached(vbd), api.VBD.get_device(vbd)) == ("Running", [vbd], True, "xvda")
    for refused in (lambda: api.VDI.destroy(vdi), lambda: api.VDI.resize(vdi, str(64 * MIB)), lambda: api.VDI.clone(vdi)):
        assert error(refused)[:2] == ["VDI_IN_USE", vdi]
    assert error(api.VBD.destroy, vbd)[0] == "OPERATION_NOT_ALLOWED"
    assert error(api.VM.destroy, vm)[0] == "VM_BAD_POWER_STATE"
    api.VBD.unplug(vbd)
    assert error(api.VBD.unplug, vbd) == ["DEVICE_ALREADY_DETACHED", vbd]
    api.VBD.plug(vbd)
    assert error(api.VBD.plug, vbd) == ["DEVICE_ALREADY_ATTACHED", vbd]
    api.VM.clean_shutdown(vm)
    api.VM.destroy(vm)
    assert api.VDI.get_VBDs(vdi) == []


def test_two_vms_do_not_write_to_one_disk(api: Any, vm: str, make_vdi: Callable[..., str]) -> None:
    vdi = make_vdi()
    connect(api, vm, vdi)
    other = api.VM.clone(vm, "another")
    assert len(api.VDI.get_all()) > 1
    connect(api, other, vdi)
    api.VM.start(vm, False, False)
    assert error(api.VM.start, other, False, False) == ["VDI_IN_USE", vdi, "attach"]
    record = api.VM.get_record(other)
    assert (record["power_state"], record["resident_on"]) == ("Halted", NULL)
    assert not any(api.VBD.get_currently_attached(vbd) for vbd in record["VBDs"])


def test_a_template_or_a_snapshot_does_not_start(api: Any, vm: str) -> None:
    (template,) = api.VM.get_by_name_label("Other install media")
    assert error(api.VM.start, template, False, False) == ["VM_IS_TEMPLATE", template]
    assert error(api.VM.start, api.VM.snapshot(vm, "s"), False, False)[0] == "VM_IS_SNAPSHOT"
    assert error(api.VM.destroy, template)[0] == "OPERATION_NOT_ALLOWED"


def test_a_running_vm_is_snapshotted_and_reverted(server: Server, api: Any, vm: str, make_vdi: Callable[..., str], fill: Callable[..., bytes]) -> None:
    vdi = make_vdi()
    data = fill(vdi)
    connect(api, vm, vdi)
    api.VM.start(vm, False, False)
    snapshot = api.VM.snapshot(vm, "before")
    (kept,) = [api.VBD.get_VDI(vbd) for vbd in api.VM.get_VBDs(snapshot)]
    assert (api.VDI.get_snapshot_of(kept), api.VM.get_snapshots(vm), api.VM.get_is_a_snapshot(snapshot)) == (vdi, [snapshot], True)
    api.VM.hard_shutdown(vm)
    fill(vdi)
    api.VM.revert(snapshot)
    (back,) = [api.VBD.get_VDI(vbd) for vbd in api.VM.get_VBDs(vm)]
    assert content(disk_file(server, api, back)) == data
    assert error(api.VDI.get_uuid, vdi) == ["HANDLE_INVALID", "VDI", vdi]
    copy = api.VM.clone(snapshot, "from the snapshot")
    api.VM.provision(copy)
    api.VM.start(copy, False, False)
    (disk,) = [api.VBD.get_VDI(vbd) for vbd in api.VM.get_VBDs(copy)]
    assert content(disk_file(server, api, disk)) == data


def test_reverting_again_and_again_keeps_disks_that_are_newer_than_the_snapshot(api: Any, vm: str, make_vdi: Callable[..., str]) -> None:
    old, newer = make_vdi(), make_vdi()
    connect(api, vm, old)
    snapshot = api.VM.snapshot(vm, "before")
    (kept,) = [api.VBD.get_VDI(vbd) for vbd in api.VM.get_VBDs(snapshot)]
    connect(api, vm, newer)
    for _dummy in range(2):
        api.VM.revert(snapshot)
        (back,) = [api.VBD.get_VDI(vbd) for vbd in api.VM.get_VBDs(vm)]
        assert (api.VDI.get_snapshot_of(kept), api.VDI.get_VBDs(newer)) == (back, [])
        assert error(api.VDI.get_uuid, old) == ["HANDLE_INVALID", "VDI", old]
        old = back


def test_a_copy_that_fails_half_way_leaves_no_disk(server: Server, api: Any, vm: str, make_vdi: Callable[..., str]) -> None:
    for _dummy in range(2):
        connect(api, vm, make_vdi())
    before = {name: set(getattr(api, name).get_all()) for name in ("VM", "VDI", "VBD")}
    (second,) = [vbd for vbd in api.VM.get_VBDs(vm) if api.VBD.get_userdevice(vbd) == "1"]
    disk_file(server, api, api.VBD.get_VDI(second)).unlink()
    assert error(api.VM.clone, vm, "copy")[0] == "VDI_MISSING"
    assert {name: set(getattr(api, name).get_all()) for name in before} == before
    api.VDI.forget(api.VBD.get_VDI(second))


def test_a_card_gets_an_address_of_its_own(api: Any, vm: str) -> None:
    given = {"device": "0", "network": api.network.get_all()[0], "VM": vm, "MAC": "", "MTU": "1500", "other_config": {}}
    given |= {"qos_algorithm_type": "", "qos_algorithm_params": {}}
    vif = api.VIF.create(given)
    record = api.VIF.get_record(vif)
    assert (record["MAC_autogenerated"], len(record["MAC"]), int(record["MAC"][:2], 16) & 3) == (True, 17, 2)
    assert error(api.VIF.create, given) == ["DEVICE_ALREADY_EXISTS", "0"]
    assert error(api.VIF.create, given | {"device": "1", "MAC": "zz"}) == ["MAC_INVALID", "zz"]
    (copied,) = api.VM.get_VIFs(api.VM.clone(vm, "b"))
    assert api.VIF.get_MAC(copied) != record["MAC"]
    assert error(api.network.destroy, given["network"])[0] == "NETWORK_CONTAINS_VIF"


def test_the_side_door_tells_who_is_logged_in(server: Server, session: Any) -> None:
    token = base64.b64encode(f"root:{PASSWORD}".encode()).decode()
    status, body = server.ask("GET", "/simulator/sessions", headers={"Authorization": f"Basic {token}"})
    assert status == 200
    assert {"uuid": session.xenapi.session.get_uuid(session.handle), "originator": "tests"} in json.loads(body)
    assert server.ask("GET", "/simulator/sessions")[0] == 401
