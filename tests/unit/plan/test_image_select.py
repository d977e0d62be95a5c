# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which image a name means."""

from __future__ import annotations

import pytest
from ansible_collections.xenstack.image_services.plugins.module_utils._common.errors import ImageServicesError
from ansible_collections.xenstack.image_services.plugins.module_utils._plan.image_desired import INCOMING, REPLACES
from ansible_collections.xenstack.image_services.plugins.module_utils._plan.image_select import foreign, name_filter, select

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


def test_a_public_image_of_another_project_is_reported_a_private_one_is_not() -> None:
    assert foreign("debian", [OTHERS], "alpha", None) == OTHERS
    assert foreign("debian", [{**OTHERS, "visibility": "shared"}], "alpha", None) is None
    assert foreign("debian", [OTHERS], "alpha", "alpha") is None


def test_a_name_is_not_read_as_an_operator() -> None:
    assert name_filter("debian") == "debian"
    assert name_filter("in:a,b") == 'in:"in:a,b"'
