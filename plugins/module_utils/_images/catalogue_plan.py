# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""Rules of a catalogue: which items clash, and which images are one too many. No I/O."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .._core.errors import ImageServicesError
from .._glance.properties import INCOMING, Record
from .selection import retired_name

# Names that a message holds; its details have all.
MAX_NAMED = 30
_RETIRED = re.compile(r"(?P<name>.*)-(\d{8}T\d{6}Z)", re.DOTALL)


@dataclass(frozen=True)
class Scope:
    """What ``prune`` may delete: images of one project that carry a tag, or all of its images."""

    owner: str
    tag: str | None = None

    def __contains__(self, image: object) -> bool:
        return isinstance(image, Mapping) and image.get("owner") == self.owner and (self.tag is None or self.tag in image.get("tags", ()))


@dataclass(frozen=True)
class Limit:
    """How many images of a scope one run may prune: a number, or a share in percent."""

    number: int
    share: bool = False

    def allows(self, images: int, scope: int) -> bool:
        return images * 100 <= self.number * scope if self.share else images <= self.number

    def __str__(self) -> str:
        return f"{self.number}%" if self.share else str(self.number)


def refuse_mass_pruning(images: Sequence[Record], scope: int, limit: Limit) -> None:
    """Stop what a typo in the list or the scope would delete. ``scope`` is the number of images in it."""
    if limit.allows(len(images), scope):
        return
    names = sorted(str(image.get("name") or image["id"]) for image in images)
    more = f" and {len(names) - MAX_NAMED} more" if len(names) > MAX_NAMED else ""
    raise ImageServicesError(
        f"Cannot prune images: {len(names)} of the {scope} in prune_scope would be deleted, more than prune_max ({limit}) allows: "
        f"{', '.join(names[:MAX_NAMED])}{more}. Correct images or prune_scope, or raise prune_max.",
        code="prune_max",
        details={"ids": sorted(str(image["id"]) for image in images), "names": names},
    )


def refuse_twice(places: Sequence[str], keys: Sequence[Iterable[Any]]) -> None:
    """Two items must not declare the same image; ``places`` is what messages call the items, ``keys`` what each may be known by."""
    seen: dict[Any, str] = {}
    for place, known_by in zip(places, keys):
        for key in known_by:
            if key in seen:
                raise ImageServicesError(f"Cannot keep {place}: {seen[key]} declares the same image. Remove one of the two.", code="declared_twice")
            seen[key] = place


def merged(item: Mapping[str, Any], defaults: Mapping[str, Any], exclusive: Iterable[Collection[str]]) -> dict[str, Any]:
    """An item with the defaults for what it does not name; properties are merged one by one.

    A null in the item takes a default back. Of options that exclude each other, one in the item keeps defaults of the others out.
    """
    shadowed = {option for group in exclusive if any(item.get(option) is not None for option in group) for option in group}
    usable = {option: value for option, value in defaults.items() if option not in shadowed}
    options = {**usable, **item}
    if isinstance(usable.get("properties"), Mapping) and isinstance(item.get("properties"), Mapping):
        options["properties"] = {**usable["properties"], **item["properties"]}
    return options


def base_name(image: Record) -> str | None:
    """The name that a replaced image had before; None for an image that no replacement has renamed."""
    match = _RETIRED.fullmatch(str(image.get("name") or ""))
    if match is None:
        return None
    return match["name"] if retired_name({**image, "name": match["name"]}) == image["name"] else None


def past_rotation(name: str, owner: str | None, keep: int, records: Iterable[Record], retiring: Record | None) -> list[Record]:
    """Replaced images of a name beyond the newest ``keep``, of which the declared image itself is the first.

    ``retiring`` is an image that this run replaces and that stays under another name.
    """
    former = [image for image in records if base_name(image) == name and image.get("owner") == owner and INCOMING not in image]
    former.sort(key=lambda image: (str(image.get("created_at")), str(image["id"])), reverse=True)
    return ([retiring] if retiring is not None else [])[max(keep - 1, 0) :] + former[max(keep - 1 - (retiring is not None), 0) :]


def undeclared(records: Iterable[Record], scope: Scope, ids: Collection[str], names: Collection[str]) -> list[Record]:
    """Images in the scope that no item declares, nor has replaced: what was replaced is rotation's to judge."""
    pruned = [image for image in records if image in scope and image["id"] not in ids and image.get("name") not in names]
    return [image for image in pruned if base_name(image) not in names]
