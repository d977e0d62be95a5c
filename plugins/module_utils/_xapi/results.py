# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""Records of XAPI as the modules return them: numbers are numbers, references are uuids, secrets are masked. No I/O."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

Record = Mapping[str, Any]
Records = Mapping[str, Record]

MASK = "********"
SECRET_KEY = re.compile(r"(passw(or)?d|passphrase|credential|token|secret)", re.IGNORECASE)
# On a VDI that VMs are not to write to: XAPI lets no session but a storage manager's write the field of that name.
READ_ONLY = "image_services_read_only"


def uuid_of(records: Records, ref: str) -> str | None:
    """The uuid behind a reference; None for the null reference and for what has gone."""
    return records[ref]["uuid"] if ref in records else None


def present_pbd(record: Record, hosts: Records) -> dict[str, Any]:
    return {
        "uuid": record["uuid"],
        "host": uuid_of(hosts, record["host"]),
        "host_name": hosts[record["host"]]["name_label"] if record["host"] in hosts else None,
        "attached": bool(record["currently_attached"]),
        "device_config": masked(record["device_config"]),
    }


def present_sr(record: Record, pbds: Iterable[Record], hosts: Records, *, default: bool) -> dict[str, Any]:
    size, used = int(record["physical_size"]), int(record["physical_utilisation"])
    return {
        "uuid": record["uuid"],
        "name": record["name_label"],
        "description": record["name_description"],
        "type": record["type"],
        "content_type": record["content_type"],
        "shared": bool(record["shared"]),
        "default": default,
        "physical_size": size,
        "physical_utilisation": used,
        "virtual_allocation": int(record["virtual_allocation"]),
        "free": max(0, size - used) if size > 0 else None,
        "vdis": len(record["VDIs"]),
        "pbds": sorted((present_pbd(pbd, hosts) for pbd in pbds), key=lambda pbd: (str(pbd["host_name"]), pbd["uuid"])),
        "tags": sorted(record["tags"]),
        "other_config": dict(sorted(record["other_config"].items())),
        "sm_config": dict(sorted(record["sm_config"].items())),
    }


def present_driver(record: Record) -> dict[str, Any]:
    return {
        "type": record["type"],
        "name": record["name_label"],
        "version": record["version"],
        "capabilities": sorted(record["capabilities"]),
        "image_formats": sorted(record.get("supported_image_formats", [])),
    }


def present_vbd(record: Record, machines: Records) -> dict[str, Any]:
    machine = machines.get(record["VM"], {})
    return {
        "uuid": record["uuid"],
        "vm": machine.get("uuid"),
        "vm_name": machine.get("name_label"),
        "device": record["device"] or None,
        "userdevice": record["userdevice"],
        "mode": record["mode"],
        "bootable": bool(record["bootable"]),
        "attached": bool(record["currently_attached"]),
    }


def present_vdi(record: Record, vdis: Records, repositories: Records, vbds: Records, machines: Records) -> dict[str, Any]:
    snapshot = bool(record["is_a_snapshot"])
    repository = repositories.get(record["SR"], {})
    return {
        "uuid": record["uuid"],
        "name": record["name_label"],
        "description": record["name_description"],
        "sr": repository.get("uuid"),
        "sr_name": repository.get("name_label"),
        "type": record["type"].lower(),
        "virtual_size": int(record["virtual_size"]),
        "physical_utilisation": int(record["physical_utilisation"]),
        "read_only": is_read_only(record),
        "sharable": bool(record["sharable"]),
        "managed": bool(record["managed"]),
        "missing": bool(record["missing"]),
        "location": record["location"],
        "parent": uuid_of(vdis, record.get("parent", "")) or record["sm_config"].get("vhd-parent"),
        "is_snapshot": snapshot,
        "snapshot_of": uuid_of(vdis, record["snapshot_of"]) if snapshot else None,
        "snapshot_time": record["snapshot_time"] if snapshot else None,
        "snapshots": sorted(vdis[ref]["uuid"] for ref in record["snapshots"] if ref in vdis),
        "vbds": sorted((present_vbd(vbds[ref], machines) for ref in record["VBDs"] if ref in vbds), key=lambda vbd: (str(vbd["vm_name"]), vbd["uuid"])),
        "tags": sorted(record["tags"]),
        "other_config": dict(sorted(record["other_config"].items())),
        "sm_config": dict(sorted(record["sm_config"].items())),
    }


def named(record: Mapping[str, Any], name: str | None) -> bool:
    """Whether a presented object has this name or uuid."""
    return name is None or name == record["name"] or name.lower() == record["uuid"]


def by_name(record: Mapping[str, Any]) -> tuple[str, str]:
    return record["name"], record["uuid"]


def is_secret(key: str) -> bool:
    return bool(SECRET_KEY.search(key))


def masked(config: Mapping[str, Any]) -> dict[str, Any]:
    """A device_config that may be shown."""
    return {key: MASK if is_secret(key) and value else value for key, value in sorted(config.items())}


def is_read_only(record: Record) -> bool:
    """Whether VMs are not to write to a VDI: by a mark of this collection, or because the pool says so itself."""
    return bool(record.get("read_only")) or record.get("other_config", {}).get(READ_ONLY) == "true"
