# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A declared VM and the one that is there: what is done, what is refused, and what a diff shows."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.xenstack.image_services.plugins.module_utils._core.errors import ImageServicesError
from ansible_collections.xenstack.image_services.plugins.module_utils._vms.machine import (
    MADE_FOR,
    Machine,
    Snapshot,
    Surroundings,
    Vif,
    VmDisk,
    choose,
    disks_of,
    present,
)
from ansible_collections.xenstack.image_services.plugins.module_utils._vms.plan import DesiredVm, VmPlan, plan
from ansible_collections.xenstack.image_services.plugins.module_utils._vms.predicted import predicted

GIB = 1 << 30
RECORD: dict[str, Any] = {
    "uuid": "vm",
    "name_label": "web",
    "name_description": "",
    "tags": ["b", "a"],
    "power_state": "Running",
    "domid": "4",
    "domain_type": "hvm",
    "HVM_boot_policy": "BIOS order",
    "HVM_boot_params": {"order": "c", "firmware": "uefi"},
    "PV_kernel": "",
    "PV_ramdisk": "",
    "PV_args": "",
    "PV_bootloader": "",
    "PV_bootloader_args": "",
    **{f"memory_{name}": str(GIB) for name in ("static_min", "dynamic_min", "dynamic_max", "static_max")},
    "VCPUs_max": "2",
    "VCPUs_at_startup": "2",
    "other_config": {},
}
BOOT = VmDisk("vbd0", "0", "ref0", "boot", "web boot", "rw", True, made_for="vm")
DATA = VmDisk("vbd1", "1", "ref1", "data", "web data", "rw", False)
FIRST = Snapshot("s1", "uuid1", "first", "2026-01-01", (replace(BOOT, vdi="old"),))
TWINS = (Snapshot("s2", "uuid2", "twin", "2026-01-02"), Snapshot("s3", "uuid3", "twin", "2026-01-03"))
CARDS = (Vif("vif0", "0", "net-a", "A", "aa:aa:aa:aa:aa:aa"), Vif("vif1", "2", "net-b", "B", "bb:bb:bb:bb:bb:bb"))


def machine(power: str = "Running", snapshots: tuple[Snapshot, ...] = (), disks: tuple[VmDisk, ...] = (BOOT, DATA), **record: Any) -> Machine:
    return Machine("vm-ref", {**RECORD, "power_state": power, **record}, CARDS, disks, snapshots, "host" if power == "Running" else None)


def planned(current: Machine | None, attributes: dict[str, Any] | None = None, **more: Any) -> VmPlan:
    return plan(DesiredVm("web", attributes=attributes or {}, **more), current)


def refusal(current: Machine | None, attributes: dict[str, Any] | None = None, **more: Any) -> str:
    with pytest.raises(ImageServicesError) as caught:
        planned(current, attributes, **more)
    return str(caught.value)


@pytest.mark.parametrize(
    "attributes",
    [
        {"name": "web", "description": "", "tags": ["a", "b"], "memory": GIB, "vcpus": 2, "firmware": "uefi"},
        {"boot": {"order": "c"}, "boot_disk": "boot", "disks": [("data", "rw")]},
        {"networks": [("net-a", None), ("net-b", "bb:bb:bb:bb:bb:bb")]},
    ],
)
def test_what_is_as_declared_is_left_alone(attributes: dict[str, Any]) -> None:
    made = planned(machine(), attributes, state="running")
    assert not made.changed
    assert made.before == made.after == {"state": "running"}


@pytest.mark.parametrize(
    ("name", "wanted", "before"),
    [
        ("memory", 2 * GIB, GIB),
        ("vcpus", 1, 2),
        ("firmware", "bios", "uefi"),
        ("disks", [], [{"vdi": "data", "mode": "rw"}]),
        ("disks", [("data", "ro")], [{"vdi": "data", "mode": "rw"}]),
        ("boot_disk", "newer", "boot"),
        ("networks", [("net-b", None), ("net-a", None)], [{"network": "net-a", "mac": "aa:aa:aa:aa:aa:aa"}, {"network": "net-b", "mac": "bb:bb:bb:bb:bb:bb"}]),
        ("networks", [], [{"network": "net-a", "mac": "aa:aa:aa:aa:aa:aa"}, {"network": "net-b", "mac": "bb:bb:bb:bb:bb:bb"}]),
    ],
)
def test_a_change_that_needs_a_halted_vm_needs_leave(name: str, wanted: Any, before: Any) -> None:
    assert "it is running, and some of the changes need a halted VM. Set restart: true" in refusal(machine(), {name: wanted})
    restarted = planned(machine(), {name: wanted}, restart=True)
    assert (restarted.down, restarted.up, restarted.changes) == ("clean", True, {name: wanted})
    assert restarted.before == {name: before, "state": "running"}
    assert restarted.after["state"] == "running"
    stopped = planned(machine(), {name: wanted}, state="stopped")
    assert (stopped.down, stopped.up, stopped.after["state"]) == ("clean", False, "stopped")
    halted = planned(machine("Halted"), {name: wanted})
    assert (halted.down, halted.up, halted.changes) == ("", False, {name: wanted})


def test_names_and_tags_change_while_it_runs() -> None:
    made = planned(machine(), {"name": "new", "description": "d", "tags": []})
    assert (made.down, made.up, set(made.changes)) == ("", False, {"name", "description", "tags"})
    assert made.before == {"name": "web", "description": "", "tags": ["a", "b"], "state": "running"}


def test_ballooning_and_spare_processors_end_when_a_number_is_given() -> None:
    assert planned(machine("Halted", memory_dynamic_min=str(GIB // 2)), {"memory": GIB}).changes == {"memory": GIB}
    assert planned(machine("Halted", VCPUs_max="8"), {"vcpus": 2}).changes == {"vcpus": 2}


@pytest.mark.parametrize(
    ("power", "state", "force", "down", "up"),
    [
        ("Halted", "present", False, "", False),
        ("Halted", "running", False, "", True),
        ("Halted", "stopped", False, "", False),
        ("Running", "present", False, "", False),
        ("Running", "stopped", False, "clean", False),
        ("Running", "stopped", True, "hard", False),
        ("Paused", "running", False, "", True),
        ("Suspended", "running", False, "", True),
        ("Suspended", "present", False, "", False),
        ("Paused", "stopped", True, "hard", False),
    ],
)
def test_power(power: str, state: str, force: bool, down: str, up: bool) -> None:
    made = planned(machine(power), state=state, force=force)
    assert (made.down, made.up, made.changed) == (down, up, bool(down or up))


def test_a_vm_that_does_not_run_cannot_be_asked_to_end() -> None:
    assert "it is paused, so it cannot end its work. Let it run first, or set force: true." in refusal(machine("Paused"), state="stopped")
    assert "it is suspended. Say by state" in refusal(machine("Suspended"), {"memory": 2 * GIB}, restart=True)


def test_a_new_vm() -> None:
    made = planned(None, {"name": "web", "memory": GIB}, source="golden", state="running", snapshot="fresh")
    assert (made.create, made.up, made.snapshot) == (True, True, "fresh")
    assert made.before == {"state": "absent"}
    assert made.after == {"name": "web", "memory": GIB, "state": "running", "cloned_from": "golden", "snapshots": ["fresh"]}
    assert not planned(None, {"name": "web", "boot_disk": "d"}, state="stopped").up
    assert planned(None, {"name": "web", "boot": {"order": "n"}}).create
    assert "it has nothing to boot from. Give boot_disk" in refusal(None, {"name": "web"})
    assert "there is no VM of this uuid" in refusal(None, {"memory": GIB})
    assert "there is no such VM" in refusal(None, {"name": "web"}, revert="x")
    assert not planned(None, state="absent").changed


def test_the_kind_of_a_vm_stays() -> None:
    assert "of kind hvm, and the options of boot are those of kind pv" in refusal(machine(), {"boot": {"bootloader": "pygrub"}}, restart=True)
    old = machine("Halted", domain_type="unspecified", HVM_boot_policy="", PV_bootloader="pygrub", HVM_boot_params={})
    assert planned(old, {"boot": {"args": "ro"}}).changes == {"boot": {"args": "ro"}}
    assert "a paravirtual VM has no firmware" in refusal(old, {"firmware": "bios"})


def test_a_loader_boots_from_the_disk_that_says_so_and_firmware_from_the_first() -> None:
    disks = (replace(BOOT, bootable=False), replace(DATA, bootable=True))
    assert machine(disks=disks).boot_disk == "boot"
    assert machine(disks=disks, domain_type="pv").boot_disk == "data"
    assert machine(disks=()).boot_disk is None


def test_a_snapshot_is_taken_once() -> None:
    made = planned(machine(snapshots=(FIRST,)), snapshot="second")
    assert (made.snapshot, made.before["snapshots"], made.after["snapshots"]) == ("second", ["first"], ["first", "second"])
    assert not planned(machine(snapshots=(FIRST,)), snapshot="first").changed


def test_snapshots_are_dropped_by_name_or_uuid() -> None:
    current = machine(snapshots=(FIRST, *TWINS))
    assert planned(current, drop_snapshots=("first", "uuid3", "first", "never there")).drop == (FIRST, TWINS[1])
    assert "several snapshots are named 'twin': uuid2, uuid3" in refusal(current, drop_snapshots=("twin",))


def test_going_back_gives_up_what_runs_only_with_leave() -> None:
    current = machine(snapshots=(FIRST, *TWINS))
    assert "its state would be lost. Set restart: true" in refusal(current, revert="first")
    again = planned(current, revert="first", restart=True)
    assert (again.revert, again.down, again.up, again.changed) == (FIRST, "", True, True)
    stopped = planned(current, revert="uuid2", state="stopped")
    assert (stopped.revert, stopped.up, stopped.after["state"]) == (TWINS[0], False, "stopped")
    assert "it has no snapshot 'none', only: 'first', 'twin', 'twin'" in refusal(current, revert="none", restart=True)
    assert "several snapshots are named 'twin'" in refusal(current, revert="twin", restart=True)


def test_removal_takes_only_disks_that_were_made_for_the_vm() -> None:
    foreign = replace(DATA, made_for="another vm")
    made = planned(machine(disks=(BOOT, foreign)), state="absent")
    assert (made.remove, made.down, made.lost_disks) == (True, "clean", (BOOT,))
    everything = planned(machine("Halted", snapshots=(FIRST,)), state="absent", remove_disks=True)
    assert (everything.down, everything.lost_disks, everything.drop) == ("", (BOOT, DATA), (FIRST,))
    assert "its snapshots would be left behind: first" in refusal(machine("Halted", snapshots=(FIRST,)), state="absent")
    assert planned(machine("Halted", snapshots=(FIRST,)), state="absent", drop_snapshots=("first",)).drop == (FIRST,)
    shared = replace(DATA, others=("db",))
    assert "its disk 'web data' (data) is also a disk of db" in refusal(machine(disks=(BOOT, shared)), state="absent", remove_disks=True)
    assert planned(machine(disks=(BOOT, shared)), state="absent").lost_disks == (BOOT,)


def test_secure_boot_is_that_of_uefi() -> None:
    on = machine(platform={"secureboot": "auto", "nx": "true"}, NVRAM={"EFI-variables": "x"}, VTPMs=["one"])
    shown = present(on)
    assert (shown["secure_boot"], shown["nvram"], shown["vtpms"]) == (True, True, 1)
    assert not planned(on, {"secure_boot": True}).changes
    assert planned(machine("Halted"), {"secure_boot": True}).changes == {"secure_boot": True}
    bios = machine("Halted", HVM_boot_params={"order": "c"}, platform={"secureboot": "true"})
    assert not present(bios)["secure_boot"]
    assert "secure boot needs uefi, and its firmware is bios. Set firmware: uefi." in refusal(bios, {"secure_boot": True})
    assert planned(bios, {"secure_boot": True, "firmware": "uefi"}).changes["firmware"] == "uefi"
    assert "secure boot needs uefi" in refusal(None, {"name": "web", "boot_disk": "boot", "secure_boot": True})


def test_templates_and_snapshots_are_no_vms_and_twins_are_named() -> None:
    plain = {"name_label": "web", "is_a_template": False, "is_a_snapshot": False, "is_control_domain": False}
    records = {"t": {**plain, "uuid": "1", "is_a_template": True}, "s": {**plain, "uuid": "2", "is_a_snapshot": True}, "v": {**plain, "uuid": "3"}}
    assert choose("web", "change", records, None, "web") == "v"
    assert choose("web", "change", records, "3", None) == "v"
    assert choose("web", "change", {}, "4", None) is None
    for uuid, cause in (("1", "it is a template"), ("2", "it is a snapshot"), ("5", "it is a control domain")):
        with pytest.raises(ImageServicesError, match=cause):
            choose("web", "change", {**records, "c": {**plain, "uuid": "5", "is_control_domain": True}}, uuid, None)
    with pytest.raises(ImageServicesError, match="several have this name: 3, 4"):
        choose("web", "change", {**records, "w": {**plain, "uuid": "4"}}, None, "web")


def test_drives_for_cds_are_no_disks() -> None:
    vdi = {"uuid": "u", "name_label": "n", "virtual_size": "512", "other_config": {MADE_FOR: "vm"}}
    vbd = {"userdevice": "10", "mode": "RW", "bootable": True, "type": "Disk", "VDI": "v"}
    vbds = {"a": vbd, "b": {**vbd, "type": "CD"}, "c": {**vbd, "VDI": "OpaqueRef:NULL"}, "d": {**vbd, "userdevice": "2"}}
    found = disks_of({"VBDs": list(vbds)}, Surroundings(vbds=vbds, vdis={"v": vdi}))
    assert [(disk.ref, disk.mode, disk.made_for, disk.size) for disk in found] == [("d", "rw", "vm", 512), ("a", "rw", "vm", 512)]


def test_what_is_predicted_has_the_shape_of_what_is() -> None:
    current = machine(snapshots=(FIRST,))
    shape = set(present(current))
    desired = DesiredVm("web", attributes={"name": "web", "memory": GIB, "boot": {"order": "c"}, "networks": [("n", None)]}, source="golden", state="running")
    new = predicted(desired, plan(desired, None), None)
    assert new is not None
    assert set(new) == shape
    assert (new["power_state"], new["memory"], new["boot"], new["cloned_from"], len(new["disks"])) == ("running", GIB, {"order": "c"}, "golden", 1)
    assert set(new["disks"][0]) == set(present(current)["disks"][0])
    changed = DesiredVm("web", attributes={"boot_disk": "newer", "disks": [("more", "ro")], "tags": []}, snapshot="second", state="stopped")
    after = predicted(changed, plan(changed, current), current)
    assert after is not None
    assert [(disk["uuid"], disk["device"], disk["mode"]) for disk in after["disks"]] == [("newer", "0", "rw"), ("more", None, "ro")]
    assert ([each["name"] for each in after["snapshots"]], after["power_state"], after["domain_id"], after["tags"]) == (["first", "second"], "stopped", -1, [])
    back = DesiredVm("web", revert="first", restart=True)
    reverted = predicted(back, plan(back, current), current)
    assert reverted is not None
    assert [(disk["uuid"], disk["name"]) for disk in reverted["disks"]] == [(None, "web boot")]
    gone = DesiredVm("web", state="absent", remove_disks=True)
    assert predicted(gone, plan(gone, current), current) is None
