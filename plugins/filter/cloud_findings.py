# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter: keys of a cloud that openstacksdk would ignore."""

from __future__ import annotations

DOCUMENTATION = r"""
name: cloud_findings
short_description: Find misspelt keys in the dictionary of a cloud
version_added: 1.0.0
author:
  - xenstack.image_services contributors (@xenstack)
description:
  - Clients of OpenStack ignore keys of a cloud that they do not know. The modules of this collection refuse them, and this filter finds them before anything
    is changed.
positional: _input
options:
  _input:
    description: A cloud as the option O(ignore:cloud) of modules takes it. A name has no keys, so there is nothing to find.
    type: raw
    required: true
  auth:
    description: Options of a password or an application credential, as the option O(ignore:auth) of modules takes them.
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: Check the credentials before anything is changed
  ansible.builtin.assert:
    that: findings | length == 0
    fail_msg: "{{ findings | join(' ') }}"
  vars:
    findings: "{{ my_cloud | xenstack.image_services.cloud_findings }}"
"""

RETURN = r"""
_value:
  description: One sentence for the first unknown key, with the nearest name. Empty where there is none. No value is repeated.
  type: list
  elements: str
"""

from collections.abc import Callable
from typing import Any

from ansible_collections.xenstack.image_services.plugins.module_utils._core.errors import ImageServicesError
from ansible_collections.xenstack.image_services.plugins.module_utils._glance.credentials import check_keys


def cloud_findings(cloud: Any, auth: Any = None) -> list[str]:
    try:
        check_keys(cloud, auth)
    except ImageServicesError as error:
        return [str(error)]
    return []


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"cloud_findings": cloud_findings}
