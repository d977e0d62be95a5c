# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The servers that these tests run on are what they are taken for."""

from __future__ import annotations

import sqlalchemy
from databases import Server, SqliteFiles


def test_that_a_killed_server_keeps_what_was_committed(database: SqliteFiles | Server) -> None:
    url = database.fresh()
    engine = sqlalchemy.create_engine(url, poolclass=sqlalchemy.NullPool)
    with engine.begin() as connection:
        connection.execute(sqlalchemy.text("CREATE TABLE kept (name VARCHAR(8))"))
        connection.execute(sqlalchemy.text("INSERT INTO kept VALUES ('ä')"))
    if isinstance(database, Server):
        database.kill()
        assert not database.answers()
        database.start()
    with engine.connect() as connection:
        assert connection.execute(sqlalchemy.text("SELECT name FROM kept")).scalars().all() == ["ä"]
