# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Database servers for the tests of the filter."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from databases import Server, SqliteFiles, database_of

KINDS = ["sqlite", "postgresql", "mariadb"]


@pytest.fixture(scope="session", params=KINDS)
def database(request: pytest.FixtureRequest) -> Iterator[SqliteFiles | Server]:
    """What runs on all of them asks for this."""
    with database_of(request.param) as served:
        yield served
