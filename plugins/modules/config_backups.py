#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: config_backups
short_description: Keep the newest backups of configuration files
version_added: 1.0.0
author: xenstack.image_services contributors (@xenstack)
description:
  - Removes the older ones of the copies that modules of Ansible leave beside a file with C(backup=true). They hold the secrets of the file.
  - A copy that others may read is closed to them. Files with other names are left alone.
options:
  paths:
    description:
      - Paths of the files whose copies are looked for. The files themselves need not exist and are not changed.
    type: list
    elements: path
    required: true
  keep:
    description:
      - Number of copies of each file that are kept, the newest ones. V(0) keeps none.
    type: int
    required: true
extends_documentation_fragment:
  - xenstack.image_services._attributes
"""

EXAMPLES = r"""
- name: Keep three backups of the configuration
  xenstack.image_services.config_backups:
    paths:
      - /etc/glance/glance-api.conf
      - /etc/glance/glance-stores.conf
    keep: 3
"""

RETURN = r"""
removed:
  description: Paths of the copies that were removed, or would be in check mode.
  returned: success
  type: list
  elements: str
  sample: ["/etc/glance/glance-api.conf.4242.2026-11-21@10:15:00~"]
closed:
  description: Paths of the copies that others may not read any more.
  returned: success
  type: list
  elements: str
  sample: []
diff:
  description: The copies before and after.
  returned: success
  type: dict
  sample:
    before:
      backups: ["/etc/glance/glance-api.conf.4242.2026-11-21@10:15:00~"]
    after:
      backups: []
error:
  description: What failed, for programs.
  returned: failure
  type: dict
  sample:
    code: no_rights
    details: null
    request_id: null
  contains:
    code:
      description: A short word for what this module found.
      type: raw
    details:
      description: Nothing for now.
      type: raw
    request_id:
      description: Nothing for now.
      type: str
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.xenstack.image_services.plugins.module_utils._core.argspec import ArgumentSpec
from ansible_collections.xenstack.image_services.plugins.module_utils._core.config_backups import BackupsJob
from ansible_collections.xenstack.image_services.plugins.module_utils._core.runner import run


def create_backups_argspec() -> ArgumentSpec:
    return ArgumentSpec(options={"paths": {"type": "list", "elements": "path", "required": True}, "keep": {"type": "int", "required": True}})


def main() -> None:
    run(AnsibleModule(supports_check_mode=True, **create_backups_argspec().module_kwargs()), BackupsJob)


if __name__ == "__main__":
    main()
