# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Out of one store: what is copied, what only goes, what counts as a copy, and what is left to somebody's decision."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.xenstack.image_services.plugins.module_utils._core.errors import ImageServicesError
from ansible_collections.xenstack.image_services.plugins.module_utils._glance.properties import REACTIVATED
from ansible_collections.xenstack.image_services.plugins.module_utils._images.placement_plan import FAILED, IMPORTING, Offer, offer, why_unsafe
from ansible_collections.xenstack.image_services.plugins.module_utils._stores.evacuation_plan import evacuation, refuse_deactivated, targets
from hypothesis import given
from hypothesis import strategies as st


def service(default: str | None = "fast") -> Offer:
    names = ("fast", "archive", "objects", "web")
    made = offer([{"id": name, "default": str(name == default).lower(), "read-only": str(name == "web").lower()} for name in names])
    assert made is not None
    return made


def image(stores: str | None, **more: Any) -> dict[str, Any]:
    return {"id": "1", "name": "debian", "owner": "alpha", "size": 10, "status": "active", **({"stores": stores} if stores is not None else {}), **more}


@pytest.mark.parametrize(
    ("found", "copy", "keep"),
    [
        (image("old"), ("fast", "archive"), ("fast", "archive")),
        (image("old,objects"), (), ("objects",)),
        (image("old,fast"), (), ("fast",)),
        (image("old,web"), ("fast", "archive"), ("fast", "archive")),
        (image("old,lost"), ("fast", "archive"), ("fast", "archive")),
        (image("old,fast", **{FAILED: "archive"}), ("archive",), ("fast", "archive")),
        (image("old,fast", **{IMPORTING: "archive"}), ("archive",), ("fast", "archive")),
        (image("old,objects", **{FAILED: "web"}), (), ("objects",)),
    ],
)
def test_an_image_is_copied_where_it_lies_nowhere_else_that_counts(found: dict[str, Any], copy: tuple[str, ...], keep: tuple[str, ...]) -> None:
    move = evacuation([found], "old", ("fast", "archive"), service()).moves[0]
    assert (move.placement.copy, move.placement.remove, move.keep, move.bytes) == (copy, ("old",), keep, 10 * len(copy))


def test_images_elsewhere_or_without_data_are_left_alone_and_cheap_ones_come_first() -> None:
    images = [image("fast"), image(None, status="queued"), image("old", id="big", size=99), image("old", id="small"), image("old,fast", id="free", size=500)]
    made = evacuation(images, "old", ("fast",), service())
    assert [move.image_id for move in made.moves] == ["free", "small", "big"]
    assert (made.size, made.changed) == (609, True)
    assert not evacuation(images[:2], "old", ("fast",), service()).changed


def test_targets_are_given_or_the_default() -> None:
    assert targets("old", None, service()) == ("fast",)
    assert targets("old", ["archive", "archive"], service()) == ("archive",)
    for store, to, sentence in (("fast", None, "default store"), ("old", ["old"], "names the store itself"), ("old", [], "to is empty")):
        with pytest.raises(ImageServicesError, match=sentence):
            targets(store, to, service())
    with pytest.raises(ImageServicesError, match="default store"):
        targets("old", None, service(default=None))


def test_deactivated_images_are_named() -> None:
    made = evacuation([image("old", id=str(number), status="deactivated") for number in range(7)] + [image("old", id="x")], "old", ("fast",), service())
    with pytest.raises(ImageServicesError, match=r"7 of its images are deactivated.* and 2 more"):
        refuse_deactivated("old", made.moves)
    refuse_deactivated("old", [move for move in made.moves if not move.deactivated])


def test_an_image_that_was_left_active_counts_as_deactivated_wherever_it_lies() -> None:
    made = evacuation([image("old", id="a", **{REACTIVATED: "true"}), image("fast", id="b", **{REACTIVATED: "true"})], "old", ("fast",), service())
    assert made.unfinished == ("a", "b")
    assert [move.deactivated for move in made.moves] == [True]


NAMES = st.lists(st.sampled_from(["old", "fast", "archive", "web", "lost"]), min_size=1, unique=True)


@given(NAMES, st.lists(st.sampled_from(["fast", "archive", "objects"]), min_size=1, unique=True), st.sets(st.sampled_from(["fast", "archive", "objects"])))
def test_whatever_fails_an_image_stays_in_a_store_that_takes_data_and_a_second_plan_is_empty(placed: list[str], to: list[str], failing: set[str]) -> None:
    moves = evacuation([image(",".join(placed))], "old", to, service()).moves
    assert len(moves) == ("old" in placed)
    for move in moves:
        lying = [*placed, *(store for store in move.placement.copy if store not in failing)]
        after = image(",".join(lying), **{FAILED: ",".join(sorted(failing & set(move.placement.copy)))})
        if why_unsafe(after, "old", move.keep) is None:
            lying.remove("old")
            assert not evacuation([{**after, "stores": ",".join(lying)}], "old", to, service()).changed
            assert service().writable.intersection(lying)
        else:
            assert failing.intersection(move.placement.copy)
            again = evacuation([after], "old", to, service()).moves[0]
            assert set(again.placement.copy) == set(move.placement.copy) & failing, "only what failed is copied again"
