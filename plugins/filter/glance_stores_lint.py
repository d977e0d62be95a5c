# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter: why a list of stores must not be configured."""

from __future__ import annotations

DOCUMENTATION = r"""
name: glance_stores_lint
short_description: Find what Glance would silently do wrong with a list of stores
version_added: 1.0.0
author:
  - xenstack.image_services contributors (@xenstack)
description:
  - Checks a list of stores without touching a host or a service.
  - Finds single-store options mixed with several stores, two stores in one directory, names and types that Glance drops without a word, options that
    no parser reads, and everything else that the role P(xenstack.image_services.glance_stores#role) refuses.
extends_documentation_fragment:
  - xenstack.image_services._stores
positional: _input
options:
  api_hosts:
    description: Hosts that serve these stores.
    type: list
    elements: str
    default: []
  other_config:
    description: Text of the service's other configuration files, by path.
    type: dict
    default: {}
  deployed:
    description: Text of the file that will be replaced.
    type: str
    default: ""
  path:
    description: Path of that file, for the sentences.
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: Refuse stores that would lose images
  ansible.builtin.assert:
    that: findings | length == 0
    fail_msg: "{{ findings | join('\n') }}"
  vars:
    findings: "{{ glance_stores | xenstack.image_services.glance_stores_lint }}"
"""

RETURN = r"""
_value:
  description: One sentence for each finding, empty where there is none. No value of a secret option is repeated.
  type: list
  elements: str
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.xenstack.image_services.plugins.module_utils._stores.declaration import Declaration
from ansible_collections.xenstack.image_services.plugins.module_utils._stores.lint import lint, lint_deployed


def glance_stores_lint(stores: Sequence[Mapping[str, Any]], deployed: str = "", path: str = "", **settings: Any) -> list[str]:
    declaration = Declaration(stores=stores, **settings)
    return lint(declaration) or lint_deployed(declaration, path, deployed)


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"glance_stores_lint": glance_stores_lint}
