# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""A VM as the pool's records tell it, and as a module returns it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .._core.errors import cannot
from .._vdis.import_plan import unfit_machine

Record = Mapping[str, Any]
Records = Mapping[str, Record]  # by reference

# Key in the other_config of a disk: the uuid of the VM that it was cloned for.
MADE_FOR = "image_services_vm"
# Key in the other_config of a VM: the uuid of the disk that its boot disk was cloned from.
CLONED_FROM = "image_services_cloned_from"
NULL = "OpaqueRef:NULL"
BOOT_FIELDS = {"kernel": "PV_kernel", "ramdisk": "PV_ramdisk", "args": "PV_args", "bootloader": "PV_bootloader", "bootloader_args": "PV_bootloader_args"}


@dataclass(frozen=True)
class Vif:
    ref: str
    device: str
    network: str
    network_name: str
    mac: str


@dataclass(frozen=True)
class VmDisk:
    """A disk of a VM: ref is its VBD, vdi the uuid of what it holds."""

    ref: str
    device: str
    vdi_ref: str
    vdi: str
    name: str
    mode: str
    bootable: bool
    size: int = 0
    made_for: str | None = None
    others: tuple[str, ...] = ()  # names of other VMs that have it too


@dataclass(frozen=True)
class Snapshot:
    ref: str
    uuid: str
    name: str
    taken: str
    disks: tuple[VmDisk, ...] = ()


@dataclass(frozen=True)
class Machine:
    """One VM; what an attribute of the task means is the property of the same name."""

    ref: str
    record: Record
    cards: tuple[Vif, ...] = ()
    all_disks: tuple[VmDisk, ...] = ()
    snapshots: tuple[Snapshot, ...] = ()
    host: str | None = None

    @property
    def uuid(self) -> str:
        return str(self.record["uuid"])

    @property
    def name(self) -> str:
        return str(self.record["name_label"])

    @property
    def description(self) -> str:
        return str(self.record["name_description"])

    @property
    def tags(self) -> list[str]:
        return sorted(self.record["tags"])

    @property
    def power(self) -> str:
        return str(self.record["power_state"]).lower()

    @property
    def kind(self) -> str:
        """pv, hvm and so on; pools before 7.5 tell it by the boot policy alone."""
        kind = str(self.record.get("domain_type", "unspecified")).lower()
        return kind if kind != "unspecified" else "hvm" if self.record["HVM_boot_policy"] else "pv"

    @property
    def memory(self) -> int:
        return int(self.record["memory_dynamic_max"])

    @property
    def fixed_memory(self) -> bool:
        return len({int(self.record[f"memory_{name}"]) for name in ("dynamic_min", "dynamic_max", "static_max")}) == 1

    @property
    def vcpus(self) -> int:
        return int(self.record["VCPUs_at_startup"])

    @property
    def fixed_vcpus(self) -> bool:
        return int(self.record["VCPUs_max"]) == self.vcpus

    @property
    def firmware(self) -> str | None:
        return str(self.record["HVM_boot_params"].get("firmware", "bios")) if self.kind != "pv" else None

    @property
    def secure_boot(self) -> bool:
        """`auto` starts with it where the pool has keys for it."""
        return self.firmware == "uefi" and str(self.record.get("platform", {}).get("secureboot", "false")).lower() in ("true", "auto", "1")

    @property
    def boot(self) -> dict[str, str]:
        return {"order": str(self.record["HVM_boot_params"].get("order", "")), **{key: str(self.record[name]) for key, name in BOOT_FIELDS.items()}}

    @property
    def networks(self) -> list[tuple[str, str | None]]:
        return [(card.network, card.mac) for card in self.cards]

    @property
    def boot_place(self) -> VmDisk | None:
        """The disk that it boots from: for firmware the first one, for a boot loader the first that says so."""
        places = sorted(self.all_disks, key=lambda disk: (self.kind == "pv" and not disk.bootable, _number(disk.device)))
        return places[0] if places else None

    @property
    def boot_disk(self) -> str | None:
        return self.boot_place.vdi if self.boot_place is not None else None

    @property
    def disks(self) -> list[tuple[str, str]]:
        """The others."""
        return sorted((disk.vdi, disk.mode) for disk in self.all_disks if disk != self.boot_place)


def _number(device: str) -> int:
    return int(device) if device.isdecimal() else 99


# From records


@dataclass(frozen=True)
class Surroundings:
    """What the records of a VM point to."""

    vbds: Records = field(default_factory=dict)
    vdis: Records = field(default_factory=dict)
    vifs: Records = field(default_factory=dict)
    networks: Records = field(default_factory=dict)
    others: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # VDI -> names of other VMs


def disks_of(record: Record, around: Surroundings) -> tuple[VmDisk, ...]:
    found = []
    for ref in record["VBDs"]:
        vbd = around.vbds[ref]
        vdi = around.vdis.get(vbd["VDI"])
        if vbd["type"].lower() != "disk" or vdi is None:
            continue
        found.append(
            VmDisk(
                ref=ref,
                device=vbd["userdevice"],
                vdi_ref=vbd["VDI"],
                vdi=vdi["uuid"],
                name=vdi["name_label"],
                mode=str(vbd["mode"]).lower(),
                bootable=bool(vbd["bootable"]),
                size=int(vdi["virtual_size"]),
                made_for=vdi["other_config"].get(MADE_FOR),
                others=around.others.get(vbd["VDI"], ()),
            )
        )
    return tuple(sorted(found, key=lambda disk: _number(disk.device)))


def cards_of(record: Record, around: Surroundings) -> tuple[Vif, ...]:
    found = []
    for ref in record["VIFs"]:
        vif = around.vifs[ref]
        network = around.networks[vif["network"]]
        found.append(Vif(ref, vif["device"], network["uuid"], network["name_label"], vif["MAC"].lower()))
    return tuple(sorted(found, key=lambda card: _number(card.device)))


def choose(label: str, verb: str, records: Records, uuid: str | None, name: str | None) -> str | None:
    """The reference of the VM that is meant; templates, snapshots and control domains are none."""
    if uuid is not None:
        for record in records.values():
            cause = unfit_machine(record)
            if record["uuid"] == uuid and cause is not None:
                raise cannot(verb, "VM", label, cause, "Give the uuid of a VM", code="no_vm")
        return next((ref for ref, record in records.items() if record["uuid"] == uuid), None)
    found = [ref for ref, record in records.items() if record["name_label"] == name and unfit_machine(record) is None]
    if len(found) > 1:
        uuids = sorted(records[ref]["uuid"] for ref in found)
        raise cannot(verb, "VM", label, f"several have this name: {', '.join(uuids)}", "Give uuid", code="duplicate", details={"uuids": uuids})
    return found[0] if found else None


# To results


def present_disk(disk: VmDisk) -> dict[str, Any]:
    return {
        "uuid": disk.vdi,
        "name": disk.name,
        "device": disk.device,
        "mode": disk.mode,
        "bootable": disk.bootable,
        "size": disk.size,
        "made_for_vm": disk.made_for is not None,
    }


def present(machine: Machine) -> dict[str, Any]:
    """The VM as the module returns it."""
    return {
        "uuid": machine.uuid,
        "name": machine.name,
        "description": machine.description,
        "tags": machine.tags,
        "power_state": "stopped" if machine.power == "halted" else machine.power,
        "host": machine.host,
        "domain_id": int(machine.record["domid"]),
        "kind": machine.kind,
        "firmware": machine.firmware,
        "secure_boot": machine.secure_boot,
        "nvram": bool(machine.record.get("NVRAM")),
        "vtpms": len(machine.record.get("VTPMs", ())),
        "boot": {key: value for key, value in machine.boot.items() if value},
        "memory": machine.memory,
        "vcpus": machine.vcpus,
        "cloned_from": machine.record["other_config"].get(CLONED_FROM),
        "disks": [present_disk(disk) for disk in machine.all_disks],
        "networks": [{"uuid": card.network, "name": card.network_name, "device": card.device, "mac": card.mac} for card in machine.cards],
        "snapshots": [
            {"uuid": each.uuid, "name": each.name, "taken": each.taken, "disks": [present_disk(disk) for disk in each.disks]} for each in machine.snapshots
        ],
    }
