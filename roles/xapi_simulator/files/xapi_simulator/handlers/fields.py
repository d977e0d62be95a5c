# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fields that follow from others: what is allowed now, and what an SR holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .. import repository

if TYPE_CHECKING:
    from ..pool import Pool

POWER = {
    "Halted": ["start", "start_on", "clone", "copy", "snapshot", "destroy", "export", "make_into_template", "changing_VCPUs"],
    "Running": ["clean_shutdown", "hard_shutdown", "clean_reboot", "hard_reboot", "pause", "snapshot"],
    "Paused": ["unpause", "hard_shutdown", "hard_reboot"],
    "Suspended": ["hard_shutdown"],
}


def install(pool: Pool) -> None:
    db, state = pool.db, pool.settings.state

    def vm_operations(ref: str, record: dict[str, Any]) -> list[str]:
        if record["is_a_snapshot"]:
            return ["clone", "copy", "destroy", "export", "revert", "provision"]
        if record["is_a_template"]:
            return ["clone", "copy", "destroy", "export", "provision"]
        return POWER[record["power_state"]]

    def vbd_operations(ref: str, record: dict[str, Any]) -> list[str]:
        running = db.exists("VM", record["VM"]) and db.get("VM", record["VM"])["power_state"] == "Running"
        allowed = (["unplug", "unplug_force"] if record["currently_attached"] else ["plug"]) if running else ["attach"]
        return allowed + (["insert" if record["empty"] else "eject"] if record["type"] == "CD" else [])

    def vdi_operations(ref: str, record: dict[str, Any]) -> list[str]:
        used = any(db.get("VBD", vbd)["currently_attached"] for vbd in db.pointing("VBD", "VDI", ref))
        return ["snapshot"] if used else ["snapshot", "clone", "copy", "resize", "destroy", "forget", "update", "generate_config"]

    def sr_operations(ref: str, record: dict[str, Any]) -> list[str]:
        plugged = any(db.get("PBD", pbd)["currently_attached"] for pbd in db.pointing("PBD", "SR", ref))
        if not plugged:
            return ["plug", "forget", "pbd_create", "pbd_destroy"]
        life = ["vdi_create", "vdi_introduce", "vdi_destroy", "vdi_resize", "vdi_clone", "vdi_snapshot"]
        return ["unplug", "scan", "update", "pbd_create", *(life if record["content_type"] != "iso" else [])]

    def sr_used(ref: str, record: dict[str, Any]) -> int:
        return repository.used(state, record["uuid"])

    def sr_allocation(ref: str, record: dict[str, Any]) -> int:
        return sum(db.get("VDI", vdi)["virtual_size"] for vdi in db.pointing("VDI", "SR", ref))

    def vdi_used(ref: str, record: dict[str, Any]) -> int:
        sr = db.objects["SR"].get(record["SR"])
        path = repository.find(state, sr["uuid"], record["location"]) if sr else None
        return path.stat().st_blocks * 512 if path else 0

    db.computed = {
        ("VM", "allowed_operations"): vm_operations,
        ("VBD", "allowed_operations"): vbd_operations,
        ("VDI", "allowed_operations"): vdi_operations,
        ("SR", "allowed_operations"): sr_operations,
        ("SR", "physical_utilisation"): sr_used,
        ("SR", "virtual_allocation"): sr_allocation,
        ("VDI", "physical_utilisation"): vdi_used,
        ("session", "tasks"): lambda ref, record: [],
    }
