# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which image a name means."""

from __future__ import annotations

import pytest
from ansible_collections.xenstack.image_services.plugins.module_utils._core.errors import ImageServicesError
from ansible_collections.xenstack.image_services.plugins.module_utils._glance.properties import CREATED_BY, INCOMING, REPLACES
from ansible_collections.xenstack.image_services.plugins.module_utils._images.selection import (
    created_by,
    created_for_others,
    in_the_way,
    name_filter,
    of_other_projects,
    select,
)

MINE = {"id": "a", "name": "debian", "owner": "alpha", "visibility": "private"}
OTHERS = {"id": "b", "name": "debian", "owner": "beta", "visibility": "public"}


def test_only_images_of_the_own_project_are_chosen() -> None:
    assert select("debian", [OTHERS, MINE], "alpha", None).current == MINE
    assert select("debian", [OTHERS], "alpha", None).current is None
    assert select("debian", [OTHERS, MINE], "alpha", "beta").current == OTHERS


def test_several_of_one_name_are_an_error_that_lists_them() -> None:
    with pytest.raises(ImageServicesError, match=r"2 images have this name: a, c\. Give the id") as caught:
        select("debian", [MINE, {**MINE, "id": "c"}], "alpha", None)
    assert caught.value.details == {"ids": ["a", "c"]}


def test_unfinished_images_are_not_the_declared_one() -> None:
    left = {**MINE, "id": "d", INCOMING: "then"}
    found = select("debian", [MINE, left], "alpha", None)
    assert (found.current, found.incoming) == (MINE, (left,))


def test_a_successor_with_its_predecessor_is_not_ambiguous() -> None:
    successor = {**MINE, "id": "e", REPLACES: "a"}
    found = select("debian", [MINE, successor], "alpha", None)
    assert (found.current, found.superseded) == (successor, (MINE,))
    with pytest.raises(ImageServicesError, match="2 images"):
        select("debian", [MINE, successor, {**MINE, "id": "f"}], "alpha", None)


def obstacles(
    records: list[dict[str, str]], *, absent: bool = False, creates: bool = False, administrator: bool = False, owner: str | None = None
) -> list[str]:
    others = of_other_projects("debian", records, "alpha", owner)
    return [str(record["id"]) for record in in_the_way(others, absent, creates, administrator)]


@pytest.mark.parametrize("visibility", ["public", "shared", "community", "private"])
def test_an_administrators_task_is_refused_for_any_image_of_another_project(visibility: str) -> None:
    record = {**OTHERS, "visibility": visibility}
    for absent in (False, True):
        assert obstacles([record], absent=absent, administrator=True) == ["b"]
        assert obstacles([record], absent=absent, administrator=True, owner="alpha") == []
        assert obstacles([{**record, INCOMING: "then"}], absent=absent, administrator=True) == []


@pytest.mark.parametrize(("visibility", "expected"), [("public", ["b"]), ("shared", []), ("community", []), ("private", [])])
def test_content_makes_an_image_of_the_own_project_beside_all_but_public_ones(visibility: str, expected: list[str]) -> None:
    for administrator in (False, True):
        assert obstacles([{**OTHERS, "visibility": visibility}], creates=True, administrator=administrator) == expected


def test_an_ordinary_project_cannot_mean_to_delete_anothers_image() -> None:
    assert obstacles([OTHERS], absent=True) == []
    assert obstacles([OTHERS], absent=False) == ["b"]
    assert obstacles([{**OTHERS, "visibility": "private"}], absent=True) == ["b"], "who sees it sees all, whatever its role is called"


def test_only_the_image_that_this_project_has_created_for_another_is_known_again() -> None:
    mark = {CREATED_BY: created_by("alpha", "b")}
    assert created_for_others([{**OTHERS, **mark}], "alpha") == [{**OTHERS, **mark}]
    assert created_for_others([{**OTHERS, **mark}], "gamma") == []
    assert created_for_others([{**OTHERS, "id": "snapshot", **mark}], "alpha") == [], "Nova hands properties on"
    assert created_for_others([OTHERS], None) == []


def test_a_name_is_not_read_as_an_operator() -> None:
    assert name_filter("debian") == "debian"
    assert name_filter("in:a,b") == "eq:in:a,b"
    assert name_filter("ubuntu:24.04") == "eq:ubuntu:24.04"
