# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""Which stores a configuration of Glance has."""

from __future__ import annotations

from .._core.ini import parse


def backends(text: str) -> dict[str, str]:
    """Type of each store that a configuration enables, by its name."""
    stores: dict[str, str] = {}
    for value in parse(text).get("DEFAULT", {}).get("enabled_backends", [])[-1:]:
        for pair in value.split(","):
            name, colon, kind = pair.partition(":")
            if colon:
                stores[name.strip()] = kind.strip()
    return stores
