# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of modules that talk to a pool and to a cloud at once."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.xenstack.image_services.plugins.module_utils._xapi.argspec import PoolModule, create_glance_option, create_pool_argspec

POOL: dict[str, Any] = {"hostname": "xen1", "password": "of-the-pool"}


def module(**options: Any) -> PoolModule:
    with patch_module_args({**POOL, **options}):
        return PoolModule(create_pool_argspec().merge(create_glance_option()))


@pytest.mark.parametrize(
    "glance",
    [
        {"auth": {"auth_url": "http://glance", "username": "alice", "password": "of-the-cloud"}},
        {"cloud": {"auth": {"username": "alice", "password": "of-the-cloud"}}},
        {"auth": {"username": "alice", "anything": [{"nested": "of-the-cloud"}]}},
    ],
)
def test_the_secrets_of_both_sides_are_masked(glance: dict[str, Any]) -> None:
    assert module(glance=glance).no_log_values == {"of-the-pool", "of-the-cloud"}


def test_the_two_sides_verify_certificates_each_on_its_own() -> None:
    params = module(validate_certs=True, glance={"validate_certs": False}).params
    assert (params["validate_certs"], params["glance"]["validate_certs"]) == (True, False)
    assert "timeout" not in params["glance"]
    assert params["timeout"] == 600
