#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: cinder_backend_check
short_description: Verify that a backend of Cinder works
version_added: 1.0.0
author: xenstack.image_services contributors (@xenstack)
description:
  - Waits until the service of the backend is up and the scheduler has heard of its pool.
  - Then creates a volume of the given type, extends it by 1 GiB, takes a snapshot, deletes both, and waits until they have gone.
  - A volume that lands on another backend, or a step that fails, ends the task with the reason that Cinder gives. What the check has created is deleted then
    too.
attributes:
  check_mode:
    description: Waits for the service and creates nothing.
    support: full
  diff_mode:
    description: Leaves nothing changed.
    support: N/A
  idempotent:
    description: Leaves nothing changed.
    support: full
options:
  backend:
    description:
      - Name of the backend, which is that of its section in C(cinder.conf).
    type: str
    required: true
  volume_type:
    description:
      - Volume type that leads to this backend.
    type: str
    required: true
  size:
    description:
      - Size of the volume at first, in GiB.
    type: int
    default: 1
  timeout:
    description:
      - Seconds without any progress after which a step is considered failed.
    default: 120
extends_documentation_fragment:
  - xenstack.image_services._cloud
seealso:
  - module: xenstack.image_services.cinder_volume_type
  - module: xenstack.image_services.cinder_backend_info
"""

EXAMPLES = r"""
- name: Verify that the backend works
  xenstack.image_services.cinder_backend_check:
    cloud: production-admin
    backend: xenapinfs
    volume_type: xenapinfs
"""

RETURN = r"""
service:
  description: The service that is up, with C(host), C(status) and C(state).
  returned: success
  type: dict
  sample: {host: storage1@xenapinfs, status: enabled, state: up}
check:
  description: The volume that lived, which has gone again. Null in check mode.
  returned: success
  type: dict
  contains:
    host:
      description: Where it lay.
      type: str
      returned: success
      sample: storage1@xenapinfs#xenapinfs
    volume:
      description: Its id.
      type: str
      returned: success
      sample: 8b7d9a52-3c33-4a5e-9a57-0b3e0d8f6c21
    volume_type:
      description: Its type.
      type: str
      returned: success
      sample: xenapinfs
    sizes:
      description: Its size in GiB, at first and in the end.
      type: list
      elements: int
      returned: success
      sample: [1, 2]
"""

from ansible_collections.xenstack.image_services.plugins.module_utils._cinder.backend_job import BackendCheckJob
from ansible_collections.xenstack.image_services.plugins.module_utils._core.argspec import ArgumentSpec
from ansible_collections.xenstack.image_services.plugins.module_utils._core.runner import run
from ansible_collections.xenstack.image_services.plugins.module_utils._glance.argspec import CloudModule, create_cloud_argspec


def create_check_argspec() -> ArgumentSpec:
    return ArgumentSpec(
        options={
            "backend": {"type": "str", "required": True},
            "volume_type": {"type": "str", "required": True},
            "size": {"type": "int", "default": 1},
        }
    )


def main() -> None:
    run(CloudModule(create_cloud_argspec(timeout=120).merge(create_check_argspec()), supports_check_mode=True), BackendCheckJob)


if __name__ == "__main__":
    main()
