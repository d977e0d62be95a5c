# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the filter does with relations, over an application that answers as Glance does."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fake_glance import ADMIN, ALPHA, BETA, FORWARDED, OLD_PATCH, SERVICE, A, Aware, B, Caller, make_table
from glance_instance_aware.installations import parse
from glance_instance_aware.table import Relation
from sqlalchemy import event

SERVER = "c0ffee00-0000-4000-8000-000000000001"
TUPLE = {"HTTP_X_NOVA_INSTALLATION_UUID": A, "HTTP_X_INSTANCE_ID": "123"}


@pytest.fixture
def make_aware(tmp_path: Path) -> Iterator[Callable[..., Aware]]:
    made: list[Aware] = []

    def make(**settings: Any) -> Aware:
        made.append(Aware(make_table(tmp_path), **settings))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def aware(make_aware: Callable[..., Aware]) -> Aware:
    return make_aware()


def set_both(instance: Any = "123", installation: Any = A) -> list[dict[str, Any]]:
    return [{"op": "add", "path": "/nova_installation_uuid", "value": installation}, {"op": "replace", "path": "/instance_id", "value": instance}]


def test_that_headers_relate_an_image_and_glance_sees_none_of_it(aware: Aware) -> None:
    answer = aware.ask(ALPHA, "POST", "/v2/images", {"name": "one"}, HTTP_X_NOVA_INSTALLATION_UUID=A.upper().replace("-", ""), HTTP_X_INSTANCE_ID=" 123 ")
    assert answer.status == "201 Created"
    assert ("OpenStack-image-store-ids", "one,two") in answer.headers
    identifier = answer.json["id"]
    asked = aware.glance.asked[-1]
    assert json.loads(asked.body) == {"name": "one", "id": identifier}
    assert not {"HTTP_X_NOVA_INSTALLATION_UUID", "HTTP_X_INSTANCE_ID"} & asked.environ.keys()
    assert aware.rows() == {identifier: (A, "123", "alpha", "active")}
    assert aware.related() == [identifier]


@pytest.mark.parametrize("instance", [123, "123"])
def test_that_properties_relate_an_image_and_are_stripped(aware: Aware, instance: Any) -> None:
    identifier = aware.create(instance=instance, name="one", other="stays")
    assert json.loads(aware.glance.asked[-1].body) == {"name": "one", "other": "stays", "id": identifier}
    assert aware.related() == [identifier]


def test_that_a_uuid_is_one_instance_in_whatever_form(aware: Aware) -> None:
    identifier = aware.create(instance=SERVER.upper().replace("-", ""))
    assert aware.related(instance=SERVER) == aware.related(instance=SERVER.upper()) == [identifier]


def test_that_equal_numbers_of_two_installations_do_not_mix(aware: Aware) -> None:
    first, second = aware.create(installation=A), aware.create(installation=B)
    assert aware.related(installation=A) == [first]
    assert aware.related(installation=B) == [second]


def test_that_several_instances_are_asked_for_at_once(aware: Aware) -> None:
    first, second, _third = aware.create(instance="1"), aware.create(instance="2"), aware.create(instance="3")
    assert aware.related(instance="in:2,1,2,77") == sorted([first, second])


def test_that_ten_thousand_ids_are_asked_for_in_chunks(aware: Aware) -> None:
    identifier = aware.create(instance="9999")
    sizes: list[int] = []
    event.listen(aware.engine, "before_cursor_execute", lambda _c, _cursor, _statement, parameters, _context, _many: sizes.append(len(parameters)))
    assert aware.related(instance="in:" + ",".join(map(str, range(10000)))) == [identifier]
    assert len(sizes) == 20
    # The ids, and what else each query has.
    assert max(sizes) <= 500 + 4


def test_that_a_project_finds_its_own_alone_and_services_find_all(aware: Aware) -> None:
    mine, theirs = aware.create(ALPHA, visibility="public"), aware.create(BETA, visibility="public")
    assert aware.related(ALPHA) == [mine]
    assert aware.related(BETA) == [theirs]
    for caller in (ADMIN, SERVICE):
        assert aware.related(caller) == sorted([mine, theirs])
    # The token of a service that sends a request on changes nothing of what its user sees.
    assert aware.related(FORWARDED) == [theirs]
    for nobody in (Caller(None), Caller("")):
        assert aware.related(nobody) == []


def test_that_a_lookup_of_nothing_asks_glance_for_no_image(aware: Aware) -> None:
    aware.plain()
    assert aware.related() == []
    assert aware.glance.asked[-1].query == "id=none"


def test_that_the_callers_own_filters_stay_and_links_say_what_was_asked(aware: Aware) -> None:
    found = sorted(aware.create() for _number in range(5))
    query = f"name=a%20%C3%A9&limit=2&nova_installation_uuid={A}&instance_id=in:123&tag=x&tag=y"
    answer = aware.ask(ALPHA, "GET", f"/v2/images?{query}")
    assert answer.ids == found[:2]
    expected = f"name=a+%C3%A9&limit=2&nova_installation_uuid={A}&instance_id=in%3A123&tag=y"
    assert answer.json["first"] == f"/v2/images?{expected}"
    assert answer.json["next"] == f"/v2/images?{expected}&marker={found[1]}"
    assert answer.headers.count(("Content-Length", str(len(answer.body)))) == 1
    pages = [answer]
    while "next" in pages[-1].json:
        pages.append(aware.ask(ALPHA, "GET", pages[-1].json["next"]))
    assert [identifier for page in pages for identifier in page.ids] == found


def test_that_a_filter_of_ids_is_intersected(aware: Aware) -> None:
    first, second = sorted([aware.create(), aware.create()])
    other = aware.plain()
    assert aware.related(rest=f"&id={second}") == [second]
    assert aware.related(rest=f"&id=eq:{second}") == [second]
    assert aware.related(rest=f"&id=in:{other},{first}") == [first]
    assert aware.related(rest=f'&id=in:"{other}","{first}"') == [first]
    assert aware.related(rest=f"&id={other}") == []
    assert aware.related(rest=f"&id={first}&id={second}") == [second]


def test_that_too_many_images_are_refused(make_aware: Callable[..., Aware]) -> None:
    aware = make_aware(max_images=2, chunk=1)
    for number in range(3):
        aware.create(instance=str(number))
    assert len(aware.related(instance="in:0,1")) == 2
    answer = aware.ask(ALPHA, "GET", f"/v2/images?nova_installation_uuid={A}&instance_id=in:0,1,2")
    assert answer.code == 400
    assert "More than 2 images" in answer.text


def test_that_relations_are_shown_to_whom_they_concern(aware: Aware) -> None:
    identifier = aware.create(ALPHA, visibility="public", name="Größe")
    pair = {"nova_installation_uuid": A, "instance_id": "123"}
    for caller, sees in ((ALPHA, True), (ADMIN, True), (SERVICE, True), (BETA, False), (FORWARDED, False)):
        shown = aware.ask(caller, "GET", f"/v2/images/{identifier}?include_relation=true")
        listed = aware.ask(caller, "GET", "/v2/images?include_relation=True&limit=5")
        assert shown.code == listed.code == 200
        expected = {**aware.glance.view(aware.glance.images[identifier]), **(pair if sees else {})}
        assert shown.json == expected
        assert listed.json["images"] == [expected]
        assert "Größe".encode() in shown.body
        assert ("OpenStack-image-store-ids", "one,two") in shown.headers
        assert listed.json["first"] == "/v2/images?include_relation=True&limit=5"
    assert aware.ask(ALPHA, "GET", "/v2/images?include_relation=false").json["images"] == [aware.glance.view(aware.glance.images[identifier])]


def test_that_the_database_is_not_asked_for_what_others_have(aware: Aware) -> None:
    """What is not asked for takes no time that could tell of it."""
    shared = aware.create(BETA, visibility="public")
    named: list[Any] = []
    event.listen(aware.engine, "before_cursor_execute", lambda _c, _cursor, _statement, parameters, _context, _many: named.append(parameters))
    aware.related(ALPHA)
    aware.ask(ALPHA, "GET", "/v2/images?include_relation=true")
    aware.ask(ALPHA, "GET", f"/v2/images/{shared}?include_relation=true")
    assert len(named) == 3
    assert all("alpha" in parameters for parameters in named)


def test_that_a_property_of_that_name_is_no_relation(aware: Aware) -> None:
    identifier = aware.plain()
    aware.glance.images[identifier].update(nova_installation_uuid=B, instance_id="7")
    assert "instance_id" not in aware.ask(ALPHA, "GET", f"/v2/images/{identifier}?include_relation=true").json
    assert aware.ask(ALPHA, "GET", f"/v2/images/{identifier}").json["instance_id"] == "7"


@pytest.mark.parametrize(
    ("caller", "owner", "code"),
    [
        (ALPHA, "alpha", 200),
        (ALPHA, "beta", 404),
        (ADMIN, "beta", 200),
        (Caller("beta", read_only=True), "beta", 403),
        (Caller(None), None, 404),
    ],
)
def test_who_may_change_an_image_that_is_private(aware: Aware, caller: Caller, owner: str | None, code: int) -> None:
    identifier = str(uuid.uuid4())
    aware.glance.images[identifier] = {"id": identifier, "owner": owner or "somebody", "members": []}
    assert aware.ask(caller, "PATCH", f"/v2/images/{identifier}", set_both()).code == code
    assert len(aware.rows()) == (code == 200)


@pytest.mark.parametrize(
    ("caller", "code"),
    [
        (ALPHA, 200),
        (BETA, 403),
        (ADMIN, 200),
        (SERVICE, 200),
        (FORWARDED, 200),
        # Nobody has validated what is said here.
        (Caller("beta", headers=(("HTTP_X_SERVICE_ROLES", "service"),)), 403),
        (Caller("beta", headers=(("HTTP_X_SERVICE_IDENTITY_STATUS", "Invalid"), ("HTTP_X_SERVICE_ROLES", "service"))), 403),
        (Caller("beta", headers=(("HTTP_X_SERVICE_IDENTITY_STATUS", "Confirmed"), ("HTTP_X_SERVICE_ROLES", "member"))), 403),
    ],
)
@pytest.mark.parametrize("form", ["header", "property"])
def test_who_may_change_an_image_that_all_see(aware: Aware, caller: Caller, code: int, form: str) -> None:
    identifier = aware.create(ALPHA, instance="1", visibility="public")
    body, headers = (set_both(), {}) if form == "property" else ([], TUPLE)
    answer = aware.ask(caller, "PATCH", f"/v2/images/{identifier}", body, **headers)
    assert answer.code == code
    assert aware.rows() == {identifier: (A, "123" if code == 200 else "1", "alpha", "active")}
    dropped = aware.ask(caller, "PATCH", f"/v2/images/{identifier}", [{"op": "remove", "path": "/instance_id"}])
    assert dropped.code == code
    assert len(aware.rows()) == (code != 200)


def test_that_an_image_without_an_owner_belongs_to_nobody(aware: Aware) -> None:
    identifier = aware.create(ADMIN, owner=None, visibility="public")
    for caller in (Caller(None), Caller(""), ALPHA):
        assert aware.ask(caller, "PATCH", f"/v2/images/{identifier}", set_both("7")).code == 403
        assert aware.related(caller) == []
        assert "instance_id" not in aware.ask(caller, "GET", f"/v2/images/{identifier}?include_relation=true").json
    assert aware.related(ADMIN) == [identifier]


def test_that_nobody_relates_an_image_of_another_project_by_creating_it(aware: Aware) -> None:
    answer = aware.ask(BETA, "POST", "/v2/images", {"owner": "alpha"}, **TUPLE)
    assert answer.code == 403
    assert not aware.glance.asked
    assert not aware.rows()


@pytest.mark.parametrize(("caller", "project"), [(ADMIN, "gamma"), (FORWARDED, "gamma"), (SERVICE, "gamma"), (BETA, "beta")])
def test_whose_instance_an_image_is_of(aware: Aware, caller: Caller, project: str) -> None:
    identifier = aware.create(caller, instance_owner="gamma", visibility="public")
    assert aware.glance.images[identifier]["instance_owner"] == "gamma"
    assert aware.rows()[identifier][2] == project
    assert aware.related(Caller("gamma")) == ([identifier] if project == "gamma" else [])


def test_that_a_relation_is_changed_half_by_half_and_dropped(aware: Aware) -> None:
    identifier = aware.create()

    def patch(*changes: dict[str, Any], content_type: str = "", **headers: str) -> int:
        return aware.ask(ALPHA, "PATCH", f"/v2/images/{identifier}", list(changes), content_type, **headers).code

    assert patch({"op": "replace", "path": "/instance_id", "value": 7}) == 200
    assert aware.rows()[identifier][:2] == (A, "7")
    assert patch({"replace": "/nova_installation_uuid", "value": B}, content_type=OLD_PATCH) == 200
    assert aware.rows()[identifier][:2] == (B, "7")
    assert patch(HTTP_X_INSTANCE_ID="8") == 200
    assert aware.rows()[identifier][:2] == (B, "8")
    # Of several operations the last counts, and pointers are read as Glance reads them.
    assert patch({"op": "remove", "path": "/instance_id"}, {"op": "add", "path": "// instance_id ", "value": "9"}) == 200
    assert aware.rows()[identifier][:2] == (B, "9")
    assert patch({"remove": "/instance_id"}, content_type=OLD_PATCH) == 200
    assert not aware.rows()
    assert patch({"op": "remove", "path": "/nova_installation_uuid"}) == 200
    assert [json.loads(asked.body) for asked in aware.glance.asked if asked.method == "PATCH"] == [[]] * 6
    assert patch({"op": "replace", "path": "/instance_id", "value": 7}) == 400


def test_that_a_patch_keeps_its_other_changes(aware: Aware) -> None:
    identifier = aware.plain()
    rename = {"op": "replace", "path": "/name", "value": "neu"}
    answer = aware.ask(ALPHA, "PATCH", f"/v2/images/{identifier}", [rename, *set_both()])
    assert answer.json["name"] == "neu"
    assert json.loads(aware.glance.asked[-1].body) == [rename]
    assert aware.related() == [identifier]


def test_that_what_glance_refuses_changes_no_relation(aware: Aware) -> None:
    identifier = aware.create(instance="1")
    for refusal in ("403 Forbidden", "409 Conflict", "500 Internal Server Error"):
        aware.glance.refusal = refusal
        before = aware.rows()
        assert aware.ask(ALPHA, "PATCH", f"/v2/images/{identifier}", set_both("2")).status == refusal
        assert aware.ask(ALPHA, "DELETE", f"/v2/images/{identifier}").status == refusal
        assert aware.rows() == before
    aware.glance.refusal = "403 Forbidden"
    assert aware.ask(ALPHA, "POST", "/v2/images", {}, **TUPLE).code == 403
    assert aware.rows() == {identifier: (A, "1", "alpha", "active")}


def test_that_a_relation_goes_with_its_image(aware: Aware) -> None:
    identifier, other = aware.create(), aware.create()
    assert aware.ask(ALPHA, "DELETE", f"/v2/images/{identifier}").code == 204
    assert list(aware.rows()) == [other]


def test_that_an_id_of_the_callers_own_is_kept_and_a_stale_row_replaced(aware: Aware) -> None:
    identifier = str(uuid.uuid4())
    aware.filter.store.settle(Relation(identifier, B, "9", "beta"))
    assert aware.create(id=identifier) == identifier
    assert aware.rows() == {identifier: (A, "123", "alpha", "active")}
    assert aware.ask(BETA, "POST", "/v2/images", {"id": identifier}, **TUPLE).code == 409
    assert aware.rows() == {identifier: (A, "123", "alpha", "active")}


def test_that_a_new_image_without_a_relation_has_none_of_an_old_one(aware: Aware) -> None:
    identifier = str(uuid.uuid4())
    aware.filter.store.settle(Relation(identifier, B, "9", "alpha"))
    assert aware.plain(id=identifier) == identifier
    assert not aware.rows()


def test_that_a_relation_follows_its_image_to_another_project(aware: Aware) -> None:
    identifier, snapshot = aware.create(), aware.create(ADMIN, owner="alpha", instance_owner="beta")
    for each in (identifier, snapshot):
        assert aware.ask(ADMIN, "PATCH", f"/v2/images/{each}", [{"op": "replace", "path": "/owner", "value": "gamma"}]).code == 200
    assert aware.related(Caller("gamma")) == [identifier]
    assert aware.rows()[snapshot][2] == "beta"
    assert aware.ask(ADMIN, "PATCH", f"/v2/images/{identifier}", [*set_both("5"), {"op": "replace", "path": "/owner", "value": "alpha"}]).code == 200
    assert aware.rows()[identifier] == (A, "5", "alpha", "active")


def mapping(*values: str) -> dict[str, Any]:
    return {"installations": parse(values)}


def test_that_novas_property_counts_for_callers_with_an_installation(make_aware: Callable[..., Aware]) -> None:
    aware = make_aware(**mapping(f"project:alpha={A}"))
    mine, theirs = aware.plain(ALPHA, instance_uuid=SERVER), aware.plain(BETA, instance_uuid=SERVER)
    assert aware.rows() == {mine: (A, SERVER, "alpha", "active")}
    assert [aware.glance.images[each]["instance_uuid"] for each in (mine, theirs)] == [SERVER, SERVER]


def test_that_novas_property_is_stripped_where_it_is_not_kept(make_aware: Callable[..., Aware]) -> None:
    aware = make_aware(keep_nova_property=False, **mapping(f"project:alpha={A}"))
    mine, theirs = aware.plain(ALPHA, instance_uuid=SERVER), aware.plain(BETA, instance_uuid=SERVER)
    assert "instance_uuid" not in aware.glance.images[mine]
    assert aware.glance.images[theirs]["instance_uuid"] == SERVER
    change = [{"op": "add", "path": "/instance_uuid", "value": SERVER.replace("c0ffee", "decade")}]
    assert aware.ask(ALPHA, "PATCH", f"/v2/images/{mine}", change).code == 200
    assert "instance_uuid" not in aware.glance.images[mine]
    assert aware.rows()[mine][1] == SERVER.replace("c0ffee", "decade")


def test_that_the_installation_of_the_caller_completes_a_number(make_aware: Callable[..., Aware]) -> None:
    aware = make_aware(**mapping(f"*={A}"))
    identifier = aware.ask(ALPHA, "POST", "/v2/images", {"instance_id": 123}).json["id"]
    assert aware.rows()[identifier][:2] == (A, "123")
    # A relation that is there has an installation of its own.
    aware.filter.store.settle(Relation(identifier, B, "123", "alpha"))
    assert aware.ask(ALPHA, "PATCH", f"/v2/images/{identifier}", [], HTTP_X_INSTANCE_ID="7").code == 200
    assert aware.rows()[identifier][:2] == (B, "7")


@pytest.mark.parametrize(
    "body",
    [
        {"instance_uuid": SERVER, "instance_id": SERVER.replace("c0ffee", "decade")},
        {"instance_uuid": SERVER, "nova_installation_uuid": B, "instance_id": SERVER},
        {"instance_uuid": "no uuid"},
        {"instance_uuid": None},
    ],
)
def test_that_what_contradicts_novas_property_is_refused(make_aware: Callable[..., Aware], body: dict[str, Any]) -> None:
    aware = make_aware(**mapping(f"*={A}"))
    assert aware.ask(ALPHA, "POST", "/v2/images", body).code == 400
    assert not aware.glance.asked


def test_that_a_pending_row_counts_after_a_look_alone(aware: Aware) -> None:
    there, gone, theirs, hidden = (str(uuid.uuid4()) for _number in range(4))
    aware.glance.images[there] = {"id": there, "owner": "alpha", "members": []}
    aware.glance.images[theirs] = {"id": theirs, "owner": "beta", "visibility": "public", "members": []}
    aware.glance.images[hidden] = {"id": hidden, "owner": "beta", "members": []}
    for each in (there, gone, theirs, hidden):
        assert aware.filter.store.reserve(Relation(each, A, "123", "alpha"))
    headers = {"HTTP_IF_NONE_MATCH": "x", "HTTP_RANGE": "bytes=0-1", "CONTENT_TYPE": "text/plain"}
    answer = aware.ask(ALPHA, "GET", f"/v2/images?nova_installation_uuid={A}&instance_id=123", **headers)
    assert answer.ids == [there]
    looks = [asked for asked in aware.glance.asked if asked.path != "/v2/images"]
    assert len(looks) == 4
    for look in looks:
        assert (look.method, look.query, look.body) == ("GET", "", b"")
        assert not {*headers, "CONTENT_LENGTH"} & look.environ.keys()
    assert {each: row[3] for each, row in aware.rows().items()} == {there: "active", gone: "pending", theirs: "pending", hidden: "pending"}
    for each in (there, theirs):
        assert ("instance_id" in aware.ask(ALPHA, "GET", f"/v2/images/{each}?include_relation=true").json) == (each == there)


def test_that_one_listing_looks_at_twenty_pending_rows(aware: Aware) -> None:
    for _number in range(25):
        identifier = str(uuid.uuid4())
        aware.glance.images[identifier] = {"id": identifier, "owner": "alpha", "members": []}
        aware.filter.store.reserve(Relation(identifier, A, "123", "alpha"))
    assert len(aware.related()) == 20
    assert len(aware.related()) == 25


def test_that_a_row_left_on_an_image_of_another_project_does_not_count_there(aware: Aware) -> None:
    identifier = aware.plain(ALPHA)
    aware.filter.store.reserve(Relation(identifier, B, "666", "beta"))
    half = [{"op": "add", "path": "/instance_id", "value": "1"}]
    assert aware.ask(ALPHA, "PATCH", f"/v2/images/{identifier}", half).code == 400
    assert aware.ask(ALPHA, "PATCH", f"/v2/images/{identifier}", set_both()).code == 200
    assert aware.rows() == {identifier: (A, "123", "alpha", "active")}


def test_that_clients_find_out_that_the_filter_is_there(make_aware: Callable[..., Aware]) -> None:
    aware = make_aware(max_instance_ids=77)
    answer = aware.ask(BETA, "GET", "/v2/info/instance-aware")
    assert (answer.status, answer.json) == ("200 OK", {"version": "0.2.0", "max_instance_ids": 77})
    assert aware.ask(BETA, "POST", "/v2/info/instance-aware").code == 404
    assert aware.ask(None, "GET", "/v2/info/instance-aware").code == 500


def test_that_a_filter_in_the_wrong_place_says_so(aware: Aware) -> None:
    answer = aware.ask(None, "GET", f"/v2/images?nova_installation_uuid={A}&instance_id=1")
    assert answer.code == 500
    assert "after context" in answer.text
