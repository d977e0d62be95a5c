# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What cannot be meant is refused with its reason, and changes nothing."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
import sqlalchemy
import webob
from glance_app import ADMIN, TABLE, Caller, GlanceUnderTest
from requests_of import PATCH_2_1, A, B, ask, create, find, insert_rows, patch, tuple_headers
from sqlalchemy import event

ALPHA = Caller("alpha")
INSTANCE = "c0ffee00-0000-4000-8000-000000000001"
BAD_INSTALLATIONS = {
    "a word": "not-a-uuid",
    "nothing": "",
    "too long": A + "0",
    "much too long": "a" * 100_000,
    "braces": "{" + A + "}",
    "a URN": "urn:uuid:" + A,
    "a digit of no hexadecimal number": A.replace("a", "g"),
    "dashes elsewhere": "0a0a0a0a0-000-4000-8000-00000000000a",
    "a list": f"in:{A},{B}",
    "a space": A + " 1",
    "a line": A + "\n",
    "NUL": A + "\0",
    "SQL": f"{A}' OR '1'='1",
    "markup": "<script>alert(1)</script>",
}
BAD_INSTANCES = {
    "a word": "web1",
    "nothing": "",
    "a leading zero": "0123",
    "a sign": "-1",
    "a plus": "+1",
    "a fraction": "1.5",
    "an exponent": "1e3",
    "hexadecimal": "0x10",
    "twenty digits": "1" * 20,
    "very many digits": "1" * 100_000,
    "digits of another script": "١٢٣",
    "wide digits": "１２３",
    "a superscript": "1²",
    "an underscore": "1_000",
    "a space": "1 2",
    "a line": "1\n",
    "NUL": "1\0",
    "two": "123,124",
    "another operator": "nin:123",
    "a comparison": "gt:1",
    "a list of nothing": "in:",
    "a list that ends in nothing": "in:123,",
    "a list with a hole": "in:123,,124",
    "a list with a word": "in:123,web1",
    "a list of lists": "in:in:123",
    "SQL": "1' OR '1'='1",
    "a statement": f"1; DROP TABLE {TABLE}",
    "a pattern": "%",
    "a UUID that is too long": INSTANCE + "0",
    "a UUID of unicode": INSTANCE.replace("c", "\u0441"),
    "markup": "<img src=x>",
}
# Headers cannot have these, and keep no space around them.
NO_HEADER = ("a line", "NUL", "digits of another script", "wide digits", "a superscript", "a UUID of unicode")


def assert_refused(answer: webob.Response, *reasons: str) -> None:
    assert answer.status_int == 400, answer.text
    assert "Traceback" not in answer.text
    assert "<script" not in answer.text
    assert "<img" not in answer.text
    assert "sqlalchemy" not in answer.text.lower()
    assert len(answer.body) < 2000
    assert any(reason in answer.text for reason in reasons), answer.text


@pytest.fixture
def image(glance: GlanceUnderTest) -> Iterator[str]:
    """An image that is related. Nothing at all may change."""
    made = create(glance, ALPHA, (A, "123"))
    before = glance.relations(), glance.dump()
    yield made
    assert (glance.relations(), glance.dump()) == before


def test_queries_with_bad_values(glance: GlanceUnderTest, image: str) -> None:
    for value in BAD_INSTALLATIONS.values():
        assert_refused(ask(glance, ALPHA, value, "123"), "nova_installation_uuid")
    for value in BAD_INSTANCES.values():
        assert_refused(ask(glance, ALPHA, A, value), "instance_id")


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        (f"nova_installation_uuid={A}", "instance_id"),
        ("instance_id=123", "nova_installation_uuid"),
        (f"nova_installation_uuid={A}&include_relation=true", "instance_id"),
        (f"nova_installation_uuid={A}&instance_id=123&instance_id=124", "instance_id"),
        (f"nova_installation_uuid={A}&instance_id=123&instance_id=123", "instance_id"),
        (f"nova_installation_uuid={A}&nova_installation_uuid={B}&instance_id=123", "nova_installation_uuid"),
        (f"nova_installation_uuid={A}&instance%5Fid=123&instance_id=124", "instance_id"),
        (f"nova_installation_uuid={A}&instance_id", "instance_id"),
        (f"nova_installation_uuid={A}&instance_id=%00", "instance_id"),
        (f"nova_installation_uuid={A}&instance_id=1%0a", "instance_id"),
        (f"nova_installation_uuid={A}&instance_id=1%2527", "instance_id"),
        (f"nova_installation_uuid={A}&instance_id=%31%27%20--", "instance_id"),
        (f"nova_installation_uuid={A}&instance_id=%D9%A1", "instance_id"),
        (f"nova_installation_uuid=%27{A}&instance_id=1", "nova_installation_uuid"),
        ("include_relation=maybe", "include_relation"),
        ("include_relation=true&include_relation=false", "include_relation"),
    ],
)
def test_queries_that_are_halves_or_repeat_something(glance: GlanceUnderTest, image: str, query: str, reason: str) -> None:
    assert_refused(glance.call(glance.aware, "GET", f"/v2/images?{query}", ALPHA), reason)


@pytest.mark.parametrize("value", ["%FF%FE", "%C3%28", "%ED%A0%80"])
def test_that_bytes_of_no_text_are_refused(glance: GlanceUnderTest, image: str, value: str) -> None:
    answer = glance.call(glance.aware, "GET", f"/v2/images?nova_installation_uuid={A}&instance_id={value}", ALPHA)
    assert answer.status_int == 400
    assert "Traceback" not in answer.text


def test_headers_with_bad_values(glance: GlanceUnderTest, image: str) -> None:
    cases = [(tuple_headers(value, "123"), "Installation") for name, value in BAD_INSTALLATIONS.items() if name not in NO_HEADER]
    cases += [(tuple_headers(A, value), "Instance") for name, value in BAD_INSTANCES.items() if name not in NO_HEADER]
    # A server gives repeated headers as one.
    cases += [(tuple_headers(f"{A},{B}", "123"), "Installation"), (tuple_headers(A, "123, 123"), "Instance")]
    for headers, _reason in cases:
        answer = glance.call(glance.aware, "POST", "/v2/images", ALPHA, body={"name": "disk"}, headers=headers)
        assert_refused(answer, "X-Nova-Installation-UUID", "X-Instance-ID")
        assert_refused(patch(glance, ALPHA, image, [], headers), "X-Nova-Installation-UUID", "X-Instance-ID")


@pytest.mark.parametrize(
    ("headers", "properties"),
    [
        ({"X-Instance-ID": "124"}, {}),
        ({"X-Nova-Installation-UUID": B}, {}),
        ({}, {"instance_id": "124"}),
        ({}, {"nova_installation_uuid": B}),
        (tuple_headers(A, "124"), {"instance_id": "125"}),
        (tuple_headers(A, "124"), {"nova_installation_uuid": B}),
        (tuple_headers(A, "124"), {"nova_installation_uuid": B, "instance_id": "124"}),
    ],
)
def test_halves_and_contradictions_of_a_new_image(glance: GlanceUnderTest, image: str, headers: dict[str, str], properties: dict[str, str]) -> None:
    answer = glance.call(glance.aware, "POST", "/v2/images", ALPHA, body={"name": "disk", **properties}, headers=headers)
    assert_refused(answer, "instance_id", "nova_installation_uuid", "X-Instance-ID", "X-Nova-Installation-UUID")
    if len(headers) == 2 or len(properties) == 2:
        operations = [{"op": "add", "path": f"/{name}", "value": value} for name, value in properties.items()]
        assert_refused(patch(glance, ALPHA, image, operations, headers), "contradict")


@pytest.mark.parametrize("value", [None, True, [], ["123"], {}, {"in": "123"}, 1.5, -1, 10**30, *BAD_INSTANCES.values()], ids=lambda value: repr(value)[:30])
def test_properties_with_bad_values(glance: GlanceUnderTest, image: str, value: Any) -> None:
    answer = glance.call(glance.aware, "POST", "/v2/images", ALPHA, body={"nova_installation_uuid": A, "instance_id": value})
    assert_refused(answer, "instance_id")
    for operation in ("add", "replace"):
        assert_refused(patch(glance, ALPHA, image, [{"op": operation, "path": "/instance_id", "value": value}]), "instance_id")
    old = glance.call(
        glance.aware,
        "PATCH",
        f"/v2/images/{image}",
        ALPHA,
        body=json.dumps([{"replace": "/instance_id", "value": value}]).encode(),
        headers={"Content-Type": "application/openstack-images-v2.0-json-patch"},
    )
    assert_refused(old, "instance_id")


def test_half_a_tuple_for_an_image_that_has_none(glance: GlanceUnderTest, image: str) -> None:
    bare = create(glance, ALPHA)
    for half in ({"path": "/instance_id", "value": "1"}, {"path": "/nova_installation_uuid", "value": A}):
        assert_refused(patch(glance, ALPHA, bare, [{"op": "add", **half}]), "instance_id", "nova_installation_uuid")
    assert glance.call(glance.plain, "DELETE", f"/v2/images/{bare}", ALPHA).status_int == 204
    glance.rows("DELETE FROM images WHERE id = :id", id=bare)


@pytest.mark.parametrize(
    "operations",
    [
        [{"op": "move", "from": "/instance_id", "path": "/other"}],
        [{"op": "copy", "from": "/name", "path": "/instance_id"}],
        [{"op": "test", "path": "/instance_id", "value": "123"}],
        [{"op": "add", "path": "/instance_id"}],
        [{"op": "add", "value": "1"}],
        [{"op": "add", "path": "instance_id", "value": "1"}],
        [{"op": "add", "path": "/instance_id/0", "value": "1"}],
        [{"op": "add", "path": "/instance_id/", "value": "1"}],
        [{"op": "add", "path": "/nova_installation_uuid/instance_id", "value": "1"}],
        [{"op": "add", "path": "/instance~2id", "value": "1"}],
        [{"op": "ADD", "path": "/instance_id", "value": "1"}],
        [{"op": ["add"], "path": "/instance_id", "value": "1"}],
        [{"op": "remove", "path": "/instance_id"}, {"op": "add", "path": "/nova_installation_uuid", "value": B}],
        ["/instance_id"],
        [[]],
        [None],
    ],
    ids=repr,
)
def test_changes_in_no_form_of_a_patch(glance: GlanceUnderTest, image: str, operations: list[Any]) -> None:
    answer = patch(glance, ALPHA, image, operations)
    assert answer.status_int == 400
    assert "Traceback" not in answer.text


@pytest.mark.parametrize(
    "name", ["instance~0id", "instance~1id", "instance%5Fid", "~0instance_id", "INSTANCE_ID", "Instance_Id", "instance_id2", "instance\\u005fid2"]
)
def test_that_other_names_are_properties_as_before(glance: GlanceUnderTest, name: str) -> None:
    made = create(glance, ALPHA)
    body = f'[{{"op": "add", "path": "/{name}", "value": "1"}}]'.encode()
    with_it = patch(glance, ALPHA, made, body)
    glance.empty()
    assert create(glance, ALPHA) == made
    without = patch(glance, ALPHA, made, body, app=glance.plain)
    assert (with_it.status, with_it.body) == (without.status, without.body)
    assert glance.relations() == {}


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"null", b'"text"', b'{"name": ', b"\xff\xfe", b'{"id": 5}', b'{"id": "no-uuid"}', b"[" * 100_000],
    ids=lambda body: repr(body[:12]),
)
def test_that_a_body_that_glance_refuses_leaves_nothing(glance: GlanceUnderTest, image: str, body: bytes) -> None:
    headers = {"Content-Type": "application/json", **tuple_headers(A, "124")}
    answers = [
        glance.call(app, "POST", "/v2/images", ALPHA, body=body, headers=given)
        for app, given in ((glance.aware, headers), (glance.plain, {"Content-Type": "application/json"}))
    ]
    assert [one.status_int for one in answers] == [answers[1].status_int] * 2
    assert answers[0].body == answers[1].body
    assert answers[0].status_int >= 400


@pytest.mark.parametrize("body", [b"", b"{", b"{}", b"null", b'["x"', b"\xff\xfe"], ids=repr)
@pytest.mark.parametrize("content_type", [PATCH_2_1, "application/openstack-images-v2.0-json-patch", "application/json", "text/plain"])
def test_that_a_patch_that_glance_refuses_changes_no_relation(glance: GlanceUnderTest, image: str, body: bytes, content_type: str) -> None:
    path = f"/v2/images/{image}"
    answers = [
        glance.call(app, "PATCH", path, ALPHA, body=body, headers={"Content-Type": content_type, **given})
        for app, given in ((glance.aware, tuple_headers(B, "124")), (glance.plain, {}))
    ]
    assert answers[0].status == answers[1].status
    assert answers[0].body == answers[1].body
    assert answers[0].status_int >= 400


def test_that_a_pointer_that_is_no_text_is_answered_as_before(glance: GlanceUnderTest, image: str) -> None:
    operations = [{"op": "add", "path": ["/instance_id"], "value": "1"}]
    answers = [patch(glance, ALPHA, image, operations, app=app) for app in (glance.aware, glance.plain)]
    assert answers[0].status == answers[1].status
    assert answers[0].body == answers[1].body


def test_that_keys_given_twice_are_refused(glance: GlanceUnderTest, image: str) -> None:
    body = f'{{"nova_installation_uuid": "{A}", "instance_id": "124", "instance_id": "125"}}'.encode()
    assert_refused(glance.call(glance.aware, "POST", "/v2/images", ALPHA, body=body, headers={"Content-Type": "application/json"}), "instance_id")
    body = b'[{"op": "replace", "path": "/instance_id", "value": "124", "value": "125"}]'
    assert_refused(patch(glance, ALPHA, image, body), "value")


@pytest.mark.parametrize("identifier", ["no-uuid", "' OR 1=1 --", "..", "%00", "a" * 300, "in:1"])
def test_that_an_id_that_is_none_is_answered_as_before(glance: GlanceUnderTest, image: str, identifier: str) -> None:
    path = f"/v2/images/{quote(identifier, safe='%')}"
    for method, body in (("PATCH", b"[]"), ("DELETE", None), ("GET", None)):
        with_it = glance.call(
            glance.aware, method, path, ALPHA, body=body, headers={"Content-Type": PATCH_2_1, **(tuple_headers(A, "1") if method == "PATCH" else {})}
        )
        without = glance.call(glance.plain, method, path, ALPHA, body=body, headers={"Content-Type": PATCH_2_1})
        assert (with_it.status, with_it.body) == (without.status, without.body)
        assert with_it.status_int >= 400


@contextlib.contextmanager
def counted() -> Iterator[list[int]]:
    """How many values each statement on the filter's table has."""
    found: list[int] = []

    def count(_connection: Any, _cursor: Any, statement: str, values: Any, _context: Any, _many: bool) -> None:
        if TABLE in statement:
            found.append(len(values))

    event.listen(sqlalchemy.Engine, "before_cursor_execute", count)
    try:
        yield found
    finally:
        event.remove(sqlalchemy.Engine, "before_cursor_execute", count)


def test_that_ten_thousand_ids_are_asked_for_in_parts(glance: GlanceUnderTest) -> None:
    mine = {create(glance, ALPHA, (A, instance)) for instance in ("1", "500", "501", "9999", "10000")}
    create(glance, ALPHA, (A, "10001"))
    create(glance, Caller("beta"), (A, "2"))
    ids = [str(number) for number in range(1, 10_001)]
    with counted() as values:
        assert find(glance, ALPHA, A, "in:" + ",".join(ids)) == mine
    assert len(values) >= 20
    # A part of the ids, and what there is beside them.
    assert max(values) <= 505
    # All by pages as well.
    found: list[str] = []
    page = ask(glance, ALPHA, A, "in:" + ",".join(ids), limit="2").json
    while True:
        found += [image["id"] for image in page["images"]]
        if "next" not in page:
            break
        page = glance.call(glance.aware, "GET", page["next"], ALPHA).json
    assert len(found) == 5
    assert set(found) == mine

    with counted() as values:
        assert_refused(ask(glance, ALPHA, A, "in:" + ",".join([*ids, "10001"])), "10000")
    assert values == []


def test_that_too_many_images_are_refused(glance_with: Any) -> None:
    glance = glance_with(max_images=3, max_instance_ids=2)
    mine = {create(glance, ALPHA, (A, "123")) for _number in range(3)}
    # Those of others count for nobody else.
    insert_rows(glance, 10, (A, "123"), "beta")
    assert find(glance, ALPHA, A, "in:123,124") == mine
    assert_refused(ask(glance, ADMIN, A, "123"), "3")
    create(glance, ALPHA, (A, "124"))
    assert_refused(ask(glance, ALPHA, A, "in:123,124"), "3")
    assert_refused(ask(glance, ALPHA, A, "in:123,124,125"), "2")


def test_that_thousands_of_rows_without_an_image_show_nothing(glance: GlanceUnderTest) -> None:
    mine = create(glance, ALPHA, (A, "123"))
    insert_rows(glance, 3000, (A, "123"), "alpha")
    assert find(glance, ALPHA, A, "123") == {mine}
    assert find(glance, ADMIN, A, "123", include_relation="true") == {mine}


def test_that_a_related_body_beyond_the_limit_is_refused(glance_with: Any) -> None:
    glance = glance_with(max_body=1000)
    body = {"name": "disk", "description": "x" * 1000}
    answer = glance.call(glance.aware, "POST", "/v2/images", ALPHA, body=body, headers=tuple_headers(A, "123"))
    assert answer.status_int == 413
    assert "1000" in answer.text
    assert glance.relations() == {}
    assert glance.call(glance.aware, "GET", "/v2/images", ALPHA).json["images"] == []
    # One that relates nothing is none of the filter's business.
    assert glance.call(glance.aware, "POST", "/v2/images", ALPHA, body={"id": glance.next_id(), **body}).status_int == 201
