# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The database of the relations is gone for a while, and Glance's own is not: what has no relation in it works on, and nothing is lost."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import webob
from databases import SERVERS, Server, database_of
from glance_app import ADMIN, Caller, GlanceUnderTest, Probe, filter_command, glance_of
from requests_of import A, B, ask, create, find, patch, tuple_headers

# A client library leaves its socket to the garbage collector when it is refused.
pytestmark = pytest.mark.filterwarnings("ignore:Exception ignored in. <socket:pytest.PytestUnraisableExceptionWarning")

ALPHA = Caller("alpha")
DEADLINE = 60.0
OCTETS = {"Content-Type": "application/octet-stream"}
RENAMING = [{"op": "replace", "path": "/name", "value": "renamed"}]


@pytest.fixture(scope="module", params=SERVERS)
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    with database_of(request.param) as served:
        assert isinstance(served, Server)
        yield served


@pytest.fixture(scope="module")
def glance_beside(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GlanceUnderTest]:
    """Glance's own tables are in a file, the filter's on the server."""
    directory = tmp_path_factory.mktemp("beside")
    with glance_of(directory, "sqlite", f"sqlite:///{directory}/glance.sqlite", connection=server.fresh()) as served:
        yield served


@pytest.fixture
def glance(glance_beside: GlanceUnderTest, server: Server) -> Iterator[GlanceUnderTest]:
    glance_beside.use(connection=glance_beside.elsewhere)
    glance_beside.empty()
    yield glance_beside
    Probe.listeners.clear()
    if server.process is None:
        server.start()


def eventually(happens: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE
    while not happens():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def assert_unavailable(answer: webob.Response, glance: GlanceUnderTest) -> None:
    assert answer.status_int == 503, answer.text
    assert "database" in answer.text
    assert "again" in answer.text
    for secret in ("Traceback", "image-services-", "Error", "SELECT", "psycopg", "pymysql"):
        assert secret not in answer.text


def come_back(server: Server, glance: GlanceUnderTest) -> None:
    server.start()
    eventually(lambda: ask(glance, ADMIN, B, "1").status_int == 200)


def test_that_what_has_no_relation_works_on(glance: GlanceUnderTest, server: Server) -> None:
    kept, dropped, bare = create(glance, ALPHA, (A, "123")), create(glance, ALPHA, (A, "123")), create(glance, ALPHA)
    before = glance.relations()
    server.kill()

    assert glance.call(glance.aware, "GET", "/v2/info/instance-aware", ALPHA).status_int == 200
    for path in ("/v2/images", "/v2/images?limit=1&sort=name:asc", f"/v2/images/{kept}", f"/v2/images/{bare}", "/v2/schemas/image", f"/v2/images?id=in:{kept}"):
        said = [glance.call(app, "GET", path, ALPHA) for app in (glance.aware, glance.plain)]
        assert said[0].status_int == 200
        assert (said[0].body, list(said[0].headers.items())) == (said[1].body, list(said[1].headers.items()))
    # With an id of its own, where a row of an image from before might be.
    made = create(glance, ALPHA)
    unnamed = glance.call(glance.aware, "POST", "/v2/images", ALPHA, body={"name": "disk"})
    assert unnamed.status_int == 201
    for image in (made, kept):
        assert patch(glance, ALPHA, image, RENAMING).json["name"] == "renamed"
    data = {"disk_format": "raw", "container_format": "bare"}
    formats = [{"op": "replace", "path": f"/{name}", "value": value} for name, value in data.items()]
    assert patch(glance, ALPHA, made, formats).status_int == 200
    assert glance.call(glance.aware, "PUT", f"/v2/images/{made}/file", ALPHA, body=b"data", headers=OCTETS).status_int == 204
    assert glance.call(glance.aware, "GET", f"/v2/images/{made}/file", ALPHA).body == b"data"
    for image in (bare, made, unnamed.json["id"], dropped):
        assert glance.call(glance.aware, "DELETE", f"/v2/images/{image}", ALPHA).status_int == 204
        assert glance.call(glance.aware, "GET", f"/v2/images/{image}", ALPHA).status_int == 404

    come_back(server, glance)
    # Nothing is lost; what is of no image any more is not shown, and goes when it is tidied.
    assert glance.relations() == before
    assert find(glance, ALPHA, A, "123") == {kept}
    assert find(glance, ADMIN, A, "123", include_relation="true") == {kept}
    for words in (["repair", "--dry-run"], ["repair"]):
        assert glance.relations() == before
        said = filter_command(glance.configuration, *words)
        assert said["removed"] == 1
        assert said["changed"] is True
    assert set(glance.relations()) == {kept}
    assert filter_command(glance.configuration, "repair")["changed"] is False


def test_that_what_has_a_relation_is_refused_for_now(glance: GlanceUnderTest, server: Server) -> None:
    image, bare = create(glance, ALPHA, (A, "123")), create(glance, ALPHA)
    before, tables = glance.relations(), glance.dump()
    server.kill()

    for _number in range(2):
        assert_unavailable(ask(glance, ALPHA, A, "123"), glance)
        assert_unavailable(ask(glance, ADMIN, A, "in:123,124"), glance)
        for path in ("/v2/images?include_relation=true", f"/v2/images/{image}?include_relation=true"):
            assert_unavailable(glance.call(glance.aware, "GET", path, ALPHA), glance)
        body = {"name": "never", "nova_installation_uuid": A, "instance_id": "123"}
        assert_unavailable(glance.call(glance.aware, "POST", "/v2/images", ALPHA, body=body), glance)
        assert_unavailable(glance.call(glance.aware, "POST", "/v2/images", ALPHA, body={"name": "never"}, headers=tuple_headers(A, "1")), glance)
        for one in (image, bare):
            assert_unavailable(patch(glance, ALPHA, one, RENAMING, tuple_headers(A, "124")), glance)
        assert_unavailable(patch(glance, ALPHA, image, [*RENAMING, {"op": "remove", "path": "/instance_id"}]), glance)
        assert_unavailable(patch(glance, ALPHA, image, [*RENAMING, {"op": "replace", "path": "/instance_id", "value": "124"}]), glance)
        # Bad requests are bad requests all the same.
        assert ask(glance, ALPHA, "no-uuid", "123").status_int == 400
    # Glance has changed nothing.
    assert glance.dump() == tables

    come_back(server, glance)
    assert glance.relations() == before
    assert find(glance, ALPHA, A, "123") == {image}
    again = create(glance, ALPHA, (A, "123"))
    assert patch(glance, ALPHA, bare, RENAMING, tuple_headers(A, "124")).status_int == 200
    assert find(glance, ALPHA, A, "in:123,124") == {image, again, bare}


def test_that_a_relation_is_kept_whose_image_was_made_as_the_database_went(glance: GlanceUnderTest, server: Server) -> None:
    """Between the row and Glance's answer."""
    Probe.listeners.append(lambda environ: server.kill() if environ["REQUEST_METHOD"] == "POST" else None)
    image = create(glance, ALPHA, (A, "123"))
    Probe.listeners.clear()
    come_back(server, glance)
    assert glance.relations()[image][-1] == "pending"
    assert find(glance, Caller("beta"), A, "123") == set()
    assert find(glance, ALPHA, A, "123") == {image}
    assert glance.relations() == {image: (A, "123", "alpha", "active")}


def test_that_a_row_is_of_nothing_whose_image_was_refused_as_the_database_went(glance: GlanceUnderTest, server: Server) -> None:
    Probe.listeners.append(lambda environ: server.kill() if environ["REQUEST_METHOD"] == "POST" else None)
    answer = glance.call(glance.aware, "POST", "/v2/images", ALPHA, body={"name": "disk", "disk_format": "none such"}, headers=tuple_headers(A, "123"))
    assert answer.status_int == 400
    Probe.listeners.clear()
    come_back(server, glance)
    assert [row[-1] for row in glance.relations().values()] == ["pending"]
    assert find(glance, ALPHA, A, "123") == set()
    # One that is as old as that is of a request that has ended long ago.
    glance.rows("UPDATE instance_aware_images SET created_at = '2020-01-01 00:00:00'")
    assert filter_command(glance.configuration, "repair")["stale"] == 1
    assert glance.relations() == {}


def test_that_a_relation_stays_that_could_not_be_changed(glance: GlanceUnderTest, server: Server) -> None:
    image = create(glance, ALPHA, (A, "123"))
    before = glance.relations()
    Probe.listeners.append(lambda environ: server.kill() if environ["REQUEST_METHOD"] == "PATCH" else None)
    assert_unavailable(patch(glance, ALPHA, image, RENAMING, tuple_headers(A, "124")), glance)
    Probe.listeners.clear()
    come_back(server, glance)
    assert glance.relations() == before
    # The same again ends as it was meant.
    assert patch(glance, ALPHA, image, RENAMING, tuple_headers(A, "124")).status_int == 200
    assert find(glance, ALPHA, A, "124") == {image}


def test_that_all_but_data_can_be_refused_without_it(glance: GlanceUnderTest, server: Server) -> None:
    glance.use(connection=glance.elsewhere, require_database="true")
    image = create(glance, ALPHA, (A, "123"))
    assert glance.call(glance.aware, "PUT", f"/v2/images/{image}/file", ALPHA, body=b"data", headers=OCTETS).status_int == 204
    tables = glance.dump()
    server.kill()
    # Whether it is there is asked at most once a second.
    eventually(lambda: glance.call(glance.aware, "GET", "/v2/images", ALPHA).status_int == 503)
    requests: list[tuple[str, str, Any]] = [
        ("GET", "/v2/images", None),
        ("GET", f"/v2/images/{image}", None),
        ("GET", f"/v2/images/{image}/members", None),
        ("POST", "/v2/images", {"name": "disk"}),
        ("DELETE", f"/v2/images/{image}", None),
    ]
    for method, path, body in requests:
        assert_unavailable(glance.call(glance.aware, method, path, ALPHA, body=body), glance)
    assert_unavailable(patch(glance, ALPHA, image, RENAMING), glance)
    assert glance.call(glance.aware, "GET", f"/v2/images/{image}/file", ALPHA).body == b"data"
    assert glance.call(glance.aware, "GET", "/v2/schemas/image", ALPHA).status_int == 200
    assert glance.dump() == tables
    come_back(server, glance)
    assert glance.call(glance.aware, "DELETE", f"/v2/images/{image}", ALPHA).status_int == 204
    assert glance.relations() == {}


def test_that_a_table_that_is_not_there_is_a_database_that_is_away(glance: GlanceUnderTest, server: Server) -> None:
    glance.use(connection=server.fresh())
    image = create(glance, ALPHA)
    assert_unavailable(ask(glance, ALPHA, A, "123"), glance)
    assert_unavailable(patch(glance, ALPHA, image, [], tuple_headers(A, "123")), glance)
    assert filter_command(glance.configuration, "upgrade")["changed"] is True
    eventually(lambda: patch(glance, ALPHA, image, [], tuple_headers(A, "123")).status_int == 200)
    assert find(glance, ALPHA, A, "123") == {image}
    assert filter_command(glance.configuration, "upgrade")["changed"] is False
    assert filter_command(glance.configuration, "drop", "--yes")["changed"] is True
    assert filter_command(glance.configuration, "drop", "--yes")["changed"] is False
    assert glance.call(glance.aware, "DELETE", f"/v2/images/{image}", ALPHA).status_int == 204
