#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: cinder_volume_type
short_description: Keep a volume type in Cinder
version_added: 1.0.0
author: xenstack.image_services contributors (@xenstack)
description:
  - Creates, updates and deletes one volume type with its extra specs.
  - What is not given is not managed, and extra specs that are not named stay.
attributes:
  check_mode:
    description: Says what would change and changes nothing.
    support: full
  diff_mode:
    description: Shows what is declared, before and after.
    support: full
  idempotent:
    description: A second run changes nothing.
    support: full
options:
  name:
    description:
      - Name of the type, or its id. A new type gets it as its name.
    type: str
    required: true
  state:
    description:
      - Whether the type exists. Cinder refuses to delete one that volumes have.
    type: str
    choices: [present, absent]
    default: present
  description:
    description:
      - What it is for. Not managed when not given.
    type: str
  is_public:
    description:
      - Whether every project may use it. Not managed when not given; Cinder makes new types public.
    type: bool
  extra_specs:
    description:
      - Extra specs to keep, for example C(volume_backend_name). A value of null removes the key.
      - With O(state=absent), a type that has other values of these keys is not deleted.
    type: dict
extends_documentation_fragment:
  - xenstack.image_services._cloud
seealso:
  - module: xenstack.image_services.cinder_backend_info
  - module: xenstack.image_services.cinder_backend_check
"""

EXAMPLES = r"""
- name: Keep the volume type of the NFS volumes of the Xen pools
  xenstack.image_services.cinder_volume_type:
    cloud: production-admin
    name: xenapinfs
    description: Disks of the Xen pools, on NFS
    extra_specs:
      volume_backend_name: xenapinfs
"""

RETURN = r"""
volume_type:
  description: The type; null where there is none.
  returned: success
  type: dict
  contains:
    id:
      description: Its id, null in check mode where it would be created.
      type: str
      returned: success
      sample: 6b0d5a3e-2f3a-4f0c-8d9a-5b1f0a9c7e11
    name:
      description: Its name.
      type: str
      returned: success
      sample: xenapinfs
    description:
      description: What it is for.
      type: str
      returned: success
      sample: Disks of the Xen pools, on NFS
    is_public:
      description: Whether every project may use it.
      type: bool
      returned: success
      sample: true
    extra_specs:
      description: All of its extra specs; in check mode the declared ones.
      type: dict
      returned: success
      sample: {volume_backend_name: xenapinfs}
"""

from ansible_collections.xenstack.image_services.plugins.module_utils._cinder.type_job import VolumeTypeJob
from ansible_collections.xenstack.image_services.plugins.module_utils._core.argspec import ArgumentSpec
from ansible_collections.xenstack.image_services.plugins.module_utils._core.runner import run
from ansible_collections.xenstack.image_services.plugins.module_utils._glance.argspec import CloudModule, create_cloud_argspec


def create_type_argspec() -> ArgumentSpec:
    return ArgumentSpec(
        options={
            "name": {"type": "str", "required": True},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "description": {"type": "str"},
            "is_public": {"type": "bool"},
            "extra_specs": {"type": "dict"},
        }
    )


def main() -> None:
    run(CloudModule(create_cloud_argspec().merge(create_type_argspec()), supports_check_mode=True), VolumeTypeJob)


if __name__ == "__main__":
    main()
