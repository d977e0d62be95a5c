# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter: a program's output without the secrets of the stores."""

from __future__ import annotations

DOCUMENTATION = r"""
name: glance_stores_masked
short_description: Take the secrets of a list of stores out of a text
version_added: 1.0.0
author:
  - xenstack.image_services contributors (@xenstack)
description:
  - Gives the end of a program's output with every secret of the stores replaced by stars.
positional: _input
options:
  _input:
    description: The text.
    type: str
    required: true
  stores:
    description: The stores, as O(xenstack.image_services.glance_stores#role:main:glance_stores) of the role.
    type: list
    elements: dict
    required: true
  backend_defaults:
    description: Options for all stores, see the role's C(glance_stores_backend_defaults).
    type: dict
    default: {}
  swift_accounts:
    description: Accounts of the Swift stores, see the role's C(glance_stores_swift_accounts).
    type: list
    elements: dict
    default: []
  extra_config:
    description: Further sections, see the role's C(glance_stores_extra_config). Every text of six characters or more in it is treated as a secret.
    type: dict
    default: {}
  limit:
    description: Characters to keep.
    type: int
    default: 8000
"""

EXAMPLES = r"""
- name: Show what the tool of the site said
  ansible.builtin.debug:
    msg: "{{ applied.stdout | xenstack.image_services.glance_stores_masked(stores=glance_stores) }}"
"""

RETURN = r"""
_value:
  description: The text.
  type: str
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.xenstack.image_services.plugins.module_utils._stores.declaration import Declaration
from ansible_collections.xenstack.image_services.plugins.module_utils._stores.override import masked, secrets


def glance_stores_masked(text: str, stores: Sequence[Mapping[str, Any]], limit: int = 8000, **settings: Any) -> str:
    return masked(text, secrets(Declaration(stores=stores, **settings)), limit)


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"glance_stores_masked": glance_stores_masked}
