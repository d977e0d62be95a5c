#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: xen_nfs_probe
short_description: Check that a Xen pool can keep volumes on an NFS export
version_added: 1.0.0
author: xenstack.image_services contributors (@xenstack)
description:
  - Logs in to the pool and lets its storage manager look at the export by C(SR.probe), on every host that is enabled. Nothing is created.
  - On request it checks as well that a VM belongs to the pool, and that all hosts have the Dom0 plugin of this collection.
options:
  server:
    description:
      - Name or address of the NFS server, as the hosts of the pool reach it.
    type: str
    required: true
  serverpath:
    description:
      - Path of the export.
    type: str
    required: true
  nfsversion:
    description:
      - Version of NFS, for example V(4.1). Without it, the storage manager's default.
    type: str
  vm:
    description:
      - Uuid of a VM that has to belong to the pool.
    type: str
  dom0:
    description:
      - Whether every host has to have the Dom0 plugin C(imagestore), in one version that belongs to this collection.
    type: bool
    default: false
extends_documentation_fragment:
  - xenstack.image_services._attributes.info
  - xenstack.image_services._pool
requirements: []
notes:
  - The library XenAPI is not needed here, because this module looks at a pool before anything is installed.
seealso:
  - module: xenstack.image_services.xen_sr
"""

EXAMPLES = r"""
- name: See that the pool reaches the export
  xenstack.image_services.xen_nfs_probe:
    hostname: pool-a.example.com
    password: "{{ vault_pool_password }}"
    ca_path: /etc/ssl/pool-a.pem
    server: nfs.example.com
    serverpath: /srv/volumes
"""

RETURN = r"""
hosts:
  description: Names of the hosts that have looked at the export.
  returned: success
  type: list
  elements: str
  sample: [xen1, xen2]
srs:
  description: Uuids of the SRs on the export.
  returned: success
  type: list
  elements: str
  sample: [2f0b5b39-4ad6-4f5e-9b0e-5d7b1a0f1c11]
vm:
  description: Name of O(vm), null where that was not given.
  returned: success
  type: str
  sample: cinder-volume
plugin:
  description: Version of the plugin, null where O(dom0) was not asked for.
  returned: success
  type: str
  sample: 1.0.0
"""

from ansible_collections.xenstack.image_services.plugins.module_utils._core.argspec import ArgumentSpec
from ansible_collections.xenstack.image_services.plugins.module_utils._core.runner import run
from ansible_collections.xenstack.image_services.plugins.module_utils._srs.nfs_probe import NfsProbeJob
from ansible_collections.xenstack.image_services.plugins.module_utils._xapi.argspec import PoolModule, create_pool_argspec


def create_probe_argspec() -> ArgumentSpec:
    return ArgumentSpec(
        options={
            "server": {"type": "str", "required": True},
            "serverpath": {"type": "str", "required": True},
            "nfsversion": {"type": "str"},
            "vm": {"type": "str"},
            "dom0": {"type": "bool", "default": False},
        },
    )


def main() -> None:
    run(PoolModule(create_pool_argspec().merge(create_probe_argspec()), supports_check_mode=True), NfsProbeJob)


if __name__ == "__main__":
    main()
