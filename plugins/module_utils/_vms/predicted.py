# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""What a plan would leave behind, in the shape of the module's result; what only the pool knows is null."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .machine import Machine, present, present_disk
from .plan import DesiredVm, VmPlan, kind_of


def _blank(desired: DesiredVm) -> dict[str, Any]:
    return {
        "uuid": None,
        "name": desired.label,
        "description": "",
        "tags": [],
        "power_state": "stopped",
        "host": None,
        "domain_id": -1,
        "kind": kind_of(desired.attributes.get("boot")) or "hvm",
        "firmware": None,
        "secure_boot": False,
        "nvram": False,
        "vtpms": 0,
        "boot": {},
        "memory": None,
        "vcpus": None,
        "cloned_from": desired.source,
        "disks": [],
        "networks": [],
        "snapshots": [],
    }


def _disk(uuid: str | None, device: str | None, mode: str, bootable: bool, made: bool) -> dict[str, Any]:
    return {"uuid": uuid, "name": None, "device": device, "mode": mode, "bootable": bootable, "size": None, "made_for_vm": made}


def _disks(plan: VmPlan, known: list[dict[str, Any]], boot: str | None) -> list[dict[str, Any]]:
    have = {disk["uuid"]: disk for disk in known}
    if "boot_disk" in plan.changes:
        old = have.get(boot)
        known = [disk for disk in known if disk["uuid"] not in (boot, plan.changes["boot_disk"])]
        boot = plan.changes["boot_disk"]
        known.insert(0, _disk(boot, old["device"] if old else "0", "rw", True, False))
        have = {disk["uuid"]: disk for disk in known}
    if "disks" in plan.changes:
        known = [have[boot]] if boot in have else []
        known += [{**have.get(vdi, _disk(vdi, None, mode, False, False)), "mode": mode} for vdi, mode in plan.changes["disks"]]
    return known


def predicted(desired: DesiredVm, plan: VmPlan, current: Machine | None) -> dict[str, Any] | None:
    """None where there will be no VM."""
    if plan.remove or (current is None and not plan.create):
        return None
    shown = present(current) if current is not None else _blank(desired)
    plain: Mapping[str, Any] = {
        name: plan.changes[name] for name in ("name", "description", "memory", "vcpus", "firmware", "secure_boot") if name in plan.changes
    }
    shown.update(plain)
    if "tags" in plan.changes:
        shown["tags"] = sorted(plan.changes["tags"])
    if "boot" in plan.changes:
        shown["boot"] = {key: value for key, value in {**shown["boot"], **plan.changes["boot"]}.items() if value}
    if "networks" in plan.changes:
        shown["networks"] = [{"uuid": network, "name": None, "device": None, "mac": mac} for network, mac in plan.changes["networks"]]
    if plan.revert is not None:
        # The disks come back as clones of the snapshot's.
        shown["disks"] = [{**present_disk(disk), "uuid": None} for disk in plan.revert.disks]
    boot = current.boot_disk if current is not None else None
    shown["disks"] = _disks(plan, shown["disks"], boot)
    if plan.create and desired.source is not None:
        shown["disks"].insert(0, _disk(None, "0", "rw", True, True))
    gone = {snapshot.uuid for snapshot in plan.drop}
    shown["snapshots"] = [snapshot for snapshot in shown["snapshots"] if snapshot["uuid"] not in gone]
    if plan.snapshot is not None:
        shown["snapshots"].append({"uuid": None, "name": plan.snapshot, "taken": None, "disks": []})
    if plan.up:
        shown["power_state"] = "running"
    elif plan.down or plan.revert is not None:
        shown.update({"power_state": "stopped", "host": None, "domain_id": -1})
    return shown
