#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Module: a copy of a disk in another SR of its pool."""

from __future__ import annotations

DOCUMENTATION = r"""
module: xen_vdi_copy
short_description: Keep a copy of a disk in another SR of the same Xen pool
version_added: 1.0.0
author:
  - xenstack.image_services contributors (@xenstack)
description:
  - Has a XenServer or XCP-ng pool copy a VDI into another of its storage repositories. The data stays in the pool.
  - The copy records its source in its C(other_config), and the digest that M(xenstack.image_services.xen_vdi_import) has noted on the source.
    The same content is not copied twice, by either module.
  - New content becomes a new VDI beside the old copy, and gets the name when it is complete. The old copy is treated as O(on_replace) says.
  - A copy that has failed is removed.
attributes:
  check_mode:
    description: Can run in check mode and predict changes without making any.
    support: full
  diff_mode:
    description: Returns what has changed, in check mode as well.
    support: full
  idempotent:
    description: A second run without a change in between reports and does nothing.
    support: full
    details:
      - A source without a digest is considered unchanged, whatever was written to it since.
options:
  vdi:
    description:
      - Name or uuid of the VDI. A name only finds disks of users, and no snapshots. The pool refuses one that a running VM may write to.
      - Where several disks have the name, the one that is no copy itself is meant, so that a second run finds the source beside its copies.
    type: str
    required: true
  source_sr:
    description:
      - Name or uuid of the SR that holds O(vdi), for a name that disks in several SRs have.
    type: str
  sr:
    description:
      - Name or uuid of the SR that is to hold the copy.
    type: str
    required: true
  name:
    description:
      - Name of the copy. Without it, that of the source.
    type: str
  on_replace:
    description:
      - What becomes of an older copy. V(keep) gives it a name of its own, with the beginning of its uuid behind the old name.
      - V(delete) removes it, but only if no VM uses it. One that is in use is kept as with V(keep).
    type: str
    choices: [keep, delete]
    default: keep
extends_documentation_fragment:
  - xenstack.image_services._pool
seealso:
  - module: xenstack.image_services.xen_vdi_import
  - module: xenstack.image_services.xen_vdi_info
"""

EXAMPLES = r"""
- name: Import an image once, and keep it in two SRs
  module_defaults:
    group/xenstack.image_services.xapi:
      hostname: pool.example.com
      password: "{{ vault_pool_password }}"
  block:
    - name: Import it into the default SR
      xenstack.image_services.xen_vdi_import:
        name: debian-13
        image: debian-13
        glance: {cloud: production}
      register: debian

    - name: Copy it to the other one
      xenstack.image_services.xen_vdi_copy:
        vdi: "{{ debian.vdi.uuid }}"
        sr: local storage of xen-2

- name: Copy a disk whose name the SRs of several hosts have
  xenstack.image_services.xen_vdi_copy:
    hostname: pool.example.com
    password: "{{ vault_pool_password }}"
    vdi: debian-13
    source_sr: local storage of xen-1
    sr: local storage of xen-2
"""

RETURN = r"""
vdi:
  description: The copy, in check mode the predicted one, whose uuid is null where it would be a new one.
  returned: success
  type: dict
  sample:
    uuid: 5c4f1fd1-7f38-4b7c-93f5-0b0b6f5b7a52
    name: debian-13
    sr: 2f0b5b39-4ad6-4f5e-9b0e-5d7b1a0f1c11
    sr_name: local storage of xen-2
    virtual_size: 21474836480
    other_config:
      image_services_copied_from: 8f1c1f60-2b40-4c5a-9c54-2f1b6f0f5a77
  contains:
    uuid:
      description: Its uuid.
      type: str
    name:
      description: Its name.
      type: str
    sr:
      description: Uuid of its SR.
      type: str
    sr_name:
      description: Name of its SR.
      type: str
    virtual_size:
      description: Size in bytes that a VM sees.
      type: int
    other_config:
      description: Its other_config, with the notes on its source.
      type: dict
replaced_vdi:
  description: Uuid of the older copy that was replaced, else V(none).
  returned: success
  type: str
  sample: 0d9b6b8f-4f8e-4f57-8c9a-0a8a5d8b8d11
diff:
  description: What tells the content, before and after.
  returned: success
  type: dict
  sample:
    before: {}
    after: {name: debian-13, copied_from: 8f1c1f60-2b40-4c5a-9c54-2f1b6f0f5a77, digest: null}
error:
  description: What failed, for programs.
  returned: failure
  type: dict
  contains:
    code:
      description: XAPI's error code, or a short word for what this module found.
      type: raw
    details:
      description: XAPI's parameters of the error.
      type: raw
    request_id:
      description: Always null.
      type: str
"""

from ansible_collections.xenstack.image_services.plugins.module_utils._core.argspec import ArgumentSpec
from ansible_collections.xenstack.image_services.plugins.module_utils._core.runner import run
from ansible_collections.xenstack.image_services.plugins.module_utils._vdis.copy_job import CopyJob
from ansible_collections.xenstack.image_services.plugins.module_utils._xapi.argspec import PoolModule, create_pool_argspec


def create_copy_argspec() -> ArgumentSpec:
    return ArgumentSpec(
        options={
            "vdi": {"type": "str", "required": True},
            "source_sr": {"type": "str"},
            "sr": {"type": "str", "required": True},
            "name": {"type": "str"},
            "on_replace": {"type": "str", "choices": ["keep", "delete"], "default": "keep"},
        }
    )


def main() -> None:
    run(PoolModule(create_pool_argspec().merge(create_copy_argspec()), supports_check_mode=True), CopyJob)


if __name__ == "__main__":
    main()
