#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Module: the directories of all file stores of a host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: glance_store_dirs
short_description: Keep the directories of several Glance file stores
version_added: 1.0.0
author:
  - xenstack.image_services contributors (@xenstack)
description:
  - Does for a list of directories what M(xenstack.image_services.glance_store_dir) does for one, in a single task.
  - All directories are looked at before the first one changes, and whatever can be foreseen to fail is refused then. They are changed in the order of the list.
attributes:
  check_mode:
    support: full
    description: Can run in check mode and predicts what would change.
  diff_mode:
    support: full
    description: Shows owner, group, mode and the number of entries below that have another owner, of each directory that changes.
  idempotent:
    support: full
    description: A second run changes nothing.
  platform:
    support: full
    description: Linux.
    platforms: linux
seealso:
  - module: xenstack.image_services.glance_store_dir
extends_documentation_fragment:
  - xenstack.image_services._store_dir_items
"""

EXAMPLES = r"""
- name: Keep the directories of two stores
  xenstack.image_services.glance_store_dirs:
    directories:
      - path: /srv/glance/fast
        owner: xavs
      - path: /srv/glance/archive
        owner: xavs
        mount_point: /srv/glance/archive
        min_free: 50G
"""

RETURN = r"""
directories:
  description: The directories in the order of the list, as they are now, or in check mode as they would be. On failure those before the one that failed.
  returned: success, and on failure where a directory was changed before it
  type: list
  elements: dict
  contains:
    path:
      description: Its path, after links were followed where that was asked for.
      type: str
      returned: always
      sample: /srv/glance/archive
    state:
      description: Whether it is there.
      type: str
      returned: always
      sample: present
    uid:
      description: Number of its owner, null where it is absent.
      type: int
      returned: always
      sample: 42424
    gid:
      description: Number of its group.
      type: int
      returned: always
      sample: 42424
    owner:
      description: Name of its owner, the number again where this host has no name for it.
      type: str
      returned: always
      sample: "42424"
    group:
      description: Name of its group.
      type: str
      returned: always
      sample: "42424"
    mode:
      description: Its mode in octal digits.
      type: str
      returned: always
      sample: "0750"
    setype:
      description: Its SELinux type, null where that is not managed.
      type: str
      returned: always
      sample: glance_var_lib_t
    images:
      description: Files in it that are named like an image.
      type: int
      returned: always
      sample: 12
    bytes:
      description: Size of these files together.
      type: int
      returned: always
      sample: 34359738368
    other_entries:
      description: Everything else in it.
      type: int
      returned: always
      sample: 0
    free_bytes:
      description: Space on its file system that the service may use.
      type: int
      returned: always
      sample: 1099511627776
    total_bytes:
      description: Size of its file system.
      type: int
      returned: always
      sample: 2199023255552
    mount_point:
      description: Where its file system is mounted.
      type: str
      returned: always
      sample: /srv/glance
    filesystem:
      description: Type of its file system.
      type: str
      returned: always
      sample: xfs
    changed:
      description: Whether it was changed, or would be in check mode.
      type: bool
      returned: always
      sample: false
    repaired:
      description: Entries below that got another owner, group or SELinux type, or would get it in check mode.
      type: int
      returned: always
      sample: 0
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.xenstack.image_services.plugins.module_utils._core.argspec import ArgumentSpec
from ansible_collections.xenstack.image_services.plugins.module_utils._core.runner import run
from ansible_collections.xenstack.image_services.plugins.module_utils._stores.directory.job import StoreDirectoriesJob
from ansible_collections.xenstack.image_services.plugins.module_utils._stores.directory.options import create_store_dir_argspec


def create_store_dirs_argspec() -> ArgumentSpec:
    entry = create_store_dir_argspec().options
    return ArgumentSpec(options={"directories": {"type": "list", "elements": "dict", "required": True, "options": dict(entry)}})


def main() -> None:
    run(AnsibleModule(supports_check_mode=True, **create_store_dirs_argspec().module_kwargs()), StoreDirectoriesJob)


if __name__ == "__main__":
    main()
