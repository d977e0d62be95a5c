# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the filter leaves alone: requests and answers that it has no word in pass as they are, and as they come."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from queue import Queue
from typing import Any

import pytest
from fake_glance import ALPHA, PATCH, A, Asked, Aware, ask, environ_of, make_table
from glance_app import Chunks
from glance_instance_aware.filter import InstanceAware
from glance_instance_aware.settings import Settings

IMAGE = "12345678-0000-4000-8000-000000000001"
# Nothing listens there: what needs no database must not find out.
NO_DATABASE = "sqlite:////nonexistent/directory/aware.sqlite"


class Witness:
    """An application that notes what it was called with, and answers a thing of its own."""

    def __init__(self) -> None:
        self.environ: Any = None
        self.start_response: Any = None
        self.result: list[bytes] = [b"said ", b"so"]

    def __call__(self, environ: Any, start_response: Any) -> Iterable[bytes]:
        self.environ, self.start_response = environ, start_response
        start_response("200 OK", [("X-Odd", "header")])
        return self.result


@pytest.fixture
def witness() -> Witness:
    return Witness()


@pytest.fixture
def passing(witness: Witness) -> InstanceAware:
    return InstanceAware(witness, Settings(NO_DATABASE))


class Untouchable:
    """A body that nobody reads on the way."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"{name} of a body that is not the filter's")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PUT", f"/v2/images/{IMAGE}/file"),
        ("GET", f"/v2/images/{IMAGE}/file"),
        ("PUT", f"/v2/images/{IMAGE}/stage"),
        ("POST", f"/v2/images/{IMAGE}/import"),
        ("POST", f"/v2/images/{IMAGE}/actions/deactivate"),
        ("POST", f"/v2/images/{IMAGE}/members"),
        ("PUT", f"/v2/images/{IMAGE}/tags/instance_id"),
        ("POST", f"/v2/images/{IMAGE}/locations"),
        ("DELETE", f"/v2/images/{IMAGE}/tags/x"),
        ("POST", "/v2/tasks"),
        ("GET", "/v2/images"),
        ("GET", "/v2/images?name=a%20b&limit=5"),
        ("GET", "/v2/images?my_instance_id=5"),
        ("GET", "/v2/images?instance_uuid=5"),
        ("GET", f"/v2/images/{IMAGE}"),
        ("GET", f"/v2/images/{IMAGE}?instance_id=5"),
        ("HEAD", "/v2/images?instance_id=5"),
        ("PUT", "/v2/images"),
        ("POST", f"/v2/images/{IMAGE}"),
        ("GET", "/v2/info/stores"),
        ("GET", "/v2/imagesque?instance_id=5"),
        # Glance has nothing there.
        ("GET", "/v2/images/?instance_id=5"),
        ("GET", "/"),
        ("GET", ""),
    ],
)
def test_that_the_rest_is_handed_over_as_it_is(passing: InstanceAware, witness: Witness, method: str, path: str) -> None:
    environ = environ_of(ALPHA, method, path, b"", **{"wsgi.input": Untouchable(), "HTTP_X_INSTANCE_ID": "5"})
    before = dict(environ)
    started: list[Any] = []

    def start_response(*arguments: Any) -> None:
        started.append(arguments)

    result = passing(environ, start_response)
    # The very objects, and nothing in between.
    assert result is witness.result
    assert witness.environ is environ
    assert witness.start_response is start_response
    assert environ == before
    assert list(map(id, environ.values())) == list(map(id, before.values()))


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/v2/images", b'{"name": "x",  "b":1.0, "name": "y"}'),
        ("POST", "/v2/images", b'{"name": '),
        ("POST", "/v2/images", b"\xff\xfe{"),
        ("POST", "/v2/images", "\ufeff{}".encode()),
        ("POST", "/v2/images", b"[" * 100000),
        ("POST", "/v2/images", b"1" * 5000),
        ("POST", "/v2/images", b""),
        ("POST", "/v2/images", b'["instance_id"]'),
        ("POST", "/v2/images", b'"instance_id"'),
        ("POST", "/v2/images", b'{"x": {"instance_id": 1}}'),
        ("POST", "/v2/images", b'{"Instance_ID": 1}'),
        ("POST", "/v2/images", b'{"instance_uuid": "not a UUID"}'),
        ("PATCH", f"/v2/images/{IMAGE}", b'[{"op":"add", "path":"/name","value":"instance_id"}]'),
        ("PATCH", f"/v2/images/{IMAGE}", b'[{"op":"add", "path":"/tags/instance_id","value":"x"}]'),
        ("PATCH", f"/v2/images/{IMAGE}", b'[{"op":"add", "path":"instance_id","value":"x"}]'),
        ("PATCH", f"/v2/images/{IMAGE}", b'[{"op":"move", "path":"/instance_id","value":"x"}]'),
        ("PATCH", f"/v2/images/{IMAGE}", b'[{"add":"/instance_id","value":"x"}]'),
        ("PATCH", f"/v2/images/{IMAGE}", b'[{"op":"add","path":["/instance_id"],"value":"x"}, 7]'),
        ("PATCH", f"/v2/images/{IMAGE}", b'{"op":"add","path":"/instance_id","value":"x"}'),
        ("PATCH", f"/v2/images/{IMAGE}", b"nonsense"),
    ],
)
@pytest.mark.parametrize("chunked", [False, True])
def test_that_a_body_without_a_relation_passes_byte_for_byte(
    passing: InstanceAware, witness: Witness, method: str, path: str, body: bytes, chunked: bool
) -> None:
    environ = environ_of(ALPHA, method, path, body)
    if chunked:
        del environ["CONTENT_LENGTH"]
        environ.update({"HTTP_TRANSFER_ENCODING": "chunked", "wsgi.input_terminated": True, "wsgi.input": Chunks([body[:3], body[3:]])})
    before = {name: value for name, value in environ.items() if name != "wsgi.input"}
    assert passing(environ, lambda *_arguments: None) is witness.result
    assert witness.environ is environ
    assert {name: value for name, value in environ.items() if name != "wsgi.input"} == before
    assert environ["wsgi.input"].read(-1 if chunked else len(body)) == body


def test_that_another_content_type_is_glances_to_refuse(passing: InstanceAware, witness: Witness) -> None:
    body = b'[{"op":"add", "path":"/instance_id","value":"x"}]'
    environ = environ_of(ALPHA, "PATCH", f"/v2/images/{IMAGE}", body, "application/json")
    passing(environ, lambda *_arguments: None)
    assert witness.environ["wsgi.input"].read() == body


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("size", [None, 1, 7, 100000])
def test_that_a_body_that_is_too_large_passes_whole(witness: Witness, chunked: bool, size: int | None) -> None:
    passing = InstanceAware(witness, Settings(NO_DATABASE, max_body=100))
    body = b'{"instance_id": "x", "name": "' + b"n" * 200 + b'\n"}\n'
    environ = environ_of(ALPHA, "POST", "/v2/images", body)
    if chunked:
        del environ["CONTENT_LENGTH"]
        environ.update({"HTTP_TRANSFER_ENCODING": "chunked", "wsgi.input_terminated": True})
    assert passing(environ, lambda *_arguments: None) is witness.result
    stream, pieces = environ["wsgi.input"], []
    while piece := stream.read(size) if size else stream.read():
        pieces.append(piece)
    assert b"".join(pieces) == body


def test_that_the_stream_of_a_large_body_has_lines(witness: Witness) -> None:
    passing = InstanceAware(witness, Settings(NO_DATABASE, max_body=4))
    environ = environ_of(ALPHA, "POST", "/v2/images", b"one\ntwo\nthree", HTTP_TRANSFER_ENCODING="chunked")
    del environ["CONTENT_LENGTH"]
    passing(environ, lambda *_arguments: None)
    assert environ["wsgi.input"].readline(2) == b"on"
    assert list(environ["wsgi.input"]) == [b"e\n", b"two\n", b"three"]


def test_that_a_large_body_cannot_be_related(witness: Witness) -> None:
    passing = InstanceAware(witness, Settings(NO_DATABASE, max_body=4))
    for method, path in (("POST", "/v2/images"), ("PATCH", f"/v2/images/{IMAGE}")):
        headers = {"HTTP_X_INSTANCE_ID": "5", "HTTP_X_NOVA_INSTALLATION_UUID": A}
        answer = ask(passing, environ_of(ALPHA, method, path, b"[     ]", **headers))
        assert answer.code == 413
        assert "larger than 4 bytes" in answer.text
    assert witness.environ is None


def test_that_a_client_that_leaves_is_noticed_by_glance(passing: InstanceAware, witness: Witness) -> None:
    environ = environ_of(ALPHA, "POST", "/v2/images", b'{"name": "x"}', CONTENT_LENGTH="50")
    passing(environ, lambda *_arguments: None)
    assert witness.environ["CONTENT_LENGTH"] == "50"
    assert witness.environ["wsgi.input"].read(50) == b'{"name": "x"}'
    assert witness.environ["wsgi.input"].read(37) == b""


def test_that_data_reaches_glance_before_all_of_it_was_sent(witness: Witness) -> None:
    """The application answers each chunk before the client sends the next one, and the client has that answer before the application ends."""
    sent: Queue[bytes] = Queue()
    heard: Queue[bytes] = Queue()

    class Wire:
        def read(self, _size: int = -1) -> bytes:
            return sent.get(timeout=60)

    def application(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [])
        while piece := environ["wsgi.input"].read(10):
            yield b"had " + piece

    passing = InstanceAware(application, Settings(NO_DATABASE))

    def serve() -> None:
        for piece in passing(environ_of(ALPHA, "PUT", f"/v2/images/{IMAGE}/file", b"", **{"wsgi.input": Wire()}), lambda *_arguments: None):
            heard.put(piece)

    server = threading.Thread(target=serve)
    server.start()
    try:
        for number in range(3):
            sent.put(b"%d" % number)
            assert heard.get(timeout=60) == b"had %d" % number
    finally:
        sent.put(b"")
        server.join(60)
    assert not server.is_alive()


@pytest.mark.parametrize(
    "path",
    [
        "/v2/images?instance%5Fid=5&nova_installation_uuid={A}",
        "/v2/images?instance_id=5&nova%5finstallation_uuid={A}",
        "/v2/images?%69nstance_id=5&%6Eova_installation_uuid={A}",
        "/v2/images?name=x;instance_id=5;nova_installation_uuid={A}",
        "/v2/images?name=x;instance%5fid=5&nova_installation_uuid={A}",
        "//v2//images?instance_id=5&nova_installation_uuid={A}",
        "/v2/images\n?instance_id=5&nova_installation_uuid={A}",
    ],
)
def test_that_no_way_of_writing_a_query_goes_around_the_filter(tmp_path: Path, path: str) -> None:
    aware = Aware(make_table(tmp_path))
    try:
        aware.ask(ALPHA, "GET", path.replace("{A}", A))
        asked = aware.glance.asked[-1]
        assert "id=none" in asked.query
        assert "instance" not in asked.query
        assert "installation" not in asked.query
    finally:
        aware.close()


def test_that_the_method_may_be_named_in_the_query(tmp_path: Path) -> None:
    """Glance's router obeys that."""
    aware = Aware(make_table(tmp_path))
    try:
        identifier = aware.create()
        body = b'[{"op": "remove", "path": "/instance_id"}]'
        aware.glance.before = lambda asked: setattr(asked, "method", "PATCH") if "_method" in asked.query else None
        assert aware.ask(ALPHA, "POST", f"/v2/images/{identifier}?_method=patch", body, PATCH).code == 200
        assert aware.glance.asked[-1].body == b"[]"
        assert not aware.rows()
    finally:
        aware.close()


def test_that_plain_requests_need_no_database() -> None:
    aware = Aware(NO_DATABASE)
    identifier = aware.plain()
    own = aware.plain(id=IMAGE)
    assert own == IMAGE
    assert aware.ask(ALPHA, "GET", "/v2/images").ids == sorted([identifier, own])
    assert aware.ask(ALPHA, "PATCH", f"/v2/images/{identifier}", [{"op": "add", "path": "/owner", "value": "alpha"}]).code == 200
    for each in (identifier, own):
        assert aware.ask(ALPHA, "DELETE", f"/v2/images/{each}").code == 204


def requests_with_a_relation() -> list[tuple[str, str, Any]]:
    query = f"nova_installation_uuid={A}&instance_id=5"
    relation_request = {"nova_installation_uuid": A, "instance_id": "5"}
    changes = [{"op": "add", "path": f"/{name}", "value": value} for name, value in relation_request.items()]
    return [
        ("GET", f"/v2/images?{query}", None),
        ("GET", "/v2/images?include_relation=true", None),
        ("GET", f"/v2/images/{IMAGE}?include_relation=true", None),
        ("POST", "/v2/images", relation_request),
        ("PATCH", f"/v2/images/{IMAGE}", changes),
    ]


@pytest.mark.parametrize(("method", "path", "body"), requests_with_a_relation())
def test_that_what_needs_the_database_is_refused_without_it(caplog: pytest.LogCaptureFixture, method: str, path: str, body: Any) -> None:
    aware = Aware("postgresql+psycopg://glance:geheim@127.0.0.1:1/glance")
    aware.glance.images[IMAGE] = {"id": IMAGE, "owner": "alpha", "members": []}
    with caplog.at_level("DEBUG"):
        answer = aware.ask(ALPHA, method, path, body)
    assert answer.code == 503
    assert "is unavailable" in answer.text
    assert all(asked.method == "GET" for asked in aware.glance.asked)
    assert "The database of instance-aware images failed" in caplog.text
    for said in (answer.text, caplog.text):
        assert "geheim" not in said
        assert "127.0.0.1" not in said


def test_that_a_database_may_be_required(tmp_path: Path) -> None:
    aware = Aware(NO_DATABASE, require_database=True)
    for method, path in (("GET", "/v2/images"), ("GET", f"/v2/images/{IMAGE}"), ("POST", f"/v2/images/{IMAGE}/import"), ("DELETE", f"/v2/images/{IMAGE}")):
        assert aware.ask(ALPHA, method, path).code == 503
    for method, path in (("PUT", f"/v2/images/{IMAGE}/file"), ("PUT", f"/v2/images/{IMAGE}/stage"), ("GET", "/v2/schemas/image"), ("GET", "/v2/imagesque")):
        assert aware.ask(ALPHA, method, path).code == 404
    there = Aware(make_table(tmp_path), require_database=True)
    try:
        assert there.ask(ALPHA, "GET", "/v2/images").code == 200
    finally:
        there.close()


def test_that_a_required_database_is_asked_once_for_many_requests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    aware = Aware(make_table(tmp_path), require_database=True)
    clock = [1000.0]
    monkeypatch.setattr("glance_instance_aware.table.time.monotonic", lambda: clock[0])
    statements: list[str] = []
    from sqlalchemy import event

    event.listen(aware.engine, "before_cursor_execute", lambda _c, _cursor, statement, *_rest: statements.append(statement))
    try:
        for _number in range(10):
            assert aware.ask(ALPHA, "GET", "/v2/images").code == 200
        assert len(statements) == 1
        clock[0] += 1
        aware.ask(ALPHA, "GET", "/v2/images")
        assert len(statements) == 2
    finally:
        aware.close()


def test_that_uwsgi_is_asked_for_chunks_in_its_own_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    body = b'{"name": "one", "instance_id": 5, "nova_installation_uuid": "%s"}' % A.encode()
    for content, most, related in ((body, 1000, 1), (b'{"name": "one"}', 1000, 0), (b'{"name": "%s"}' % (b"n" * 100), 10, 0)):
        pieces = [content[:8], content[8:], b""]
        server = type("Server", (), {"chunked_read": staticmethod(lambda pieces=pieces: pieces.pop(0))})
        monkeypatch.setattr("glance_instance_aware.body.uwsgi_module", lambda server=server: server)
        aware = Aware(make_table(tmp_path), max_body=most)
        try:
            environ = environ_of(ALPHA, "POST", "/v2/images", b"", HTTP_TRANSFER_ENCODING="chunked", **{"wsgi.input": Untouchable()})
            del environ["CONTENT_LENGTH"]
            answer = ask(aware.filter, environ)
            assert answer.code == 201
            # Glance would ask the server again for what has been read.
            assert "HTTP_TRANSFER_ENCODING" not in aware.glance.asked[-1].environ
            assert len(aware.rows()) == related
            with aware.engine.begin() as connection:
                connection.exec_driver_sql("DELETE FROM instance_aware_images")
        finally:
            aware.close()


def test_that_an_application_is_closed_after_its_answer_was_taken(tmp_path: Path) -> None:
    closed: list[bool] = []

    class Result(list):  # type: ignore[type-arg]
        def close(self) -> None:
            closed.append(True)

    def application(_environ: dict[str, Any], start_response: Any) -> Result:
        write = start_response("200 OK", [("Content-Type", "application/json")])
        write(b'{"images": [], ')
        return Result([b'"first": "/v2/images"}'])

    connection = make_table(tmp_path)
    aware = Aware(connection)
    aware.filter = InstanceAware(application, Settings(connection))
    try:
        answer = aware.ask(ALPHA, "GET", "/v2/images?include_relation=true")
        assert answer.json == {"images": [], "first": "/v2/images?include_relation=true"}
        assert closed == [True]
    finally:
        aware.close()


def test_that_answers_that_are_no_json_stay_as_they_are(tmp_path: Path) -> None:
    connection = make_table(tmp_path)
    for status, said in (("200 OK", b"<html>"), ("200 OK", b"[]"), ("300 Multiple Choices", b"{}"), ("400 Bad Request", b"{}"), ("401 Unauthorized", b"")):
        witness = Witness()
        witness.result = [said]
        aware = Aware(connection)
        aware.filter = InstanceAware(
            lambda _environ, start_response, status=status, said=said: (start_response(status, [("X", "y")]), [said])[1], Settings(connection)
        )
        try:
            for path in (
                f"/v2/images?nova_installation_uuid={A}&instance_id=1",
                "/v2/images?include_relation=true",
                f"/v2/images/{IMAGE}?include_relation=true",
            ):
                answer = aware.ask(ALPHA, "GET", path)
                assert (answer.status, answer.body, answer.headers) == (status, said, [("X", "y")])
        finally:
            aware.close()


def test_that_filters_from_forms_are_refused(tmp_path: Path) -> None:
    aware = Aware(make_table(tmp_path))
    try:
        form = environ_of(ALPHA, "GET", f"/v2/images?nova_installation_uuid={A}&instance_id=1", b"id=x", "Application/X-WWW-form-urlencoded; charset=utf-8")
        answer = ask(aware.filter, form)
        assert answer.code == 400
        assert "the body holds a form" in answer.text
        assert not aware.glance.asked
        # urllib and others name a form whenever they are given a body, even an empty one.
        empty = environ_of(ALPHA, "GET", f"/v2/images?nova_installation_uuid={A}&instance_id=1", b"", "application/x-www-form-urlencoded")
        assert ask(aware.filter, empty).code == 200
    finally:
        aware.close()


def test_that_the_caller_of_a_look_is_the_caller(tmp_path: Path) -> None:
    aware = Aware(make_table(tmp_path))
    try:
        identifier = aware.plain()
        environ = environ_of(ALPHA, "PATCH", f"/v2/images/{identifier}", b"[]", HTTP_X_INSTANCE_ID="5", HTTP_X_NOVA_INSTALLATION_UUID=A, HTTP_IF_MATCH="x")
        looks: list[Asked] = []
        aware.glance.before = lambda asked: looks.append(asked) if asked.method == "GET" else None
        assert ask(aware.filter, environ).code == 200
        [look] = looks
        assert look.environ["webob.adhoc_attrs"]["context"] is environ["webob.adhoc_attrs"]["context"]
        assert look.environ["webob.adhoc_attrs"] is not environ["webob.adhoc_attrs"]
        assert "HTTP_IF_MATCH" not in look.environ
        assert isinstance(look.environ["wsgi.input"], io.BytesIO)
    finally:
        aware.close()
