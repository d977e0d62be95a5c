# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The location of a volume or a snapshot: the SR, which is a directory of the share, and the VDI in it."""

from __future__ import annotations

import re
from dataclasses import dataclass

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass(frozen=True)
class Location:
    sr: str
    vdi: str

    def __str__(self) -> str:
        return f"{self.sr}/{self.vdi}"


def parse(text: str | None) -> Location:
    """Parse <sr_uuid>/<vdi_uuid>, the form of the historic driver."""
    parts = (text or "").strip().lower().split("/")
    if len(parts) != 2 or not all(UUID.fullmatch(part) for part in parts):
        raise ValueError(f"'{text}' is not of the form <uuid of the SR>/<uuid of the VDI>")
    return Location(*parts)
