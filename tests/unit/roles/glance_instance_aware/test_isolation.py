# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A project learns nothing of another project's images and instances, and the same number in two installations is two instances."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import sqlalchemy
from glance_app import ADMIN, SERVICE, TABLE, Caller, GlanceUnderTest
from requests_of import A, B, ask, create, find, ids_of, insert_rows, patch, tuple_headers
from sqlalchemy import event

ALPHA, BETA, GAMMA = Caller("alpha"), Caller("beta"), Caller("gamma")
REMOVAL = [{"op": "remove", "path": "/instance_id"}]
HALF = [{"op": "replace", "path": "/instance_id", "value": "124"}]


def publish(glance: GlanceUnderTest, identifier: str, visibility: str = "public") -> None:
    assert patch(glance, ADMIN, identifier, [{"op": "replace", "path": "/visibility", "value": visibility}]).status_int == 200


@contextlib.contextmanager
def statements() -> Iterator[list[tuple[str, int]]]:
    """What is asked of any database meanwhile: each statement and how many values it has."""
    found: list[tuple[str, int]] = []

    def remember(_connection: Any, _cursor: Any, statement: str, values: Any, _context: Any, _many: bool) -> None:
        found.append((statement, len(values or ())))

    event.listen(sqlalchemy.Engine, "before_cursor_execute", remember)
    try:
        yield found
    finally:
        event.remove(sqlalchemy.Engine, "before_cursor_execute", remember)


def test_that_equal_numbers_of_two_installations_and_projects_never_mix(glance: GlanceUnderTest) -> None:
    mine = {create(glance, ALPHA, (A, "123")) for _number in range(2)}
    elsewhere = create(glance, ALPHA, (B, "123"))
    theirs = create(glance, BETA, (A, "123"))
    other = create(glance, ALPHA, (A, "124"))
    unrelated = create(glance, ALPHA)

    assert find(glance, ALPHA, A, "123") == mine
    assert find(glance, ALPHA, B, "123") == {elsewhere}
    assert find(glance, ALPHA, A, "in:123,124") == mine | {other}
    assert find(glance, BETA, A, "123") == {theirs}
    assert find(glance, BETA, B, "123") == set()
    assert find(glance, ADMIN, A, "123") == mine | {theirs}
    assert ids_of(glance.call(glance.aware, "GET", "/v2/images", ALPHA)) == mine | {elsewhere, other, unrelated}


def test_that_an_installation_is_the_same_however_it_is_written(glance: GlanceUnderTest) -> None:
    image = create(glance, ALPHA, (A.upper(), "C0FFEE00-0000-4000-8000-000000000001"))
    for installation in (A, A.upper(), A.replace("-", "")):
        assert find(glance, ALPHA, installation, "c0ffee00-0000-4000-8000-000000000001") == {image}
    assert glance.relations()[image][:2] == (A, "c0ffee00-0000-4000-8000-000000000001")


def test_that_an_image_of_others_for_my_instance_is_not_listed_as_mine(glance: GlanceUnderTest) -> None:
    mine = create(glance, ALPHA, (A, "123"), image_type="backup")
    for visibility in ("public", "community", "shared"):
        spoofed = create(glance, BETA, (A, "123"), image_type="backup")
        publish(glance, spoofed, visibility)
        if visibility == "shared":
            glance.call(glance.aware, "POST", f"/v2/images/{spoofed}/members", BETA, body={"member": "alpha"})
            glance.call(glance.aware, "PUT", f"/v2/images/{spoofed}/members/alpha", ALPHA, body={"status": "accepted"})
        assert glance.call(glance.aware, "GET", f"/v2/images/{spoofed}", ALPHA).status_int == 200
    for query in ({}, {"image_type": "backup"}, {"visibility": "public"}, {"visibility": "all"}, {"visibility": "community"}, {"visibility": "shared"}):
        assert find(glance, ALPHA, A, "123", **query) <= {mine}
    assert find(glance, ALPHA, A, "123", image_type="backup") == {mine}


def test_that_a_stranger_sees_no_difference_between_a_relation_and_none(glance: GlanceUnderTest) -> None:
    related, bare = create(glance, ALPHA, (A, "123")), create(glance, ALPHA)
    for identifier in (related, bare):
        publish(glance, identifier)
    hidden = create(glance, ALPHA, (A, "123"))

    # Lists: of an instance of others as of one that nobody has.
    for more in ({}, {"limit": "1"}, {"sort": "name:asc"}, {"visibility": "public"}, {"include_relation": "true"}):
        theirs, nobodys = ask(glance, GAMMA, A, "123", **more), ask(glance, GAMMA, A, "987", **more)
        assert theirs.status_int == 200
        assert "next" not in theirs.json
        assert theirs.body.replace(b"123", b"987") == nobodys.body
        assert list(theirs.headers.items()) == list(nobodys.headers.items())
    # An image that is seen, with its relation asked for.
    for path in ("/v2/images?include_relation=true", f"/v2/images/{related}?include_relation=true"):
        answer = glance.call(glance.aware, "GET", path, GAMMA)
        assert answer.status_int == 200
        assert "nova_installation_uuid" not in answer.text
        assert '"instance_id"' not in answer.text
    # Markers: Glance itself tells images that are hidden from none, and is told no more by an instance.
    for marker in (hidden, str(uuid.UUID(int=1))):
        plain = glance.call(glance.plain, "GET", f"/v2/images?marker={marker}", GAMMA)
        for instance in ("123", "987"):
            marked = ask(glance, GAMMA, A, instance, marker=marker)
            assert (marked.status, marked.body) == (plain.status, plain.body)
    # Changes that are refused: the same words for the one and the other.
    for operations, headers in ((REMOVAL, {}), (HALF, {}), ([], tuple_headers(A, "123")), ([], {"X-Instance-ID": "123"})):
        refused = [patch(glance, GAMMA, identifier, operations, headers) for identifier in (related, bare)]
        assert [one.status_int for one in refused] == [403, 403]
        assert refused[0].body.replace(related.encode(), bare.encode()) == refused[1].body
        missing = [patch(glance, GAMMA, identifier, operations, headers) for identifier in (hidden, str(uuid.UUID(int=1)))]
        assert [one.status_int for one in missing] == [404, 404]
        assert missing[0].body.replace(hidden.encode(), str(uuid.UUID(int=1)).encode()) == missing[1].body
    assert set(glance.relations()) == {related, hidden}


def test_that_an_id_that_is_taken_is_left_to_its_owner(glance: GlanceUnderTest) -> None:
    taken, bare = create(glance, ALPHA, (A, "123")), create(glance, ALPHA)
    before = glance.relations()
    for identifier in (taken, bare):
        body = {"id": identifier, "name": "mine", "nova_installation_uuid": B, "instance_id": "1"}
        answer = glance.call(glance.aware, "POST", "/v2/images", BETA, body=body)
        plain = glance.call(glance.plain, "POST", "/v2/images", BETA, body={"id": identifier, "name": "mine"})
        assert (answer.status, answer.body) == (plain.status, plain.body)
        assert answer.status_int == 409
        assert glance.relations() == before
    assert find(glance, ALPHA, A, "123") == {taken}
    assert find(glance, BETA, B, "1") == set()


def test_that_a_lookup_costs_the_same_whatever_others_have(glance: GlanceUnderTest) -> None:
    image = create(glance, ALPHA, (A, "123"))
    find(glance, ALPHA, A, "123")
    asked = []
    for rows in (0, 1000):
        if rows:
            insert_rows(glance, rows, (A, "123"), "beta")
        for caller, instance, found in ((ALPHA, "123", {image}), (GAMMA, "123", set()), (GAMMA, "in:123,124", set())):
            with statements() as seen:
                assert find(glance, caller, A, instance) == found
            assert any(TABLE in statement for statement, _parameters in seen)
            asked.append(seen)
    assert asked[:3] == asked[3:]
    # And as for an instance that nobody has.
    with statements() as seen:
        assert find(glance, GAMMA, A, "987") == set()
    assert seen == asked[1]


@pytest.mark.parametrize("visibility", ["public", "community", "shared"])
def test_that_a_stranger_sets_no_relation_by_an_empty_change(glance: GlanceUnderTest, visibility: str) -> None:
    image = create(glance, ALPHA)
    publish(glance, image, visibility)
    if visibility == "shared":
        glance.call(glance.aware, "POST", f"/v2/images/{image}/members", ALPHA, body={"member": "beta"})
    # Glance itself has nothing against it.
    assert patch(glance, BETA, image, app=glance.plain).status_int == 200
    before = glance.dump()
    for operations, headers in (
        ([], tuple_headers(A, "123")),
        ([{"op": "add", "path": "/nova_installation_uuid", "value": A}, {"op": "add", "path": "/instance_id", "value": "123"}], {}),
    ):
        answer = patch(glance, BETA, image, operations, headers)
        assert answer.status_int == 403
        assert "relat" in answer.text
    assert glance.relations() == {}
    assert glance.dump() == before


def test_that_a_service_role_relates_what_it_sees(glance: GlanceUnderTest) -> None:
    image, hidden = create(glance, ALPHA), create(glance, ALPHA)
    publish(glance, image)
    assert patch(glance, SERVICE, image, [], tuple_headers(A, "123")).status_int == 200
    assert patch(glance, SERVICE, hidden, [], tuple_headers(A, "123")).status_int == 404
    # The instance is of the project whose image it is.
    assert glance.relations() == {image: (A, "123", "alpha", "active")}
    assert find(glance, SERVICE, A, "123") == {image}
    assert find(glance, ALPHA, A, "123") == {image}
    assert find(glance, BETA, A, "123") == set()


def test_that_the_token_of_a_service_sets_relations_and_lists_none(glance: GlanceUnderTest) -> None:
    image = create(glance, ALPHA)
    publish(glance, image)
    beside = Caller("beta", service="service")
    for weaker in (Caller("beta", service="member"), Caller("beta")):
        assert patch(glance, weaker, image, [], tuple_headers(A, "123")).status_int == 403
    assert patch(glance, beside, image, [], tuple_headers(A, "123")).status_int == 200
    assert glance.relations() == {image: (A, "123", "alpha", "active")}
    assert find(glance, beside, A, "123") == set()
    shown = glance.call(glance.aware, "GET", f"/v2/images/{image}?include_relation=true", beside)
    assert "instance_id" not in shown.json


def test_that_a_role_of_the_settings_is_the_only_one_that_counts(glance_with: Any) -> None:
    glance = glance_with(service_roles="image_relations")
    image = create(glance, ALPHA)
    publish(glance, image)
    assert patch(glance, SERVICE, image, [], tuple_headers(A, "123")).status_int == 403
    assert patch(glance, Caller("other", "member,reader,image_relations"), image, [], tuple_headers(A, "123")).status_int == 200


def test_that_an_image_made_by_a_service_for_a_project_is_of_that_project(glance: GlanceUnderTest) -> None:
    """As Nova does with a snapshot of an instance in another project: the image is shared, and names whose instance it was."""
    made = create(glance, SERVICE, (A, "123"), visibility="shared", instance_owner="alpha")
    assert glance.relations()[made] == (A, "123", "alpha", "active")
    assert find(glance, ALPHA, A, "123") == set()
    glance.call(glance.aware, "POST", f"/v2/images/{made}/members", SERVICE, body={"member": "alpha"})
    glance.call(glance.aware, "PUT", f"/v2/images/{made}/members/alpha", ALPHA, body={"status": "accepted"})
    assert find(glance, ALPHA, A, "123") == {made}
    # A customer cannot say so of another project.
    create(glance, BETA, (A, "123"), visibility="community", instance_owner="alpha")
    assert find(glance, ALPHA, A, "123", visibility="all") == {made}


def test_that_links_hold_what_the_caller_asked(glance: GlanceUnderTest) -> None:
    mine = {create(glance, ALPHA, (A, "123")) for _number in range(3)}
    page = ask(glance, ALPHA, A, "123", limit="2").json
    for link in (page["first"], page["next"]):
        words = dict(parse_qsl(urlsplit(link).query))
        assert words["nova_installation_uuid"] == A
        assert words["instance_id"] == "123"
        assert "id" not in words
    rest = glance.call(glance.aware, "GET", page["next"], ALPHA).json
    assert {image["id"] for image in page["images"] + rest["images"]} == mine
    assert "next" not in rest
