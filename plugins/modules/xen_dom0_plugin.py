#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action plugin of this name, which does all of the work on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: xen_dom0_plugin
short_description: Keep a plugin of XAPI on a host of a Xen pool, without Python there
version_added: 1.0.0
author:
  - xenstack.image_services contributors (@xenstack)
description:
  - Keeps an executable that C(host.call_plugin) runs in the directory of XAPI's plugins, with its settings beside it.
  - The host is reached as other tasks reach it, and needs a POSIX shell and the smallest tools alone. The Python of a control domain (Dom0), 2.7 or 3.6
    or none, is too old for modules of Ansible.
  - A new file is uploaded under a hidden name, compared by checksum there, gets its owner and mode, is tried where O(verify) says so, and then takes the place
    of the old one in one step. Whatever fails before that, a lost connection too, leaves the old file in its place and nothing beside it.
  - A file is managed by this module if it is what the module has installed last. That is noted in the directory O(path) with C(.installed) behind its name.
    Where nothing is noted, a comment within the file tells, which each file that was built from a directory has.
attributes:
  check_mode:
    description: Can run in check mode and predict changes without making any.
    support: full
    details:
      - O(verify) tries in check mode only a plugin that would not change.
  diff_mode:
    description: Returns what has changed, in check mode as well.
    support: full
    details:
      - Checksum, mode, owner and version are shown, and never the content.
  idempotent:
    description: A second run without a change in between reports and does nothing.
    support: full
  platform:
    description: What the task may run on.
    support: full
    platforms: posix
  action:
    description: Has an action plugin, which does all of the work.
    support: full
  async:
    description: Can run in the background.
    support: none
options:
  name:
    description:
      - Name of the plugin, as C(host.call_plugin) takes it. It has letters, digits, dots, dashes and underscores, and begins with no dot or dash.
    type: str
    required: true
  src:
    description:
      - What to install, on the controller. Relative paths are looked for in C(files), as for M(ansible.builtin.copy).
      - A directory with a C(__main__.py) becomes one executable file of its Python modules, run by the first of C(python3), C(python2), C(python) and
        C(python2.7) that the host has. Its bytes depend on the modules alone.
      - A file is installed as it is.
      - Required with O(state=present).
    type: path
  state:
    description:
      - V(present) keeps the plugin as it is given, V(absent) removes it.
    type: str
    choices: [present, absent]
    default: present
  path:
    description:
      - Directory of XAPI's plugins. It must be there.
    type: str
    default: /etc/xapi.d/plugins
  mode:
    description:
      - Mode of the plugin, in quotes. Root must be able to run it, and no other user may change it.
    type: str
    default: "0755"
  uid:
    description:
      - Number of the user that the plugin and its settings belong to. Only a directory that is not that of a real host needs another one than root's.
    type: int
    default: 0
  gid:
    description:
      - Number of their group.
    type: int
    default: 0
  config:
    description:
      - Settings of the plugin. They are kept as JSON, with mode 0600, in the directory above O(path), in a file named as the plugin with C(.json) behind it.
      - Without this option, such a file stays as it is.
      - O(state=absent) removes a file of settings that this module has written.
    type: dict
  backup:
    description:
      - Whether an unmanaged file that would be replaced or removed is kept, in the directory O(path) with C(.backup) behind its name.
        XAPI looks for nothing there.
      - Unmanaged is what this module has not installed, and what was changed after it had installed it.
    type: bool
    default: true
  force:
    description:
      - Whether O(state=absent) removes an unmanaged plugin too. It is refused otherwise.
    type: bool
    default: false
  verify:
    description:
      - Whether the plugin is run on the host, as XAPI runs it, with a call of its function C(version), before it replaces anything, and in each later run.
      - A plugin that has no such function passes when it says so. What does not run fails the task, and the old plugin stays.
    type: bool
    default: false
notes:
  - Connect as root or set C(become). The user needs rights to write to O(path) and to give files to O(uid).
  - Plays of hosts without a usable Python need C(gather_facts) set to V(false).
seealso:
  - module: ansible.builtin.raw
"""

EXAMPLES = r"""
- name: Keep a plugin on all hosts of a pool
  hosts: pool_a
  gather_facts: false
  remote_user: root
  tasks:
    - name: Install the plugin files/diskreport.py
      xenstack.image_services.xen_dom0_plugin:
        name: diskreport
        src: diskreport.py

    - name: Build and install a plugin of several modules, with settings, and see that it runs
      xenstack.image_services.xen_dom0_plugin:
        name: nightly
        src: nightly
        config:
          keep_days: 7
        verify: true
      register: nightly

    - name: Show its version
      ansible.builtin.debug:
        var: nightly.plugin.version

    - name: Remove a plugin that was installed by hand, and keep a copy of the file
      xenstack.image_services.xen_dom0_plugin:
        name: old-report
        state: absent
        force: true
"""

RETURN = r"""
path:
  description: Path of the plugin on the host.
  returned: success
  type: str
  sample: /etc/xapi.d/plugins/imagestore
checksum:
  description: SHA-256 of what is installed, V(none) with O(state=absent).
  returned: success
  type: str
  sample: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
mode:
  description: Mode of the plugin, V(none) with O(state=absent).
  returned: success
  type: str
  sample: "0755"
backup_file:
  description: Where the unmanaged plugin that was replaced or removed is kept, else V(none).
  returned: success
  type: str
  sample: /etc/xapi.d/plugins.backup/glance.6ca13d52ca70
config_path:
  description: Path of the plugin's settings.
  returned: success
  type: str
  sample: /etc/xapi.d/imagestore.json
config_backup_file:
  description: Where unmanaged settings that were replaced are kept, else V(none).
  returned: success
  type: str
  sample: /etc/xapi.d/plugins.backup/imagestore.json.44136fa355b3
plugin:
  description: What the plugin's function C(version) has answered, empty if it has none.
  returned: success, with O(verify=true), and not in check mode where the plugin would change
  type: dict
  sample:
    name: imagestore
    version: 1.0.0
    api: 1
    python: 3.6.15
    functions: [cancel, cleanup, download, upload, version]
diff:
  description: The plugin and its settings before and after. Missing parts are empty, and the version is given if the file declares it.
  returned: success
  type: dict
  sample:
    before:
      plugin: {}
      config: {}
    after:
      plugin:
        checksum: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
        mode: "0755"
        uid: 0
        gid: 0
        version: 1.0.0
      config: {}
    before_header: /etc/xapi.d/plugins/imagestore
    after_header: /etc/xapi.d/plugins/imagestore
error:
  description: What failed, for programs.
  returned: failure
  type: dict
  contains:
    code:
      description: A short word for what was found, for example V(unmanaged), V(no_directory), V(no_space) or V(no_python).
      type: str
    details:
      description: Always null.
      type: raw
    request_id:
      description: Always null.
      type: str
"""
