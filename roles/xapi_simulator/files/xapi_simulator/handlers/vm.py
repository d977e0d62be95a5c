# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Virtual machines: their power and their copies. None of them runs."""

from __future__ import annotations

from typing import Any

from ..context import Context, handler
from ..database import now
from ..errors import NULL, Failure
from . import devices, vdi

# What a copy does not take over from its original.
OWN = (
    *("uuid", "power_state", "resident_on", "domid", "domarch", "VBDs", "VIFs", "snapshots"),
    *("is_a_snapshot", "snapshot_of", "snapshot_time", "is_default_template"),
)


def require(context: Context, vm: str, *states: str) -> dict[str, Any]:
    record = context.db.get("VM", vm)
    if record["is_control_domain"]:
        raise Failure("OPERATION_NOT_ALLOWED", "Operation not allowed on the control domain")
    if record["power_state"] not in states:
        expected = states[0] if len(states) == 1 else ", ".join(states)
        raise Failure("VM_BAD_POWER_STATE", vm, expected.lower(), record["power_state"].lower())
    return record


@handler("VM.create")
def create(context: Context, given: dict[str, Any]) -> str:
    affinity = given.get("affinity", NULL)
    if affinity != NULL:
        context.db.get("host", affinity)
    limits = [given[f"memory_{name}"] for name in ("static_min", "dynamic_min", "dynamic_max", "static_max")]
    if limits != sorted(limits):
        raise Failure("MEMORY_CONSTRAINT_VIOLATION", "Memory limits must satisfy: static_min <= dynamic_min <= dynamic_max <= static_max")
    # A constructor may name a power state for imports of metadata; a VM that is made is halted.
    return context.db.create("VM", **given | {"power_state": "Halted"})


@handler("VM.set_memory_limits")
def set_memory_limits(context: Context, vm: str, static_min: int, static_max: int, dynamic_min: int, dynamic_max: int) -> None:
    require(context, vm, "Halted")
    if not static_min <= dynamic_min <= dynamic_max <= static_max:
        raise Failure("MEMORY_CONSTRAINT_VIOLATION", "Memory limits must satisfy: static_min <= dynamic_min <= dynamic_max <= static_max")
    fields = {"static_min": static_min, "dynamic_min": dynamic_min, "dynamic_max": dynamic_max, "static_max": static_max}
    context.db.set("VM", vm, **{f"memory_{name}": value for name, value in fields.items()})


@handler("VM.set_memory")
def set_memory(context: Context, vm: str, value: int) -> None:
    record = require(context, vm, "Halted")
    set_memory_limits(context, vm, min(record["memory_static_min"], value), value, value, value)


@handler("VM.get_possible_hosts")
def possible_hosts(context: Context, vm: str) -> list[str]:
    """The hosts that reach the SR of every disk."""
    db = context.db
    record = db.get("VM", vm)
    hosts = [record["affinity"]] if db.exists("host", record["affinity"]) else []
    hosts += [host for host in db.objects["host"] if host not in hosts]
    vbds = [db.get("VBD", ref) for ref in db.pointing("VBD", "VM", vm)]
    needed = {db.get("VDI", vbd["VDI"])["SR"] for vbd in vbds if not vbd["empty"]}
    return [host for host in hosts if all(any(db.find("PBD", host=host, SR=sr, currently_attached=True)) for sr in needed)]


@handler("VM.start")
def start(context: Context, vm: str, start_paused: bool, force: bool) -> None:
    check_startable(context, vm)
    hosts = possible_hosts(context, vm)
    if not hosts:
        raise Failure("NO_HOSTS_AVAILABLE")
    start_on(context, vm, hosts[0], start_paused, force)


def check_startable(context: Context, vm: str) -> None:
    record = context.db.get("VM", vm)
    if record["is_a_snapshot"]:
        raise Failure("VM_IS_SNAPSHOT", vm, "start")
    if record["is_a_template"]:
        raise Failure("VM_IS_TEMPLATE", vm)
    require(context, vm, "Halted")
    if not record["VCPUs_at_startup"]:
        raise Failure("VM_NO_VCPUS", vm)


@handler("VM.start_on")
def start_on(context: Context, vm: str, host: str, start_paused: bool, force: bool) -> None:
    db = context.db
    db.get("host", host)
    check_startable(context, vm)
    vbds = [vbd for vbd in db.pointing("VBD", "VM", vm) if not db.get("VBD", vbd)["empty"]]
    db.set("VM", vm, resident_on=host)
    try:
        for vbd in vbds:
            devices.attach(context, vbd)
    except Failure:
        stop(context, vm)
        raise
    for vif in db.pointing("VIF", "VM", vm):
        db.set("VIF", vif, currently_attached=True)
    # A number is never used again, so that clients see that a VM was started again.
    context.pool.last_domain = 1 + max(context.pool.last_domain, *(int(record["domid"]) for record in db.objects["VM"].values()))
    db.set("VM", vm, power_state="Paused" if start_paused else "Running", domid=context.pool.last_domain)


def stop(context: Context, vm: str) -> None:
    for name in ("VBD", "VIF"):
        for ref in context.db.pointing(name, "VM", vm):
            context.db.set(name, ref, currently_attached=False)
    context.db.set("VM", vm, power_state="Halted", resident_on=NULL, domid=-1)


@handler("VM.clean_shutdown", "VM.shutdown")
def clean_shutdown(context: Context, vm: str) -> None:
    require(context, vm, "Running")
    stop(context, vm)


@handler("VM.hard_shutdown")
def hard_shutdown(context: Context, vm: str) -> None:
    require(context, vm, "Running", "Paused", "Suspended")
    stop(context, vm)


@handler("VM.clean_reboot", "VM.hard_reboot")
def reboot(context: Context, vm: str) -> None:
    require(context, vm, "Running")


@handler("VM.pause")
def pause(context: Context, vm: str) -> None:
    require(context, vm, "Running")
    context.db.set("VM", vm, power_state="Paused")


@handler("VM.unpause")
def unpause(context: Context, vm: str) -> None:
    require(context, vm, "Paused")
    context.db.set("VM", vm, power_state="Running")


@handler("VM.provision")
def provision(context: Context, vm: str) -> None:
    """Makes a VM of a template. The disks that a template only describes are not made."""
    record = require(context, vm, "Halted")
    if not record["is_a_template"]:
        raise Failure("PROVISION_ONLY_ALLOWED_ON_TEMPLATE")
    if record["other_config"].get("disks"):
        raise Failure("NOT_IMPLEMENTED", "VM.provision with other_config:disks")
    context.db.set("VM", vm, is_a_template=False)


@handler("VM.destroy")
def destroy(context: Context, vm: str) -> None:
    record = require(context, vm, "Halted")
    if record["is_default_template"]:
        raise Failure("OPERATION_NOT_ALLOWED", "Default templates cannot be destroyed")
    for name in ("VBD", "VIF"):
        for ref in context.db.pointing(name, "VM", vm):
            context.db.delete(name, ref)
    for snapshot in context.db.pointing("VM", "snapshot_of", vm):
        context.db.set("VM", snapshot, snapshot_of=NULL)
    context.db.delete("VM", vm)


def duplicate_devices(context: Context, source: str, target: str, snapshot: bool, sr: str = NULL, ignored: list[str] | None = None) -> None:
    db = context.db
    for vbd in db.pointing("VBD", "VM", source):
        record = {key: value for key, value in db.get("VBD", vbd).items() if key != "uuid"}
        if record["type"] == "Disk":
            if record["VDI"] in (ignored or []):
                continue
            if sr != NULL:
                record["VDI"] = vdi.copy(context, record["VDI"], sr, None, None)
            else:
                record["VDI"] = vdi.snapshot(context, record["VDI"], None) if snapshot else vdi.clone(context, record["VDI"], None)
        db.create("VBD", **record | {"VM": target, "currently_attached": False, "device": ""})
    for vif in db.pointing("VIF", "VM", source):
        record = {key: value for key, value in db.get("VIF", vif).items() if key != "uuid"}
        record |= {"VM": target, "currently_attached": False}
        if snapshot:
            db.create("VIF", **record)
        else:  # two cards of one address in a pool are not wanted
            devices.create_vif(context, record | {"MAC": ""})


def duplicate(context: Context, vm: str, name: str, *, snapshot: bool = False, sr: str = NULL, ignored: list[str] | None = None) -> str:
    """A new VM with the same description and copies of the disks; one that fails leaves no disk behind."""
    db = context.db
    fields = {key: value for key, value in db.get("VM", vm).items() if key not in OWN}
    fields["parent"] = vm if not snapshot else fields["parent"]
    if snapshot:
        fields |= {"is_a_snapshot": True, "is_a_template": True, "snapshot_of": vm, "snapshot_time": now()}
    made = db.create("VM", **fields | {"name_label": name, "power_state": "Halted"})
    try:
        duplicate_devices(context, vm, made, snapshot, sr, ignored)
    except Failure:
        remove_with_disks(context, made)
        raise
    return made


def remove_with_disks(context: Context, vm: str) -> None:
    drop_disks(context, vm)
    destroy(context, vm)


def drop_disks(context: Context, vm: str) -> None:
    db = context.db
    for vbd in db.pointing("VBD", "VM", vm):
        record = db.get("VBD", vbd)
        if record["type"] == "Disk" and db.exists("VDI", record["VDI"]):
            vdi.destroy(context, record["VDI"])


@handler("VM.clone")
def clone(context: Context, vm: str, name: str) -> str:
    require(context, vm, "Halted")
    return duplicate(context, vm, name)


@handler("VM.copy")
def copy(context: Context, vm: str, name: str, sr: str) -> str:
    require(context, vm, "Halted")
    if sr != NULL:
        context.db.get("SR", sr)
    return duplicate(context, vm, name, sr=sr)


@handler("VM.snapshot")
def snapshot(context: Context, vm: str, name: str, ignored: list[str] | None) -> str:
    record = require(context, vm, "Halted", "Running", "Paused")
    if record["is_a_snapshot"] or record["is_a_template"]:
        raise Failure("OPERATION_NOT_ALLOWED", "A template or a snapshot has no snapshots")
    return duplicate(context, vm, name, snapshot=True, ignored=ignored)


@handler("VM.revert")
def revert(context: Context, snap: str) -> None:
    """The VM gets clones of the snapshot's disks, and is halted. Disks come first, so a full SR leaves the VM as it was."""
    db = context.db
    record = db.get("VM", snap)
    vm = record["snapshot_of"]
    if not record["is_a_snapshot"]:
        raise Failure("OPERATION_NOT_ALLOWED", "Only a snapshot can be reverted to")
    if not db.exists("VM", vm):
        raise Failure("VM_REVERT_FAILED", vm, snap)
    successors, origins = [], {}
    try:
        for vbd in db.pointing("VBD", "VM", snap):
            disk = {key: value for key, value in db.get("VBD", vbd).items() if key != "uuid"}
            if disk["type"] == "Disk":
                origin = db.get("VDI", disk["VDI"])["snapshot_of"]
                disk["VDI"] = origins[origin] = vdi.clone(context, disk["VDI"], None)
            successors.append(disk)
    except Failure:
        for disk in successors:
            if disk["type"] == "Disk":
                vdi.destroy(context, disk["VDI"])
        raise
    stop(context, vm)
    for vbd in db.pointing("VBD", "VM", vm):
        disk = db.get("VBD", vbd)
        db.delete("VBD", vbd)
        # A disk that the snapshot does not have is left without a VM.
        if disk["type"] == "Disk" and disk["VDI"] in origins:
            vdi.destroy(context, disk["VDI"])
    for origin, successor in origins.items():
        for shot in db.pointing("VDI", "snapshot_of", origin):
            db.set("VDI", shot, snapshot_of=successor)
    for disk in successors:
        db.create("VBD", **disk | {"VM": vm, "currently_attached": False, "device": ""})
