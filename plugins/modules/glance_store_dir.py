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
  - module: xenstack.image_services.glance_store_dirs
  - module: xenstack.image_services.glance_store_info
extends_documentation_fragment:
  - xenstack.image_services._store_dir
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
from ansible_collections.xenstack.image_services.plugins.module_utils._core.runner import run
from ansible_collections.xenstack.image_services.plugins.module_utils._stores.directory.job import StoreDirectoryJob
from ansible_collections.xenstack.image_services.plugins.module_utils._stores.directory.options import create_store_dir_argspec


def main() -> None:
    run(AnsibleModule(supports_check_mode=True, **create_store_dir_argspec().module_kwargs()), StoreDirectoryJob)


if __name__ == "__main__":
    main()
