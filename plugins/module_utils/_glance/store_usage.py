# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""Which images are in which stores, counted from Glance's listing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Record = Mapping[str, Any]


@dataclass
class Usage:
    """Images of one store, and those of them that lie nowhere else."""

    images: int = 0
    bytes: int = 0
    images_only_here: int = 0

    def add(self, size: int, alone: bool) -> None:
        self.images += 1
        self.bytes += size
        self.images_only_here += alone


def stores_of(image: Record) -> list[str]:
    """Names of the stores that hold an image; an image without data is in none."""
    return [name.strip() for name in str(image.get("stores") or "").split(",") if name.strip()]


def count(images: Iterable[Record]) -> dict[str, Usage]:
    """Usage by the name of the store, stores that Glance no longer knows included."""
    usage: dict[str, Usage] = {}
    for image in images:
        names = stores_of(image)
        for name in names:
            usage.setdefault(name, Usage()).add(image.get("size") or 0, len(names) == 1)
    return usage


def stranded(images: Iterable[Record], leaving: Iterable[str]) -> Usage:
    """Images that would be in no store any more without these."""
    gone = set(leaving)
    lost = Usage()
    for image in images:
        names = stores_of(image)
        if names and gone.issuperset(names):
            lost.add(image.get("size") or 0, alone=True)
    return lost


def present(store: Record, usage: Mapping[str, Usage] | None) -> dict[str, Any]:
    """A store as the module returns it; what was not asked for is null."""
    shown: dict[str, Any] = {
        "id": store["id"],
        "description": store.get("description"),
        "default": glance_flag(store.get("default")),
        "read_only": glance_flag(store.get("read-only")),
        "type": store.get("type"),
        "weight": store.get("weight"),
        "properties": store.get("properties"),
        "images": None,
        "bytes": None,
        "images_only_here": None,
    }
    if usage is not None:
        shown.update(vars(usage.get(store["id"], Usage())))
    return shown


def glance_flag(value: Any) -> bool:
    # Glance answers the text "true".
    return str(value).lower() == "true"


def mismatch(wanted: Sequence[str], default: str, offered: Sequence[Record]) -> str | None:
    """How the stores that Glance offers differ from the declared ones."""
    names = [store["id"] for store in offered]
    missing, extra = sorted(set(wanted) - set(names)), sorted(set(names) - set(wanted))
    if missing or extra:
        parts = [f"{', '.join(missing)} missing"] if missing else []
        parts += [f"{', '.join(extra)} not declared"] if extra else []
        return f"Glance offers other stores than declared ({'; '.join(parts)})"
    defaults = [store["id"] for store in offered if glance_flag(store.get("default"))]
    if defaults != [default]:
        return f"Glance's default store is {', '.join(defaults) or 'none'}, not '{default}'"
    return None
