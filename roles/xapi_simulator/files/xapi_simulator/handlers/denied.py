# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What only the storage managers of hosts may write: every session that a client has is refused, the superuser's too."""

from __future__ import annotations

from typing import Any

from ..context import Context, handler
from ..errors import Failure


def refuse(context: Context, cls: str, ref: str) -> None:
    context.db.get(cls, ref)
    raise Failure("PERMISSION_DENIED", "")


@handler(
    *("VDI.set_cbt_enabled", "VDI.set_is_a_snapshot", "VDI.set_managed", "VDI.set_missing", "VDI.set_physical_utilisation"),
    *("VDI.set_read_only", "VDI.set_sharable", "VDI.set_virtual_size", "VDI.db_forget"),
)
def write_vdi(context: Context, vdi: str, *values: Any) -> None:
    refuse(context, "VDI", vdi)


@handler("VDI.db_introduce")
def introduce_vdi(context: Context, identity: str, name_label: str, name_description: str, sr: str, *values: Any) -> None:
    refuse(context, "SR", sr)


@handler("SR.set_physical_size", "SR.set_physical_utilisation", "SR.set_virtual_allocation")
def write_sr(context: Context, sr: str, value: int) -> None:
    refuse(context, "SR", sr)


@handler("PBD.set_device_config")
def write_pbd(context: Context, pbd: str, value: dict[str, str]) -> None:
    refuse(context, "PBD", pbd)
