# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter: the backups of an instance among images."""

from __future__ import annotations

DOCUMENTATION = r"""
name: instance_backups
short_description: Tell which images are the backups of an instance, and which belong together
version_added: 1.0.0
author:
  - xenstack.image_services contributors (@xenstack)
description:
  - Takes images as M(xenstack.image_services.glance_image_info) lists them with C(instance_id), and gives the backups that the playbook
    C(xenstack.image_services.instance_backup) created from the instance.
  - An image is one of them if it says so itself, is related to the instance, and is owned by the project.
positional: _input
options:
  _input:
    description: The images.
    type: list
    elements: dict
    required: true
  nova_installation_uuid:
    description: UUID of the installation of Nova.
    type: str
    required: true
  instance_id:
    description: Id of the instance there.
    type: str
    required: true
  project:
    description: Id of the project that owns the backups.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: List the images of an instance
  xenstack.image_services.glance_image_info:
    cloud: production
    nova_installation_uuid: 0f0c7d6e-5a8e-4b0c-9d3a-6a1f0c1f2b3d
    instance_id: ["123"]
  register: listed

- name: Show the newest backup that can be used
  ansible.builtin.debug:
    msg: "{{ backups | selectattr('complete') | first }}"
  vars:
    backups: >-
      {{ listed.images | xenstack.image_services.instance_backups(nova_installation_uuid='0f0c7d6e-5a8e-4b0c-9d3a-6a1f0c1f2b3d', instance_id='123',
         project=listed.project_id) }}
"""

RETURN = r"""
_value:
  description: >-
    The backups, the newest first, with C(run), C(kind) (V(daily) or V(weekly)), C(complete), C(created_at), C(vm) (the uuid that it had in the pool),
    C(devices) and C(images).
  type: list
  elements: dict
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.xenstack.image_services.plugins.module_utils._instances.backup_images import backups_of, relation_of


def instance_backups(images: Sequence[Mapping[str, Any]], nova_installation_uuid: object, instance_id: object, project: str) -> list[dict[str, Any]]:
    relation = relation_of(nova_installation_uuid, instance_id)
    return [each.shown() for each in backups_of(images, relation, project)] if relation is not None else []


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"instance_backups": instance_backups}
