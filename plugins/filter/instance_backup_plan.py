# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter: what a run of backups has to do for one instance."""

from __future__ import annotations

DOCUMENTATION = r"""
name: instance_backup_plan
short_description: Plan the backup of an instance, and which older ones to delete
version_added: 1.0.0
author:
  - xenstack.image_services contributors (@xenstack)
description:
  - From the images that are related to an instance and its VM to what the playbook C(xenstack.image_services.instance_backup) does about it.
  - Nothing is one too many before the backup of the run is complete, and the backup of the run is the newest one, whatever clocks say.
  - What P(xenstack.image_services.instance_backups#filter) does not take for a backup of the instance is left alone, and so is one of which an image is
    protected, deactivated or hidden.
positional: _input
options:
  _input:
    description: The images, as M(xenstack.image_services.glance_image_info) lists them with C(instance_id).
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
  vm:
    description: The VM, as M(xenstack.image_services.xen_vm) returns it.
    type: dict
    required: true
  disks:
    description: Devices that are backed up, or V(all). Without it, the one that the VM boots from.
    type: raw
  leave:
    description: >-
      What may be missing in the backup, of V(disks), V(nvram) and V(vtpm). A VM with any other of these is refused, see
      P(xenstack.image_services.xen_vm_left_behind#filter). O(disks) accepts that the other disks are missing.
    type: list
    elements: str
    default: []
  run:
    description: Mark of the run, which begins with its day.
    type: str
    required: true
  keep:
    description: How many complete backups stay, as C(daily) and C(weekly). Those of a kind that is not named are left alone.
    type: dict
    required: true
  weekday:
    description: The day on which a week begins. The first complete backup of a week is the weekly one.
    type: str
    default: sunday
"""

EXAMPLES = r"""
- name: Plan
  ansible.builtin.set_fact:
    plan: >-
      {{ listed.images | xenstack.image_services.instance_backup_plan(nova_installation_uuid='0f0c7d6e-5a8e-4b0c-9d3a-6a1f0c1f2b3d', instance_id='123',
         project=listed.project_id, vm=seen.vm, run='2026-05-31', keep={'daily': 7, 'weekly': 4}) }}
"""

RETURN = r"""
_value:
  description: >-
    C(fault), why the VM cannot be backed up, else empty; C(complete), whether the backup of this run is there; C(kind), V(daily) or V(weekly);
    C(devices), the disks that belong to it; C(left_behind), what of the VM is in none of its images, in words; C(missing), those that are not there yet;
    C(snapshot), the uuid of the snapshot that an interrupted run has left
    for it, else V(none); C(snapshot_name), what it is called; C(snapshots), uuids of all snapshots of such runs; C(delete), the images to delete, with C(id),
    C(name), C(run) and C(kind); C(predicted_delete), those to delete once the backup is complete.
  type: dict
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.xenstack.image_services.plugins.module_utils._core.errors import ImageServicesError
from ansible_collections.xenstack.image_services.plugins.module_utils._instances.backup_images import backups_of, relation_of
from ansible_collections.xenstack.image_services.plugins.module_utils._instances.backup_rotation import Night, plan_backup


def instance_backup_plan(
    images: Sequence[Mapping[str, Any]],
    nova_installation_uuid: object,
    instance_id: object,
    project: str,
    vm: Mapping[str, Any],
    run: str,
    keep: Mapping[str, Any],
    disks: object = None,
    weekday: str = "sunday",
    leave: Sequence[str] = (),
) -> dict[str, Any]:
    relation = relation_of(nova_installation_uuid, instance_id)
    backups = backups_of(images, relation, project) if relation is not None else []
    night = Night(str(run), {str(kind): int(number) for kind, number in keep.items()}, weekday)
    try:
        return {"fault": "", **plan_backup(night, backups, vm, disks, leave)}
    except ImageServicesError as exc:
        return {"fault": str(exc)}


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"instance_backup_plan": instance_backup_plan}
