# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What would fail late is refused before anything is installed: a number that the host has no user for, and a database that no driver can ask."""

from __future__ import annotations

import pwd
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.xenstack.image_services.tests.support.deployment import run_roles, service_variables

AUTH = {"auth_url": "http://127.0.0.1:9/v3", "username": "glance", "password": "service-user-secret"}


def test_systemd_needs_a_user_of_the_number(tmp_path: Path) -> None:
    taken = {user.pw_uid for user in pwd.getpwall()}
    number = str(next(uid for uid in range(54321, 60000) if uid not in taken))
    variables = {
        **service_variables("glance", tmp_path),
        "glance_service_manager": "systemd",
        "glance_user": number,
        "glance_group": number,
        "glance_keystone_auth": AUTH,
    }
    done = run_roles(["glance"], variables)
    assert done.returncode != 0
    assert f"Cannot serve 'glance' as user {number}: systemd starts services only as users that the host knows" in done.output
    assert AUTH["password"] not in done.output
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("role", "database", "sentence"),
    [
        ("glance", {"glance_database_url": "mysql+pymysql://glance:database-secret@x/y@db/glance"}, "'glance_database_url': its user or password holds"),
        ("keystone", {"keystone_database": {"user": "keystone", "password": "database-secret", "name": "keystone"}}, "'keystone_database': its host is empty"),
    ],
)
def test_a_database_that_cannot_be_asked(tmp_path: Path, role: str, database: dict[str, Any], sentence: str) -> None:
    needed = {"glance_keystone_auth": AUTH} if role == "glance" else {"keystone_admin_password": AUTH["password"]}
    done = run_roles([role], {**service_variables(role, tmp_path), **needed, **database})
    assert done.returncode != 0
    assert f"Cannot use database {sentence}" in done.output
    assert "database-secret" not in done.output
    assert list(tmp_path.iterdir()) == []
