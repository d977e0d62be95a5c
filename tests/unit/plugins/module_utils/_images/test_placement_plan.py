# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where an image lies and where it is declared: nothing is lost on the way, and nothing is left to do afterwards."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.xenstack.image_services.plugins.module_utils._core.errors import ImageServicesError
from ansible_collections.xenstack.image_services.plugins.module_utils._glance.store_usage import stores_of
from ansible_collections.xenstack.image_services.plugins.module_utils._images.placement_plan import (
    FAILED,
    LOCK,
    Placement,
    copy_failures,
    named_stores,
    offer,
    placement,
    refuse_image,
    refuse_service,
    why_unsafe,
)
from hypothesis import given
from hypothesis import strategies as st

SERVICE = offer([{"id": "fast", "default": "true"}, {"id": "archive"}, {"id": "web", "read-only": "true"}])


def image(stores: str, **more: Any) -> dict[str, Any]:
    return {"status": "active", "stores": stores, **more}


@pytest.mark.parametrize(
    ("declared", "service", "named"),
    [
        (None, SERVICE, None),
        ([], SERVICE, ()),
        (["archive", "fast"], SERVICE, ("archive", "fast")),
        (["all"], SERVICE, ("fast", "archive")),
        (["all", "fast"], SERVICE, ("all", "fast")),
        (["all"], offer([{"id": "all"}, {"id": "fast"}]), ("all",)),
        (["all"], None, ("all",)),
    ],
    ids=["none", "empty", "by name", "all", "all is no name among others", "a store of that name", "a service without several stores"],
)
def test_all_stands_for_every_store_that_takes_data(declared: list[str] | None, service: Any, named: tuple[str, ...] | None) -> None:
    assert named_stores(declared, lambda: service) == named


@pytest.mark.parametrize(
    ("placed", "declared", "mode", "expected"),
    [
        (["fast"], None, "exact", Placement()),
        (["fast"], [], "at_least", Placement()),
        ([], ["fast"], "exact", Placement()),
        (["fast"], ["fast", "fast"], "exact", Placement()),
        (["fast"], ["archive"], "at_least", Placement(("archive",))),
        (["fast"], ["archive"], "exact", Placement(("archive",), ("fast",))),
        (["fast", "archive"], ["archive"], "at_least", Placement()),
        (["fast", "archive"], ["archive"], "exact", Placement((), ("fast",))),
    ],
)
def test_what_is_missing_is_copied_and_only_exact_removes(placed: list[str], declared: list[str] | None, mode: str, expected: Placement) -> None:
    assert placement(placed, declared, mode) == expected


STORES = st.lists(st.sampled_from("abcdef"), unique=True)
FILLED = st.lists(st.sampled_from("abcdef"), min_size=1, unique=True)


@given(FILLED, STORES, st.sampled_from(["at_least", "exact"]))
def test_a_plan_applied_is_the_declared_state_and_leaves_nothing_to_do(placed: list[str], declared: list[str], mode: str) -> None:
    made = placement(placed, declared, mode)
    after = made.applied(placed)
    assert after, "an image is never without a copy"
    assert set(after) >= set(declared)
    assert set(after) == (set(declared) if mode == "exact" and declared else set(placed) | set(declared))
    assert not placement(after, declared, mode)


@given(FILLED, FILLED, st.sets(st.sampled_from("abcdef")), st.sampled_from(["active", "deactivated"]), st.booleans())
def test_whatever_fails_a_verified_copy_stays_in_every_declared_store_before_another_goes(
    placed: list[str], declared: list[str], failing: set[str], status: str, locked: bool
) -> None:
    """The steps of a run against a Glance in which some copies fail."""
    made = placement(placed, declared, "exact")
    lying = [*placed, *(store for store in made.copy if store not in failing)]
    for store in made.remove:
        record = image(",".join(lying), status=status, **{FAILED: ",".join(sorted(failing)), LOCK: "task" if locked else ""})
        if why_unsafe(record, store, declared) is None:
            assert status == "active"
            assert not locked
            assert set(declared) <= set(lying) - failing
            lying.remove(store)
    assert lying
    if failing & set(declared) or locked or status != "active":
        assert set(lying) >= set(placed), "nothing has gone"
    else:
        assert set(lying) == set(declared)


def test_the_last_copy_is_never_safe_to_remove() -> None:
    assert why_unsafe(image("fast"), "fast", []) == "it would be the last copy"
    assert why_unsafe(image("fast,archive"), "fast", ["fast"]) == "it would be the last copy"
    assert why_unsafe(image("fast"), "fast", ["archive"]) == "there is no verified copy in archive"
    assert why_unsafe(image("fast,archive", **{FAILED: "archive"}), "fast", ["archive"]) == "there is no verified copy in archive"
    assert why_unsafe(image("fast,archive", **{LOCK: "task"}), "fast", ["archive"]) == "Glance is still busy with it"
    assert why_unsafe(image("fast,archive", **{FAILED: "objects"}), "fast", ["archive"]) is None


def test_a_copy_that_did_not_arrive_is_named() -> None:
    assert copy_failures(image("fast,archive", **{FAILED: "objects"}), ["archive", "objects"]) == ["objects"]


@pytest.mark.parametrize(
    ("stores", "methods", "wanted", "sentence"),
    [
        (None, ["copy-image"], ["archive"], "Cannot place image 'debian': the service does not offer several stores."),
        (SERVICE, ["copy-image"], ["gone"], "Cannot place image 'debian': store 'gone' takes no data here: the service offers archive, fast."),
        (SERVICE, ["copy-image"], ["web"], "Cannot place image 'debian': store 'web' takes no data here"),
        (SERVICE, ["glance-direct"], ["archive"], "Cannot place image 'debian': the service has switched on import methods glance-direct, not 'copy-image'"),
    ],
)
def test_what_the_service_cannot_do_is_refused(stores: Any, methods: list[str], wanted: list[str], sentence: str) -> None:
    with pytest.raises(ImageServicesError) as refused:
        refuse_service("place", "image", "debian", stores, methods, wanted, bool(wanted))
    assert str(refused.value).startswith(sentence)


@pytest.mark.parametrize(
    ("lies", "declared", "mode", "sentence"),
    [
        ("gone", ["fast"], "at_least", "its content is only in gone, which the service does not offer"),
        ("fast,gone", ["fast"], "exact", "it is also in gone, which the service does not offer"),
        ("fast,gone", ["gone"], "exact", "store 'gone' is not offered by the service, so its copy cannot be relied on"),
    ],
)
def test_an_image_in_a_store_that_is_gone_is_refused(lies: str, declared: list[str], mode: str, sentence: str) -> None:
    assert SERVICE is not None
    found = image(lies)
    with pytest.raises(ImageServicesError, match=sentence):
        refuse_image("debian", found, placement(stores_of(found), declared, mode), declared, SERVICE)


def test_a_link_that_is_only_read_may_be_given_up() -> None:
    assert SERVICE is not None
    found = image("fast,web")
    refuse_image("debian", found, placement(stores_of(found), ["fast"], "exact"), ["fast"], SERVICE)
