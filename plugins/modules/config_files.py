#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: config_files
short_description: Write the files of a configuration in one task
version_added: 1.0.0
author: xenstack.image_services contributors (@xenstack)
description:
  - Brings files, directories and links into their declared state, in the order in which they are given.
  - Everything is checked before the first change. Each file is replaced in one step, so that a service reads the former content or the new one.
  - A new file gets its owner, group and mode before it appears under its name. A file or directory that is reached by a link is changed where it is, and the
    link stays.
options:
  files:
    description:
      - What is written, in this order.
    type: list
    elements: dict
    required: true
    suboptions:
      path:
        description:
          - Absolute path, or a path below O(directory).
        type: path
        required: true
      state:
        description:
          - V(file) and V(link) are created or replaced. V(directory) is created with its parents, which get the mode C(0755).
          - V(absent) removes a file or link. A directory is never removed.
          - A path that is something else already is refused.
        type: str
        choices: [file, directory, link, absent]
        default: file
      content:
        description:
          - Complete text of the file. Without it the file is empty. It is shown in the diff alone.
        type: str
      target:
        description:
          - What the link points to. It need not exist.
        type: str
      replace:
        description:
          - With V(false), a file or directory that exists is left as it is, with its owner, group and mode.
        type: bool
        default: true
      owner:
        description:
          - Name or number of the owner. The default is O(owner).
        type: str
      group:
        description:
          - Name or number of the group. The default is O(group).
        type: str
      mode:
        description:
          - Mode as in M(ansible.builtin.file), for example V("0640"). The default for a file is O(mode).
        type: raw
      backup:
        description:
          - Keep a copy of the former content beside the file. The default is O(backup).
        type: bool
      shown_options:
        description:
          - Options of the file whose values the diff shows. The default is O(shown_options).
        type: list
        elements: str
  directory:
    description:
      - Directory that relative paths are in.
    type: path
  owner:
    description:
      - Owner of the files and directories that do not name one. Without it the owner is left unchanged.
    type: str
  group:
    description:
      - Group of the files and directories that do not name one. Without it the group is left unchanged.
    type: str
  mode:
    description:
      - Mode of the files that do not name one. Without it the mode is left unchanged, and a new file is readable for its owner alone.
    type: raw
  backup:
    description:
      - Keep copies of the former content of the files that do not say otherwise. O(keep_backups) limits their number.
    type: bool
    default: false
  keep_backups:
    description:
      - Copies of the former content to keep of each file, the newest ones. Older ones are removed, and of a file that is V(absent) all. V(0) keeps none.
      - Copies of a file with O(files[].replace=false) are left to whoever writes it. A copy that is kept is closed to other users, because it holds the
        secrets of the file, and has the owner and group that the file has now, so that a former user of a service reads it no longer.
      - Without it, no copy is removed.
    type: int
  shown_options:
    description:
      - Options of the files that do not say otherwise whose values the diff shows.
      - The diff then holds the lines that change, each under its section, and the values of all other options are replaced by stars. Without it, the diff
        holds the complete files.
    type: list
    elements: str
notes:
  - The content of files is part of the diff. Set O(shown_options) for files that hold secrets.
seealso:
  - module: ansible.builtin.copy
extends_documentation_fragment:
  - xenstack.image_services._attributes
"""

EXAMPLES = r"""
- name: Write the configuration of a proxy
  xenstack.image_services.config_files:
    directory: /etc/image-proxy
    group: proxy
    mode: "0640"
    backup: true
    files:
      - path: conf.d
        state: directory
        mode: "0750"
      - path: conf.d/10-limits.conf
        content: "{{ lookup('ansible.builtin.template', 'limits.conf.j2') }}"
      - path: proxy.conf
        content: "{{ lookup('ansible.builtin.template', 'proxy.conf.j2') }}"
      - path: /etc/image-proxy.conf
        state: link
        target: image-proxy/proxy.conf
"""

RETURN = r"""
files:
  description: The entries in their order.
  returned: success, and on failure those that were handled before it
  type: list
  elements: dict
  sample:
    - path: /etc/image-proxy/proxy.conf
      changed: true
      created: false
      backup_file: /etc/image-proxy/proxy.conf.4242.2026-11-21@10:15:00~
  contains:
    path:
      description: Absolute path. Of a link that was followed, the path of what it points to.
      type: str
    changed:
      description: Whether it was changed, or would be in check mode.
      type: bool
    created:
      description: Whether it did not exist before.
      type: bool
    backup_file:
      description: Path of the copy of the former content. V(null) if none was kept.
      type: str
removed_backups:
  description: Copies that were removed by O(keep_backups), or that others may read no longer.
  returned: success
  type: list
  elements: str
  sample: []
diff:
  description: Before and after of each path that changed, or the lines that change with O(shown_options).
  returned: success, with C(--diff) or C(diff=true)
  type: list
  elements: dict
  sample:
    - before_header: /etc/image-proxy/proxy.conf
      after_header: /etc/image-proxy/proxy.conf
      before: "limit = 10\n"
      after: "limit = 20\n"
error:
  description: What failed, for programs.
  returned: failure
  type: dict
  sample:
    code: bad_path
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
from ansible_collections.xenstack.image_services.plugins.module_utils._core.config_files import STATES, ConfigFilesJob
from ansible_collections.xenstack.image_services.plugins.module_utils._core.runner import run


def create_config_files_argspec() -> ArgumentSpec:
    attributes = {"owner": {"type": "str"}, "group": {"type": "str"}, "mode": {"type": "raw"}}
    entry = {
        "path": {"type": "path", "required": True},
        "state": {"type": "str", "choices": list(STATES), "default": "file"},
        "content": {"type": "str", "no_log": True},
        "target": {"type": "str"},
        "replace": {"type": "bool", "default": True},
        "backup": {"type": "bool"},
        "shown_options": {"type": "list", "elements": "str"},
        **attributes,
    }
    return ArgumentSpec(
        options={
            "files": {"type": "list", "elements": "dict", "required": True, "options": entry, "required_if": [("state", "link", ["target"])]},
            "directory": {"type": "path"},
            "backup": {"type": "bool", "default": False},
            "keep_backups": {"type": "int"},
            "shown_options": {"type": "list", "elements": "str"},
            **attributes,
        }
    )


def main() -> None:
    run(AnsibleModule(supports_check_mode=True, **create_config_files_argspec().module_kwargs()), ConfigFilesJob)


if __name__ == "__main__":
    main()
