# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table on each database: its schema, its repair, the commands for both, and writers that meet in it."""

from __future__ import annotations

import datetime
import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from databases import Server, SqliteFiles
from glance_instance_aware import cli, repair, schema
from glance_instance_aware.database import DatabaseUnavailable, engine_of
from glance_instance_aware.table import METADATA, TABLE, VERSION_TABLE, Relation, Store, now
from helpers import at_once

A, B = "aaaaaaaa-0000-4000-8000-000000000001", "bbbbbbbb-0000-4000-8000-000000000002"
# As Glance has it, as far as anybody asks.
IMAGES = sa.Table(
    "images", sa.MetaData(), sa.Column("id", sa.String(36), primary_key=True), sa.Column("owner", sa.String(255)), sa.Column("deleted", sa.Boolean)
)


@pytest.fixture
def connection(database: SqliteFiles | Server) -> str:
    """A database of Glance's, with a version table of its own."""
    url = database.fresh()
    with engine_of(url) as engine, engine.begin() as transaction:
        IMAGES.create(transaction)
        transaction.execute(sa.text("CREATE TABLE alembic_version (version_num VARCHAR(32) PRIMARY KEY)"))
        transaction.execute(sa.text("INSERT INTO alembic_version VALUES ('2025_1_expand01')"))
    return url


@pytest.fixture
def engine(connection: str) -> Iterator[sa.engine.Engine]:
    with engine_of(connection) as made:
        yield made


@pytest.fixture
def upgraded(engine: sa.engine.Engine) -> sa.engine.Engine:
    schema.upgrade(engine)
    return engine


@pytest.fixture
def configuration(connection: str, tmp_path: Path) -> Path:
    path = tmp_path / "glance-api.conf"
    path.write_text(f"[database]\nconnection = {connection}\n")
    return path


PADDING = "0" * 35


def whole(letter: str) -> str:
    """An id as long as all of them are; databases fill up shorter ones."""
    return letter + PADDING if len(letter) == 1 else letter


def rows(engine: sa.engine.Engine) -> dict[str, str]:
    with engine.connect() as connection:
        return {row[0].removesuffix(PADDING): row[1] for row in connection.execute(sa.select(TABLE.c.image_id, TABLE.c.state))}


def tables(engine: sa.engine.Engine) -> set[str]:
    return set(sa.inspect(engine).get_table_names())


def test_that_the_table_is_made_once_beside_glances_own(engine: sa.engine.Engine) -> None:
    assert schema.upgrade(engine) == (None, schema.head())
    assert schema.upgrade(engine) == (schema.head(), schema.head())
    assert tables(engine) == {"images", "alembic_version", TABLE.name, VERSION_TABLE}
    with engine.connect() as connection:
        assert connection.execute(sa.text("SELECT version_num FROM alembic_version")).all() == [("2025_1_expand01",)]


def test_that_the_schema_is_the_one_that_is_used(upgraded: sa.engine.Engine) -> None:
    inspector = sa.inspect(upgraded)
    found = {
        column["name"]: (str(column["type"]).partition(" COLLATE")[0].partition("(")[0], column["nullable"]) for column in inspector.get_columns(TABLE.name)
    }
    assert {name: nullable for name, (_kind, nullable) in found.items()} == {column.name: column.nullable for column in TABLE.columns}
    assert inspector.get_pk_constraint(TABLE.name)["constrained_columns"] == ["image_id"]
    [index] = inspector.get_indexes(TABLE.name)
    assert index["column_names"] == ["nova_installation_uuid", "instance_id", "project_id"]
    assert [each.name for each in TABLE.indexes] == [index["name"]]


@pytest.mark.parametrize("done", ["table", "index"])
def test_that_a_migration_that_was_cut_short_is_finished(engine: sa.engine.Engine, done: str) -> None:
    METADATA.create_all(engine)
    if done == "table":
        with engine.begin() as connection:
            for index in TABLE.indexes:
                index.drop(connection)
    assert schema.upgrade(engine) == (None, schema.head())
    assert len(sa.inspect(engine).get_indexes(TABLE.name)) == 1


def test_that_the_table_goes_when_it_is_asked_to(upgraded: sa.engine.Engine) -> None:
    assert schema.drop(upgraded) == [TABLE.name, VERSION_TABLE]
    assert schema.drop(upgraded) == []
    assert tables(upgraded) == {"images", "alembic_version"}
    assert schema.upgrade(upgraded) == (None, schema.head())


# Repair


def add(engine: sa.engine.Engine, image: str, state: str = "active", project: str = "alpha", owner: str | None = None, minutes: int = 0) -> None:
    created = now() - datetime.timedelta(minutes=minutes)
    with engine.begin() as connection:
        connection.execute(
            TABLE.insert().values(
                image_id=whole(image),
                nova_installation_uuid=A,
                instance_id="1",
                project_id=project,
                owner_id=owner,
                state=state,
                created_at=created,
                updated_at=created,
            )
        )


def add_image(engine: sa.engine.Engine, image: str, owner: str | None = "alpha", deleted: bool = False) -> None:
    with engine.begin() as connection:
        connection.execute(IMAGES.insert().values(id=whole(image), owner=owner, deleted=deleted))


def test_that_repair_brings_the_table_in_line(upgraded: sa.engine.Engine) -> None:
    for image, owner, deleted in (
        ("a", "alpha", False),
        ("b", "alpha", True),
        ("d", "alpha", False),
        ("e", "beta", False),
        ("h", "beta", False),
        ("i", "op", False),
    ):
        add_image(upgraded, image, owner, deleted)
    add_image(upgraded, "j", None)
    add(upgraded, "a")
    add(upgraded, "b")
    add(upgraded, "c")
    add(upgraded, "d", "pending")
    add(upgraded, "e", "pending", minutes=90)
    add(upgraded, "f", "pending", minutes=90)
    add(upgraded, "g", "pending", minutes=30)
    add(upgraded, "h")
    add(upgraded, "i", "pending", "tenant", "op")
    add(upgraded, "j", "active", "")
    expected = {"removed": 2, "activated": 2, "stale": 2, "transferred": 1, "changed": True}
    before = rows(upgraded)
    assert repair.repair(upgraded, upgraded, dry_run=True) == {**expected, "dry_run": True}
    assert rows(upgraded) == before
    assert repair.repair(upgraded, upgraded, dry_run=False) == {**expected, "dry_run": False}
    assert rows(upgraded) == {"a": "active", "d": "active", "g": "pending", "h": "active", "i": "active", "j": "active"}
    nothing = {"removed": 0, "activated": 0, "stale": 0, "transferred": 0, "changed": False, "dry_run": False}
    assert repair.repair(upgraded, upgraded, dry_run=False) == nothing
    with upgraded.connect() as connection:
        assert connection.execute(sa.select(TABLE.c.project_id).where(TABLE.c.image_id == whole("h"))).scalar() == "beta"


def test_that_repair_goes_page_by_page(upgraded: sa.engine.Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repair, "PAGE", 7)
    for number in range(30):
        add(upgraded, str(uuid.UUID(int=number)))
        if number % 3:
            add_image(upgraded, str(uuid.UUID(int=number)))
    assert repair.repair(upgraded, upgraded, dry_run=False)["removed"] == 10
    assert len(rows(upgraded)) == 20


def test_that_repair_leaves_what_has_changed_meanwhile(upgraded: sa.engine.Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the look and the writing, somebody related the image anew."""
    add(upgraded, "a")
    found = repair.owners

    def owners(glance: sa.engine.Engine, image_ids: list[str]) -> dict[str, str]:
        there = found(glance, image_ids)
        with upgraded.begin() as connection:
            connection.execute(TABLE.update().values(instance_id="2"))
        return there

    monkeypatch.setattr(repair, "owners", owners)
    repair.repair(upgraded, upgraded, dry_run=False)
    assert rows(upgraded) == {"a": "active"}


# Commands


def run(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    assert cli.main(list(words)) == 0
    said = capsys.readouterr()
    assert not said.err
    [line] = said.out.splitlines()
    return json.loads(line)


def fail(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert cli.main(list(words)) == 1
    said = capsys.readouterr()
    assert not said.out
    assert "Traceback" not in said.err
    return said.err


def test_that_commands_say_what_they_did(configuration: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = ("--config-file", str(configuration))
    assert run(capsys, *config, "version") == {"version": "0.2.0", "revision": None, "head": "0001"}
    assert run(capsys, *config, "upgrade") == {"before": None, "after": "0001", "changed": True}
    assert run(capsys, *config, "upgrade") == {"before": "0001", "after": "0001", "changed": False}
    counts = {"removed": 0, "activated": 0, "stale": 0, "transferred": 0}
    assert run(capsys, *config, "repair") == {**counts, "changed": False, "dry_run": False}
    assert run(capsys, *config, "repair", "--dry-run") == {**counts, "changed": False, "dry_run": True}
    assert "Use --yes" in fail(capsys, *config, "drop")
    assert run(capsys, *config, "drop", "--yes") == {"dropped": [TABLE.name, VERSION_TABLE], "changed": True}
    assert run(capsys, *config, "drop", "--yes") == {"dropped": [], "changed": False}


def test_that_a_table_of_a_newer_version_is_left_alone(configuration: Path, upgraded: sa.engine.Engine, capsys: pytest.CaptureFixture[str]) -> None:
    with upgraded.begin() as connection:
        connection.execute(sa.text(f"UPDATE {VERSION_TABLE} SET version_num = '9999'"))
    assert "newer version" in fail(capsys, "--config-file", str(configuration), "upgrade")


def test_that_a_driver_that_is_not_there_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "glance-api.conf"
    path.write_text("[glance_instance_aware]\nconnection = postgresql+psycopg2://glance:hidden-word@database.example.org/glance\n")
    said = fail(capsys, "--config-file", str(path), "upgrade")
    assert said.startswith("Cannot upgrade: the driver of the database is missing: Python has no module psycopg2.")
    assert "hidden-word" not in said


# Writers that meet


def test_that_writers_of_the_same_images_end_with_one_relation_each(upgraded: sa.engine.Engine, connection: str) -> None:
    stores = [Store(connection) for _number in range(3)]
    images = [str(uuid.UUID(int=turn)) for turn in range(8)]

    def write(number: int) -> None:
        store = stores[number]
        for image in images:
            relation = Relation(image, A, str(number), "alpha")
            if store.reserve(relation):
                store.activate([relation])
            store.settle(relation)

    at_once(write, len(stores))
    found = stores[0].of_images(images)
    for store in stores:
        store.engine.dispose()
    assert sorted(found) == images
    assert {row.state for row in found.values()} == {"active"}


def test_that_a_lookup_counts_the_rows_of_its_project_alone(upgraded: sa.engine.Engine, connection: str) -> None:
    for number in range(9):
        add(upgraded, str(uuid.UUID(int=number)), project="alpha" if number < 3 else "ALPHA" if number < 5 else "beta")
    store = Store(connection, chunk=2)
    try:
        assert len(store.of_instances(A, ["0", "1", "2", "3"], "alpha", 3)) == 3
        assert len(store.of_instances(A, ["1"], None, 3)) == 4
        assert store.of_instances(B, ["1"], "alpha", 3) == []
        assert len(store.of_images(str(uuid.UUID(int=number)) for number in range(20))) == 9
    finally:
        store.engine.dispose()


def test_that_a_table_that_is_missing_is_a_database_that_is_away(engine: sa.engine.Engine, connection: str) -> None:
    store = Store(connection)
    try:
        with pytest.raises(DatabaseUnavailable):
            store.of_image("x")
        schema.upgrade(engine)
        assert store.of_image("x") is None
    finally:
        store.engine.dispose()
