# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Random sequences of requests by several projects: the filter answers as a model of relations over a plain Glance does, and changes nothing else.

The same few sequences run each time. IMAGE_SERVICES_EXAMPLES=500 tries that many new ones, and makes one that fails as short as it can.
"""

from __future__ import annotations

import datetime
import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import webob
from databases import sweep
from glance_app import ADMIN, SERVICE, Caller, GlanceUnderTest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

EXAMPLES = int(os.environ.get("IMAGE_SERVICES_EXAMPLES", "0"))
SETTINGS = settings(
    max_examples=EXAMPLES or (60 if sweep.COMPLETE else 5),
    stateful_step_count=40,
    derandomize=not EXAMPLES,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.generate, Phase.shrink] if EXAMPLES else [Phase.generate],
)

ALPHA, BETA, GAMMA = Caller("alpha"), Caller("beta"), Caller("gamma")
# A user of the project with the token of a service beside it: Nova's own, as it asks for a user.
FORWARDED = Caller("alpha", service="service")
CALLERS = [ALPHA, BETA, GAMMA, FORWARDED, ADMIN, SERVICE]
PROJECTS = ["alpha", "beta", "gamma"]
INSTALLATIONS = ["0a0a0a0a-0000-4000-8000-00000000000a", "0b0b0b0b-0000-4000-8000-00000000000b"]
SERVERS = ["c0ffee00-0000-4000-8000-000000000001", "c0ffee00-0000-4000-8000-000000000002"]
INSTANCES = ["123", "124", *SERVERS]
# Nova's own property is of these installations; nothing is said of the project gamma.
MAPPING = {"alpha": INSTALLATIONS[0], "beta": INSTALLATIONS[1]}
AWARE = {"installations": [f"project:{project}={installation}" for project, installation in MAPPING.items()]}
PAIR = ("nova_installation_uuid", "instance_id")
PATCH_2_1 = "application/openstack-images-v2.1-json-patch"

callers = st.sampled_from(CALLERS)
pairs = st.tuples(st.sampled_from(INSTALLATIONS), st.sampled_from(INSTANCES))
numbers = st.integers(0, 7)


@dataclass
class Image:
    """What the model knows of an image; its bytes and attributes are left to Glance."""

    owner: str
    visibility: str
    hidden: bool = False
    members: dict[str, str] = field(default_factory=dict)
    relation: tuple[str, str, str] | None = None

    def is_listed(self, project: str) -> bool:
        """Whether a plain listing of that project has it."""
        if self.hidden:
            return False
        return self.owner == project or self.visibility == "public" or (self.visibility == "shared" and self.members.get(project) == "accepted")

    def is_found(self, project: str) -> bool:
        """Whether that project sees it by its id."""
        return self.owner == project or self.visibility in ("public", "community") or (self.visibility == "shared" and project in self.members)


def is_privileged(caller: Caller) -> bool:
    return caller in (ADMIN, SERVICE)


def may_read(caller: Caller, image: Image) -> bool:
    """Whether that caller learns of the relation: the service token of somebody else counts for nothing here."""
    return image.relation is not None and (is_privileged(caller) or image.relation[2] == caller.project)


def plain_answer(answer: webob.Response) -> tuple[str, list[tuple[str, str]], bytes]:
    # Glance names stores of its own there too after some requests, in all later answers of the process.
    return answer.status, [(name, value) for name, value in answer.headers.items() if name != "OpenStack-image-store-ids"], answer.body


def in_any_order(answer: tuple[str, list[tuple[str, str]], bytes]) -> tuple[str, list[tuple[str, str]], Any]:
    """Of an answer that was made over other rows of the same content: databases give properties in the order in which they happen to lie."""
    status, headers, body = answer
    return status, headers, json.loads(body) if ("Content-Type", "application/json") in headers and body else body


class Relations(RuleBasedStateMachine):
    """One Glance with the filter, and beside it what the same requests without tuples are answered."""

    def __init__(self, glance: GlanceUnderTest) -> None:
        super().__init__()
        self.glance = glance
        self.images: dict[str, Image] = {}
        # Each changing request as it would be without the filter, its time, and the answer with it.
        self.done: list[tuple[datetime.datetime, Callable[[], webob.Response], Any]] = []

    @initialize()
    def start(self) -> None:
        self.glance.empty()

    # What changes something

    def change(self, method: str, path: str, caller: Caller, *, body: Any = None, headers: dict[str, str] | None = None, own: Any = None) -> webob.Response:
        """A request with the filter; `own` is the body without the tuple, of a request that has one."""
        glance, now = self.glance, self.glance.now
        headers = headers or {}
        answer = glance.call(glance.aware, method, path, caller, body=body, headers=headers)
        kept = {name: value for name, value in headers.items() if not name.startswith(("X-Nova", "X-Instance"))}
        left = body if own is None else own
        self.done.append((now, lambda: glance.call(glance.plain, method, path, caller, body=left, headers=kept), plain_answer(answer)))
        return answer

    def patch(self, identifier: str, caller: Caller, operations: list[Any], headers: dict[str, str] | None = None, own: Any = None) -> webob.Response:
        headers = {"Content-Type": PATCH_2_1, **(headers or {})}
        return self.change("PATCH", f"/v2/images/{identifier}", caller, body=json.dumps(operations).encode(), headers=headers, own=own)

    def pick(self, number: int) -> str:
        return list(self.images)[number % len(self.images)]

    def related(self, number: int) -> str:
        found = [identifier for identifier, image in self.images.items() if image.relation]
        return found[number % len(found)]

    @rule(
        caller=callers,
        form=st.sampled_from(["none", "header", "property", "both", "nova"]),
        pair=pairs,
        name=st.sampled_from(["one", "two"]),
        kind=st.sampled_from([None, "backup", "snapshot"]),
        visibility=st.sampled_from(["private", "shared", "community"]),
        other=st.sampled_from([None, *PROJECTS]),
        instance_owner=st.sampled_from([None, *PROJECTS]),
    )
    def create(self, caller: Caller, form: str, pair: tuple[str, str], name: str, kind: str | None, visibility: str, other: Any, instance_owner: Any) -> None:
        body: dict[str, Any] = {"id": self.glance.next_id(), "name": name, "visibility": visibility, "disk_format": "raw", "container_format": "bare"}
        body.update({"image_type": kind} if kind else {})
        # Only an administrator makes images for others.
        body.update({"owner": other} if other and caller is ADMIN else {})
        body.update({"instance_owner": instance_owner} if instance_owner else {})
        own, headers = dict(body), {}
        relation: tuple[str, str] | None = pair if form in ("header", "property", "both") else None
        if form in ("header", "both"):
            headers = {"X-Nova-Installation-UUID": pair[0].upper(), "X-Instance-ID": pair[1]}
        if form in ("property", "both"):
            body.update(zip(PAIR, pair))
        if form == "nova":
            server = SERVERS[0] if pair[1] in INSTANCES[::2] else SERVERS[1]
            body["instance_uuid"] = own["instance_uuid"] = server
            relation = (MAPPING[caller.project], server) if caller.project in MAPPING else None
        answer = self.change("POST", "/v2/images", caller, body=body, headers=headers, own=own)
        assert answer.status_int == 201, answer.text
        image = Image(owner=body.get("owner", caller.project), visibility=visibility)
        if relation:
            privileged = is_privileged(caller) or caller is FORWARDED
            image.relation = (*relation, instance_owner if instance_owner and privileged else image.owner)
        self.images[body["id"]] = image

    @precondition(lambda self: self.images)
    @rule(caller=callers, number=numbers, data=st.sampled_from([b"", b"short", bytes(range(256)) * 4]))
    def upload(self, caller: Caller, number: int, data: bytes) -> None:
        self.change("PUT", f"/v2/images/{self.pick(number)}/file", caller, body=data, headers={"Content-Type": "application/octet-stream"})

    @precondition(lambda self: self.images)
    @rule(caller=callers, number=numbers, form=st.sampled_from(["header", "property"]), pair=pairs)
    def relate(self, caller: Caller, number: int, form: str, pair: tuple[str, str]) -> None:
        identifier = self.pick(number)
        image = self.images[identifier]
        headers = dict(zip(("X-Nova-Installation-UUID", "X-Instance-ID"), pair)) if form == "header" else {}
        operations = [{"op": "add", "path": f"/{name}", "value": value} for name, value in zip(PAIR, pair)] if form == "property" else []
        answer = self.patch(identifier, caller, operations, headers, own=b"[]")
        if caller is not ADMIN and not image.is_found(caller.project):
            assert answer.status_int == 404
        elif caller in (ADMIN, SERVICE, FORWARDED) or caller.project == image.owner:
            assert answer.status_int == 200, answer.text
            image.relation = (*pair, image.relation[2] if image.relation else image.owner)
        else:
            assert answer.status_int == 403
            # Glance has not been asked, and answers an empty patch to anybody.
            self.done.pop()

    @precondition(lambda self: any(image.relation for image in self.images.values()))
    @rule(number=numbers, as_admin=st.booleans(), half=st.sampled_from([0, 1]), pair=pairs, rename=st.booleans())
    def change_half(self, number: int, as_admin: bool, half: int, pair: tuple[str, str], rename: bool) -> None:
        identifier = self.related(number)
        image = self.images[identifier]
        own = [{"op": "replace", "path": "/name", "value": "renamed"}] if rename else []
        operations = [{"op": "replace", "path": f"/{PAIR[half]}", "value": pair[half]}, *own]
        answer = self.patch(identifier, ADMIN if as_admin else Caller(image.owner), operations, own=json.dumps(own).encode())
        assert answer.status_int == 200, answer.text
        assert image.relation
        image.relation = (pair[0], image.relation[1], image.relation[2]) if half == 0 else (image.relation[0], pair[1], image.relation[2])

    @precondition(lambda self: any(image.relation for image in self.images.values()))
    @rule(number=numbers, as_admin=st.booleans(), names=st.sampled_from([PAIR, PAIR[:1], PAIR[1:]]))
    def drop(self, number: int, as_admin: bool, names: tuple[str, ...]) -> None:
        identifier = self.related(number)
        image = self.images[identifier]
        operations = [{"op": "remove", "path": f"/{name}"} for name in names]
        answer = self.patch(identifier, ADMIN if as_admin else Caller(image.owner), operations, own=b"[]")
        assert answer.status_int == 200, answer.text
        image.relation = None

    @precondition(lambda self: self.images)
    @rule(
        caller=callers,
        number=numbers,
        operation=st.sampled_from(
            [
                {"op": "replace", "path": "/name", "value": "three"},
                {"op": "add", "path": "/image_type", "value": "backup"},
                {"op": "add", "path": "/tags", "value": ["nightly"]},
                {"op": "replace", "path": "/protected", "value": True},
                {"op": "replace", "path": "/os_hidden", "value": True},
                {"op": "replace", "path": "/visibility", "value": "public"},
                {"op": "replace", "path": "/visibility", "value": "shared"},
                {"op": "replace", "path": "/visibility", "value": "community"},
                {"op": "remove", "path": "/no_such_property"},
            ]
        ),
    )
    def change_otherwise(self, caller: Caller, number: int, operation: dict[str, Any]) -> None:
        identifier = self.pick(number)
        if self.patch(identifier, caller, [operation]).status_int == 200:
            image = self.images[identifier]
            if operation["path"] == "/visibility":
                image.visibility = operation["value"]
            if operation["path"] == "/os_hidden":
                image.hidden = True

    @precondition(lambda self: self.images)
    @rule(number=numbers, owner=st.sampled_from(PROJECTS))
    def hand_over(self, number: int, owner: str) -> None:
        """The instance of an image is its owner's, unless it was said to be of another project."""
        identifier = self.pick(number)
        image = self.images[identifier]
        answer = self.patch(identifier, ADMIN, [{"op": "replace", "path": "/owner", "value": owner}])
        assert answer.status_int == 200, answer.text
        if image.relation and image.relation[2] == image.owner:
            image.relation = (*image.relation[:2], owner)
        image.owner = owner

    @precondition(lambda self: self.images)
    @rule(number=numbers, member=st.sampled_from(PROJECTS), status=st.sampled_from(["pending", "accepted", "rejected"]))
    def share(self, number: int, member: str, status: str) -> None:
        identifier = self.pick(number)
        image = self.images[identifier]
        if self.change("POST", f"/v2/images/{identifier}/members", Caller(image.owner), body={"member": member}).status_int == 200:
            image.members[member] = "pending"
        if self.change("PUT", f"/v2/images/{identifier}/members/{member}", Caller(member), body={"status": status}).status_int == 200:
            image.members[member] = status

    @precondition(lambda self: self.images)
    @rule(caller=callers, number=numbers)
    def delete(self, caller: Caller, number: int) -> None:
        identifier = self.pick(number)
        if self.change("DELETE", f"/v2/images/{identifier}", caller).status_int == 204:
            del self.images[identifier]

    # What asks

    def get(self, app: Any, path: str, caller: Caller) -> webob.Response:
        return self.glance.call(app, "GET", path, caller)

    def pages(self, app: Any, query: list[tuple[str, str]], caller: Caller) -> list[dict[str, Any]]:
        """All images of a listing, by its `next` links, which say what the caller asked and nothing else."""
        found: list[dict[str, Any]] = []
        path = f"/v2/images?{urlencode(query)}"
        while True:
            answer = self.get(app, path, caller)
            assert answer.status_int == 200, answer.text
            page = answer.json
            assert sorted(parse_qsl(urlsplit(page["first"]).query)) == sorted(query)
            found += page["images"]
            assert len(page["images"]) <= int(dict(query).get("limit", "25"))
            if "next" not in page:
                return found
            assert sorted(parse_qsl(urlsplit(page["next"]).query)) == sorted([*query, ("marker", page["images"][-1]["id"])])
            path = page["next"]

    @rule(
        caller=callers,
        installation=st.sampled_from(INSTALLATIONS),
        instances=st.lists(st.sampled_from([*INSTANCES, "999"]), min_size=1, max_size=3),
        filters=st.dictionaries(st.sampled_from(["name", "image_type", "status", "visibility", "os_hidden", "tag", "owner"]), st.integers(0, 1), max_size=2),
        ids=st.none() | st.lists(numbers, min_size=1, max_size=4),
        sort=st.sampled_from([None, "name:asc", "created_at:asc", "name:desc,created_at:asc"]),
        limit=st.sampled_from([None, "1", "2", "3"]),
        relation_too=st.booleans(),
    )
    def list_related(
        self, caller: Caller, installation: str, instances: list[str], filters: dict[str, int], ids: Any, sort: Any, limit: Any, relation_too: bool
    ) -> None:
        values = {"name": ["one", "renamed"], "image_type": ["backup", "snapshot"], "status": ["active", "queued"], "visibility": ["shared", "public"]}
        values |= {"os_hidden": ["true", "false"], "tag": ["nightly", "none"], "owner": ["alpha", "beta"]}
        query = [(name, values[name][which]) for name, which in filters.items()]
        if ids and self.images:
            query.append(("id", "in:" + ",".join(dict.fromkeys(self.pick(number) for number in ids))))
        query += [("sort", sort)] if sort else []
        all_of_glance = self.pages(self.glance.plain, [*query, ("limit", "1000")], caller)
        named = set(instances)
        wanted = {
            identifier
            for identifier, image in self.images.items()
            if image.relation and image.relation[0] == installation and image.relation[1] in named and may_read(caller, image)
        }
        expected = [dict(image) for image in all_of_glance if image["id"] in wanted]
        query += [("limit", limit)] if limit else []
        query += [("nova_installation_uuid", installation), ("instance_id", instances[0] if len(instances) == 1 else "in:" + ",".join(instances))]
        if relation_too:
            query.append(("include_relation", "true"))
            for image in expected:
                relation = self.images[image["id"]].relation
                assert relation
                image.update(zip(PAIR, relation))
        assert self.pages(self.glance.aware, query, caller) == expected
        if not filters and not (ids and self.images) and caller is not ADMIN:
            # RequestedRelation once more without Glance: what such a listing is for.
            assert {image["id"] for image in expected} == {one for one in wanted if self.images[one].is_listed(caller.project)}

    @rule(caller=callers, limit=st.sampled_from(["2", "1000"]))
    def list_all_with_relations(self, caller: Caller, limit: str) -> None:
        expected = self.pages(self.glance.plain, [("limit", "1000")], caller)
        for image in expected:
            relation = self.images[image["id"]].relation
            if relation and may_read(caller, self.images[image["id"]]):
                image.update(zip(PAIR, relation))
        assert self.pages(self.glance.aware, [("limit", limit), ("include_relation", "true")], caller) == expected

    @precondition(lambda self: self.images)
    @rule(caller=callers, number=numbers)
    def show(self, caller: Caller, number: int) -> None:
        identifier = self.pick(number)
        image = self.images[identifier]
        plain = self.get(self.glance.plain, f"/v2/images/{identifier}", caller)
        answer = self.get(self.glance.aware, f"/v2/images/{identifier}?include_relation=true", caller)
        assert answer.status == plain.status
        if plain.status_int != 200:
            assert answer.body == plain.body
            return
        assert image.relation is None or not may_read(caller, image) or all(name in answer.json for name in PAIR)
        expected = plain.json | (dict(zip(PAIR, image.relation)) if image.relation and may_read(caller, image) else {})
        assert answer.json == expected

    @rule(
        caller=callers,
        path=st.sampled_from(
            [
                "/v2/images",
                "/v2/images?limit=1&sort=name:asc",
                "/v2/images?image_type=backup",
                f"/v2/images?instance_uuid={SERVERS[0]}",
                "/v2/images?id=in:a,b",
                "/v2/images?limit=x",
                "/v2/images?sort=nothing",
                "/v2/images/no-such-image",
                "/v2/schemas/image",
                "/v2/info/stores",
                "/v2/info/import",
                "/v2/tasks",
                "/versions",
                "/v2/nothing",
                "/healthcheck",
            ]
        ),
    )
    def ask_plainly(self, caller: Caller, path: str) -> None:
        self.assert_same("GET", path, caller)

    @precondition(lambda self: self.images)
    @rule(caller=callers, number=numbers, tail=st.sampled_from(["", "/file", "/members", "/locations", "?no=thing"]), method=st.sampled_from(["GET", "HEAD"]))
    def ask_of_one_plainly(self, caller: Caller, number: int, tail: str, method: str) -> None:
        self.assert_same(method, f"/v2/images/{self.pick(number)}{tail}", caller)

    def assert_same(self, method: str, path: str, caller: Caller) -> None:
        said = [plain_answer(self.glance.call(app, method, path, caller)) for app in (self.glance.plain, self.glance.aware)]
        assert said[0] == said[1]

    # And at the end

    def teardown(self) -> None:
        """The table is the model; and the same requests without tuples and without the filter leave the same Glance, with the same answers."""
        expected = {identifier: (*image.relation, "active") for identifier, image in self.images.items() if image.relation}
        assert self.glance.relations() == expected
        left = self.glance.dump()
        self.glance.empty()
        for now, plainly, answer in self.done:
            self.glance.now = now
            assert in_any_order(plain_answer(plainly())) == in_any_order(answer)
        assert self.glance.dump() == left


def test_that_random_requests_are_answered_as_the_model_says(glance_with: Callable[..., GlanceUnderTest]) -> None:
    glance = glance_with(**AWARE)
    run_state_machine_as_test(lambda: Relations(glance), settings=SETTINGS)
