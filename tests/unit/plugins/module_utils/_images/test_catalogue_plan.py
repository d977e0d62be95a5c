# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a catalogue may declare, and what it lets go."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.xenstack.image_services.plugins.module_utils._core.errors import ImageServicesError
from ansible_collections.xenstack.image_services.plugins.module_utils._glance.properties import INCOMING
from ansible_collections.xenstack.image_services.plugins.module_utils._images.catalogue_options import parse_prune_max, refuse_prune_of_everything
from ansible_collections.xenstack.image_services.plugins.module_utils._images.catalogue_plan import (
    Limit,
    Scope,
    base_name,
    merged,
    past_rotation,
    refuse_mass_pruning,
    refuse_twice,
    undeclared,
)
from ansible_collections.xenstack.image_services.plugins.module_utils._images.selection import retired_name
from hypothesis import given
from hypothesis import strategies as st

EXCLUSIVE = [("visibility", "is_public"), ("src", "uri")]


def image(number: int, name: str = "debian", **more: Any) -> dict[str, Any]:
    return {"id": f"id-{number:03}", "name": name, "owner": "alpha", "created_at": f"2026-11-{number:02}T10:00:00Z", **more}


def retired(number: int, name: str = "debian", **more: Any) -> dict[str, Any]:
    made = image(number, name, **more)
    return {**made, "name": retired_name(made)}


def test_an_item_takes_what_it_does_not_name_from_the_defaults() -> None:
    defaults = {"visibility": "public", "tags": ["a"], "properties": {"one": 1, "two": 2}}
    assert merged({"name": "x"}, defaults, EXCLUSIVE) == {"name": "x", **defaults}
    assert merged({"properties": {"two": 3}}, defaults, EXCLUSIVE)["properties"] == {"one": 1, "two": 3}
    assert merged({"tags": []}, defaults, EXCLUSIVE)["tags"] == []
    assert merged({"tags": None}, defaults, EXCLUSIVE)["tags"] is None, "a null takes the default back"


def test_an_option_keeps_defaults_out_that_exclude_it() -> None:
    assert "visibility" not in merged({"is_public": False}, {"visibility": "public"}, EXCLUSIVE)


def test_two_items_of_one_image_are_refused_by_their_places() -> None:
    with pytest.raises(ImageServicesError, match=r"^Cannot keep images\[2\] \(b\): images\[0\] \(a\) declares the same image\. Remove one of the two\.$"):
        refuse_twice(["images[0] (a)", "images[1]", "images[2] (b)"], [["one"], [], ["two", "one"]])


@given(st.text(min_size=1, max_size=255), st.datetimes())
def test_the_former_name_of_a_replaced_image_is_known_again(name: str, made: Any) -> None:
    record = {"id": "1", "name": name, "created_at": made.strftime("%Y-%m-%dT%H:%M:%SZ").rjust(20, "0")}
    known = base_name({**record, "name": retired_name(record)})
    assert known is not None
    assert name.startswith(known)
    assert known == name or len(name) > 200
    assert retired_name({**record, "name": retired_name(record)}) == retired_name(record), "an interrupted run may have given it already"


def test_a_name_that_only_looks_replaced_is_the_operators() -> None:
    assert base_name(image(3, "debian-20250101T000000Z")) is None
    assert base_name(image(3)) is None


@given(st.integers(1, 6), st.sets(st.integers(1, 28), max_size=8), st.booleans())
def test_rotation_keeps_the_newest(keep: int, numbers: set[int], replacing: bool) -> None:
    former = [retired(number) for number in numbers]
    retiring = image(29) if replacing else None
    gone = past_rotation("debian", "alpha", keep, former, retiring)
    kept = [record for record in [*former, *([retiring] if retiring else [])] if record not in gone]
    assert len(kept) == min(len(numbers) + replacing, keep - 1)
    assert all(record["created_at"] < survivor["created_at"] for record in gone for survivor in kept)


def test_rotation_leaves_other_names_owners_and_unfinished_images_alone() -> None:
    others = [retired(1, "other"), retired(2, owner="beta"), retired(3, **{INCOMING: "then"}), image(4)]
    assert past_rotation("debian", "alpha", 1, others, None) == []
    assert past_rotation("debian", "alpha", 1, [*others, retired(5)], None) == [retired(5)]


def test_only_undeclared_images_of_the_scope_are_pruned() -> None:
    scope = Scope("alpha", "catalogue")
    surplus = image(1, "old", tags=["catalogue", "x"])
    others = [
        image(2, "old", tags=["x"]),
        image(3, "old", tags=["catalogue"], owner="beta"),
        image(4, "declared", tags=["catalogue"]),
        image(5, "by id", tags=["catalogue"]),
        retired(6, "declared", tags=["catalogue"]),
    ]
    assert undeclared([surplus, *others], scope, {"id-005"}, {"declared"}) == [surplus]
    assert undeclared([surplus, others[0]], Scope("alpha"), set(), set()) == [surplus, others[0]]


def test_a_former_image_of_a_name_that_is_gone_is_pruned_with_it() -> None:
    former = retired(1, "gone", tags=["catalogue"])
    assert undeclared([former], Scope("alpha", "catalogue"), set(), {"declared"}) == [former]


@pytest.mark.parametrize(
    ("text", "images", "scope", "allowed"),
    [
        ("50%", 0, 0, True),
        ("50%", 1, 1, False),
        ("50%", 1, 2, True),
        ("50%", 2, 3, False),
        ("50%", 5, 10, True),
        ("50 %", 6, 10, False),
        ("100%", 3, 3, True),
        ("0%", 1, 100, False),
        ("0", 1, 100, False),
        ("3", 3, 3, True),
        ("3", 4, 1000, False),
    ],
)
def test_a_limit_is_a_number_or_a_share_of_the_scope(text: str, images: int, scope: int, allowed: bool) -> None:
    limit = parse_prune_max(text)
    assert limit.allows(images, scope) is allowed
    doomed = [image(1 + number % 28, f"name {number}") for number in range(images)]
    if allowed:
        refuse_mass_pruning(doomed, scope, limit)
        return
    with pytest.raises(ImageServicesError) as caught:
        refuse_mass_pruning(doomed, scope, limit)
    assert f"Cannot prune images: {images} of the {scope} in prune_scope would be deleted, more than prune_max ({limit}) allows: name 0" in str(caught.value)


def test_a_message_names_as_many_as_one_can_read_and_its_details_all() -> None:
    with pytest.raises(ImageServicesError, match=r"name 29 and 70 more\. Correct images or prune_scope, or raise prune_max\.$") as caught:
        refuse_mass_pruning([image(1, f"name {number:02}") for number in range(100)], 100, Limit(50, share=True))
    assert len(caught.value.details["names"]) == 100


@pytest.mark.parametrize("text", ["", "half", "101%", "-1", "1.5", "50%%", "1e3"])
def test_another_limit_is_refused(text: str) -> None:
    with pytest.raises(ImageServicesError, match="^Cannot use prune_max '.*': it is neither a number of images nor a share"):
        parse_prune_max(text)


def test_an_empty_list_prunes_nothing() -> None:
    with pytest.raises(ImageServicesError, match="^Cannot prune images: images is empty, and prune would delete all images in prune_scope"):
        refuse_prune_of_everything({"prune": True, "images": []})
    refuse_prune_of_everything({"prune": False, "images": []})
    refuse_prune_of_everything({"prune": True, "images": [{"name": "debian"}]})
