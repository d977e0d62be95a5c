# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Brings the table in line with the images that Glance has, after whatever was cut short."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa

from glance_instance_aware.table import ACTIVE, COLUMNS, TABLE, Relation, chunks, is_pending, now

PAGE = 1000
STALE = datetime.timedelta(hours=1)
# What is needed of Glance's own table.
IMAGES = sa.table("images", sa.column("id"), sa.column("owner"), sa.column("deleted"))


def pages(connection: sa.engine.Connection) -> Iterator[list[tuple[Relation, datetime.datetime]]]:
    """All rows in the order of their ids, some at a time, whatever is removed meanwhile."""
    last = ""
    while True:
        query = sa.select(*COLUMNS, TABLE.c.created_at).where(TABLE.c.image_id > last).order_by(TABLE.c.image_id).limit(PAGE)
        rows = connection.execute(query).all()
        if not rows:
            return
        yield [(Relation(*row[:-1]), row[-1]) for row in rows]
        last = rows[-1][0]


def owners(connection: sa.engine.Connection, image_ids: list[str]) -> dict[str, Any]:
    """Of the images that are there."""
    found: dict[str, Any] = {}
    for some in chunks(image_ids, 500):
        query = sa.select(IMAGES.c.id, IMAGES.c.owner).where(IMAGES.c.id.in_(some), IMAGES.c.deleted == sa.false())
        found.update((row[0], row[1]) for row in connection.execute(query))
    return found


def verdict(relation: Relation, created: datetime.datetime, there: dict[str, Any], at: datetime.datetime) -> str | None:
    """What becomes of a row, or None where it stays as it is."""
    owned = relation.image_id in there
    if relation.pending:
        if owned and there[relation.image_id] == relation.image_owner:
            return "activated"
        # The image may be about to be made.
        return "stale" if at - created > STALE else None
    return None if owned else "removed"


def repair(engine: sa.engine.Engine, glance: sa.engine.Engine, dry_run: bool) -> dict[str, Any]:
    counts = {"removed": 0, "activated": 0, "stale": 0}
    at = now()
    with engine.connect() as reading:
        for page in pages(reading):
            # Glance is asked after the rows were read, so that no image is missed that is younger than its row.
            with glance.connect() as connection:
                there = owners(connection, [relation.image_id for relation, _created in page])
            verdicts = [(relation, verdict(relation, created, there, at)) for relation, created in page]
            for _relation, found in verdicts:
                if found is not None:
                    counts[found] += 1
            if not dry_run and any(found for _relation, found in verdicts):
                with engine.begin() as writing:
                    for relation, found in verdicts:
                        apply(writing, relation, found)
    return {**counts, "changed": any(counts.values()), "dry_run": dry_run}


def apply(connection: sa.engine.Connection, relation: Relation, found: str | None) -> None:
    if found == "removed":
        connection.execute(TABLE.delete().where(TABLE.c.image_id == relation.image_id))
    elif found == "stale":
        connection.execute(TABLE.delete().where(*is_pending(relation)))
    elif found == "activated":
        connection.execute(TABLE.update().where(*is_pending(relation)).values(state=ACTIVE, updated_at=now()))
