# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""What kind the next backup of an instance is, what of it is missing, and which backups are one too many. No I/O."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from .._core.errors import cannot
from .backup_images import DAILY, RUN_MARK, UNFINISHED, WEEKLY, Backup, Record, age, day_of
from .left_behind import DISKS, left_behind, unaccepted

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
ALL = "all"
_SNAPSHOT = re.compile(rf"instance_backup {RUN_MARK.pattern}")


@dataclass(frozen=True)
class Night:
    """One run for one instance: its mark, how many backups of each kind stay, and the weekday on which a week begins."""

    run: str
    keep: Mapping[str, int]
    weekday: str = "sunday"

    @property
    def snapshot_name(self) -> str:
        return f"instance_backup {self.run}"


def kind_of(night: Night, backups: Iterable[Backup]) -> str:
    """The first complete backup of a week is the weekly one, so that a night that fails does not cost a week its own."""
    day = day_of(night.run)
    if WEEKLY not in night.keep or day is None:
        return DAILY
    weeks = {_week(each.day, night.weekday) for each in backups if each.complete and each.kind == WEEKLY and each.day is not None and each.run != night.run}
    return DAILY if _week(day, night.weekday) in weeks else WEEKLY


def _week(day: date, weekday: str) -> date:
    """Its first day."""
    return day - timedelta(days=(day.weekday() - WEEKDAYS.index(weekday)) % 7)


def rotated_out(backups: Sequence[Backup], night: Night) -> list[Backup]:
    """Nothing, while the backup of this run is not complete; then what is beyond the newest of its kind, and what other runs have not completed.

    The backup of this run is the newest one, whatever clocks say.
    """
    if not any(each.complete and each.run == night.run for each in backups):
        return []
    newest_first = sorted(backups, key=lambda each: (each.run == night.run, *age(each)), reverse=True)
    out = [each for each in newest_first if not each.complete]
    for kind, number in night.keep.items():
        out += [each for each in newest_first if each.complete and each.kind == kind][max(int(number), 1) :]
    return [each for each in out if not each.withheld]


def chosen(vm: str, disks: Sequence[Record], wanted: object) -> tuple[str, ...]:
    """Devices of the disks that are backed up: those that are named, or all, or the one that the VM boots from."""
    offered = [str(disk["device"]) for disk in disks]
    if wanted == ALL and offered:
        return tuple(offered)
    if isinstance(wanted, (list, tuple)):
        missing = [str(device) for device in wanted if str(device) not in offered]
        if missing:
            cause = f"it has no disk as device {missing[0]}; it has {', '.join(offered) or 'none'}"
            raise cannot("back up", "VM", vm, cause, "Correct disks", code="not_found")
        return tuple(sorted({str(device) for device in wanted}, key=offered.index))
    bootable = [str(disk["device"]) for disk in disks if disk.get("bootable")]
    found = bootable if len(bootable) == 1 else offered
    if len(found) != 1:
        cause = "it has no disk" if not offered else f"none or several of its disks ({', '.join(offered)}) can be booted from"
        raise cannot("back up", "VM", vm, cause, "Name its disks in disks, or take it off the list", code="ambiguous")
    return (found[0],)


def _left(vm: Record, devices: Sequence[str], wanted: object, leave: Iterable[str]) -> str:
    """What of the VM is in no image, in words; what the task has not agreed to leave behind is refused. A task that names disks leaves the others."""
    left = left_behind(vm, devices)
    what, kinds = unaccepted(left, (*leave, *((DISKS,) if wanted is not None else ())))
    if kinds:
        named = "Name its disks in disks, or give" if DISKS in kinds else "Give"
        advice = f"{named} instance_backup_leave: [{', '.join(kinds)}] to back it up without that"
        raise cannot("back up", "VM", str(vm["name"]), f"its backup would lack {what}", advice, code="left_behind")
    return " and ".join(each["what"] for each in left)


def plan_backup(night: Night, backups: Sequence[Backup], vm: Record, wanted: object = None, leave: Iterable[str] = ()) -> dict[str, Any]:
    """``vm`` is what the module xen_vm returns. A snapshot that an interrupted run has left is gone on with: disks of one backup are of one moment."""
    devices = chosen(str(vm["name"]), vm["disks"], wanted)
    left = _left(vm, devices, wanted, leave)
    own = [each for each in vm["snapshots"] if _SNAPSHOT.fullmatch(str(each["name"]))]
    of_this_run = [each for each in own if each["name"] == night.snapshot_name]
    snapshot = str(of_this_run[-1]["uuid"]) if of_this_run else None
    done = next((each for each in backups if each.run == night.run and each.complete and set(each.devices) >= set(devices)), None)
    begun = next((each for each in backups if each.run == night.run and each.snapshot == snapshot and each.devices == devices), None)
    stands = done or begun
    kind = stands.kind if stands is not None else kind_of(night, backups)
    missing = () if done is not None else tuple(device for device in devices if begun is None or device not in begun.held)
    predicted = list(backups)
    if done is None:
        # As if it were there, for those who only ask.
        predicted = [each for each in backups if each is not begun] + [Backup(night.run, kind, str(vm["uuid"]), snapshot or "", devices=())]
    return {
        "complete": done is not None,
        "kind": kind,
        "devices": list(devices),
        "missing": list(missing),
        "left_behind": left,
        "snapshot": snapshot,
        "snapshot_name": night.snapshot_name,
        "snapshots": [str(each["uuid"]) for each in own],
        "delete": expired(backups, night),
        "predicted_delete": expired(predicted, night),
    }


def expired(backups: Sequence[Backup], night: Night) -> list[dict[str, Any]]:
    """The images of what is rotated out, and what interrupted uploads have left of the backups that stay."""
    out = rotated_out(backups, night)
    images = [(each, image) for each in out for image in each.images]
    if any(each.complete and each.run == night.run for each in backups):
        stay = [each for each in backups if each not in out]
        images += [(each, image) for each in stay for image in each.images if image.get("status") in UNFINISHED and not image.get("is_protected")]
    return [{"id": image["id"], "name": image["name"], "run": each.run, "kind": each.kind} for each, image in images]
