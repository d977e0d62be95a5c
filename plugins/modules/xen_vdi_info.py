#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Module: the disks of a pool."""

from __future__ import annotations

DOCUMENTATION = r"""
module: xen_vdi_info
short_description: List the virtual disks of a XenServer or XCP-ng pool
version_added: 1.0.0
author:
  - xenstack.image_services contributors (@xenstack)
description:
  - Lists the virtual disk images (VDIs) of a pool, where they are, how large they are, and which VMs use them.
options:
  name:
    description:
      - Name or uuid of the disks to list. Without it, all are listed. A snapshot has the name of its disk.
    type: str
    aliases: [uuid]
  sr:
    description:
      - Name or uuid of the SR that they are in. Where no SR has it, nothing is listed.
    type: str
  tags:
    description:
      - Tags that a disk must all have.
    type: list
    elements: str
  other_config:
    description:
      - Entries of C(other_config) that a disk must have, with these values.
      - The modules of this collection record the source of a disk there.
    type: dict
  snapshots:
    description:
      - Whether snapshots are listed as well.
    type: bool
    default: true
  query:
    description:
      - A JMESPath expression that shapes RV(vdis). Needs the Python library jmespath.
    type: str
extends_documentation_fragment:
  - xenstack.image_services._attributes.info
  - xenstack.image_services._pool
seealso:
  - module: xenstack.image_services.xen_sr_info
"""

EXAMPLES = r"""
- name: Find a disk by its name in one SR
  xenstack.image_services.xen_vdi_info:
    hostname: xen1.example.org
    password: "{{ pool_password }}"
    ca_path: /etc/ssl/certs/pools.pem
    name: debian-13
    sr: images
    snapshots: false
  register: debian

- name: List the disks that no VM uses
  xenstack.image_services.xen_vdi_info:
    hostname: xen1.example.org
    password: "{{ pool_password }}"
    ca_path: /etc/ssl/certs/pools.pem
    query: "[?length(vbds) == `0`].{name: name, uuid: uuid, bytes: physical_utilisation}"
  register: unused
"""

RETURN = r"""
vdis:
  description:
    - The disks by name, or what O(query) makes of them. Without any disk that fits, an empty list.
  returned: success
  type: list
  elements: dict
  contains:
    uuid:
      description: Its uuid.
      type: str
      returned: success
      sample: 5c4f1fd1-7f38-4b7c-93f5-0b0b6f5b7a52
    name:
      description: Its name. Several disks may have the same.
      type: str
      returned: success
      sample: debian-13
    description:
      description: Its description.
      type: str
      returned: success
      sample: Debian 13 of 2026-03
    sr:
      description: Uuid of its SR.
      type: str
      returned: success
      sample: 2f0b5b39-4ad6-4f5e-9b0e-5d7b1a0f1c11
    sr_name:
      description: Name of its SR.
      type: str
      returned: success
      sample: images
    type:
      description: Its type.
      type: str
      returned: success
      sample: user
    virtual_size:
      description: Size in bytes that a VM sees.
      type: int
      returned: success
      sample: 21474836480
    physical_utilisation:
      description: Bytes that it takes in the SR.
      type: int
      returned: success
      sample: 1181116416
    read_only:
      description: Whether VMs may only read it, by the pool itself or by O(xenstack.image_services.xen_vdi_import#module:read_only).
      type: bool
      returned: success
      sample: false
    sharable:
      description: Whether several VMs may write to it at once.
      type: bool
      returned: success
      sample: false
    managed:
      description: Whether it is a disk of its own. Those that only hold what others share are not.
      type: bool
      returned: success
      sample: true
    missing:
      description: Whether the last scan of the SR did not find it.
      type: bool
      returned: success
      sample: false
    location:
      description: Its name inside the SR.
      type: str
      returned: success
      sample: 5c4f1fd1-7f38-4b7c-93f5-0b0b6f5b7a52
    parent:
      description: Uuid of the disk that it only differs from, null without one or where the pool does not tell.
      type: str
      returned: success
      sample: null
    is_snapshot:
      description: Whether it is a snapshot.
      type: bool
      returned: success
      sample: false
    snapshot_of:
      description: Uuid of the disk that it is a snapshot of, null where that has gone or it is none.
      type: str
      returned: success
      sample: null
    snapshot_time:
      description: When the snapshot was taken, null where it is none.
      type: str
      returned: success
      sample: null
    snapshots:
      description: Uuids of its snapshots.
      type: list
      elements: str
      returned: success
      sample: []
    vbds:
      description: How VMs use it.
      type: list
      elements: dict
      returned: success
      contains:
        uuid:
          description: Uuid of the connection.
          type: str
          returned: success
          sample: 3b9e6c1a-2b1f-4d8a-8c53-8f2b0c9d1e77
        vm:
          description: Uuid of the VM.
          type: str
          returned: success
          sample: c1f0d5e2-3a4b-4c5d-8e9f-0a1b2c3d4e5f
        vm_name:
          description: Name of the VM.
          type: str
          returned: success
          sample: web-1
        device:
          description: Its name in the VM, null where the VM does not run.
          type: str
          returned: success
          sample: xvda
        userdevice:
          description: Its number among the devices of the VM.
          type: str
          returned: success
          sample: "0"
        mode:
          description: V(RW) or V(RO).
          type: str
          returned: success
          sample: RW
        bootable:
          description: Whether the VM boots from it.
          type: bool
          returned: success
          sample: true
        attached:
          description: Whether the VM has it open now.
          type: bool
          returned: success
          sample: true
    tags:
      description: Its tags.
      type: list
      elements: str
      returned: success
      sample: []
    other_config:
      description: Its other_config, with the notes of this collection's modules.
      type: dict
      returned: success
      sample: {}
    sm_config:
      description: What the storage driver keeps with it.
      type: dict
      returned: success
      sample: {}
"""

from ansible_collections.xenstack.image_services.plugins.module_utils._core.argspec import ArgumentSpec
from ansible_collections.xenstack.image_services.plugins.module_utils._core.query import create_query_argspec
from ansible_collections.xenstack.image_services.plugins.module_utils._core.runner import run
from ansible_collections.xenstack.image_services.plugins.module_utils._xapi.argspec import PoolModule, create_pool_argspec
from ansible_collections.xenstack.image_services.plugins.module_utils._xapi.listing import VdiInfoJob


def create_vdi_listing_argspec() -> ArgumentSpec:
    return ArgumentSpec(
        options={
            "name": {"type": "str", "aliases": ["uuid"]},
            "sr": {"type": "str"},
            "tags": {"type": "list", "elements": "str"},
            "other_config": {"type": "dict"},
            "snapshots": {"type": "bool", "default": True},
        }
    )


def main() -> None:
    spec = create_pool_argspec().merge(create_vdi_listing_argspec()).merge(create_query_argspec())
    run(PoolModule(spec, supports_check_mode=True), VdiInfoJob)


if __name__ == "__main__":
    main()
