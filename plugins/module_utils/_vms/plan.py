# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""From one declared VM and the one that is there to what has to be done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .._core.errors import ImageServicesError, cannot
from .machine import Machine, Snapshot, VmDisk

POWER = {"running": "running", "stopped": "halted"}
# What the pool changes while a VM runs; the rest waits until it is halted.
LIVE = frozenset({"name", "description", "tags"})


@dataclass(frozen=True)
class DesiredVm:
    """The task's options; names are resolved to uuids. ``attributes`` holds only what is given."""

    label: str
    state: str = "present"
    attributes: Mapping[str, Any] = field(default_factory=dict)
    clone: bool = False
    source: str | None = None  # uuid of boot_disk where it is to be cloned
    snapshot: str | None = None
    revert: str | None = None
    drop_snapshots: tuple[str, ...] = ()
    force: bool = False
    restart: bool = False
    remove_disks: bool = False


@dataclass(frozen=True)
class VmPlan:
    """What to do, in this order, and the managed attributes before and after."""

    create: bool = False
    down: str = ""  # clean or hard
    drop: tuple[Snapshot, ...] = ()
    snapshot: str | None = None
    revert: Snapshot | None = None
    changes: Mapping[str, Any] = field(default_factory=dict)
    up: bool = False
    remove: bool = False
    lost_disks: tuple[VmDisk, ...] = ()
    before: Mapping[str, Any] = field(default_factory=dict)
    after: Mapping[str, Any] = field(default_factory=dict)

    @property
    def changed(self) -> bool:
        return bool(self.create or self.down or self.drop or self.snapshot or self.revert or self.changes or self.up or self.remove)


def plan(desired: DesiredVm, current: Machine | None) -> VmPlan:
    """Every rule of the module; raises what the operator has to decide."""
    if desired.state == "absent":
        return _removal(desired, current) if current is not None else VmPlan(before={"state": "absent"}, after={"state": "absent"})
    return _creation(desired) if current is None else _update(desired, current)


def _refuse(verb: str, desired: DesiredVm, cause: str, advice: str, code: str = "refused", details: Any = None) -> ImageServicesError:
    return cannot(verb, "VM", desired.label, cause, advice, code=code, details=details)


# Making one


def _creation(desired: DesiredVm) -> VmPlan:
    if desired.revert is not None:
        raise _refuse("revert", desired, "there is no such VM", "Correct the name, or make the VM first", "not_found")
    if "name" not in desired.attributes:
        raise _refuse("change", desired, "there is no VM of this uuid", "Correct uuid, or give name alone to have one made", "not_found")
    if desired.source is None and "boot_disk" not in desired.attributes and "boot" not in desired.attributes:
        raise _refuse("create", desired, "it has nothing to boot from", "Give boot_disk, or boot for a VM that boots from elsewhere", "no_boot_disk")
    if desired.attributes.get("secure_boot") and desired.attributes.get("firmware") != "uefi":
        raise _refuse("create", desired, "secure boot needs uefi, and firmware is not given", "Set firmware: uefi", "no_uefi")
    state = "running" if desired.state == "running" else "stopped"
    after = {**_shown(desired.attributes), "state": state}
    if desired.source is not None:
        after["cloned_from"] = desired.source
    if desired.snapshot is not None:
        after["snapshots"] = [desired.snapshot]
    return VmPlan(create=True, snapshot=desired.snapshot, changes=desired.attributes, up=state == "running", before={"state": "absent"}, after=after)


# Changing one


def _update(desired: DesiredVm, current: Machine) -> VmPlan:
    changes = {name: value for name, value in desired.attributes.items() if not _same(name, value, current)}
    _refuse_kind(desired, current, changes)
    drop = _dropped(desired, current)
    kept = [each for each in current.snapshots if each not in drop]
    snapshot = desired.snapshot if desired.snapshot is not None and not _named(kept, desired.snapshot) else None
    revert = _one(desired, kept, desired.revert) if desired.revert is not None else None
    down, up = _power(desired, current, bool(set(changes) - LIVE), revert)
    before = {**_shown({name: _of(name, current) for name in changes}), "state": _state(current.power)}
    after = {**_shown(changes), "state": _after(desired, current, down, up, revert)}
    if drop or snapshot is not None:
        before["snapshots"] = sorted(each.name for each in current.snapshots)
        after["snapshots"] = sorted([each.name for each in kept] + ([snapshot] if snapshot is not None else []))
    if revert is not None:
        before["reverted_to"], after["reverted_to"] = None, revert.uuid
    return VmPlan(down=down, drop=drop, snapshot=snapshot, revert=revert, changes=changes, up=up, before=before, after=after)


def _of(name: str, current: Machine) -> Any:
    return getattr(current, name)


def _same(name: str, wanted: Any, current: Machine) -> bool:
    have = _of(name, current)
    if name == "boot":
        return all(have.get(key) == value for key, value in wanted.items())
    if name == "memory":
        return bool(have == wanted and current.fixed_memory)
    if name == "vcpus":
        return bool(have == wanted and current.fixed_vcpus)
    if name == "networks":
        return len(have) == len(wanted) and all(old[0] == new[0] and new[1] in (None, old[1]) for old, new in zip(have, wanted))
    if name in ("disks", "tags"):
        return sorted(have) == sorted(wanted)
    return bool(have == wanted)


def _shown(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Attributes as the diff shows them."""
    shown = dict(attributes)
    if "networks" in shown:
        shown["networks"] = [{"network": network, "mac": mac} for network, mac in shown["networks"]]
    if "disks" in shown:
        shown["disks"] = [{"vdi": vdi, "mode": mode} for vdi, mode in sorted(shown["disks"])]
    if "tags" in shown:
        shown["tags"] = sorted(shown["tags"])
    return shown


def kind_of(boot: Mapping[str, Any] | None) -> str | None:
    """Whether boot parameters are those of a paravirtual VM; None where they do not say."""
    if not boot:
        return None
    return "pv" if any(boot.get(key) for key in ("kernel", "bootloader")) else "hvm" if boot.get("order") else None


def _refuse_kind(desired: DesiredVm, current: Machine, changes: Mapping[str, Any]) -> None:
    kind = kind_of(changes.get("boot"))
    if kind is not None and kind != current.kind:
        cause = f"it is of kind {current.kind}, and the options of boot are those of kind {kind}"
        raise _refuse("change", desired, cause, "Correct boot, or remove the VM and have another made", "other_kind")
    firmware = changes.get("firmware", current.firmware)
    if firmware != "uefi" and changes.get("secure_boot"):
        raise _refuse("change", desired, f"secure boot needs uefi, and its firmware is {firmware or 'none'}", "Set firmware: uefi", "no_uefi")
    if current.kind == "pv" and "firmware" in changes:
        raise _refuse("change", desired, "a paravirtual VM has no firmware", "Leave firmware out", "other_kind")


# Snapshots


def _named(snapshots: list[Snapshot], name: str) -> list[Snapshot]:
    """By uuid, else by name."""
    return [each for each in snapshots if each.uuid == name] or [each for each in snapshots if each.name == name]


def _one(desired: DesiredVm, snapshots: list[Snapshot], name: str) -> Snapshot:
    found = _named(snapshots, name)
    if not found:
        known = ", ".join(sorted(f"'{each.name}'" for each in snapshots)) or "none"
        raise _refuse("revert", desired, f"it has no snapshot '{name}', only: {known}", "Correct revert", "no_snapshot")
    if len(found) > 1:
        uuids = sorted(each.uuid for each in found)
        raise _refuse("revert", desired, f"several snapshots are named '{name}': {', '.join(uuids)}", "Give the uuid of one", "duplicate", {"uuids": uuids})
    return found[0]


def _dropped(desired: DesiredVm, current: Machine) -> tuple[Snapshot, ...]:
    found: list[Snapshot] = []
    for name in desired.drop_snapshots:
        same = _named(list(current.snapshots), name)
        if len(same) > 1:
            uuids = sorted(each.uuid for each in same)
            cause = f"several snapshots are named '{name}': {', '.join(uuids)}"
            raise _refuse("drop snapshots of", desired, cause, "Give their uuids", "duplicate", {"uuids": uuids})
        found += [each for each in same if each not in found]
    return tuple(found)


# Power


def _state(power: str) -> str:
    return "stopped" if power == "halted" else power


def _after(desired: DesiredVm, current: Machine, down: str, up: bool, revert: Snapshot | None) -> str:
    if up:
        return "running"
    return "stopped" if down or revert is not None else _state(current.power)


def _power(desired: DesiredVm, current: Machine, halting: bool, revert: Snapshot | None) -> tuple[str, bool]:
    """How it goes down before the changes, and whether it runs after them."""
    wanted = POWER.get(desired.state, current.power)
    if current.power == "halted":
        return "", wanted == "running"
    if revert is not None:
        # The pool halts a VM that it reverts: what ran is given up anyway.
        if wanted != "halted" and not desired.restart:
            raise _refuse("revert", desired, f"it is {current.power}, and its state would be lost", "Set restart: true, or state: stopped", "needs_halt")
        return "", wanted == "running"
    if not halting:
        return (_way_down(desired, current), False) if wanted == "halted" else ("", wanted != current.power)
    if wanted not in ("halted", "running"):
        raise _refuse("change", desired, f"it is {current.power}", "Say by state whether it is to be running or stopped", "needs_halt")
    if wanted == "running" and not desired.restart:
        cause = f"it is {current.power}, and some of the changes need a halted VM"
        raise _refuse("change", desired, cause, "Set restart: true to have it shut down and started again, or state: stopped", "needs_halt")
    return _way_down(desired, current), wanted == "running"


def _way_down(desired: DesiredVm, current: Machine) -> str:
    if desired.force:
        return "hard"
    if current.power != "running":
        raise _refuse("shut down", desired, f"it is {current.power}, so it cannot end its work", "Let it run first, or set force: true", "not_running")
    return "clean"


# Removing one


def _removal(desired: DesiredVm, current: Machine) -> VmPlan:
    drop = current.snapshots if desired.remove_disks else _dropped(desired, current)
    left = sorted(each.name for each in current.snapshots if each not in drop)
    if left:
        cause = f"its snapshots would be left behind: {', '.join(left)}"
        raise _refuse("remove", desired, cause, "Name them in drop_snapshots, or set remove_disks: true", "has_snapshots")
    lost = tuple(disk for disk in current.all_disks if desired.remove_disks or disk.made_for == current.uuid)
    for disk in lost:
        if disk.others:
            cause = f"its disk '{disk.name}' ({disk.vdi}) is also a disk of {', '.join(sorted(disk.others))}"
            raise _refuse("remove", desired, cause, "Detach it from one of them first", "shared_disk")
    down = _way_down(desired, current) if current.power != "halted" else ""
    before = {
        "state": _state(current.power),
        "disks": sorted(disk.vdi for disk in current.all_disks),
        "snapshots": sorted(each.name for each in current.snapshots),
    }
    return VmPlan(down=down, drop=drop, remove=True, lost_disks=lost, before=before, after={"state": "absent"})
