# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of relations, and all statements on it."""

from __future__ import annotations

import datetime
import logging
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy import exc

from glance_instance_aware.database import DatabaseUnavailable, cause, make_engine, transient

LOG = logging.getLogger(__name__)
Result = TypeVar("Result")

PENDING, ACTIVE = "pending", "active"
VERSION_TABLE = "instance_aware_version"
TRIES = 5
# Seconds after which a transaction is not retried: SQLite itself waits that long for a lock.
RETRY_TIMEOUT = 10.0
# Seconds for which statements fail at once after a failed connection, so that requests do not queue up for timeouts.
FAIL_FAST = 1.0

METADATA = sa.MetaData()
TABLE = sa.Table(
    "instance_aware_images",
    METADATA,
    sa.Column("image_id", sa.CHAR(36), primary_key=True),
    sa.Column("nova_installation_uuid", sa.CHAR(36), nullable=False),
    sa.Column("instance_id", sa.String(36), nullable=False),
    # The project of the instance; only this project finds the image by it.
    sa.Column("project_id", sa.String(255), nullable=False),
    # The owner of the image, where that is another project.
    sa.Column("owner_id", sa.String(255), nullable=True),
    sa.Column("state", sa.String(8), nullable=False),
    sa.Column("created_at", sa.DateTime, nullable=False),
    sa.Column("updated_at", sa.DateTime, nullable=False),
    sa.Index("ix_instance_aware_images_instance", "nova_installation_uuid", "instance_id", "project_id"),
)


@dataclass(frozen=True)
class Relation:
    image_id: str
    installation: str
    instance: str
    project: str
    owner: str | None = None
    state: str = ACTIVE

    @property
    def image_owner(self) -> str:
        return self.owner or self.project

    def moved(self, owner: str) -> Relation:
        """The relation with a new owner of the image. The project of the instance changes too where both were the same."""
        project = owner if self.owner is None else self.project
        return replace(self, project=project, owner=None if project == owner else owner)

    def belongs(self, image: Mapping[str, Any]) -> bool:
        """Whether the owner of the image is the one that the relation was written for."""
        return (image.get("owner") or "") == self.image_owner

    @property
    def pending(self) -> bool:
        return self.state == PENDING


COLUMNS = (TABLE.c.image_id, TABLE.c.nova_installation_uuid, TABLE.c.instance_id, TABLE.c.project_id, TABLE.c.owner_id, TABLE.c.state)


def now() -> datetime.datetime:
    return datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None, microsecond=0)


def chunks(values: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    for start in range(0, len(values), size):
        yield values[start : start + size]


class Store:
    """Access to the table in one process. Threads share it; a forked process opens its own connections."""

    def __init__(self, connection: str, chunk: int = 500) -> None:
        self.connection = connection
        self.chunk = chunk
        self.pid: int | None = None
        self.current_engine: sa.engine.Engine | None = None
        self.lock = threading.Lock()
        self.inherited: list[sa.engine.Engine] = []
        self.fail_until = 0.0
        self.probing = threading.Lock()
        self.probed = 0.0
        self.usable = False

    @property
    def engine(self) -> sa.engine.Engine:
        if self.current_engine is None or self.pid != os.getpid():
            with self.lock:
                if self.current_engine is None or self.pid != os.getpid():
                    # Keep the engine of the parent process: garbage collection would end its sessions.
                    self.inherited += [self.current_engine] if self.current_engine is not None else []
                    self.current_engine, self.pid = make_engine(self.connection), os.getpid()
        return self.current_engine

    def run(self, work: Callable[[sa.engine.Connection], Result]) -> Result:
        """Run one short transaction, and retry it after conflicts."""
        started = time.monotonic()
        if started < self.fail_until:
            raise DatabaseUnavailable("unreachable a moment ago")
        attempt = 0
        while True:
            try:
                with self.engine.begin() as connection:
                    return work(connection)
            except exc.SQLAlchemyError as problem:
                attempt += 1
                if not transient(problem) or attempt == TRIES or time.monotonic() - started > RETRY_TIMEOUT:
                    raise self.unavailable(problem, started) from problem
                time.sleep(0.01 * 2**attempt)
            except Exception as problem:
                raise self.unavailable(problem, started) from problem

    def unavailable(self, problem: Exception, started: float) -> DatabaseUnavailable:
        # An error without a statement is a failed connection. Fail at once for as long as the connection took, and a moment more.
        if isinstance(problem, exc.DBAPIError) and problem.statement is None:
            ended = time.monotonic()
            self.fail_until = ended + FAIL_FAST + ended - started
        text = cause(problem)
        LOG.error("The database of instance-aware images failed: %s.", text)
        return DatabaseUnavailable(text)

    def probe(self) -> None:
        """Check that the table can be read, with at most one query a second."""
        with self.probing:
            if not self.probed or time.monotonic() - self.probed >= FAIL_FAST:
                try:
                    self.run(lambda connection: connection.execute(sa.select(TABLE.c.image_id).limit(1)).first())
                    self.usable = True
                except DatabaseUnavailable:
                    self.usable = False
                self.probed = time.monotonic()
            if not self.usable:
                raise DatabaseUnavailable("unusable a moment ago")

    def of_images(self, image_ids: Iterable[str], project: str | None = None) -> dict[str, Relation]:
        """The relations of images, of one project or of all where that is None."""
        wanted = sorted(set(image_ids))
        base = sa.select(*COLUMNS) if project is None else sa.select(*COLUMNS).where(TABLE.c.project_id == project)

        def work(connection: sa.engine.Connection) -> dict[str, Relation]:
            found = {}
            for some in chunks(wanted, self.chunk):
                for row in connection.execute(base.where(TABLE.c.image_id.in_(some))):
                    found[row[0]] = Relation(*row)
            return found

        return self.run(work) if wanted else {}

    def of_image(self, image_id: str) -> Relation | None:
        return self.of_images([image_id]).get(image_id)

    def of_instances(self, installation: str, instances: Iterable[str], project: str | None, limit: int) -> list[Relation]:
        """At most ``limit`` + 1 relations, of one project or of all where that is None."""
        wanted = sorted(set(instances))
        base = sa.select(*COLUMNS).where(TABLE.c.nova_installation_uuid == installation)
        if project is not None:
            base = base.where(TABLE.c.project_id == project)

        def work(connection: sa.engine.Connection) -> list[Relation]:
            found: list[Relation] = []
            for some in chunks(wanted, self.chunk):
                rows = connection.execute(base.where(TABLE.c.instance_id.in_(some)).limit(limit + 1 - len(found)))
                # Databases may compare text without case.
                found.extend(row for row in (Relation(*each) for each in rows) if project in (None, row.project))
                if len(found) > limit:
                    break
            return found

        return self.run(work)

    def reserve(self, relation: Relation) -> bool:
        """Insert a pending row, unless the image has a row already."""

        def work(connection: sa.engine.Connection) -> bool:
            if connection.execute(sa.select(TABLE.c.image_id).where(TABLE.c.image_id == relation.image_id)).first():
                return False
            connection.execute(TABLE.insert().values(**values(replace(relation, state=PENDING)), created_at=now()))
            return True

        return self.run(work)

    def settle(self, relation: Relation) -> None:
        """Write the relation of an image that exists, in place of any row that it had."""

        def work(connection: sa.engine.Connection) -> None:
            active = values(replace(relation, state=ACTIVE))
            of_image = TABLE.c.image_id == relation.image_id
            # An update that matches no row would lock the gap in which other transactions insert.
            there = connection.execute(sa.select(TABLE.c.image_id).where(of_image)).first()
            if not there or not connection.execute(TABLE.update().where(of_image).values(**active)).rowcount:
                connection.execute(TABLE.insert().values(**active, created_at=now()))

        self.run(work)

    def activate(self, relations: Iterable[Relation]) -> None:
        """Activate pending rows that have not changed since they were read."""

        def work(connection: sa.engine.Connection) -> None:
            for relation in sorted(relations, key=lambda each: each.image_id):
                connection.execute(TABLE.update().where(*is_same(replace(relation, state=PENDING))).values(state=ACTIVE, updated_at=now()))

        self.run(work)

    def transfer(self, image_id: str, owner: str) -> None:
        """Record the new owner of an image."""

        def work(connection: sa.engine.Connection) -> None:
            row = connection.execute(sa.select(*COLUMNS).where(TABLE.c.image_id == image_id)).first()
            if row is not None:
                before = Relation(*row)
                connection.execute(TABLE.update().where(*is_same(before)).values(**values(before.moved(owner))))

        self.run(work)

    def release(self, relation: Relation) -> None:
        """Delete the pending row of an image that Glance has refused to create."""
        self.run(lambda connection: connection.execute(TABLE.delete().where(*is_same(replace(relation, state=PENDING)))))

    def forget(self, image_id: str) -> None:
        def work(connection: sa.engine.Connection) -> None:
            # Most images have no row, and a query takes no lock.
            if connection.execute(sa.select(TABLE.c.image_id).where(TABLE.c.image_id == image_id)).first():
                connection.execute(TABLE.delete().where(TABLE.c.image_id == image_id))

        self.run(work)


def values(relation: Relation) -> dict[str, Any]:
    return {
        "image_id": relation.image_id,
        "nova_installation_uuid": relation.installation,
        "instance_id": relation.instance,
        "project_id": relation.project,
        "owner_id": relation.owner,
        "state": relation.state,
        "updated_at": now(),
    }


def is_same(relation: Relation) -> tuple[Any, ...]:
    """Conditions for a row that has not changed since it was read or written."""
    return (
        TABLE.c.image_id == relation.image_id,
        TABLE.c.state == relation.state,
        TABLE.c.nova_installation_uuid == relation.installation,
        TABLE.c.instance_id == relation.instance,
        TABLE.c.project_id == relation.project,
    )
