# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# Private to this collection: no compatibility is promised to users of the fragment.
"""The options of each directory of a list. Written by make doc-fragments from _store_dir.py."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  directories:
    description:
      - The directories, each with the options that M(xenstack.image_services.glance_store_dir) takes.
      - Those that are present must be outside of each other.
    type: list
    elements: dict
    required: true
    suboptions:
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
          - Name, number or preset of its group. Without it the group of O(directories[].owner) is meant.
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
          - Mount point that has to hold O(directories[].path). Stricter than O(directories[].require_mount) where several volumes are mounted above each other.
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
          - Whether symbolic links in O(directories[].path) are followed. Without it they are refused.
        type: bool
        default: false
      other_stores:
        description:
          - Directories of other stores. O(directories[].path) must be outside of all of them, and they must be outside of O(directories[].path).
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
          - Whether O(directories[].state=absent) removes the directory together with the images and everything else in it.
        type: bool
        default: false
"""
