# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of relations, and every statement that is made on it."""

from __future__ import annotations

import contextlib
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
from sqlalchemy.pool import QueuePool

LOG = logging.getLogger(__name__)
Result = TypeVar("Result")

PENDING, ACTIVE = "pending", "active"
VERSION_TABLE = "instance_aware_version"
TRIES = 5
# Deadlocks and transactions that others were in the way of: PostgreSQL, then MySQL and MariaDB.
AGAIN = ("40001", "40P01", 1205, 1213, 1020)
# How long statements fail at once after the database could not be reached, so that requests do not queue up for its timeouts.
HOLD = 1.0

METADATA = sa.MetaData()
TABLE = sa.Table(
    "instance_aware_images",
    METADATA,
    sa.Column("image_id", sa.CHAR(36), primary_key=True),
    sa.Column("nova_installation_uuid", sa.CHAR(36), nullable=False),
    sa.Column("instance_id", sa.String(36), nullable=False),
    # Whose instance it is; only that project finds the image by it.
    sa.Column("project_id", sa.String(255), nullable=False),
    # Whose image it is, where that is another project.
    sa.Column("owner_id", sa.String(255), nullable=True),
    sa.Column("state", sa.String(8), nullable=False),
    sa.Column("created_at", sa.DateTime, nullable=False),
    sa.Column("updated_at", sa.DateTime, nullable=False),
    sa.Index("ix_instance_aware_images_instance", "nova_installation_uuid", "instance_id", "project_id"),
)


class Away(Exception):
    """The database did not do what it was asked to; the cause is in the log, without addresses or secrets."""


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
        """The relation of an image that has another owner; whose instance it is changes with it where that was the owner's own."""
        project = owner if self.owner is None else self.project
        return replace(self, project=project, owner=None if project == owner else owner)

    def belongs(self, image: Mapping[str, Any]) -> bool:
        """Whether the image is of the project that this was written for."""
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


def connect_args(url: sa.engine.URL) -> dict[str, Any]:
    """Short timeouts, in the words of the driver."""
    driver = url.get_driver_name()
    arguments: dict[str, Any] = {}
    if url.get_backend_name() == "sqlite":
        arguments = {"timeout": 10, "check_same_thread": False}
    elif driver == "pymysql":
        arguments = {"connect_timeout": 5, "read_timeout": 30, "write_timeout": 30}
    elif driver in ("mysqldb", "psycopg2", "psycopg"):
        arguments = {"connect_timeout": 5}
    # What the URL itself says counts.
    return {name: value for name, value in arguments.items() if name not in url.query}


def make_engine(connection: str) -> sa.engine.Engine:
    url = sa.engine.make_url(connection)
    return sa.create_engine(
        url, poolclass=QueuePool, pool_size=5, max_overflow=10, pool_timeout=5, pool_recycle=1800, pool_pre_ping=True, connect_args=connect_args(url)
    )


@contextlib.contextmanager
def engine_of(connection: str) -> Iterator[sa.engine.Engine]:
    """For one piece of work."""
    engine = make_engine(connection)
    try:
        yield engine
    finally:
        engine.dispose()


def cause(problem: BaseException) -> str:
    """The kinds and numbers of errors alone: their texts may have addresses, statements and values."""
    original = getattr(problem, "orig", None)
    if original is None:
        return type(problem).__name__
    number = code(original)
    return f"{type(original).__name__} {number}" if number else type(original).__name__


def code(original: BaseException) -> Any:
    """What the database calls the error, by whatever name its driver has for that."""
    first = original.args[0] if original.args and isinstance(original.args[0], int) else None
    return getattr(original, "pgcode", None) or getattr(original, "sqlstate", None) or getattr(original, "sqlite_errorname", None) or first


def transient(problem: exc.SQLAlchemyError) -> bool:
    """Whether the same transaction may succeed when it is tried again."""
    if isinstance(problem, exc.IntegrityError):
        return True
    if not isinstance(problem, exc.DBAPIError):
        return False
    original = problem.orig
    if original is None:
        return False
    return problem.connection_invalidated or code(original) in AGAIN or "database is locked" in str(original)


class Store:
    """The table in one process. Threads share it; a forked process gets connections of its own."""

    def __init__(self, connection: str, chunk: int = 500) -> None:
        self.connection = connection
        self.chunk = chunk
        self.pid: int | None = None
        self.made: sa.engine.Engine | None = None
        self.lock = threading.Lock()
        self.inherited: list[sa.engine.Engine] = []
        self.away_until = 0.0
        self.probing = threading.Lock()
        self.probed = 0.0
        self.usable = False

    @property
    def engine(self) -> sa.engine.Engine:
        if self.made is None or self.pid != os.getpid():
            with self.lock:
                if self.made is None or self.pid != os.getpid():
                    # Connections of the parent are left to it: even forgetting them here would end its sessions.
                    self.inherited += [self.made] if self.made is not None else []
                    self.made, self.pid = make_engine(self.connection), os.getpid()
        return self.made

    def run(self, work: Callable[[sa.engine.Connection], Result]) -> Result:
        """One short transaction; again when another one was in its way."""
        if time.monotonic() < self.away_until:
            raise Away("unreachable a moment ago")
        for attempt in range(TRIES):
            try:
                with self.engine.begin() as connection:
                    return work(connection)
            except exc.SQLAlchemyError as problem:
                if transient(problem) and attempt + 1 < TRIES:
                    time.sleep(0.01 * 2**attempt)
                    continue
                raise self.gone(problem) from problem
            except Exception as problem:
                raise self.gone(problem) from problem
        raise Away("too many attempts")

    def gone(self, problem: Exception) -> Away:
        # What has no statement has failed to connect.
        if isinstance(problem, exc.DBAPIError) and problem.statement is None:
            self.away_until = time.monotonic() + HOLD
        text = cause(problem)
        LOG.error("The database of instance-aware images failed: %s.", text)
        return Away(text)

    def probe(self) -> None:
        """That the table can be read; at most one question a second."""
        with self.probing:
            if not self.probed or time.monotonic() - self.probed >= HOLD:
                try:
                    self.run(lambda connection: connection.execute(sa.select(TABLE.c.image_id).limit(1)).first())
                    self.usable = True
                except Away:
                    self.usable = False
                self.probed = time.monotonic()
            if not self.usable:
                raise Away("unusable a moment ago")

    def of_images(self, image_ids: Iterable[str]) -> dict[str, Relation]:
        wanted = sorted(set(image_ids))

        def work(connection: sa.engine.Connection) -> dict[str, Relation]:
            found = {}
            for some in chunks(wanted, self.chunk):
                for row in connection.execute(sa.select(*COLUMNS).where(TABLE.c.image_id.in_(some))):
                    found[row[0]] = Relation(*row)
            return found

        return self.run(work) if wanted else {}

    def of_image(self, image_id: str) -> Relation | None:
        return self.of_images([image_id]).get(image_id)

    def of_instances(self, installation: str, instances: Iterable[str], project: str | None, most: int) -> list[Relation]:
        """At most one more than `most`; of one project, or of all where that is None."""
        wanted = sorted(set(instances))
        base = sa.select(*COLUMNS).where(TABLE.c.nova_installation_uuid == installation)
        if project is not None:
            base = base.where(TABLE.c.project_id == project)

        def work(connection: sa.engine.Connection) -> list[Relation]:
            found: list[Relation] = []
            for some in chunks(wanted, self.chunk):
                rows = connection.execute(base.where(TABLE.c.instance_id.in_(some)).limit(most + 1 - len(found)))
                # Databases may compare text without regard to case.
                found.extend(row for row in (Relation(*each) for each in rows) if project in (None, row.project))
                if len(found) > most:
                    break
            return found

        return self.run(work)

    def reserve(self, relation: Relation) -> bool:
        """A pending row, unless the image has a row already."""

        def work(connection: sa.engine.Connection) -> bool:
            if connection.execute(sa.select(TABLE.c.image_id).where(TABLE.c.image_id == relation.image_id)).first():
                return False
            connection.execute(TABLE.insert().values(**values(replace(relation, state=PENDING)), created_at=now()))
            return True

        return self.run(work)

    def settle(self, relation: Relation) -> None:
        """The relation of an image that is there, whatever row it had."""

        def work(connection: sa.engine.Connection) -> None:
            active = values(replace(relation, state=ACTIVE))
            mine = TABLE.c.image_id == relation.image_id
            # An update of no row would lock the gap where others insert theirs.
            there = connection.execute(sa.select(TABLE.c.image_id).where(mine)).first()
            if not there or not connection.execute(TABLE.update().where(mine).values(**active)).rowcount:
                connection.execute(TABLE.insert().values(**active, created_at=now()))

        self.run(work)

    def activate(self, relations: Iterable[Relation]) -> None:
        """Pending rows that are still what was looked at."""

        def work(connection: sa.engine.Connection) -> None:
            for relation in sorted(relations, key=lambda each: each.image_id):
                connection.execute(TABLE.update().where(*is_same(replace(relation, state=PENDING))).values(state=ACTIVE, updated_at=now()))

        self.run(work)

    def transfer(self, image_id: str, owner: str) -> None:
        """The image has another owner."""

        def work(connection: sa.engine.Connection) -> None:
            row = connection.execute(sa.select(*COLUMNS).where(TABLE.c.image_id == image_id)).first()
            if row is not None:
                before = Relation(*row)
                connection.execute(TABLE.update().where(*is_same(before)).values(**values(before.moved(owner))))

        self.run(work)

    def release(self, relation: Relation) -> None:
        """A pending row of an image that Glance has refused."""
        self.run(lambda connection: connection.execute(TABLE.delete().where(*is_same(replace(relation, state=PENDING)))))

    def forget(self, image_id: str) -> None:
        def work(connection: sa.engine.Connection) -> None:
            # Most images have no row, and a look takes no lock.
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
    """Whether a row is still what was read, or written, before."""
    return (
        TABLE.c.image_id == relation.image_id,
        TABLE.c.state == relation.state,
        TABLE.c.nova_installation_uuid == relation.installation,
        TABLE.c.instance_id == relation.instance,
        TABLE.c.project_id == relation.project,
    )
