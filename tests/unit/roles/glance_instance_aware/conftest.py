# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Database servers, and a Glance on each, for the tests of the filter."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from databases import SERVERS, Server, SqliteFiles, database_of, sweep
from glance_app import GlanceUnderTest, glance_of
from helpers import helper


@pytest.hookimpl(trylast=True)  # what reports is there by then
def pytest_configure(config: pytest.Config) -> None:
    helper("progress").add_progress(config)


def pytest_report_header() -> str:
    return str(sweep.header())


@pytest.fixture(scope="session", params=["sqlite", *SERVERS])
def database(request: pytest.FixtureRequest) -> Iterator[SqliteFiles | Server]:
    """What runs on all of them asks for this."""
    with database_of(request.param) as served:
        yield served


@pytest.fixture(scope="session")
def glance_on_database(database: SqliteFiles | Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GlanceUnderTest]:
    with glance_of(tmp_path_factory.mktemp("glance"), database.kind, database.fresh()) as served:
        yield served


@pytest.fixture
def glance_with(glance_on_database: GlanceUnderTest) -> Callable[..., GlanceUnderTest]:
    """An empty Glance whose filter has these settings."""

    def prepare(**aware: Any) -> GlanceUnderTest:
        glance_on_database.use(**aware)
        glance_on_database.empty()
        return glance_on_database

    return prepare


@pytest.fixture
def glance(glance_with: Callable[..., GlanceUnderTest]) -> GlanceUnderTest:
    """An empty Glance whose filter has no settings."""
    return glance_with()
