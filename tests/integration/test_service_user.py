# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A number that the host has no user for is refused before anything is installed, where systemd could not start the service."""

from __future__ import annotations

import pwd
from pathlib import Path

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
