# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What keystone_seed changes, as a table."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.xenstack.image_services.plugins.module_utils._keystone.plan import KeystoneFacts, plan, unknown_projects

PROJECT = {"name": "alpha", "description": "A", "enabled": None}
GRANT = {"project": "alpha", "role": "member"}
USER = {"name": "alice", "password": "secret", "update_password": "always", "description": None, "enabled": None, "roles": [GRANT]}
SERVICE = {"name": "glance", "type": "image", "description": None, "enabled": None, "public_url": "http://p", "internal_url": None, "admin_url": None}
DESIRED = {"projects": [PROJECT], "users": [USER], "services": [SERVICE]}
COMPLETE: dict[str, Any] = {
    "projects": {"alpha": {"description": "A", "enabled": True}},
    "roles": frozenset({"member"}),
    "users": {"alice": {"description": "", "enabled": True}},
    "services": {"glance": {"type": "image", "description": "", "enabled": True}},
    "endpoints": {("glance", "public", "One"): "http://p"},
    "grants": frozenset({("alice", "alpha", "member")}),
    "accepted_passwords": frozenset({"alice"}),
}


def changes(**different: Any) -> list[tuple[str, str, str, dict[str, Any]]]:
    planned = plan(DESIRED, "One", KeystoneFacts(**{**COMPLETE, **different}))
    assert (planned.before != planned.after) == bool(planned.changes)
    assert "secret" not in str((planned.before, planned.after))
    return [(change.verb, change.kind, change.name, change.values) for change in planned.changes]


def test_everything_is_created_in_an_order_that_works() -> None:
    kinds = [change.kind for change in plan(DESIRED, "One", KeystoneFacts()).changes]
    assert kinds == ["project", "role", "user", "grant", "service", "endpoint"]


def test_nothing_changes_where_everything_stands() -> None:
    assert changes() == []


@pytest.mark.parametrize(
    ("different", "expected"),
    [
        ({"projects": {"alpha": {"description": "B", "enabled": False}}}, ("update", "project", "alpha", {"description": "A"})),
        ({"accepted_passwords": frozenset()}, ("update", "user", "alice", {"password": "secret"})),
        ({"grants": frozenset()}, ("create", "grant", "alice alpha member", {})),
        ({"endpoints": {("glance", "public", "One"): "http://q"}}, ("update", "endpoint", "glance public One", {"url": "http://p"})),
        ({"endpoints": {("glance", "public", "Two"): "http://p"}}, ("create", "endpoint", "glance public One", {"url": "http://p"})),
        ({"services": {"glance": {"type": "volume"}}}, ("update", "service", "glance", {"type": "image"})),
    ],
)
def test_only_what_differs_is_changed(different: dict[str, Any], expected: tuple[str, str, str, dict[str, Any]]) -> None:
    assert changes(**different) == [expected]


def test_a_password_that_is_set_on_creation_is_not_compared() -> None:
    desired = {**DESIRED, "users": [{**USER, "update_password": "on_create"}]}
    assert plan(desired, "One", KeystoneFacts(**{**COMPLETE, "accepted_passwords": frozenset()})).changes == ()


def test_projects_that_are_neither_there_nor_declared_are_named() -> None:
    desired = {**DESIRED, "projects": []}
    assert unknown_projects(desired, KeystoneFacts()) == ["alpha"]
    assert unknown_projects(desired, KeystoneFacts(**COMPLETE)) == []
    assert unknown_projects(DESIRED, KeystoneFacts()) == []
