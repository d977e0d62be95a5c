#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action plugin of this name, which plans on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: glance_stores_plan
short_description: Plan what has to be done on a host for a list of stores
version_added: 1.0.0
author: xenstack.image_services contributors (@xenstack)
description:
  - Computes everything that the role P(xenstack.image_services.glance_stores#role) does, from its variables and from what is on the host. Changes nothing.
  - Of a service, it reads on the host the configuration in place, other files that can configure stores, the drop-in of the unit, the records of the last
    verification and of the last start of Glance, and counts the images in directories that no store names any more.
  - Of a Kolla-style site, it takes two results of M(xenstack.image_services.kolla_site_info).
  - Whatever prevents the plan is a finding and not a failure, because nothing is shown of a task with C(no_log).
attributes:
  check_mode:
    description: Changes nothing.
    support: full
    details:
      - In check mode on a host without O(config_dir), no directories are planned. Neither they nor their owner can be compared.
  diff_mode:
    description: Changes nothing.
    support: N/A
  idempotent:
    description: Changes nothing.
    support: full
  platform:
    description: What the task may run on.
    support: full
    platforms: posix
  action:
    description: Has an action plugin, which plans on the controller.
    support: full
  async:
    description: Can run in the background.
    support: none
options:
  target:
    description:
      - What serves the stores, see O(xenstack.image_services.glance_stores#role:main:glance_stores_target) of the role.
    type: str
    choices: [service, files, kolla, xavs]
    default: service
  stores:
    description:
      - The stores, see O(xenstack.image_services.glance_stores#role:main:glance_stores) of the role.
    type: list
    elements: dict
    required: true
  backend_defaults:
    description:
      - Options for all stores.
    type: dict
    default: {}
  internal:
    description:
      - Glance's own directories.
    type: dict
    default: {}
  swift_accounts:
    description:
      - Accounts of the Swift stores.
    type: list
    elements: dict
    default: []
  ceph:
    description:
      - Ceph clusters of the rbd stores. The files that C(src) names are read on the controller.
    type: list
    elements: dict
    default: []
  extra_config:
    description:
      - Further sections.
    type: dict
    default: {}
  api_hosts:
    description:
      - Hosts that serve the stores.
    type: list
    elements: str
    default: []
  owner:
    description:
      - Owner of the directories that do not name one. V(auto) is the user of the running Glance.
    type: str
    default: auto
  config_dir:
    description:
      - Directory of the configuration.
    type: str
    required: true
  config_file:
    description:
      - Name of the file with the stores in O(config_dir).
    type: str
    required: true
  service_config_dir:
    description:
      - O(config_dir) as the service sees it. Without it, the same.
    type: str
  config_group:
    description:
      - Group that may read the configuration.
    type: str
  manage_directories:
    description:
      - Whether the directories of file stores are managed.
    type: bool
    default: true
  service_name:
    description:
      - Name of the service of Glance.
    type: str
    default: glance
  started_file:
    description:
      - File that changes with each start of Glance with other files.
    type: str
  safe_mode:
    description:
      - Whether stores are removed only after a search for images that no other store holds, which needs credentials.
    type: bool
    default: true
  verify:
    description:
      - Whether the stores are to be verified, which needs credentials.
    type: bool
    default: true
  has_credentials:
    description:
      - Whether there are credentials of an administrator of Glance.
    type: bool
    default: true
  service_user:
    description:
      - Name or number of the user that Glance runs as. A directory that it could not write to is then a finding.
    type: str
    default: ""
  site:
    description:
      - What is known of the site. Required with O(target=kolla) and O(target=xavs).
    type: dict
    suboptions:
      globals_file:
        description:
          - Path of its C(globals.yml).
        type: str
        required: true
      config_dir:
        description:
          - Directory of its overrides.
        type: str
        required: true
      container:
        description:
          - Name of the container of Glance.
        type: str
        required: true
      datadir_volume:
        description:
          - What has to be mounted at C(/var/lib/glance). Empty where that is not managed.
        type: str
        default: ""
      manage_globals:
        description:
          - Whether O(site.globals_file) may be changed.
        type: bool
        default: false
      python:
        description:
          - The interpreter that O(site.host) was asked about.
        type: str
        default: ""
      files:
        description:
          - Result of M(xenstack.image_services.kolla_site_info) for the files of the site, with the file of the stores and the record of the last verification
            among its C(files).
        type: dict
        required: true
      host:
        description:
          - Result of M(xenstack.image_services.kolla_site_info) for the container, with the configuration that the site generated last as its only file.
        type: dict
        required: true
notes:
  - The texts in RV(files) and RV(secrets) hold the secrets of the stores. Set C(no_log) for the task.
seealso:
  - module: xenstack.image_services.config_files
  - module: xenstack.image_services.glance_store_check
  - module: xenstack.image_services.glance_store_dirs
  - plugin: xenstack.image_services.glance_stores_lint
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Plan the stores of a host
  xenstack.image_services.glance_stores_plan:
    stores:
      - name: fast
        type: file
        default: true
        filesystem_store_datadir: /srv/glance/fast
    config_dir: /etc/glance
    config_file: glance-stores.conf
  no_log: true
  register: plan

- name: Refuse stores that would lose images
  ansible.builtin.assert:
    that: plan.findings | length == 0
    fail_msg: "{{ plan.findings | join('\n') }}"

- name: Write the configuration
  xenstack.image_services.config_files:
    directory: /etc/glance
    files: "{{ plan.files }}"
"""

RETURN = r"""
findings:
  description: Why nothing may be done, as sentences. No value of a secret option is repeated. If there are any, the plan is empty.
  returned: success
  type: list
  elements: str
  sample: []
notes:
  description: What an operator has to know, as sentences.
  returned: success
  type: list
  elements: str
  sample: []
removed:
  description: Names of stores in the configuration in place that are not declared any more.
  returned: success
  type: list
  elements: str
  sample: [archive]
directories:
  description: Directories of the stores, for M(xenstack.image_services.glance_store_dirs).
  returned: success
  type: list
  elements: dict
  sample:
    - path: /srv/glance/fast
      owner: glance
      group: null
      mode: null
      recurse: false
      require_mount: false
      mount_point: null
      min_free: null
      setype: glance_var_lib_t
      follow: false
      other_stores: []
files:
  description: Files, as C(files) of M(xenstack.image_services.config_files) takes them, in the order in which they have to be written.
  returned: success
  type: list
  elements: dict
  sample:
    - path: glance-stores.conf
      mode: "0640"
      content: "[DEFAULT]\nenabled_backends = fast:file\n"
      shown_options: [enabled_backends]
digest:
  description: Digest of everything that a verification verifies.
  returned: success
  type: str
  sample: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
restart:
  description: Whether Glance has to be restarted, or the site applied. These stores are not verified yet.
  returned: success
  type: bool
  sample: true
verify:
  description: Whether the stores have to be verified, also because Glance was started with other files since the last verification.
  returned: success
  type: bool
  sample: true
daemon_reload:
  description: Whether systemd has to read the units again before a restart.
  returned: success
  type: bool
  sample: true
pending:
  description: Paths that the container of a site sees only after the next deployment.
  returned: success
  type: list
  elements: str
  sample: []
expected:
  description: The stores as M(xenstack.image_services.glance_store_check) takes them.
  returned: success
  type: list
  elements: dict
  sample:
    - id: fast
      default: true
      writable: true
      directories: [/srv/glance/fast]
      owner_of_directory: true
secrets:
  description: Every secret of the stores, the longest first.
  returned: success
  type: list
  elements: str
  sample: []
"""
