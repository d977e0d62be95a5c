# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""Make a VM under a name of its own, so that it can be found and removed whatever goes wrong, and give it its name last."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .._core.errors import ImageServicesError, cannot
from .._vdis.import_plan import KEY_PREFIX
from .._xapi.failures import XapiFailure
from .._xapi.session import Pool
from .devices import Devices
from .machine import BOOT_FIELDS, CLONED_FROM, MADE_FOR, NULL
from .plan import kind_of
from .reader import Machines

GIB = 1 << 30
TEMPLATE = "Other install media"
# What firmware-booted guests of any kind expect of their machine.
PLATFORM = {"acpi": "1", "apic": "true", "nx": "true", "pae": "true"}
# Fields that VM.create wants and that say nothing here.
EMPTY = {
    "user_version": "1",
    "is_a_template": False,
    "affinity": NULL,
    "VCPUs_params": {},
    "VCPUs_max": "1",
    "VCPUs_at_startup": "1",
    **{f"memory_{name}": str(GIB) for name in ("static_min", "dynamic_min", "dynamic_max", "static_max")},
    "actions_after_shutdown": "destroy",
    "actions_after_reboot": "restart",
    "actions_after_crash": "restart",
    "PV_legacy_args": "",
    "PCI_bus": "",
    "recommendations": "",
    "other_config": {},
}


@dataclass(frozen=True)
class Origin:
    """What a VM is created from: a template, or boot parameters alone; and the disk that is cloned for it."""

    template: str | None = None
    boot: Mapping[str, str] | None = None
    source: str | None = None
    source_ref: str | None = None
    boot_disk: str | None = None


class MachineMaker:
    """One VM that does not exist yet."""

    def __init__(self, pool: Pool, label: str, origin: Origin, devices: Devices) -> None:
        self._pool = pool
        self.label = label
        self._origin = origin
        self._devices = devices
        self.ref = ""
        self._cloned = ""
        # No other task looks for it by this name, and an operator sees what it is.
        self._working_name = f"{label} (being made, {uuid.uuid4()})"

    def make(self, changes: Mapping[str, Any]) -> str:
        """The reference of the VM, halted and complete."""
        self.ref = self._shell()
        provisioned = self._origin.template is not None or self._origin.boot is None
        config = dict(self._pool.call("VM.get_other_config", self.ref))
        # The disks that the template describes; those of the task replace them.
        config.pop("disks", None)
        if self._origin.source is not None:
            config[CLONED_FROM] = self._origin.source
        self._pool.call("VM.set_other_config", self.ref, config)
        # Only what was cloned from a template is a template that the pool provisions.
        if provisioned:
            self._pool.run("VM.provision", self.ref)
        self._boot_from()
        machine = Machines(self._pool).read(self.ref)
        # A template's description says nothing about the VM.
        wanted = {"description": "", **changes}
        wanted.pop("boot_disk", None)
        self._devices.change(self.ref, wanted, machine)
        return self.ref

    def undo(self) -> str:
        """Remove what there is of it; returns what could not be removed, in words."""
        try:
            self._remove()
        except (XapiFailure, ImageServicesError) as exc:
            return f"VM '{self._working_name}' or '{self.label}' and its disk '{self.label} boot' may be left in the pool ({exc})"
        return ""

    def _remove(self) -> None:
        """By reference, or by the working name when it is unknown how far the call came."""
        refs = {self.ref} if self.ref else set(self._pool.call("VM.get_by_name_label", self._working_name))
        for ref in refs:
            if self._gone("VM.get_uuid", ref):
                continue
            machine = Machines(self._pool).read(ref)
            if machine.power != "halted":
                self._pool.run("VM.hard_shutdown", ref)
            for snapshot in machine.snapshots:
                for disk in snapshot.disks:
                    self._pool.run("VDI.destroy", disk.vdi_ref)
                self._pool.run("VM.destroy", snapshot.ref)
            self._pool.run("VM.destroy", ref)
        if self._cloned and not self._gone("VDI.get_uuid", self._cloned):
            self._pool.run("VDI.destroy", self._cloned)

    def _gone(self, method: str, ref: str) -> bool:
        try:
            self._pool.call(method, ref)
        except XapiFailure as failure:
            if failure.code != "HANDLE_INVALID":
                raise
            return True
        return False

    # Parts

    def _shell(self) -> str:
        if self._origin.template is None and self._origin.boot is not None:
            made: str = self._pool.call("VM.create", self._record(self._origin.boot))
            return made
        template, record = self._template(self._origin.template or TEMPLATE)
        if record["VBDs"]:
            cause = f"the template '{record['name_label']}' has disks or drives of its own"
            raise cannot("create", "VM", self.label, cause, "Choose one without, for example 'Other install media'", code="template_has_disks")
        return self._pool.run("VM.clone", template, self._working_name, undo="VM.destroy")

    def _template(self, name: str) -> tuple[str, dict[str, Any]]:
        """Snapshots are templates for the pool, and not for us."""
        try:
            refs = [self._pool.call("VM.get_by_uuid", name)]
        except XapiFailure:
            refs = self._pool.call("VM.get_by_name_label", name)
        records = {ref: self._pool.call("VM.get_record", ref) for ref in refs}
        found = [ref for ref, record in records.items() if record["is_a_template"] and not record["is_a_snapshot"]]
        if len(found) == 1:
            return found[0], records[found[0]]
        uuids = sorted(records[ref]["uuid"] for ref in found)
        cause = f"several templates are named '{name}': {', '.join(uuids)}" if found else f"there is no template '{name}'"
        advice = "Give the uuid of one" if found else "Correct template, or give boot for a VM without one"
        raise cannot("create", "VM", self.label, cause, advice, code="duplicate" if found else "no_template", details={"uuids": uuids})

    def _record(self, boot: Mapping[str, str]) -> dict[str, Any]:
        paravirtual = kind_of(boot) == "pv"
        return {
            **EMPTY,
            "name_label": self._working_name,
            "name_description": "",
            "domain_type": "pv" if paravirtual else "hvm",
            "HVM_boot_policy": "" if paravirtual else "BIOS order",
            "HVM_boot_params": {} if paravirtual else {"order": boot.get("order") or "c"},
            "platform": {} if paravirtual else PLATFORM,
            **{name: boot.get(key, "") for key, name in BOOT_FIELDS.items()},
        }

    def _boot_from(self) -> None:
        origin = self._origin
        vdi = origin.boot_disk
        if origin.source_ref is not None:
            vdi = self._cloned = self._pool.run("VDI.clone", origin.source_ref, undo="VDI.destroy")
            config = {key: value for key, value in self._pool.call("VDI.get_other_config", vdi).items() if not key.startswith(KEY_PREFIX)}
            # What marks the source as an image is not true of a disk that a VM writes to.
            self._pool.call("VDI.set_other_config", vdi, {**config, MADE_FOR: self._pool.call("VM.get_uuid", self.ref)})
            self._pool.call("VDI.set_name_label", vdi, f"{self.label} boot")
            self._pool.call("VDI.set_name_description", vdi, f"Boot disk of VM {self.label}")
        if vdi is not None:
            self._devices.attach(self.ref, vdi, "0", bootable=True)
