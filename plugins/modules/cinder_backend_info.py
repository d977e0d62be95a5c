#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: cinder_backend_info
short_description: List what Cinder knows of one backend
version_added: 1.0.0
author: xenstack.image_services contributors (@xenstack)
description:
  - Lists the services of a backend, its pools as the scheduler sees them, and the volumes of all projects on it.
  - A backend that Cinder does not know has empty lists.
options:
  backend:
    description:
      - Name of the backend, which is that of its section in C(cinder.conf).
    type: str
    required: true
extends_documentation_fragment:
  - xenstack.image_services._attributes.info
  - xenstack.image_services._cloud
seealso:
  - module: xenstack.image_services.cinder_backend_check
"""

EXAMPLES = r"""
- name: Look at the backend
  xenstack.image_services.cinder_backend_info:
    cloud: production-admin
    backend: xenapinfs
  register: backend

- name: Show the free space of its pools
  ansible.builtin.debug:
    msg: "{{ backend.pools | map(attribute='capabilities.free_capacity_gb') }}"
"""

RETURN = r"""
services:
  description: One entry for each host that serves the backend, with C(host), C(zone), C(status), C(state) and C(updated_at).
  returned: success
  type: list
  elements: dict
  sample: [{host: storage1@xenapinfs, zone: nova, status: enabled, state: up, updated_at: "2026-10-01T12:00:00.000000"}]
pools:
  description: One entry for each pool that the scheduler may choose, with C(name) and what the driver says of it as C(capabilities).
  returned: success
  type: list
  elements: dict
  sample: [{name: "storage1@xenapinfs#xenapinfs", capabilities: {storage_protocol: xensm, free_capacity_gb: 812.5}}]
volumes:
  description: Volumes of all projects on it, with C(id), C(name), C(size) in GiB, C(status) and C(host).
  returned: success
  type: list
  elements: dict
  sample: []
"""

from ansible_collections.xenstack.image_services.plugins.module_utils._cinder.backend_job import BackendInfoJob
from ansible_collections.xenstack.image_services.plugins.module_utils._core.argspec import ArgumentSpec
from ansible_collections.xenstack.image_services.plugins.module_utils._core.runner import run
from ansible_collections.xenstack.image_services.plugins.module_utils._glance.argspec import CloudModule, create_cloud_argspec


def create_backend_argspec() -> ArgumentSpec:
    return ArgumentSpec(options={"backend": {"type": "str", "required": True}})


def main() -> None:
    run(CloudModule(create_cloud_argspec().merge(create_backend_argspec()), supports_check_mode=True), BackendInfoJob)


if __name__ == "__main__":
    main()
