# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Creates and removes the table."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import exc

from glance_instance_aware.table import TABLE, VERSION_TABLE


def configuration(connection: sa.engine.Connection | None = None) -> Config:
    config = Config()
    # The configuration interpolates percent signs.
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def head() -> str | None:
    return ScriptDirectory.from_config(configuration()).get_current_head()


def revision(connection: sa.engine.Connection) -> str | None:
    return MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE}).get_current_revision()


def upgrade(engine: sa.engine.Engine) -> tuple[str | None, str | None]:
    """The revisions before and after."""
    before = current(engine)
    if before == head():
        return before, before
    try:
        with engine.begin() as connection:
            command.upgrade(configuration(connection), "head")
    except CommandError as problem:
        raise CommandError(f"Cannot upgrade the table of relations: {problem}. Install the newer version of this package that created it.") from problem
    except exc.SQLAlchemyError:
        # Another host may have upgraded the table at the same time.
        if current(engine) != head():
            raise
    return before, current(engine)


def current(engine: sa.engine.Engine) -> str | None:
    with engine.connect() as connection:
        return revision(connection)


def drop(engine: sa.engine.Engine) -> list[str]:
    """Remove the tables, and return the names of those that existed."""
    with engine.begin() as connection:
        there = [name for name in (TABLE.name, VERSION_TABLE) if sa.inspect(connection).has_table(name)]
        for name in there:
            sa.Table(name, sa.MetaData()).drop(connection)
    return there
