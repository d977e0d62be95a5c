# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter: what of a VM an image of its disks does not hold."""

from __future__ import annotations

DOCUMENTATION = r"""
name: xen_vm_left_behind
short_description: Tell what of a VM is not in the images of its disks
version_added: 1.0.0
author:
  - xenstack.image_services contributors (@xenstack)
description:
  - An image holds the data of a disk. Other disks, the variables of UEFI firmware and a virtual TPM stay with the VM.
positional: _input
options:
  _input:
    description: The VM, as M(xenstack.image_services.xen_vm) returns it.
    type: dict
    required: true
  devices:
    description: Devices of the disks that become images.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: Show what an image of the first disk would lack
  ansible.builtin.debug:
    msg: "{{ seen.vm | xenstack.image_services.xen_vm_left_behind(devices=['0']) | map(attribute='what') }}"
"""

RETURN = r"""
_value:
  description: One entry for each kind, with C(kind), which is V(disks), V(nvram) or V(vtpm), and C(what), which says more.
  type: list
  elements: dict
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.xenstack.image_services.plugins.module_utils._instances.left_behind import left_behind


def xen_vm_left_behind(vm: Mapping[str, Any], devices: Sequence[object]) -> list[dict[str, str]]:
    return left_behind(vm, devices)


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"xen_vm_left_behind": xen_vm_left_behind}
