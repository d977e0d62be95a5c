# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A volume type becomes what is declared of it, and no more."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.xenstack.image_services.plugins.module_utils._cinder.type_plan import differing_spec, on_backend, plan_type

CURRENT = {"id": "1", "name": "xen", "description": "Old", "is_public": True, "extra_specs": {"volume_backend_name": "xen", "kept": "1"}}


def desired(**given: Any) -> dict[str, Any]:
    return {"name": "xen", "state": "present", "description": None, "is_public": None, "extra_specs": None, **given}


def test_a_new_type_has_all_that_is_declared() -> None:
    planned = plan_type(desired(description="New", is_public=False, extra_specs={"volume_backend_name": "xen", "gone": None, "n": 1}), None)
    assert planned.create == {
        "name": "xen",
        "description": "New",
        "os-volume-type-access:is_public": False,
        "extra_specs": {"volume_backend_name": "xen", "n": "1"},
    }
    assert planned.before == {}


@pytest.mark.parametrize(
    ("given", "update", "specs", "dropped"),
    [
        ({}, {}, {}, ()),
        ({"description": "Old", "extra_specs": {"kept": 1}}, {}, {}, ()),
        ({"description": "New"}, {"description": "New"}, {}, ()),
        ({"is_public": False}, {"is_public": False}, {}, ()),
        ({"extra_specs": {"volume_backend_name": "other"}}, {}, {"volume_backend_name": "other"}, ()),
        ({"extra_specs": {"kept": None, "never": None}}, {}, {}, ("kept",)),
    ],
)
def test_only_differences_are_sent(given: dict[str, Any], update: dict[str, Any], specs: dict[str, Any], dropped: tuple[str, ...]) -> None:
    planned = plan_type(desired(**given), CURRENT)
    assert (planned.update, planned.set_specs, planned.drop_specs) == (update, specs, dropped)
    assert planned.changed == bool(update or specs or dropped)
    if not planned.changed:
        assert planned.before == planned.after or not given


def test_only_a_type_that_is_there_is_deleted() -> None:
    assert plan_type(desired(state="absent"), CURRENT).delete
    assert not plan_type(desired(state="absent"), None).changed
    assert differing_spec(desired(extra_specs={"volume_backend_name": "other"}), CURRENT) == "volume_backend_name"
    assert differing_spec(desired(extra_specs={"volume_backend_name": "xen", "kept": 1}), CURRENT) is None


@pytest.mark.parametrize(
    ("host", "expected"), [("node@xen", True), ("node@xen#pool", True), ("node@xen2", False), ("node@other#node@xen", False), ("xen", False), ("", False)]
)
def test_a_host_belongs_to_the_backend_behind_the_at(host: str, expected: bool) -> None:
    assert on_backend(host, "xen") is expected
