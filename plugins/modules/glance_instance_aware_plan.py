#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Reads the host for the action plugin of this name, which plans on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: glance_instance_aware_plan
short_description: Plan how a Glance gets the filter for instance-aware images
version_added: 1.0.0
author: xenstack.image_services contributors (@xenstack)
description:
  - Reads the configuration, the pipeline and the interpreter of a Glance, with what they have of the filter already, and returns what has to be done, as the
    role P(xenstack.image_services.glance_instance_aware#role) does it.
  - Nothing is changed. The result holds secrets, so the task needs C(no_log).
options:
  src:
    description:
      - Directory of the package of the filter on the controller. Relative paths are looked for in C(files), as for M(ansible.builtin.copy).
    type: path
    required: true
  files:
    description:
      - Text of further files of the package, by their path in it.
    type: dict
    default: {}
  state:
    description:
      - Whether Glance is to have the filter.
    type: str
    choices: [present, absent]
    default: present
  target:
    description:
      - V(service) is the Glance of this host, V(kolla) and V(xavs) are a site that runs Glance in containers.
    type: str
    choices: [service, kolla, xavs]
    default: service
  installations:
    description:
      - Which caller belongs to which Nova installation, as in the role.
    type: list
    elements: dict
    default: []
  keep_nova_property:
    description:
      - Whether C(instance_uuid) stays a property of the image in Glance.
    type: bool
  service_roles:
    description:
      - Roles that may set a relation for other projects.
    type: list
    elements: str
  require_database:
    description:
      - Whether requests that name no instance are refused too while the database is not available.
    type: bool
  max_instance_ids:
    description:
      - Instances that one listing may name.
    type: int
  database_url:
    description:
      - URL of the database of the table. Glance's own when empty.
    type: str
    default: ""
  extra_config:
    description:
      - Further options of the section C([glance_instance_aware]).
    type: dict
    default: {}
  home:
    description:
      - Directory below which the package is kept.
    type: path
    required: true
  config_dir:
    description:
      - Directory of the configuration of Glance. Not used for a site.
    type: path
    default: /etc/glance
  user:
    description:
      - User that Glance runs as.
    type: str
    default: glance
  group:
    description:
      - Group that Glance runs as.
    type: str
    default: glance
  glance_python:
    description:
      - Interpreter that Glance runs with. Not used for a site.
    type: path
    default: /usr/bin/python3
  site_dir:
    description:
      - Directory of the site.
    type: path
    default: /etc/kolla
  site_config_dir:
    description:
      - Directory of the overrides of the site.
    type: path
    default: /etc/kolla/config
  site_globals:
    description:
      - File of the variables of the site.
    type: path
    default: /etc/kolla/globals.yml
  site_files:
    description:
      - The overrides and variables of the site and the record of the last verification, as M(xenstack.image_services.kolla_site_info) returns files. They may
        be on another host.
    type: list
    elements: dict
    default: []
  site_packages:
    description:
      - What M(xenstack.image_services.python_package) returned in check mode on each host of the site that serves Glance.
    type: list
    elements: dict
    default: []
  container:
    description:
      - Name of the container that serves Glance.
    type: str
    default: glance_api
  engine:
    description:
      - Program to ask for the container, as M(xenstack.image_services.kolla_site_info) returns it. C(docker) when empty.
    type: str
    default: ""
  backup:
    description:
      - Whether the former content of the settings is kept beside them.
    type: bool
    default: false
  verify:
    description:
      - Whether each change is verified, for which O(has_credentials) must be true.
    type: bool
    default: true
  has_credentials:
    description:
      - Whether the verification has credentials.
    type: bool
    default: false
extends_documentation_fragment:
  - xenstack.image_services._attributes
  - xenstack.image_services._attributes.info
attributes:
  action:
    description: Has an action plugin, which reads the package and plans on the controller.
    support: full
seealso:
  - module: xenstack.image_services.kolla_site_info
  - module: xenstack.image_services.python_package
  - module: xenstack.image_services.config_files
"""

EXAMPLES = r"""
- name: Read what the filter needs
  xenstack.image_services.glance_instance_aware_plan:
    src: "{{ playbook_dir }}/../roles/glance_instance_aware/files/glance_instance_aware"
    home: /opt/glance
    glance_python: /opt/glance/current/bin/python
    verify: false
  no_log: true
  register: plan

- name: Show what prevents the filter
  ansible.builtin.debug:
    var: plan.findings
"""

RETURN = r"""
findings:
  description: Why nothing may be changed, as sentences.
  returned: success
  type: list
  elements: str
  sample: []
glance:
  description: Whether the host has a Glance. Without one there is nothing else but RV(findings) and RV(paths).
  returned: success
  type: bool
  sample: true
paths:
  description: Where the parts of the filter belong, among them C(drop_in), the file of the settings.
  returned: success
  type: dict
  sample:
    drop_in: /etc/glance/glance-api.conf.d/60-instance-aware.conf
verified:
  description: Whether Glance was verified with exactly this package and these settings, and everything is still as it was then.
  returned: if there is a Glance
  type: bool
  sample: false
left:
  description: Whether the host has something of the filter, apart from its table.
  returned: if there is a Glance
  type: bool
  sample: true
digest:
  description: SHA-256 over everything that the verification is about. The role records it.
  returned: if there is a Glance
  type: str
  sample: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
record:
  description: What the last verification has recorded. V(null) if there is no record.
  returned: if there is a Glance
  type: str
  sample: null
pending:
  description: Paths that the container sees only after the next deployment of the site.
  returned: if there is a Glance
  type: list
  elements: str
  sample: []
shown:
  description: The lines that change in the configuration, without secrets.
  returned: if there is a Glance
  type: list
  elements: str
  sample: ["+ max_instance_ids = 77"]
files:
  description:
    - Entries for M(xenstack.image_services.config_files). C(settings) belong to the host of the configuration, C(hosts) to each host that serves Glance.
  returned: if there is a Glance
  type: dict
  sample:
    settings: []
    hosts: []
restore:
  description: The same for a roll back.
  returned: if there is a Glance
  type: dict
  sample:
    settings: []
    hosts: []
package:
  description: Options for M(xenstack.image_services.python_package).
  returned: if there is a Glance
  type: dict
  sample:
    path: /opt/glance/extensions
program:
  description:
    - How the program of the package is run, as the user of Glance. C(argv) is the interpreter, C(arguments) name the configuration of Glance, C(texts) are the
      files of the package, C(settings) and C(connection_settings) the settings for its commands, and C(secret) is what its messages must not show.
  returned: if there is a Glance
  type: dict
  sample:
    argv: [/opt/glance/current/bin/python]
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.xenstack.image_services.plugins.module_utils._core.runner import run
from ansible_collections.xenstack.image_services.plugins.module_utils._instances.filter_host import FilterReadJob
from ansible_collections.xenstack.image_services.plugins.module_utils._instances.filter_options import create_filter_plan_argspec


def main() -> None:
    run(AnsibleModule(supports_check_mode=True, **create_filter_plan_argspec().module_kwargs()), FilterReadJob)


if __name__ == "__main__":
    main()
