# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Counting images by store, and comparing the stores on offer with the declared ones."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.xenstack.image_services.plugins.module_utils._glance.store_usage import Usage, count, mismatch, present, stores_of, stranded
from hypothesis import given
from hypothesis import strategies as st

IMAGES = [
    {"stores": "fast", "size": 5},
    {"stores": "fast, archive", "size": 7},
    {"stores": "archive,old", "size": 11},
    {"stores": "", "size": None},
    {"status": "queued"},
]


def test_images_are_counted_in_every_store_that_holds_them() -> None:
    assert count(IMAGES) == {"fast": Usage(2, 12, 1), "archive": Usage(2, 18, 0), "old": Usage(1, 11, 0)}


@pytest.mark.parametrize(
    ("leaving", "images", "size"), [(["archive"], 0, 0), (["fast"], 1, 5), (["fast", "archive"], 2, 12), (["archive", "old"], 1, 11), ([], 0, 0)]
)
def test_images_are_stranded_when_all_their_stores_leave(leaving: list[str], images: int, size: int) -> None:
    lost = stranded(IMAGES, leaving)
    assert (lost.images, lost.bytes) == (images, size)


NAMES = st.lists(st.sampled_from("abc"), unique=True, max_size=3)


@given(st.lists(NAMES), NAMES)
def test_what_is_not_stranded_lies_in_a_store_that_stays(placed: list[list[str]], leaving: list[str]) -> None:
    images = [{"stores": ",".join(names), "size": 1} for names in placed]
    kept = [image for image in images if set(stores_of(image)) - set(leaving)]
    without_data = [image for image in images if not stores_of(image)]
    assert stranded(images, leaving).images == len(images) - len(kept) - len(without_data)


def test_a_store_has_the_same_keys_whatever_was_asked() -> None:
    plain = present({"id": "fast", "default": "true"}, None)
    full = present({"id": "web", "read-only": "true", "type": "http", "weight": 1, "properties": {}}, {})
    assert list(plain) == list(full)
    assert (plain["default"], plain["read_only"], plain["images"]) == (True, False, None)
    assert (full["default"], full["read_only"], full["images"]) == (False, True, 0)


OFFERED: list[dict[str, Any]] = [{"id": "fast", "default": "true"}, {"id": "archive"}]


@pytest.mark.parametrize(
    ("wanted", "default", "expected"),
    [
        (["archive", "fast"], "fast", None),
        (["fast"], "fast", "Glance offers other stores than declared (archive not declared)"),
        (["fast", "archive", "new"], "fast", "Glance offers other stores than declared (new missing)"),
        (["fast", "new"], "fast", "Glance offers other stores than declared (new missing; archive not declared)"),
        (["fast", "archive"], "archive", "Glance's default store is fast, not 'archive'"),
    ],
)
def test_offered_and_declared(wanted: list[str], default: str, expected: str | None) -> None:
    assert mismatch(wanted, default, OFFERED) == expected
