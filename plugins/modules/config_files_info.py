#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: config_files_info
short_description: Read the files of a configuration in one task
version_added: 1.0.0
author: xenstack.image_services contributors (@xenstack)
description:
  - Returns content and mode of the files that exist. Nothing that is missing is an error. Links are followed.
options:
  files:
    description:
      - Absolute paths of files.
    type: list
    elements: path
    default: []
  patterns:
    description:
      - Files that are found by their names.
    type: list
    elements: dict
    default: []
    suboptions:
      directory:
        description:
          - Absolute path of the directory.
        type: path
        required: true
      names:
        description:
          - Patterns of a shell, for example V(*.conf). They match no hidden file.
        type: list
        elements: str
        required: true
  directories:
    description:
      - Absolute paths of directories of which only the existence is returned.
    type: list
    elements: path
    default: []
  users:
    description:
      - Names of users whose numbers are returned.
    type: list
    elements: str
    default: []
extends_documentation_fragment:
  - xenstack.image_services._attributes.info
notes:
  - The files may hold secrets. Set C(no_log) for the task.
seealso:
  - module: xenstack.image_services.config_files
"""

EXAMPLES = r"""
- name: Read the configuration of Glance
  xenstack.image_services.config_files_info:
    files: [/etc/glance/glance-api.conf]
    patterns:
      - directory: /etc/glance/glance-api.conf.d
        names: ["*.conf"]
  no_log: true
  register: glance_files
"""

RETURN = r"""
files:
  description: The files that exist, in the order of the options.
  returned: success
  type: list
  elements: dict
  sample:
    - path: /etc/glance/glance-api.conf
      real_path: /etc/glance/glance-api.conf
      content: W0RFRkFVTFRdCg==
      mode: "0640"
  contains:
    path:
      description: Path as it was given or found.
      type: str
    real_path:
      description: Path without links.
      type: str
    content:
      description: Content of the file in base64.
      type: str
    mode:
      description: Mode of the file.
      type: str
directories:
  description: Those of O(directories) that exist.
  returned: success
  type: list
  elements: str
  sample: []
uid:
  description: Number of the user that has read them.
  returned: success
  type: int
  sample: 0
users:
  description: Number of each of O(users) by its name. V(null) where the host has no such user.
  returned: success
  type: dict
  sample:
    glance: 42424
error:
  description: What failed, for programs.
  returned: failure
  type: dict
  sample:
    code: unreadable
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
from ansible_collections.xenstack.image_services.plugins.module_utils._core.argspec import ArgumentSpec
from ansible_collections.xenstack.image_services.plugins.module_utils._core.config_reader import ConfigFilesInfoJob
from ansible_collections.xenstack.image_services.plugins.module_utils._core.runner import run


def create_config_files_info_argspec() -> ArgumentSpec:
    pattern = {"directory": {"type": "path", "required": True}, "names": {"type": "list", "elements": "str", "required": True}}
    return ArgumentSpec(
        options={
            "files": {"type": "list", "elements": "path", "default": []},
            "patterns": {"type": "list", "elements": "dict", "default": [], "options": pattern},
            "directories": {"type": "list", "elements": "path", "default": []},
            "users": {"type": "list", "elements": "str", "default": []},
        }
    )


def main() -> None:
    run(AnsibleModule(supports_check_mode=True, **create_config_files_info_argspec().module_kwargs()), ConfigFilesInfoJob)


if __name__ == "__main__":
    main()
