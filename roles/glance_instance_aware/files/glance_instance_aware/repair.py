# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Brings the table in line with the images in Glance, after interrupted requests."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from glance_instance_aware.table import ACTIVE, COLUMNS, TABLE, Relation, chunks, is_same, now, values

PAGE = 1000
STALE = datetime.timedelta(hours=1)
# The columns of Glance's own table that are read.
IMAGES = sa.table("images", sa.column("id"), sa.column("owner"), sa.column("deleted"))


def pages(engine: sa.engine.Engine) -> Iterator[list[tuple[Relation, datetime.datetime]]]:
    """All rows in the order of their ids, a page at a time; rows may be removed meanwhile."""
    last = ""
    while True:
        query = sa.select(*COLUMNS, TABLE.c.created_at).where(TABLE.c.image_id > last).order_by(TABLE.c.image_id).limit(PAGE)
        with engine.connect() as connection:
            rows = connection.execute(query).all()
        if not rows:
            return
        yield [(Relation(*row[:-1]), row[-1]) for row in rows]
        last = rows[-1][0]


def owners(engine: sa.engine.Engine, image_ids: list[str]) -> dict[str, str]:
    """The owners of the images that exist."""
    found: dict[str, str] = {}
    with engine.connect() as connection:
        for some in chunks(image_ids, 500):
            query = sa.select(IMAGES.c.id, IMAGES.c.owner).where(IMAGES.c.id.in_(some), IMAGES.c.deleted == sa.false())
            found.update((row[0], row[1] or "") for row in connection.execute(query))
    return found


def verdict(relation: Relation, created: datetime.datetime, there: dict[str, str], at: datetime.datetime) -> str | None:
    """The change of a row, or None where it stays unchanged."""
    owner = there.get(relation.image_id)
    if relation.pending:
        if owner == relation.image_owner:
            return "activated"
        # Another request may be about to create the image.
        return "stale" if at - created > STALE else None
    if owner is None:
        return "removed"
    return None if owner == relation.image_owner else "transferred"


def repair(engine: sa.engine.Engine, glance: sa.engine.Engine, dry_run: bool) -> dict[str, Any]:
    counts = {"removed": 0, "activated": 0, "stale": 0, "transferred": 0}
    at = now()
    for page in pages(engine):
        # Read Glance's images after the rows, so that an image created after its row is found.
        there = owners(glance, [relation.image_id for relation, _created in page])
        found = [(relation, verdict(relation, created, there, at)) for relation, created in page]
        due = [(relation, what) for relation, what in found if what is not None]
        for _relation, what in due:
            counts[what] += 1
        if due and not dry_run:
            with engine.begin() as connection:
                for relation, what in due:
                    apply(connection, relation, what, there.get(relation.image_id, ""))
    return {**counts, "changed": any(counts.values()), "dry_run": dry_run}


def apply(connection: sa.engine.Connection, relation: Relation, what: str, owner: str) -> None:
    """Change a row unless it has changed since it was read."""
    as_read = is_same(relation)
    if what in ("removed", "stale"):
        connection.execute(TABLE.delete().where(*as_read))
        return
    new = replace(relation, state=ACTIVE) if what == "activated" else relation.moved(owner)
    connection.execute(TABLE.update().where(*as_read).values(**values(new)))
