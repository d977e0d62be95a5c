# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The database fails, or the process ends, at every point of every operation: nothing is answered wrongly, and nothing is lost or shown that should not be."""

from __future__ import annotations

import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from fake_glance import ALPHA, BETA, A, Answer, Asked, Aware, B, Crash, Faults, Glance, away, make_table
from glance_instance_aware.table import METADATA, Relation, Store
from helpers import at_once
from sqlalchemy import exc

IMAGE = "12345678-0000-4000-8000-000000000001"
TUPLE = {"nova_installation_uuid": A, "instance_id": "123"}
# More than any operation has points.
MANY = 40


@pytest.fixture
def connection(tmp_path: Path) -> str:
    return make_table(tmp_path)


@pytest.fixture
def aware(connection: str) -> Iterator[Aware]:
    made = Aware(connection)
    yield made
    made.close()


def empty(aware: Aware) -> None:
    aware.glance.images.clear()
    aware.glance.asked.clear()
    aware.glance.refusal = ""
    with aware.engine.begin() as connection:
        for table in METADATA.sorted_tables:
            connection.execute(table.delete())


def create(aware: Aware) -> Answer:
    return aware.ask(ALPHA, "POST", "/v2/images", {"name": "one", **TUPLE})


def create_own(aware: Aware) -> Answer:
    return aware.ask(ALPHA, "POST", "/v2/images", {"id": IMAGE, **TUPLE})


def relate(aware: Aware) -> Answer:
    changes = [{"op": "add", "path": f"/{name}", "value": value} for name, value in TUPLE.items()]
    return aware.ask(ALPHA, "PATCH", f"/v2/images/{IMAGE}", [*changes, {"op": "add", "path": "/name", "value": "neu"}])


def unrelate(aware: Aware) -> Answer:
    return aware.ask(ALPHA, "PATCH", f"/v2/images/{IMAGE}", [{"op": "remove", "path": "/instance_id"}])


def delete(aware: Aware) -> Answer:
    return aware.ask(ALPHA, "DELETE", f"/v2/images/{IMAGE}")


def look_up(aware: Aware) -> Answer:
    return aware.ask(ALPHA, "GET", f"/v2/images?nova_installation_uuid={A}&instance_id=123&include_relation=true")


def show(aware: Aware) -> Answer:
    return aware.ask(ALPHA, "GET", f"/v2/images/{IMAGE}?include_relation=true")


def at_every_point(aware: Aware, operation: Callable[[Aware], Answer], make: Callable[[], BaseException], prepare: Callable[[Aware], Any]) -> Iterator[Any]:
    """What the operation answered, or that it crashed, for each point in turn, until one is beyond the last."""
    for number in range(1, MANY):
        empty(aware)
        prepare(aware)
        with Faults(make, number).on(aware.engine) as faults:
            try:
                answer: Any = operation(aware)
            except Crash:
                answer = "crash"
        if answer == "crash":
            aware.die()
        if not faults.fired:
            assert number > 1
            return
        yield answer
    raise AssertionError("The operation has no end.")


def nothing(_aware: Aware) -> None:
    pass


def an_image(aware: Aware) -> None:
    aware.plain(id=IMAGE)
    aware.glance.asked.clear()


def a_related_image(aware: Aware) -> None:
    aware.create(id=IMAGE, instance="7")
    aware.glance.asked.clear()


def a_pending_image(aware: Aware) -> None:
    an_image(aware)
    aware.filter.store.reserve(Relation(IMAGE, A, "123", "alpha"))


def a_stale_row(aware: Aware) -> None:
    aware.filter.store.settle(Relation(IMAGE, B, "9", "beta"))


@pytest.mark.parametrize(("operation", "prepare"), [(create, nothing), (create_own, nothing)])
@pytest.mark.parametrize("make", [away, Crash])
def test_that_a_creation_is_whole_or_nothing(aware: Aware, operation: Callable[[Aware], Answer], prepare: Callable[[Aware], Any], make: Any) -> None:
    codes = set()
    for answer in at_every_point(aware, operation, make, prepare):
        made = list(aware.glance.images)
        if answer == "crash":
            # Glance may have it, and then it is related; or not, and then nobody sees anything.
            assert aware.related() == made
            assert aware.related(BETA) == []
            continue
        codes.add(answer.code)
        assert answer.code == (201 if made else 503)
        assert aware.related() == made
        assert [row[3] for row in aware.rows().values() if made] == ["active"] * len(made)
    assert make is Crash or codes == {201, 503}


@pytest.mark.parametrize("make", [away, Crash])
def test_that_no_relation_is_shown_of_what_glance_refused(aware: Aware, make: Any) -> None:
    def refused(aware: Aware) -> None:
        aware.glance.refusal = "403 Forbidden"

    for answer in at_every_point(aware, create_own, make, refused):
        assert answer == "crash" or answer.code in (403, 503)
        assert aware.related() == []
        # Whoever has that id later has nothing of this.
        aware.glance.refusal = ""
        aware.plain(BETA, id=IMAGE, visibility="public")
        assert aware.related() == aware.related(BETA) == []
        assert "instance_id" not in show(aware).json


@pytest.mark.parametrize("make", [away, Crash])
def test_that_a_refused_creation_leaves_the_row_of_an_image_that_is_there(aware: Aware, make: Any) -> None:
    for answer in at_every_point(aware, lambda aware: aware.ask(BETA, "POST", "/v2/images", {"id": IMAGE, **TUPLE}), make, a_related_image):
        assert answer == "crash" or answer.code in (409, 503)
        assert aware.rows() == {IMAGE: (A, "7", "alpha", "active")}


def test_that_a_stale_row_is_no_hindrance(aware: Aware) -> None:
    for answer in at_every_point(aware, create_own, away, a_stale_row):
        assert answer.code in (201, 503)
        assert (answer.code == 503) == (not aware.glance.images)
        assert aware.related(BETA, "9", B) == []


@pytest.mark.parametrize("prepare", [an_image, a_related_image, a_pending_image])
@pytest.mark.parametrize("make", [away, Crash])
def test_that_a_change_is_tried_again_until_it_is_whole(aware: Aware, prepare: Callable[[Aware], Any], make: Any) -> None:
    codes = set()
    for answer in at_every_point(aware, relate, make, prepare):
        changed = [asked for asked in aware.glance.asked if asked.method == "PATCH"]
        assert answer == "crash" or answer.code in (200, 503)
        codes.add(answer if answer == "crash" else answer.code)
        rows = aware.rows()
        assert len(rows) <= 1
        if answer != "crash" and answer.code == 200:
            assert changed
            assert rows == {IMAGE: (A, "123", "alpha", "active")}
        # The client has no answer or 503, and asks again.
        assert relate(aware).code == 200
        assert aware.rows() == {IMAGE: (A, "123", "alpha", "active")}
        assert aware.glance.images[IMAGE]["name"] == "neu"
    assert codes == ({"crash"} if make is Crash else {503})


def test_that_glance_is_not_asked_for_a_change_before_the_database_answers(aware: Aware) -> None:
    an_image(aware)
    with Faults(away, 1).on(aware.engine):
        assert relate(aware).code == 503
    assert [asked.method for asked in aware.glance.asked] == ["GET"]
    assert aware.glance.images[IMAGE]["name"] != "neu"


def test_that_a_relation_is_removed_or_stays(aware: Aware) -> None:
    for answer in at_every_point(aware, unrelate, away, a_related_image):
        assert answer.code == 503
        assert aware.rows() in ({}, {IMAGE: (A, "7", "alpha", "active")})
        assert unrelate(aware).code == 200
        assert not aware.rows()


@pytest.mark.parametrize("make", [away, Crash])
def test_that_a_deleted_image_is_never_shown(aware: Aware, make: Any) -> None:
    for answer in at_every_point(aware, delete, make, a_related_image):
        assert answer == "crash" or answer.code == 204
        assert not aware.glance.images
        assert aware.related(instance="7") == []


@pytest.mark.parametrize("operation", [look_up, show])
@pytest.mark.parametrize("make", [away, Crash])
def test_that_a_question_changes_nothing_but_what_is_due(aware: Aware, operation: Callable[[Aware], Answer], make: Any) -> None:
    for answer in at_every_point(aware, operation, make, a_pending_image):
        assert answer == "crash" or answer.code in (200, 503)
        if answer != "crash" and answer.code == 200:
            shown = answer.json["images"][0] if operation is look_up else answer.json
            assert shown["instance_id"] == "123"
        assert aware.related() == [IMAGE]
        assert aware.rows()[IMAGE][3] == "active"


@pytest.mark.parametrize("when", ["before", "after"])
def test_that_glance_may_end_in_the_midst_of_it(aware: Aware, when: str) -> None:
    def end(asked: Asked) -> None:
        if asked.method != "GET":
            raise Crash

    for operation in (create, create_own):
        empty(aware)
        setattr(aware.glance, when, end)
        with pytest.raises(Crash):
            operation(aware)
        setattr(aware.glance, when, nothing)
        assert [row[3] for row in aware.rows().values()] == ["pending"]
        assert aware.related() == list(aware.glance.images)
        assert len(aware.glance.images) == (when == "after")


def test_that_what_glance_did_not_finish_stays_pending(aware: Aware) -> None:
    aware.glance.refusal = "500 Internal Server Error"
    assert create_own(aware).code == 500
    assert aware.rows() == {IMAGE: (A, "123", "alpha", "pending")}
    assert aware.related() == []
    # It had been there after all.
    aware.glance.images[IMAGE] = {"id": IMAGE, "owner": "alpha", "members": []}
    assert aware.related() == [IMAGE]


def test_that_transactions_that_were_in_the_way_are_no_errors(aware: Aware) -> None:
    def locked() -> BaseException:
        return exc.OperationalError("UPDATE", {}, Exception("database is locked"))

    def deadlock() -> BaseException:
        return exc.OperationalError("UPDATE", {}, Exception(1213, "Deadlock found"))

    def serialization() -> BaseException:
        problem = Exception("could not serialize access")
        problem.sqlstate = "40001"  # type: ignore[attr-defined]
        return exc.DBAPIError("UPDATE", {}, problem)

    def duplicate() -> BaseException:
        return exc.IntegrityError("INSERT", {}, Exception("UNIQUE constraint failed"))

    for make in (locked, deadlock, serialization, duplicate):
        for answer in at_every_point(aware, create, make, nothing):
            assert answer.code == 201
            assert [row[3] for row in aware.rows().values()] == ["active"]


def test_that_tries_have_an_end(aware: Aware) -> None:
    class Always(Faults):
        def point(self, *_arguments: Any, **_named: Any) -> None:
            self.points += 1
            raise exc.OperationalError("SELECT", {}, Exception("database is locked"))

    with Always(away).on(aware.engine) as faults:
        assert create(aware).code == 503
    assert faults.points == 5
    assert not aware.glance.images


def test_that_a_database_that_cannot_be_reached_is_left_alone_for_a_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [1000.0]
    monkeypatch.setattr("glance_instance_aware.table.time.monotonic", lambda: clock[0])
    directory = tmp_path / "later"
    aware = Aware(f"sqlite:///{directory}/aware.sqlite")
    try:
        assert look_up(aware).code == 503
        directory.mkdir()
        make_table(directory)
        assert look_up(aware).code == 503
        clock[0] += 1
        assert look_up(aware).code == 200
    finally:
        aware.close()


def test_that_a_driver_that_is_missing_is_a_database_that_is_away(caplog: pytest.LogCaptureFixture) -> None:
    aware = Aware("mysql+nonesuch://glance:geheim@db/glance")
    with caplog.at_level("DEBUG"):
        assert look_up(aware).code == 503
    assert "geheim" not in caplog.text


def test_that_writers_of_one_image_end_with_one_relation(connection: str) -> None:
    stores = [Store(connection) for _number in range(4)]

    def write(number: int) -> None:
        store = stores[number]
        for turn in range(10):
            image = str(uuid.UUID(int=turn))
            store.reserve(Relation(image, A, str(number), "alpha"))
            store.settle(Relation(image, A, str(number), "alpha"))

    at_once(write, len(stores))
    rows = stores[0].of_images(str(uuid.UUID(int=turn)) for turn in range(10))
    for store in stores:
        assert store.current_engine is not None
        store.current_engine.dispose()
    assert len(rows) == 10
    assert {row.instance for row in rows.values()} <= {"0", "1", "2", "3"}
    assert {row.state for row in rows.values()} == {"active"}


def test_that_of_two_who_create_the_same_image_the_one_that_made_it_has_the_relation(connection: str) -> None:
    """The other one is refused by Glance, whatever each has written before and after."""
    glance = Glance()
    first, second = Aware(connection, glance), Aware(connection, glance)
    try:

        def create_too(inside: list[int], asked: Asked) -> None:
            if asked.method == "POST" and not inside:
                inside.append(0)
                inside.append(second.ask(BETA, "POST", "/v2/images", {"id": IMAGE, "nova_installation_uuid": B, "instance_id": "9"}).code)

        for slower in (False, True):
            empty(first)
            inside: list[int] = []
            between = partial(create_too, inside)
            glance.before, glance.after = (nothing, between) if slower else (between, nothing)
            code = create_own(first).code
            glance.before = glance.after = nothing
            assert {code, inside[1]} == {201, 409}
            expected = (A, "123", "alpha", "active") if code == 201 else (B, "9", "beta", "active")
            assert first.rows() == {IMAGE: expected}
    finally:
        first.close()
        second.close()


FORK = """
import os, sys
from glance_instance_aware.table import Relation, Store
store = Store(sys.argv[1])
assert store.reserve(Relation("parent", "i", "1", "p"))
parent = store.engine
child = os.fork()
if not child:
    code = 1
    try:
        assert store.engine is not parent
        assert store.reserve(Relation("child", "i", "1", "p"))
        code = 0
    finally:
        os._exit(code)
assert os.waitpid(child, 0)[1] == 0
assert store.engine is parent
assert sorted(store.of_images(["parent", "child"])) == ["child", "parent"]
"""


def test_that_a_forked_process_has_connections_of_its_own(connection: str) -> None:
    command = [sys.executable, "-W", "ignore", "-c", FORK, connection]
    package = Path(sys.modules["glance_instance_aware"].__file__ or "").parents[1]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={"PYTHONPATH": str(package)}, timeout=60)
    assert done.returncode == 0, done.stderr
