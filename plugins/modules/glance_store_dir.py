#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Module: the directory of a file store."""

from __future__ import annotations

DOCUMENTATION = r"""
module: glance_store_dir
short_description: Keep the directory of a Glance file store
version_added: 1.0.0
author:
  - xenstack.image_services contributors (@xenstack)
description:
  - Creates the directory that a file store of Glance writes to, gives it to the user that Glance runs as, and verifies by writing a file as that very user
    that Glance can work there.
  - Everything that can be foreseen is refused before the first change.
  - Directories above that are missing are created for everybody to pass, mode V(0755).
options:
  path:
    description:
      - Absolute path of the directory. The directories of the system itself are refused.
    type: path
    required: true
  state:
    description:
      - V(present) creates and repairs the directory.
      - V(absent) removes it, as long as it is empty.
    type: str
    choices: [present, absent]
    default: present
  owner:
    description:
      - Who it belongs to, as the name or the number of a user, or as a preset.
      - V(xavs) and V(loci) mean 42424:42424, V(kolla) means 42415:42415, V(package) for the user C(glance) of the distribution's packages,
        V(auto) for the user of the Glance API that runs on this host.
      - Without it the owner of an existing directory stays.
    type: str
  group:
    description:
      - Name, number or preset of its group. Without it the group of O(owner) is meant.
    type: str
  mode:
    description:
      - Its mode in quoted octal digits. A directory that is created has V(0750) where none is given.
    type: str
  recurse:
    description:
      - Whether everything below gets the same owner, group and SELinux type, in one pass that follows no links and stays on the file system.
      - Modes below are not touched.
    type: bool
    default: false
  require_mount:
    description:
      - Whether to refuse a directory on the root file system, which would be filled with images while the volume is not mounted.
    type: bool
    default: false
  mount_point:
    description:
      - Mount point that has to hold O(path). Stricter than O(require_mount) where several volumes are mounted above each other.
    type: path
  min_free:
    description:
      - Space that has to be free on its file system, in bytes or with K, M, G, T or P.
    type: str
  setype:
    description:
      - SELinux type, for example V(glance_var_lib_t). Ignored on hosts without SELinux.
    type: str
  follow:
    description:
      - Whether symbolic links in O(path) are followed. Without it they are refused.
    type: bool
    default: false
  other_stores:
    description:
      - Directories of other stores. O(path) must be outside of all of them, and they must be outside of O(path).
    type: list
    elements: path
    default: []
  probe:
    description:
      - Whether to write, read and remove a file as the owner.
      - In check mode the system is asked for the owner's rights instead, where nothing has to change.
    type: bool
    default: true
  force:
    description:
      - Whether O(state=absent) removes the directory together with the images and everything else in it.
    type: bool
    default: false
attributes:
  check_mode:
    support: full
    description: Can run in check mode and predicts what would change.
  diff_mode:
    support: full
    description: Shows owner, group, mode and the number of entries below that have another owner.
  idempotent:
    support: full
    description: A second run changes nothing.
  platform:
    support: full
    description: Linux.
    platforms: linux
notes:
  - NFS servers usually treat root as nobody (root_squash). Ownership then has to be set on the server; the module says so.
  - The SELinux type is set on the files. Record it in the policy as well, so that a relabelling keeps it.
seealso:
  - module: xenstack.image_services.glance_store_info
"""

EXAMPLES = r"""
- name: Keep a store on its own volume, for a Glance that runs as 42424
  xenstack.image_services.glance_store_dir:
    path: /srv/glance/archive
    owner: xavs
    mount_point: /srv/glance
    min_free: 50G

- name: Repair the owner of copied images
  xenstack.image_services.glance_store_dir:
    path: /srv/glance/archive
    owner: auto
    recurse: true

- name: Remove the directory of a store that is no longer used
  xenstack.image_services.glance_store_dir:
    path: /srv/glance/old
    state: absent
"""

RETURN = r"""
directory:
  description: The directory as it is now, or in check mode as it would be.
  returned: success
  type: dict
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
repaired:
  description: Entries below that got another owner, group or SELinux type, or would get it in check mode.
  returned: success
  type: int
  sample: 0
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.xenstack.image_services.plugins.module_utils._core.argspec import ArgumentSpec
from ansible_collections.xenstack.image_services.plugins.module_utils._core.runner import run
from ansible_collections.xenstack.image_services.plugins.module_utils._stores.directory.job import StoreDirectoryJob


def create_store_dir_argspec() -> ArgumentSpec:
    return ArgumentSpec(
        options={
            "path": {"type": "path", "required": True},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "owner": {"type": "str"},
            "group": {"type": "str"},
            "mode": {"type": "str"},
            "recurse": {"type": "bool", "default": False},
            "require_mount": {"type": "bool", "default": False},
            "mount_point": {"type": "path"},
            "min_free": {"type": "str"},
            "setype": {"type": "str"},
            "follow": {"type": "bool", "default": False},
            "other_stores": {"type": "list", "elements": "path", "default": []},
            "probe": {"type": "bool", "default": True},
            "force": {"type": "bool", "default": False},
        }
    )


def main() -> None:
    run(AnsibleModule(supports_check_mode=True, **create_store_dir_argspec().module_kwargs()), StoreDirectoryJob)


if __name__ == "__main__":
    main()
