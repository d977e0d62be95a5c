# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""Which of the images that Glance listed is the one that a task declares. No I/O."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .._core.errors import cannot
from .._glance.properties import CREATED_BY, INCOMING, REPLACES, Record

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
MAX_NAME_CHARACTERS = 255


@dataclass(frozen=True)
class Selection:
    """The declared image as it stands, and what an interrupted run has left beside it."""

    current: Record | None = None
    incoming: tuple[Record, ...] = ()
    superseded: tuple[Record, ...] = ()


def name_filter(name: str) -> str:
    """The name as a filter value: Glance reads what is before the first colon as an operator, and after `eq:` everything as it is."""
    return f"eq:{name}" if ":" in name else name


def is_called(record: Record, name: str) -> bool:
    """Letter by letter: a database may compare without case, and without blanks at the end."""
    return bool(record.get("name") == name)


def select(name: str, records: Iterable[Record], project_id: str | None, owner_id: str | None) -> Selection:
    """Choose by name among the images of one owner; images of other projects are never chosen by name."""
    owner = owner_id or project_id
    named = [record for record in records if is_called(record, name)]
    mine = [record for record in named if owner is None or record.get("owner") == owner]
    incoming = tuple(record for record in mine if INCOMING in record)
    complete = [record for record in mine if INCOMING not in record]
    successors = [record for record in complete if REPLACES in record]
    superseded: tuple[Record, ...] = ()
    if len(successors) == 1:
        replaced_ids = set(str(successors[0][REPLACES]).split(","))
        superseded = tuple(record for record in complete if record["id"] in replaced_ids)
        complete = [record for record in complete if record["id"] not in replaced_ids]
    return Selection(only_one(name, complete) if complete else None, incoming, superseded)


def only_one(name: str, found: Sequence[Record]) -> Record:
    """The image of a name that only one may have."""
    if len(found) > 1:
        ids = sorted(str(record["id"]) for record in found)
        raise cannot(
            "manage",
            "image",
            name,
            f"{len(ids)} images have this name: {', '.join(ids)}",
            "Give the id of one of them, or rename or delete the others",
            code="duplicate",
            details={"ids": ids},
        )
    return found[0]


def of_other_projects(name: str, records: Iterable[Record], project_id: str | None, owner_id: str | None) -> list[Record]:
    """Complete images of this name that other projects own, public ones first; none where the task says whose image it means."""
    if project_id is None or owner_id is not None:
        return []
    others = [record for record in records if record.get("name") == name and record.get("owner") != project_id and INCOMING not in record]
    return sorted(others, key=lambda record: record.get("visibility") != "public")


def created_for_others(others: Iterable[Record], project_id: str | None) -> list[Record]:
    """Those that a task of this project has created with ``owner``. The mark names the image: Nova hands properties on to snapshots."""
    return [record for record in others if record.get(CREATED_BY) == created_by(project_id, record["id"])]


def created_by(project_id: str | None, image_id: object) -> str:
    return f"{project_id}/{image_id}"


def in_the_way(others: Sequence[Record], absent: bool, creates: bool, administrator: bool) -> list[Record]:
    """The images of others for which a task that names no owner is refused, where the own project has none of the name.

    Who sees the images of all projects may have meant any of them. An ordinary project cannot have meant to delete another's image. A task that names
    content, or reserves, creates an image of the own project whatever the names of other images are, so that none of them can prevent it; but not
    beside a public one.
    """
    sees_all = administrator or any(record.get("visibility") == "private" for record in others)
    if absent:
        return list(others) if sees_all else []
    return [record for record in others if not creates or record.get("visibility") == "public"]


def retired_name(image: Record) -> str:
    """The name of a replaced image: its own and the time of its creation, so that no two are alike; once given, it stays."""
    made = str(image.get("created_at", "")).replace("-", "").replace(":", "")
    suffix = f"-{made or str(image['id'])[:8]}"
    name = str(image["name"])
    return name if name.endswith(suffix) else name[: MAX_NAME_CHARACTERS - len(suffix)] + suffix
