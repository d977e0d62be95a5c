#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: apply_command
short_description: Run the command that applies a configuration, and show its output without secrets
version_added: 1.0.0
author: xenstack.image_services contributors (@xenstack)
description:
  - Runs a program such as C(kolla-ansible reconfigure) that applies what was written before.
  - If it fails, the error holds the end of its output, in which every one of the O(secrets) is replaced by stars. Otherwise its output is not shown.
attributes:
  check_mode:
    description: Says that it would run the command, and does not run it.
    support: full
  diff_mode:
    description: Only the command itself knows what it changes.
    support: none
  idempotent:
    description: The command runs each time.
    support: none
options:
  argv:
    description:
      - The program and its arguments. No shell reads them.
    type: list
    elements: str
    required: true
  name:
    description:
      - What is applied, for the error.
    type: str
    required: true
  kind:
    description:
      - What O(name) is the name of, for the error.
    type: str
    default: configuration
  secrets:
    description:
      - Texts that are masked in the output.
    type: list
    elements: str
    default: []
  limit:
    description:
      - Characters of the output to show.
    type: int
    default: 8000
"""

EXAMPLES = r"""
- name: Apply the configuration of Glance
  xenstack.image_services.apply_command:
    argv: [kolla-ansible, reconfigure, -t, glance]
    kind: stores
    name: fast, archive
    secrets: ["{{ vault_s3_secret_key }}"]
"""

RETURN = r"""
rc:
  description: What the command ended with.
  returned: success, when it ran
  type: int
  sample: 0
error:
  description: What failed, for programs.
  returned: failure
  type: dict
  sample:
    code: command_failed
    details: null
    request_id: null
  contains:
    code:
      description: A short word for the kind of failure.
      type: raw
    details:
      description: Always V(null).
      type: raw
    request_id:
      description: Always V(null).
      type: str
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.xenstack.image_services.plugins.module_utils._core.apply_command import ApplyCommandJob
from ansible_collections.xenstack.image_services.plugins.module_utils._core.argspec import ArgumentSpec
from ansible_collections.xenstack.image_services.plugins.module_utils._core.runner import run


def create_apply_command_argspec() -> ArgumentSpec:
    return ArgumentSpec(
        options={
            "argv": {"type": "list", "elements": "str", "required": True},
            "name": {"type": "str", "required": True},
            "kind": {"type": "str", "default": "configuration"},
            "secrets": {"type": "list", "elements": "str", "default": [], "no_log": True},
            "limit": {"type": "int", "default": 8000},
        }
    )


def main() -> None:
    run(AnsibleModule(supports_check_mode=True, **create_apply_command_argspec().module_kwargs()), ApplyCommandJob)


if __name__ == "__main__":
    main()
