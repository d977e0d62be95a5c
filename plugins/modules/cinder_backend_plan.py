#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: cinder_backend_plan
short_description: Plan how a Cinder gets a backend on a Xen pool
version_added: 1.0.0
author: xenstack.image_services contributors (@xenstack)
description:
  - Reads the configuration of Cinder and the interpreter of C(cinder-volume), and returns what has to be done, as the role
    P(xenstack.image_services.cinder_xenapinfs#role) does it.
  - The configuration keeps every line of others. A section of this name that the role has not written is taken over if all of its options are declared, and
    refused otherwise.
  - Nothing is changed. The result holds secrets, so the task needs C(no_log).
options:
  src:
    description:
      - Directory of the package of the driver on the controller. Relative paths are looked for in C(files), as for M(ansible.builtin.copy).
    type: path
    required: true
  files:
    description:
      - Text of further files of the package, by their path in it.
    type: dict
    default: {}
  state:
    description:
      - Whether Cinder is to have the backend.
    type: str
    choices: [present, absent]
    default: present
  backend:
    description:
      - Name of the backend, which is that of its section.
    type: str
    required: true
  options:
    description:
      - Options of the section. Those that are null, empty or an empty list are left out; values are literal.
      - A driver in the tree of Cinder gets the options alone that it knows.
    type: dict
    default: {}
  extra_config:
    description:
      - Further options of the section, which override O(options).
    type: dict
    default: {}
  driver_class:
    description:
      - Class of the driver. V(auto) is the class that fits the version of Cinder.
    type: str
    default: auto
  config_file:
    description:
      - Configuration file of Cinder.
    type: path
    default: /etc/cinder/cinder.conf
  owner:
    description:
      - Owner of that file.
    type: str
    default: root
  group:
    description:
      - Group of that file.
    type: str
    default: cinder
  home:
    description:
      - Directory in which the driver is kept.
    type: path
    required: true
  record:
    description:
      - File that the last verification is recorded in.
    type: path
    required: true
  python:
    description:
      - Interpreter of C(cinder-volume). Without it, that of the running process, else that of the program on C(PATH).
    type: path
  is_local:
    description:
      - Whether the host must be a VM of the pool.
    type: bool
    default: false
  hypervisor_uuid:
    description:
      - File that says which VM the host is.
    type: path
    default: /sys/hypervisor/uuid
  has_volume_type:
    description:
      - Whether the backend has a volume type.
    type: bool
    default: false
  verify:
    description:
      - When the backend is verified.
    type: str
    choices: [changed, always, never]
    default: changed
  remove_in_use:
    description:
      - Whether O(state=absent) removes a backend that has volumes.
    type: bool
    default: false
  has_credentials:
    description:
      - Whether there are credentials for the API of Cinder.
    type: bool
    default: false
extends_documentation_fragment:
  - xenstack.image_services._attributes
  - xenstack.image_services._attributes.info
attributes:
  action:
    description: Has an action plugin, which reads the package on the controller.
    support: full
seealso:
  - module: xenstack.image_services.python_package
  - module: xenstack.image_services.config_files
"""

EXAMPLES = r"""
- name: Read what the backend needs
  xenstack.image_services.cinder_backend_plan:
    src: "{{ playbook_dir }}/../roles/cinder_xenapinfs/files/cinder_xenapinfs"
    backend: xenapinfs
    home: /opt/cinder-xenapinfs
    record: /opt/cinder-xenapinfs/xenapinfs.verified
    state: absent
    has_credentials: true
  no_log: true
  register: plan

- name: Show what prevents the removal
  ansible.builtin.debug:
    var: plan.findings
"""

RETURN = r"""
findings:
  description: Why nothing may be changed, as sentences.
  returned: success
  type: list
  elements: str
  sample: []
files:
  description: Entries for M(xenstack.image_services.config_files).
  returned: success
  type: list
  elements: dict
  sample: []
differs:
  description: Whether the configuration changes.
  returned: success
  type: bool
  sample: true
backends:
  description: Names in C(enabled_backends) afterwards.
  returned: success
  type: list
  elements: str
  sample: [lvm, xenapinfs]
verified:
  description: Whether exactly this backend was verified.
  returned: success
  type: bool
  sample: false
restart:
  description: Whether C(cinder-volume) has to be restarted although nothing changes, because a run stopped before it did.
  returned: success
  type: bool
  sample: false
record:
  description: SHA-256 over everything that the verification is about. The role records it.
  returned: success
  type: str
  sample: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
driver:
  description: Class of the driver.
  returned: success
  type: str
  sample: cinder_xenapinfs.driver.XenAPINFSDriver
package:
  description:
    - C(needed), whether the driver is in the package of this collection, C(installs), whether the package has to be installed, and C(unused), whether it is
      there and no backend is left that uses it.
  returned: success
  type: dict
  sample:
    needed: true
    installs: false
    unused: false
python:
  description: Interpreter of C(cinder-volume).
  returned: success
  type: str
  sample: /opt/cinder/bin/python
vm:
  description: UUID of the VM that the host is. V(null) if it is none.
  returned: success
  type: str
  sample: null
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.xenstack.image_services.plugins.module_utils._cinder.backend_host import BackendPlanJob
from ansible_collections.xenstack.image_services.plugins.module_utils._core.argspec import ArgumentSpec
from ansible_collections.xenstack.image_services.plugins.module_utils._core.runner import run


def create_backend_plan_argspec() -> ArgumentSpec:
    return ArgumentSpec(
        options={
            "src": {"type": "path", "required": True},
            "files": {"type": "dict", "default": {}},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "backend": {"type": "str", "required": True},
            "options": {"type": "dict", "default": {}},
            "extra_config": {"type": "dict", "default": {}},
            "driver_class": {"type": "str", "default": "auto"},
            "config_file": {"type": "path", "default": "/etc/cinder/cinder.conf"},
            "owner": {"type": "str", "default": "root"},
            "group": {"type": "str", "default": "cinder"},
            "home": {"type": "path", "required": True},
            "record": {"type": "path", "required": True},
            "python": {"type": "path"},
            "is_local": {"type": "bool", "default": False},
            "hypervisor_uuid": {"type": "path", "default": "/sys/hypervisor/uuid"},
            "has_volume_type": {"type": "bool", "default": False},
            "verify": {"type": "str", "choices": ["changed", "always", "never"], "default": "changed"},
            "remove_in_use": {"type": "bool", "default": False},
            "has_credentials": {"type": "bool", "default": False, "no_log": False},
        },
    )


def main() -> None:
    run(AnsibleModule(supports_check_mode=True, **create_backend_plan_argspec().module_kwargs()), BackendPlanJob)


if __name__ == "__main__":
    main()
