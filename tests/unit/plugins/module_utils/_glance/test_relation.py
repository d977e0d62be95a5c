# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a task says of the instance that an image belongs to, and what follows for the image, as tables."""

from __future__ import annotations

import re
from typing import Any

import pytest
from ansible_collections.xenstack.image_services.plugins.module_utils._core.errors import ImageServicesError
from ansible_collections.xenstack.image_services.plugins.module_utils._glance import relation as instance_relation
from ansible_collections.xenstack.image_services.plugins.module_utils._images.desired import DesiredImage, SourceFacts
from ansible_collections.xenstack.image_services.plugins.module_utils._images.plan import ImagePlan, plan
from ansible_collections.xenstack.image_services.plugins.module_utils._images.selection import Selection
from hypothesis import given
from hypothesis import strategies as st

UUID = "0b5c1c9a-58f3-4b8e-9a6f-6f0d2a3f9c11"
INSTANCE = "6a5c2f0b-7a51-4c0e-9a55-3f5d9d0c7a11"
RELATION = {"nova_installation_uuid": UUID, "instance_id": "42"}
OTHER = {"nova_installation_uuid": UUID, "instance_id": INSTANCE}
UNRELATED = {"nova_installation_uuid": None, "instance_id": None}
FILE = SourceFacts("file", "/srv/web.raw", size=10, detected_format="raw")
IMAGE = {"id": "11111111-1111-1111-1111-111111111111", "name": "web", "status": "active", "visibility": "shared", "disk_format": "raw", "os_hash_value": "aa"}


def options(installation: str | None, instance: str | None, properties: dict[str, str] | None = None) -> dict[str, Any]:
    return {"nova_installation_uuid": installation, "instance_id": instance, "properties": properties}


@pytest.mark.parametrize(
    ("installation", "instance", "relation"),
    [
        (None, None, None),
        ("", "", {}),
        (UUID, "42", RELATION),
        (UUID.upper().replace("-", ""), " 42 ", RELATION),
        (UUID, INSTANCE.upper(), OTHER),
        (UUID, INSTANCE.replace("-", ""), OTHER),
        (UUID, "0", {**RELATION, "instance_id": "0"}),
        (UUID, "9" * 19, {**RELATION, "instance_id": "9" * 19}),
    ],
)
def test_what_is_given_is_normalised(installation: str | None, instance: str | None, relation: dict[str, str] | None) -> None:
    assert instance_relation.declared("web", options(installation, instance)) == relation


@pytest.mark.parametrize(
    ("installation", "instance", "sentence"),
    [
        ("x", "42", "nova_installation_uuid 'x' is no UUID. Give the one that the module nova_installation_uuid keeps."),
        (UUID[:-1], "42", "is no UUID"),
        ("42", UUID, "nova_installation_uuid '42' is no UUID"),
        (UUID, "x", "instance_id 'x' is neither a UUID nor a number of at most 19 digits without leading zeros. Correct it."),
        (UUID, "042", "instance_id '042' is neither"),
        (UUID, "-1", "instance_id '-1' is neither"),
        (UUID, "9" * 20, "is neither"),
        (UUID, "4\N{ARABIC-INDIC DIGIT TWO}", "is neither"),
        (UUID, "42,43", "is neither"),
        (UUID, "42\r\nX-Roles: admin", "is neither"),
        (UUID, "", "one of nova_installation_uuid and instance_id is empty"),
        ("", "42", "one of nova_installation_uuid and instance_id is empty"),
    ],
)
def test_what_cannot_be_meant_is_refused(installation: str, instance: str, sentence: str) -> None:
    with pytest.raises(ImageServicesError) as refused:
        instance_relation.declared("web", options(installation, instance))
    assert str(refused.value).startswith("Cannot relate image 'web': ")
    assert sentence in str(refused.value)


def test_a_half_that_is_a_property_as_well_is_refused() -> None:
    with pytest.raises(ImageServicesError, match="instance_id is given as an option and in properties. Give it once."):
        instance_relation.declared("web", options(UUID, "42", {"instance_id": "43"}))
    assert instance_relation.declared("web", options(None, None, {"instance_id": "43"})) is None


@given(st.text(), st.text())
def test_no_text_becomes_a_header_that_it_should_not(installation: str, instance: str) -> None:
    try:
        relation = instance_relation.declared("web", options(installation, instance))
    except ImageServicesError:
        return
    for value in instance_relation.headers_of(relation).values():
        assert re.fullmatch(r"[0-9a-f-]{1,36}", value, re.ASCII)


def listing(installation: str | None, instances: list[str] | None, **more: Any) -> list[list[tuple[str, str]]] | None:
    params = {"nova_installation_uuid": installation, "instance_id": instances, "properties": None, "filters": None, **more}
    return instance_relation.related_filters(params)


def test_a_listing_asks_for_all_instances_at_once_and_for_their_relations() -> None:
    assert listing(None, None) is None
    assert listing(UUID, []) == []
    assert listing(UUID, ["42"]) == [[("nova_installation_uuid", UUID), ("instance_id", "42"), ("include_relation", "true")]]
    assert listing(UUID.upper(), ["42", "43", " 42"]) == [[("nova_installation_uuid", UUID), ("instance_id", "in:42,43"), ("include_relation", "true")]]


def test_very_many_instances_take_several_listings_and_none_is_lost() -> None:
    parts = listing(UUID, [str(number) for number in range(1, 1001)])
    assert parts is not None
    asked = [dict(part)["instance_id"] for part in parts]
    assert ",".join(text.removeprefix("in:") for text in asked) == ",".join(str(number) for number in range(1, 1001))
    assert max(len(text) for text in asked) < 4000


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("x", ["42"]), "Cannot list related images: nova_installation_uuid 'x' is no UUID."),
        ((UUID, ["42", "in:43"]), "instance_id 'in:43' is neither"),
        ((UUID, ["42"], {"properties": {"instance_id": "43"}}), "instance_id is given in properties beside the options. Remove it from properties."),
        ((UUID, ["42"], {"filters": {"include_relation": "false"}}), "include_relation is given in filters beside the options"),
    ],
)
def test_a_listing_that_cannot_be_meant_is_refused(arguments: tuple[Any, ...], sentence: str) -> None:
    installation, instances, *more = arguments
    with pytest.raises(ImageServicesError, match=re.escape(sentence)):
        listing(installation, instances, **(more[0] if more else {}))


def made(relation: dict[str, str] | None, present: dict[str, str], there: bool = True, same: bool | None = None, **more: Any) -> ImagePlan:
    return plan(DesiredImage(label="web", name="web", relation=relation, **more), Selection(IMAGE if there else None), same, {}, None, present)


@pytest.mark.parametrize(("declared", "present"), [(None, RELATION), (None, {}), (RELATION, RELATION), ({}, {})])
def test_a_relation_that_stands_or_is_not_declared_is_left_alone(declared: dict[str, str] | None, present: dict[str, str]) -> None:
    result = made(declared, present)
    assert not result.changed
    assert result.relation is None
    assert result.before == result.after


@pytest.mark.parametrize(("declared", "present"), [(RELATION, {}), (RELATION, OTHER), ({}, RELATION)])
def test_a_relation_that_differs_is_changed_and_shows_in_the_diff(declared: dict[str, str], present: dict[str, str]) -> None:
    result = made(declared, present)
    assert result.changed
    assert (result.relation, result.patch, result.create) == (declared, (), None)
    assert result.before == {"name": "web", **UNRELATED, **present}
    assert result.after == {"name": "web", **UNRELATED, **declared}


@pytest.mark.parametrize(
    ("declared", "present", "expected"), [(None, RELATION, RELATION), (None, {}, {}), (OTHER, RELATION, OTHER), ({}, RELATION, {}), (RELATION, {}, RELATION)]
)
def test_new_content_is_made_with_the_relation(declared: dict[str, str] | None, present: dict[str, str], expected: dict[str, str]) -> None:
    result = made(declared, present, same=False, source=FILE)
    assert result.create is not None
    assert result.relation == expected
    assert not {"nova_installation_uuid", "instance_id"} & set(result.create)
    assert instance_relation.headers_of(result.relation) == {
        header: expected[key] for header, key in (("X-Nova-Installation-UUID", "nova_installation_uuid"), ("X-Instance-ID", "instance_id")) if key in expected
    }
    assert ("instance_id" in result.after) == (declared is not None)


def test_a_new_image_is_made_with_the_relation() -> None:
    result = made(RELATION, {}, there=False, state="reserved")
    assert (result.relation, result.before, result.after) == (RELATION, {}, {"name": "web", **RELATION})


def test_a_deleted_image_takes_its_relation_along() -> None:
    result = made(RELATION, RELATION, state="absent")
    assert result.delete == IMAGE
    assert result.relation is None


def test_a_relation_is_whole_or_none() -> None:
    assert instance_relation.relation_of({**IMAGE, **RELATION}) == RELATION
    assert instance_relation.relation_of({**IMAGE, "instance_id": "42"}) == {}
    assert instance_relation.without_relation({**IMAGE, **RELATION}) == IMAGE
