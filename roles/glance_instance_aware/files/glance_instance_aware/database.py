# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Connections to the database, and its errors."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from sqlalchemy import exc
from sqlalchemy.pool import QueuePool

# Codes of deadlocks and of conflicts with other transactions: PostgreSQL, then MySQL and MariaDB.
RETRYABLE = ("40001", "40P01", 1205, 1213, 1020)


class DatabaseUnavailable(Exception):
    """A statement failed; the cause is in the log, without addresses or secrets."""


def connect_args(url: sa.engine.URL) -> dict[str, Any]:
    """Short timeouts, as arguments of the driver."""
    driver = url.get_driver_name()
    arguments: dict[str, Any] = {}
    if url.get_backend_name() == "sqlite":
        arguments = {"timeout": 10, "check_same_thread": False}
    elif driver == "pymysql":
        arguments = {"connect_timeout": 5, "read_timeout": 30, "write_timeout": 30}
    elif driver in ("mysqldb", "psycopg2", "psycopg"):
        arguments = {"connect_timeout": 5}
    # Timeouts in the URL take precedence.
    return {name: value for name, value in arguments.items() if name not in url.query}


def make_engine(connection: str) -> sa.engine.Engine:
    url = sa.engine.make_url(connection)
    return sa.create_engine(
        url, poolclass=QueuePool, pool_size=5, max_overflow=10, pool_timeout=5, pool_recycle=1800, pool_pre_ping=True, connect_args=connect_args(url)
    )


@contextlib.contextmanager
def engine_of(connection: str) -> Iterator[sa.engine.Engine]:
    """An engine that is disposed of after use."""
    engine = make_engine(connection)
    try:
        yield engine
    finally:
        engine.dispose()


def cause(problem: BaseException) -> str:
    """The class and code of an error without its text, which may contain addresses, statements and values."""
    original = getattr(problem, "orig", None)
    if original is None:
        return type(problem).__name__
    number = code(original)
    return f"{type(original).__name__} {number}" if number else type(original).__name__


def code(original: BaseException) -> Any:
    """The code of the error, which each driver keeps in another attribute."""
    first = original.args[0] if original.args and isinstance(original.args[0], int) else None
    return getattr(original, "pgcode", None) or getattr(original, "sqlstate", None) or getattr(original, "sqlite_errorname", None) or first


def transient(problem: exc.SQLAlchemyError) -> bool:
    """Whether a retry of the transaction may succeed."""
    if isinstance(problem, exc.IntegrityError):
        return True
    if not isinstance(problem, exc.DBAPIError):
        return False
    original = problem.orig
    if original is None:
        return False
    return problem.connection_invalidated or code(original) in RETRYABLE or "database is locked" in str(original)
