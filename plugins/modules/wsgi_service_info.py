#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: wsgi_service_info
short_description: Read what a host has of one WSGI service
version_added: 1.0.0
author: xenstack.image_services contributors (@xenstack)
description:
  - Returns what keeps the service running, as which user, which version is active, and what former runs of the role
    P(xenstack.image_services.wsgi_service#role) have left.
  - The roles that deploy a service read everything by this module before they change anything.
options:
  name:
    description:
      - Name of the service, for messages.
    type: str
    required: true
  version:
    description:
      - Version that is deployed. Its virtual environment is in C(venvs/<version>) below O(home).
    type: str
    required: true
  home:
    description:
      - Directory of the virtual environments, of the link C(current) and of the control program.
    type: path
    required: true
  user:
    description:
      - Name or number of the user that the service runs as if the module runs as root.
    type: str
    required: true
  group:
    description:
      - Name or number of the group of the service.
    type: str
    required: true
  manager:
    description:
      - What keeps the service running. V(auto) is V(systemd) if systemd is process 1 and the module runs as root, otherwise V(supervisor).
    type: str
    choices: [auto, systemd, supervisor]
    default: auto
  directories:
    description:
      - Directories that the service needs. RV(would_create) tells whether one of them is missing in check mode.
    type: list
    elements: path
    default: []
  paths:
    description:
      - Names and paths of files. RV(existing) has the names of those that exist.
    type: dict
    default: {}
  config_dir:
    description:
      - Directory of the configuration, for O(marked_files).
    type: path
  user_uid:
    description:
      - Number that O(user) is to have where it is a name. One that the user cannot get is refused.
    type: int
  tls_certificate:
    description:
      - File with the certificates that the service shows. One that O(user) cannot read is refused.
    type: path
  tls_key:
    description:
      - File with the key of O(tls_certificate). One that O(user) cannot read is refused.
    type: path
  marker:
    description:
      - Text that a role writes into each of its files.
    type: str
  marked_files:
    description:
      - Names or patterns of files in O(config_dir) that may only be those of the role. RV(unmarked) has those without O(marker).
    type: list
    elements: str
    default: []
seealso:
  - module: xenstack.image_services.config_files
extends_documentation_fragment:
  - xenstack.image_services._attributes.info
"""

EXAMPLES = r"""
- name: Read what the host has of Glance
  xenstack.image_services.wsgi_service_info:
    name: glance
    version: 33.0.0
    home: /opt/glance
    user: glance
    group: glance
    paths:
      schema: /var/lib/glance/.schema-33.0.0
  register: glance
"""

RETURN = r"""
is_root:
  description: Whether the module runs as root.
  returned: success
  type: bool
  sample: true
is_debian:
  description: Whether the distribution is Debian or of its family.
  returned: success
  type: bool
  sample: true
manager:
  description: What keeps the service running.
  returned: success
  type: str
  sample: systemd
run_as:
  description: Start of a command line that runs a program as the user of the service. Empty if the module's own user runs it.
  returned: success
  type: list
  elements: str
  sample: [setpriv, --reuid=glance, --regid=glance, --init-groups, --]
would_create:
  description: Whether, in check mode, O(directories) would have to be created before other files.
  returned: success
  type: bool
  sample: false
active:
  description: Version that the link C(current) points to. Empty if there is none.
  returned: success
  type: str
  sample: 32.0.0
installed:
  description: Names of the records of completed installations of O(version).
  returned: success
  type: list
  elements: str
  sample: [.installed-0a1b2c3d4e5f6071]
existing:
  description: Names in O(paths) whose path exists.
  returned: success
  type: list
  elements: str
  sample: [schema]
unmarked:
  description: Existing files of O(marked_files) without O(marker).
  returned: success
  type: list
  elements: str
  sample: []
derived:
  description: Paste files that packages of other roles derive, from C(extensions/*/extension.json) below O(home).
  returned: success
  type: list
  elements: str
  sample: [/etc/glance/glance-api-paste-instance-aware.ini]
error:
  description: What failed, for programs.
  returned: failure
  type: dict
  sample:
    code: no_user
    details: null
    request_id: null
  contains:
    code:
      description: A short word for what this module found.
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
from ansible_collections.xenstack.image_services.plugins.module_utils._core.runner import run
from ansible_collections.xenstack.image_services.plugins.module_utils._core.wsgi_service import WsgiServiceInfoJob


def create_wsgi_service_info_argspec() -> ArgumentSpec:
    required = {"type": "str", "required": True}
    return ArgumentSpec(
        options={
            **dict.fromkeys(("name", "version", "user", "group"), required),
            "home": {"type": "path", "required": True},
            "manager": {"type": "str", "choices": ["auto", "systemd", "supervisor"], "default": "auto"},
            "directories": {"type": "list", "elements": "path", "default": []},
            "paths": {"type": "dict", "default": {}},
            "config_dir": {"type": "path"},
            "user_uid": {"type": "int"},
            "tls_certificate": {"type": "path"},
            "tls_key": {"type": "path", "no_log": False},
            "marker": {"type": "str"},
            "marked_files": {"type": "list", "elements": "str", "default": []},
        }
    )


def main() -> None:
    run(AnsibleModule(supports_check_mode=True, **create_wsgi_service_info_argspec().module_kwargs()), WsgiServiceInfoJob)


if __name__ == "__main__":
    main()
