# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""Sizes as people write them."""

from __future__ import annotations

import re
from decimal import Decimal

SIZE = re.compile(r"([0-9]{1,19})(\.[0-9]{1,9})?\s*([KMGTP]?)(?:i?B)?", re.IGNORECASE)
UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40, "P": 2**50}


def parse_size(text: str) -> int | None:
    """Bytes with an optional binary unit: 2147483648, 500M, 1.5G, 2TiB; None where it is no size."""
    match = SIZE.fullmatch(text.strip())
    if match is None or (match[2] and not match[3]):
        return None
    return int(Decimal(match[1] + (match[2] or "")) * UNITS[match[3].upper()])
