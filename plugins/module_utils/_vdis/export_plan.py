# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""Which disk of a pool an export is about, and what of it may be exported how. No I/O."""

from __future__ import annotations

import calendar
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from .._core.errors import cannot
from .._disk.extents import GIB
from .._disk.vhd.format import MAX_XEN_SIZE

Record = Mapping[str, Any]

TARBALL, VHD, RAW, QCOW2 = "vhd_tarball", "vhd", "raw", "qcow2"
FORMATS = (TARBALL, VHD, RAW, QCOW2)
# What Glance calls them.
GLANCE_FORMATS = {TARBALL: ("vhd", "ovf"), VHD: ("vhd", "bare"), RAW: ("raw", "bare"), QCOW2: ("qcow2", "bare")}


@dataclass(frozen=True)
class Exported:
    """The disk as it is in the pool. ``writers`` are the VMs that may write to it at this moment."""

    ref: str
    uuid: str
    name: str
    size: int
    # Nothing ever writes to one; what is read-only today may be written to tomorrow.
    is_a_snapshot: bool
    snapshot_time: str
    writers: tuple[str, ...] = ()

    @property
    def time(self) -> int:
        """When a snapshot was taken, in seconds since 1970; 0 for what is no snapshot."""
        if not self.is_a_snapshot:
            return 0
        try:
            return max(0, calendar.timegm(time.strptime(self.snapshot_time[:19], "%Y-%m-%dT%H:%M:%S")))
        except ValueError:
            return 0

    def presented(self) -> dict[str, Any]:
        return {"uuid": self.uuid, "name": self.name, "virtual_size": self.size, "is_a_snapshot": self.is_a_snapshot}


@dataclass(frozen=True)
class ExportPlan:
    """How the disk leaves the pool. ``identity`` stands for content that can never change, and is None where the disk has to be read to know it."""

    format: str
    snapshot: bool = False
    identity: str | None = None
    parent: UUID | None = None
    # The form in which the pool gives the disk: with its holes left out, unless it is too large for that.
    read_as: str = VHD


def exported(ref: str, record: Record, vbds: Sequence[Record], vms: Mapping[str, str]) -> Exported:
    """``vbds`` are those of the VDI, ``vms`` the names of their VMs."""
    writers = sorted({vms.get(vbd["VM"], vbd["VM"]) for vbd in vbds if vbd["currently_attached"] and vbd["mode"] == "RW"})
    return Exported(
        ref,
        str(record["uuid"]),
        str(record["name_label"]),
        int(record["virtual_size"]),
        bool(record["is_a_snapshot"]),
        str(record["snapshot_time"]),
        tuple(writers),
    )


def disk_of(vm: str, vbds: Sequence[Record], device: str | None) -> str:
    """The reference of a VM's disk: by its device, else the bootable one, else the only one."""
    disks = [vbd for vbd in vbds if vbd["type"] == "Disk" and not vbd["empty"]]
    offered = ", ".join(sorted(str(vbd["userdevice"]) for vbd in disks)) or "none"
    if device is not None:
        found = [vbd for vbd in disks if device in (vbd["userdevice"], vbd["device"])]
        if not found:
            raise cannot("export", "disk of VM", vm, f"it has no disk as device {device}; it has {offered}", "Give one of these as device", code="not_found")
        return str(found[0]["VDI"])
    bootable = [vbd for vbd in disks if vbd["bootable"]]
    found = bootable if len(bootable) == 1 else disks
    if len(found) == 1:
        return str(found[0]["VDI"])
    if not disks:
        raise cannot("export", "disk of VM", vm, "it has no disk", "Name another VM, or a VDI", code="not_found")
    cause = f"{'several' if bootable else 'none'} of its disks ({offered}) can be booted from"
    raise cannot("export", "disk of VM", vm, cause, "Name the disk by device", code="ambiguous")


def plan_export(disk: Exported, format: str, base: Exported | None, snapshot: bool, compression_level: int) -> ExportPlan:
    """Refuse what cannot go well, before the first change."""
    if not 1 <= compression_level <= 9:
        raise _refusal(disk, f"compression_level is {compression_level}", "Give a number from 1 to 9", "bad_option")
    if disk.size > MAX_XEN_SIZE and format != RAW:
        cause = f"it has {disk.size / GIB:.0f} GiB, and {format} contains a VHD, which holds {MAX_XEN_SIZE // GIB} GiB at most"
        raise _refusal(disk, cause, "Export it with format: raw", "too_large")
    if base is not None:
        _check_base(disk, format, base)
    if disk.writers and not snapshot:
        cause = f"it is attached to {', '.join(disk.writers)}, which may write to it"
        raise _refusal(disk, cause, "Leave snapshot at true, so that a snapshot is taken and exported, or shut the VM down", "in_use")
    identity = None
    if disk.is_a_snapshot:
        identity = f"{disk.uuid} over {base.uuid}" if base is not None else disk.uuid
    parent = UUID(base.uuid) if base is not None else None
    return ExportPlan(format, bool(disk.writers), identity, parent, VHD if disk.size <= MAX_XEN_SIZE else RAW)


def _check_base(disk: Exported, format: str, base: Exported) -> None:
    if format != VHD:
        raise _refusal(disk, f"base is given, and format is {format}", "Only a VHD can hold what differs from another disk: give format: vhd", "bad_option")
    if base.uuid == disk.uuid:
        raise _refusal(disk, "base is the same disk", "Give an older snapshot of it as base", "bad_option")
    if base.size > disk.size:
        raise _refusal(disk, f"base '{base.uuid}' is larger than it", "Give an older snapshot of it as base", "bad_option")
    if not base.is_a_snapshot:
        cause = f"base '{base.uuid}' is no snapshot, and what differs from it is worth nothing once it has changed"
        raise _refusal(disk, cause, "Give a snapshot as base", "bad_option")


def _refusal(disk: Exported, cause: str, advice: str, code: str) -> Exception:
    return cannot("export", "VDI", disk.name or disk.uuid, cause, advice, code=code)
