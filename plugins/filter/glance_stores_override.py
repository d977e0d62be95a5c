# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter: the operator's override file of a Kolla-style site with the stores in it."""

from __future__ import annotations

DOCUMENTATION = r"""
name: glance_stores_override
short_description: Put the stores into an override file that an operator writes too
version_added: 1.0.0
author:
  - xenstack.image_services contributors (@xenstack)
description:
  - Keeps every line of an override of C(glance-api.conf) and adds the stores as one marked block, or replaces that block.
  - The block comes out of Kolla's C(merge_configs) as it went in. That plugin renders overrides as Jinja templates and takes quotes off.
positional: _input
options:
  _input:
    description: Text of the file as it is, empty where there is none.
    type: str
    required: true
  stores:
    description: Text of the stores, as P(xenstack.image_services.glance_stores_config#filter) gives it. Empty removes the block.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Read the override as it will be
  ansible.builtin.set_fact:
    override: "{{ present_text | xenstack.image_services.glance_stores_override(stores=config.stores) }}"
  vars:
    config: "{{ glance_stores | xenstack.image_services.glance_stores_config }}"
  no_log: true
"""

RETURN = r"""
_value:
  description: >-
    C(text), the complete file; C(own), the operator's lines alone; C(block), the stores that are in it now; C(changes), the lines of the block that come
    and go, without secrets; C(fault), why the lines of the role cannot be identified, empty if they can.
  type: dict
"""

from collections.abc import Callable
from typing import Any

from ansible_collections.xenstack.image_services.plugins.module_utils._stores.override import Unclear, for_merge, merge, shown_diff, split


def glance_stores_override(text: str, stores: str) -> dict[str, Any]:
    body = for_merge(stores)
    try:
        found = split(text)
        merged = merge(text, body)
    except Unclear as unclear:
        return {"text": text, "own": text, "block": "", "changes": [], "fault": str(unclear)}
    return {"text": merged, "own": found.own, "block": found.body, "changes": shown_diff(found.body, body), "fault": ""}


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"glance_stores_override": glance_stores_override}
