# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Lookup: what is wrong with the variables of a playbook."""

from __future__ import annotations

DOCUMENTATION = r"""
name: playbook_findings
short_description: Find what is wrong with the variables of a playbook of this collection
version_added: 1.0.0
author:
  - xenstack.image_services contributors (@xenstack)
description:
  - Compares the variables of a host with those that the playbook takes, before anything is asked or changed. The playbooks use it as their first task.
  - Finds variables that begin as those of the playbook do and are none of them, required ones that are missing, and values of the wrong type.
options:
  _terms:
    description: Name of the playbook, such as V(import_image).
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: Check the variables of a playbook before other work begins
  ansible.builtin.assert:
    that: findings | length == 0
    fail_msg: "{{ findings | join(' ') }}"
  vars:
    findings: "{{ query('xenstack.image_services.playbook_findings', 'import_image') }}"
"""

RETURN = r"""
_list:
  description: Causes with what to do about them, empty where there is none. Values of variables that may hold secrets are not repeated.
  type: list
  elements: str
"""

from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleError, AnsibleUndefinedVariable, AnsibleValueOmittedError
from ansible.plugins.lookup import LookupBase
from ansible_collections.xenstack.image_services.plugins.plugin_utils.playbook_variables import specs, unknown_variables, wrong_values


class LookupModule(LookupBase):
    def run(self, terms: list[str], variables: Mapping[str, Any] | None = None, **kwargs: Any) -> list[str]:
        variables = variables or {}
        return [sentence for playbook in terms for sentence in self._findings(playbook, variables)]

    def _findings(self, playbook: str, variables: Mapping[str, Any]) -> list[str]:
        if playbook not in specs():
            raise AnsibleError(f"Cannot check variables: '{playbook}' is no playbook with variables. Choose one of {', '.join(specs())}.")
        unknown = unknown_variables(playbook, variables)
        if unknown:
            # A required variable may be missing because it is the misspelt one.
            return unknown
        given: dict[str, Any] = {}
        for name in specs()[playbook]["options"]:
            try:
                if name in variables:
                    given[name] = self._templar.template(variables[name])
            except AnsibleValueOmittedError:
                continue
            except AnsibleUndefinedVariable as exc:
                return [f"{name} cannot be read, because {str(exc).rstrip('.')}. Define that variable."]
            except AnsibleError as exc:
                return [f"{name} cannot be read: {str(exc).rstrip('.')}. Correct its value."]
        return wrong_values(playbook, given)
