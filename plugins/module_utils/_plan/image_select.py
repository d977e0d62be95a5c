# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""Which of the images that Glance listed is the one that a task declares. No I/O."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from .._common.errors import cannot
from .image_desired import INCOMING, REPLACES, Record

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
MOST_NAME_CHARACTERS = 255


@dataclass(frozen=True)
class Selection:
    """The declared image as it stands, and what an interrupted run has left beside it."""

    current: Record | None = None
    incoming: tuple[Record, ...] = ()
    superseded: tuple[Record, ...] = ()


def name_filter(name: str) -> str:
    """The name as a filter value: `in:` at its start would be read as Glance's operator."""
    return f'in:"{name}"' if name.startswith("in:") else name


def select(name: str, records: Iterable[Record], project_id: str | None, owner_id: str | None) -> Selection:
    """Choose by name among the images of one owner; images of other projects are never chosen by name."""
    owner = owner_id or project_id
    named = [record for record in records if record.get("name") == name]
    mine = [record for record in named if owner is None or record.get("owner") == owner]
    incoming = tuple(record for record in mine if INCOMING in record)
    complete = [record for record in mine if INCOMING not in record]
    successors = [record for record in complete if REPLACES in record]
    superseded: tuple[Record, ...] = ()
    if len(successors) == 1:
        replaced_ids = set(str(successors[0][REPLACES]).split(","))
        superseded = tuple(record for record in complete if record["id"] in replaced_ids)
        complete = [record for record in complete if record["id"] not in replaced_ids]
    if len(complete) > 1:
        ids = sorted(str(record["id"]) for record in complete)
        raise cannot(
            "manage",
            "image",
            name,
            f"{len(ids)} images have this name: {', '.join(ids)}",
            "Give the id of one of them, or rename or delete the others",
            code="duplicate",
            details={"ids": ids},
        )
    return Selection(complete[0] if complete else None, incoming, superseded)


def foreign(name: str, records: Iterable[Record], project_id: str | None, owner_id: str | None) -> Record | None:
    """A public image of this name that another project owns; others are not meant for the caller, even where an administrator sees them."""
    owner = owner_id or project_id
    if owner is None or owner_id is not None:
        return None
    others = (record for record in records if record.get("name") == name and record.get("owner") != owner)
    return next((record for record in others if record.get("visibility") == "public" and INCOMING not in record), None)


def refuse_foreign(verb: str, name: str, record: Record) -> Exception:
    return cannot(
        verb,
        "image",
        name,
        f"project {record.get('owner')} has an image of this name that is visible here ({record['id']})",
        "Give owner: with the project that the task means, or the id of that image",
        code="foreign_image",
        details={"ids": [record["id"]]},
    )


def retired_name(image: Record) -> str:
    """The name that a replaced image goes on under: its own and the time of its making, so that no two are alike; once given, it stays."""
    made = str(image.get("created_at", "")).replace("-", "").replace(":", "")
    suffix = f"-{made or str(image['id'])[:8]}"
    name = str(image["name"])
    return name if name.endswith(suffix) else name[: MOST_NAME_CHARACTERS - len(suffix)] + suffix
