#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Module: a storage repository of a pool."""

from __future__ import annotations

DOCUMENTATION = r"""
module: xen_sr
short_description: Keep a storage repository in a XenServer or XCP-ng pool
version_added: 1.0.0
author:
  - xenstack.image_services contributors (@xenstack)
description:
  - Creates a storage repository (SR), introduces one that is already on the storage, connects the hosts of the pool to it, or takes it out of the pool.
  - It never deletes a disk. An SR with disks in it can be forgotten, which leaves them on the storage, and not removed.
  - If a step fails, it removes what it has created.
attributes:
  check_mode:
    description: Changes nothing. A scan, which O(scan) and O(state=absent) request, is not run, so that its result is not known.
    support: full
  diff_mode:
    description: Shows attributes and the connections of the hosts. Secrets in O(device_config) are masked.
    support: full
  idempotent:
    description: With O(scan), it reports a change where the scan finds other disks than before.
    support: full
options:
  name:
    description:
      - Name of the SR. Beside O(uuid), it is the name that the SR gets.
      - Without O(uuid), a name that no SR has and that is a UUID is taken as one.
      - One of O(name) and O(uuid) is required. Where several SRs have the name, their uuids are listed and nothing is done.
    type: str
  uuid:
    description:
      - Uuid of the SR. Where the pool does not know it, the SR is introduced from the storage that O(device_config) names, with the disks in it.
    type: str
  state:
    description:
      - V(present) keeps the SR in the pool.
      - V(forgotten) disconnects the hosts and takes the SR out of the pool. What is on the storage stays, and O(uuid) introduces it again.
        Names, descriptions and notes of disks that the storage itself does not keep are lost, which on all types but V(lvm) means all of them.
      - V(absent) deletes the SR on the storage too. It needs O(destroy=true), and is refused where a scan finds any disk.
      - V(forgotten) and V(absent) are refused for the SRs of the pool itself, which hold its drives and tools.
    type: str
    choices: [present, forgotten, absent]
    default: present
  destroy:
    description:
      - Whether O(state=absent) may delete what is on the storage.
    type: bool
    default: false
  type:
    description:
      - Type of the SR. Required where it is created or introduced, and it cannot be changed.
    type: str
    choices: [nfs, ext, lvm, file, iso]
  device_config:
    description:
      - Settings of the storage driver. V(nfs) needs C(server) and C(serverpath), V(ext) and V(lvm) C(device), V(file) and V(iso) C(location).
      - An ISO library on a Windows share takes C(location), C(type=cifs), C(username) and C(cifspassword) as well.
      - On an SR that exists, keys that are given are compared. If one differs, the connection of each host is replaced, which no running VM survives
        and which is refused while one uses the SR. A secret that the pool keeps apart is not compared.
      - Values of keys that hold a secret are masked in all output.
    type: dict
  nfsversion:
    description:
      - Version of the protocol of an V(nfs) SR. Without it, the driver decides, which takes V(3).
    type: str
    choices: ["3", "4", "4.0", "4.1"]
  content_type:
    description:
      - What the SR holds. Without it, V(iso) for the type V(iso), else V(user). It cannot be changed.
    type: str
  shared:
    description:
      - Whether all hosts of the pool use the SR. Without it, a new SR is shared where its type is V(nfs).
    type: bool
  description:
    description:
      - Description of the SR. Without it, a new SR has none.
    type: str
  default:
    description:
      - Whether the SR is the default of the pool. V(false) leaves the pool without one if this SR was it.
    type: bool
  plugged:
    description:
      - V(true) connects the hosts, all of them if the SR is shared, those that have joined the pool later too. V(false) disconnects them.
      - Without it, a new SR is connected, and one that exists is left as it is.
    type: bool
  scan:
    description:
      - Whether to look for disks on the storage that the pool does not know yet, and for those that have gone. An SR that is introduced is always scanned.
    type: bool
    default: false
  host:
    description:
      - Name or uuid of the host that creates the SR, and that alone has it where it is not shared. Without it, the coordinator.
    type: str
  overwrite:
    description:
      - Whether a device that holds another SR may be formatted, and what is in that SR lost. Only for O(type=ext) and O(type=lvm).
    type: bool
    default: false
extends_documentation_fragment:
  - xenstack.image_services._pool
seealso:
  - module: xenstack.image_services.xen_sr_info
  - module: xenstack.image_services.xen_vdi_info
"""

EXAMPLES = r"""
- name: Keep an NFS SR that all hosts use
  xenstack.image_services.xen_sr:
    hostname: xen1.example.org
    password: "{{ pool_password }}"
    ca_path: /etc/ssl/certs/pools.pem
    name: images
    description: Disks of cloud images
    type: nfs
    nfsversion: "4.1"
    device_config:
      server: nfs.example.org
      serverpath: /export/images
    plugged: true
    default: true

- name: Introduce an SR that another pool has given up, with its disks
  xenstack.image_services.xen_sr:
    hostname: xen2.example.org
    password: "{{ pool_password }}"
    fingerprint: "{{ pool_fingerprint }}"
    uuid: 2f0b5b39-4ad6-4f5e-9b0e-5d7b1a0f1c11
    name: images
    type: nfs
    device_config:
      server: nfs.example.org
      serverpath: /export/images

- name: Take it out of the first pool, and leave the disks on the storage
  xenstack.image_services.xen_sr:
    hostname: xen1.example.org
    password: "{{ pool_password }}"
    ca_path: /etc/ssl/certs/pools.pem
    name: images
    state: forgotten

- name: Delete an empty SR on a local disk
  xenstack.image_services.xen_sr:
    hostname: xen1.example.org
    password: "{{ pool_password }}"
    ca_path: /etc/ssl/certs/pools.pem
    name: scratch
    state: absent
    destroy: true
"""

RETURN = r"""
sr:
  description:
    - The SR as M(xenstack.image_services.xen_sr_info) returns it, in check mode as it would be. Null where it is not in the pool any more.
  returned: success
  type: dict
  contains:
    uuid:
      description: Its uuid, null in check mode where it is not there yet.
      type: str
      returned: success
      sample: 2f0b5b39-4ad6-4f5e-9b0e-5d7b1a0f1c11
    name:
      description: Its name. Several SRs may have the same.
      type: str
      returned: success
      sample: images
    description:
      description: Its description.
      type: str
      returned: success
      sample: Disks of cloud images
    type:
      description: Its type, the name of the storage driver.
      type: str
      returned: success
      sample: nfs
    content_type:
      description: What it holds, V(user) for disks and V(iso) for CD images.
      type: str
      returned: success
      sample: user
    shared:
      description: Whether all hosts of the pool use it.
      type: bool
      returned: success
      sample: true
    default:
      description: Whether it is the default of the pool.
      type: bool
      returned: success
      sample: false
    physical_size:
      description: Size in bytes, null like the uuid.
      type: int
      returned: success
      sample: 1099511627776
    physical_utilisation:
      description: Bytes in use, as the pool saw them last, null like the uuid.
      type: int
      returned: success
      sample: 34359738368
    virtual_allocation:
      description: Bytes that its disks take when they are full, null like the uuid.
      type: int
      returned: success
      sample: 68719476736
    free:
      description: Bytes that are not in use, null where the size is unknown.
      type: int
      returned: success
      sample: 1065151889408
    vdis:
      description: How many disks the pool knows in it.
      type: int
      returned: success
      sample: 12
    pbds:
      description: How the hosts reach it.
      type: list
      elements: dict
      returned: success
      contains:
        uuid:
          description: Uuid of the connection.
          type: str
          returned: success
          sample: 8e0a2a4c-57ff-4ac4-9a33-7f1f3f6d2f38
        host:
          description: Uuid of the host.
          type: str
          returned: success
          sample: f6a3b1b7-3f0c-4d0e-8a48-3c5d2a2a3c6b
        host_name:
          description: Name of the host.
          type: str
          returned: success
          sample: xen1
        attached:
          description: Whether the host is connected now.
          type: bool
          returned: success
          sample: true
        device_config:
          description: Settings of the storage driver. Secrets in it are masked.
          type: dict
          returned: success
          sample: {server: nfs.example.org, serverpath: /export/images}
    tags:
      description: Its tags.
      type: list
      elements: str
      returned: success
      sample: []
    other_config:
      description: Its other_config.
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
from ansible_collections.xenstack.image_services.plugins.module_utils._core.runner import run
from ansible_collections.xenstack.image_services.plugins.module_utils._srs.job import SrJob
from ansible_collections.xenstack.image_services.plugins.module_utils._xapi.argspec import PoolModule, create_pool_argspec


def create_sr_argspec() -> ArgumentSpec:
    return ArgumentSpec(
        options={
            "name": {"type": "str"},
            "uuid": {"type": "str"},
            "state": {"type": "str", "choices": ["present", "forgotten", "absent"], "default": "present"},
            "destroy": {"type": "bool", "default": False},
            "type": {"type": "str", "choices": ["nfs", "ext", "lvm", "file", "iso"]},
            "device_config": {"type": "dict"},
            "nfsversion": {"type": "str", "choices": ["3", "4", "4.0", "4.1"]},
            "content_type": {"type": "str"},
            "shared": {"type": "bool"},
            "description": {"type": "str"},
            "default": {"type": "bool"},
            "plugged": {"type": "bool"},
            "scan": {"type": "bool", "default": False},
            "host": {"type": "str"},
            "overwrite": {"type": "bool", "default": False},
        },
        required_one_of=[["name", "uuid"]],
    )


def main() -> None:
    run(PoolModule(create_pool_argspec().merge(create_sr_argspec()), supports_check_mode=True), SrJob)


if __name__ == "__main__":
    main()
