# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""Which disks a name may mean, and which of them may be destroyed. Pure: no I/O."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# How all our keys in other_config begin.
OURS = "image_services_"


def unfit_disk(record: Mapping[str, Any]) -> str | None:
    """What a VDI is instead of a disk of a user, so that no name means it; None for a disk."""
    if record.get("is_a_snapshot"):
        return "it is a snapshot"
    # Hosts before 5.0 do not tell these two.
    if not record.get("managed", True):
        return "it is a hidden copy of the storage manager, which disks are based on"
    if record.get("missing"):
        return "its data is missing from the storage"
    kind = str(record.get("type", "user")).lower()
    return None if kind == "user" else f"it is of type {kind}, and not a disk of a user"


def unfit_machine(record: Mapping[str, Any]) -> str | None:
    """The same for a VM."""
    flags = {"is_control_domain": "it is a control domain", "is_a_snapshot": "it is a snapshot", "is_a_template": "it is a template"}
    return next((cause for flag, cause in flags.items() if record.get(flag)), None)


def is_ours(other_config: Mapping[str, str]) -> bool:
    """Whether this collection has created it: only that is destroyed by its name."""
    return any(key.startswith(OURS) for key in other_config)
