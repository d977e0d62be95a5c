# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The credentials of a role are looked at before it changes anything: the keys of a cloud, and those of its authentication."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.xenstack.image_services.plugins.filter.cloud_findings import cloud_findings

AUTH = {"auth_url": "https://identity.example.org/v3", "username": "admin", "password": "s3cret", "project_name": "admin", "user_domain_name": "Default"}


@pytest.mark.parametrize(
    ("cloud", "auth", "sentence"),
    [
        ("", {}, ""),
        ("production", {}, ""),
        ("", AUTH, ""),
        ("", {**AUTH, "project-domain-name": "Default"}, ""),
        ("", {**AUTH, "system_scope": "all"}, ""),
        ({"auth": AUTH, "cacert": "/etc/ssl/site.pem", "verify": True}, {}, ""),
        ({"auth": AUTH, "ca_cert": "s3cret"}, {}, "Cannot connect to cloud: cloud has the key 'ca_cert', which no cloud has. Write cacert instead."),
        (
            "",
            {**AUTH, "passwd": "s3cret"},
            "Cannot connect to cloud: auth has the key 'passwd', which no password and no application credential has. Write password instead.",
        ),
        (
            "",
            {**AUTH, "user_domain": "s3cret"},
            "Cannot connect to cloud: auth has the key 'user_domain', which no password and no application credential has. Write user_domain_id instead.",
        ),
        (
            "",
            {**AUTH, "colour": "s3cret"},
            "Cannot connect to cloud: auth has the key 'colour', which no password and no application credential has. Remove it.",
        ),
    ],
)
def test_keys_of_credentials(cloud: Any, auth: dict[str, Any], sentence: str) -> None:
    assert cloud_findings(cloud, auth) == ([sentence] if sentence else [])
