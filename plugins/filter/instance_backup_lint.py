# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter: why backups of instances must not be begun."""

from __future__ import annotations

DOCUMENTATION = r"""
name: instance_backup_lint
short_description: Find what is wrong with the settings of instance backups
version_added: 1.0.0
author:
  - xenstack.image_services contributors (@xenstack)
description:
  - Checks the variables of the playbook C(xenstack.image_services.instance_backup) without asking the pool or Glance anything.
positional: _input
options:
  _input:
    description: The instances, with C(vm), C(instance_id) and C(disks).
    type: list
    elements: dict
    required: true
  nova_installation_uuid:
    description: UUID of the installation of Nova that they belong to.
    type: str
    required: true
  keep:
    description: How many backups stay, as C(daily) and C(weekly).
    type: dict
    required: true
  run:
    description: Mark of the run.
    type: str
    required: true
  weekday:
    description: The day on which a week begins.
    type: str
    required: true
  leave:
    description: What may be missing in backups.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Refuse bad settings
  ansible.builtin.assert:
    that: findings | length == 0
    fail_msg: "{{ findings | join('\n') }}"
  vars:
    findings: >-
      {{ [{'vm': 'web-1', 'instance_id': 123}] | xenstack.image_services.instance_backup_lint(nova_installation_uuid='0f0c7d6e-5a8e-4b0c-9d3a-6a1f0c1f2b3d',
         keep={'daily': 7}, run='2026-05-31', weekday='sunday') }}
"""

RETURN = r"""
_value:
  description: One sentence for each finding, empty where there is none.
  type: list
  elements: str
"""

from collections.abc import Callable
from typing import Any

from ansible_collections.xenstack.image_services.plugins.module_utils._instances.backup_settings import faults


def instance_backup_lint(instances: object, nova_installation_uuid: object, keep: object, run: object, weekday: object, leave: object = ()) -> list[str]:
    return faults(instances, nova_installation_uuid, keep, run, weekday, leave)


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"instance_backup_lint": instance_backup_lint}
