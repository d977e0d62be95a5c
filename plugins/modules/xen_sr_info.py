#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Module: the storage repositories of a pool."""

from __future__ import annotations

DOCUMENTATION = r"""
module: xen_sr_info
short_description: List the storage repositories of a XenServer or XCP-ng pool
version_added: 1.0.0
author:
  - xenstack.image_services contributors (@xenstack)
description:
  - Lists the storage repositories (SRs) of a pool, how its hosts reach them, and what room they have.
  - Tells as well which storage drivers the pool has, and which software it runs.
options:
  name:
    description:
      - Name or uuid of the SRs to list. Without it, all are listed.
    type: str
    aliases: [uuid]
  type:
    description:
      - Type of the SRs to list, for example V(nfs).
    type: str
  tags:
    description:
      - Tags that an SR must all have.
    type: list
    elements: str
  query:
    description:
      - A JMESPath expression that shapes RV(srs). Needs the Python library jmespath.
    type: str
extends_documentation_fragment:
  - xenstack.image_services._attributes.info
  - xenstack.image_services._pool
seealso:
  - module: xenstack.image_services.xen_sr
  - module: xenstack.image_services.xen_vdi_info
"""

EXAMPLES = r"""
- name: See how much room the SRs of a pool have
  xenstack.image_services.xen_sr_info:
    hostname: xen1.example.org
    password: "{{ pool_password }}"
    ca_path: /etc/ssl/certs/pools.pem
    query: "[].{name: name, free: free}"
  register: room

- name: Check that every host is connected to an SR
  xenstack.image_services.xen_sr_info:
    hostname: xen1.example.org
    password: "{{ pool_password }}"
    fingerprint: "{{ pool_fingerprint }}"
    name: images
  register: images
  failed_when: images.srs | length != 1 or not images.srs[0].pbds | map(attribute='attached') is all
"""

RETURN = r"""
srs:
  description:
    - The SRs by name, or what O(query) makes of them. Without any SR that fits, an empty list.
  returned: success
  type: list
  elements: dict
  contains:
    uuid:
      description: Its uuid.
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
      description: Size in bytes.
      type: int
      returned: success
      sample: 1099511627776
    physical_utilisation:
      description: Bytes in use, as the pool saw them last.
      type: int
      returned: success
      sample: 34359738368
    virtual_allocation:
      description: Bytes that its disks take when they are full.
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
drivers:
  description: The storage drivers of the pool.
  returned: success
  type: list
  elements: dict
  contains:
    type:
      description: Type of the SRs that it serves.
      type: str
      returned: success
      sample: nfs
    name:
      description: Its name.
      type: str
      returned: success
      sample: NFS VHD
    version:
      description: Its version.
      type: str
      returned: success
      sample: "1.0"
    capabilities:
      description: What it can do.
      type: list
      elements: str
      returned: success
      sample: [SR_SCAN, VDI_CREATE]
    image_formats:
      description: Formats of disks that it keeps. Empty where the pool does not tell.
      type: list
      elements: str
      returned: success
      sample: [vhd, raw]
pool:
  description: The pool itself.
  returned: success
  type: dict
  contains:
    uuid:
      description: Its uuid.
      type: str
      returned: success
      sample: 0d2d4a6e-7b1c-4c8e-9d37-2b0f3e8f9a10
    name:
      description: Its name, empty for a pool of one host.
      type: str
      returned: success
      sample: production
    coordinator:
      description: Uuid of the host that leads it.
      type: str
      returned: success
      sample: f6a3b1b7-3f0c-4d0e-8a48-3c5d2a2a3c6b
    hosts:
      description: Its hosts, with C(uuid) and C(name).
      type: list
      elements: dict
      returned: success
      sample: [{uuid: f6a3b1b7-3f0c-4d0e-8a48-3c5d2a2a3c6b, name: xen1}]
    default_sr:
      description: Uuid of its default SR, null without one.
      type: str
      returned: success
      sample: 2f0b5b39-4ad6-4f5e-9b0e-5d7b1a0f1c11
    version:
      description: Version of the API.
      type: str
      returned: success
      sample: "2.21"
    software_version:
      description: Versions of the coordinator's software.
      type: dict
      returned: success
      sample: {product_brand: XCP-ng, product_version: 8.3.0, xapi_build: 26.1.3}
"""

from ansible_collections.xenstack.image_services.plugins.module_utils._core.argspec import ArgumentSpec
from ansible_collections.xenstack.image_services.plugins.module_utils._core.query import create_query_argspec
from ansible_collections.xenstack.image_services.plugins.module_utils._core.runner import run
from ansible_collections.xenstack.image_services.plugins.module_utils._xapi.argspec import PoolModule, create_pool_argspec
from ansible_collections.xenstack.image_services.plugins.module_utils._xapi.listing import SrInfoJob


def create_sr_listing_argspec() -> ArgumentSpec:
    return ArgumentSpec(
        options={
            "name": {"type": "str", "aliases": ["uuid"]},
            "type": {"type": "str"},
            "tags": {"type": "list", "elements": "str"},
        }
    )


def main() -> None:
    spec = create_pool_argspec().merge(create_sr_listing_argspec()).merge(create_query_argspec())
    run(PoolModule(spec, supports_check_mode=True), SrInfoJob)


if __name__ == "__main__":
    main()
