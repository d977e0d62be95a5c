# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""Give a halted VM the settings, disks and network cards of a plan."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .._xapi.session import Pool
from .machine import BOOT_FIELDS, Machine, Vif

PLAIN = {"name": "name_label", "description": "name_description", "tags": "tags"}
DISK = {"empty": False, "type": "Disk", "unpluggable": True, "other_config": {}, "qos_algorithm_type": "", "qos_algorithm_params": {}}
CARD = {"MTU": "1500", "other_config": {}, "qos_algorithm_type": "", "qos_algorithm_params": {}}
# Device models that a firmware cannot run on; the pool chooses another when the VM starts.
WRONG_MODEL = {"bios": "qemu-upstream-uefi", "uefi": "qemu-trad"}


class Devices:
    """What a plan changes in one VM. References are by uuid."""

    def __init__(self, pool: Pool, networks: Mapping[str, str], vdis: Mapping[str, str]) -> None:
        self._pool = pool
        self._networks = networks
        self._vdis = vdis

    def change(self, vm: str, changes: Mapping[str, Any], current: Machine) -> None:
        """Apply those that need a halted VM first, so that its name comes last."""
        if "memory" in changes:
            memory = changes["memory"]
            least = min(memory, int(current.record["memory_static_min"]))
            self._pool.call("VM.set_memory_limits", vm, *map(str, (least, memory, memory, memory)))
        if "vcpus" in changes:
            wanted = changes["vcpus"]
            order = ("VM.set_VCPUs_max", "VM.set_VCPUs_at_startup") if wanted >= current.vcpus else ("VM.set_VCPUs_at_startup", "VM.set_VCPUs_max")
            for method in order:
                self._pool.call(method, vm, str(wanted))
        self._set_boot(vm, changes, current)
        if "boot_disk" in changes:
            self._set_boot_disk(vm, changes["boot_disk"], current)
        if "disks" in changes:
            self._set_disks(vm, changes["disks"], current)
        if "networks" in changes:
            self._set_networks(vm, changes["networks"], current.cards)
        for name in ("description", "tags", "name"):
            if name in changes:
                self._pool.call(f"VM.set_{PLAIN[name]}", vm, changes[name])

    def attach(self, vm: str, vdi: str, device: str, *, bootable: bool, mode: str = "rw") -> str:
        disk = {**DISK, "VM": vm, "VDI": vdi, "userdevice": device, "bootable": bootable, "mode": mode.upper()}
        made: str = self._pool.call("VBD.create", disk)
        return made

    # Parts

    def _set_boot(self, vm: str, changes: Mapping[str, Any], current: Machine) -> None:
        boot = changes.get("boot", {})
        params = dict(current.record["HVM_boot_params"])
        if boot.get("order"):
            params["order"] = boot["order"]
        platform = dict(current.record["platform"])
        if "firmware" in changes:
            params["firmware"] = changes["firmware"]
            if platform.get("device-model") == WRONG_MODEL[changes["firmware"]]:
                del platform["device-model"]
        if "secure_boot" in changes:
            platform["secureboot"] = str(changes["secure_boot"]).lower()
        if platform != current.record["platform"]:
            self._pool.call("VM.set_platform", vm, platform)
        if params != current.record["HVM_boot_params"]:
            self._pool.call("VM.set_HVM_boot_params", vm, params)
        for key, name in BOOT_FIELDS.items():
            if key in boot and boot[key] != current.record[name]:
                self._pool.call(f"VM.set_{name}", vm, boot[key])

    def _set_boot_disk(self, vm: str, vdi: str, current: Machine) -> None:
        """The old one is detached and kept."""
        place = current.boot_place
        for disk in current.all_disks:
            if disk == place or disk.vdi == vdi:
                self._pool.call("VBD.destroy", disk.ref)
        self.attach(vm, self._vdis[vdi], place.device if place is not None else "0", bootable=True)

    def _set_disks(self, vm: str, wanted: list[tuple[str, str]], current: Machine) -> None:
        have = {disk.vdi: disk for disk in current.all_disks if disk != current.boot_place}
        modes = dict(wanted)
        for vdi, disk in have.items():
            if vdi not in modes:
                self._pool.call("VBD.destroy", disk.ref)
            elif modes[vdi] != disk.mode:
                self._pool.call("VBD.set_mode", disk.ref, modes[vdi].upper())
        for vdi, mode in wanted:
            if vdi not in have:
                self.attach(vm, self._vdis[vdi], "autodetect", bootable=False, mode=mode)

    def _set_networks(self, vm: str, wanted: list[tuple[str, str | None]], cards: tuple[Vif, ...]) -> None:
        """By position. A card that goes to another network keeps its address, unless another one is given."""
        for index, card in enumerate(cards):
            if index >= len(wanted):
                self._pool.call("VIF.destroy", card.ref)
                continue
            network, mac = wanted[index]
            if network != card.network or mac not in (None, card.mac):
                self._pool.call("VIF.destroy", card.ref)
                self._add_card(vm, card.device, network, mac or card.mac)
        taken = {card.device for card in cards[: len(wanted)]}
        free = (str(number) for number in range(len(wanted) + len(taken)) if str(number) not in taken)
        for network, mac in wanted[len(cards) :]:
            self._add_card(vm, next(free), network, mac or "")

    def _add_card(self, vm: str, device: str, network: str, mac: str) -> None:
        self._pool.call("VIF.create", {**CARD, "VM": vm, "network": self._networks[network], "device": device, "MAC": mac})
