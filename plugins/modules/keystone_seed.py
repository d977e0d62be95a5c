#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: keystone_seed
short_description: Keep declared projects, users, grants and services in Keystone
version_added: 1.0.0
description:
  - Creates and updates everything that is declared in one session, with one listing per kind of object.
  - What is not declared is never touched, and nothing is ever deleted.
author: xenstack.image_services contributors (@xenstack)
requirements:
  - keystoneauth1 on the host that the module runs on. The environments of OpenStack services and of openstacksdk have it.
options:
  auth_url:
    description: Where Keystone answers, with or without C(/v3).
    type: str
    required: true
  username:
    description: The administrator to log in as.
    type: str
    default: admin
  password:
    description: The password of O(username).
    type: str
    required: true
  project_name:
    description: The project that the administrator's token is for.
    type: str
    default: admin
  domain:
    description: Id of the domain that holds the administrator and everything declared.
    type: str
    default: default
  region:
    description: The region of the declared endpoints. It has to exist, as it does after C(keystone-manage bootstrap).
    type: str
    default: RegionOne
  validate_certs:
    description: Whether to check the certificate of Keystone, by the authorities that the host trusts.
    type: bool
    default: true
  timeout:
    description: Seconds to wait for each answer.
    type: int
    default: 60
  projects:
    description: Projects that have to exist.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the project.
        type: str
        required: true
      description:
        description: What it is for. Left as it is when not given.
        type: str
      enabled:
        description: Whether its users may log in. Left as it is when not given.
        type: bool
  users:
    description: Users that have to exist.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the user.
        type: str
        required: true
      password:
        description: The password to log in with.
        type: str
        required: true
      update_password:
        description:
          - With V(always) the password is tried, and set again when Keystone refuses it.
          - With V(on_create) only a new user gets it.
        type: str
        choices: [always, on_create]
        default: always
      description:
        description: Who it is. Left as it is when not given.
        type: str
      enabled:
        description: Whether the user may log in. Left as it is when not given.
        type: bool
      roles:
        description: Roles to grant. Roles that do not exist are created, other grants are left alone.
        type: list
        elements: dict
        suboptions:
          project:
            description: The project that the role is granted in.
            type: str
            required: true
          role:
            description: Name of the role.
            type: str
            required: true
  services:
    description: Entries of the catalogue that have to exist.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the service.
        type: str
        required: true
      type:
        description: Type of the service, for example V(image).
        type: str
        required: true
      description:
        description: What it does. Left as it is when not given.
        type: str
      enabled:
        description: Whether it is shown in catalogues. Left as it is when not given.
        type: bool
      public_url:
        description: Its endpoint for users. Not managed when not given.
        type: str
      internal_url:
        description: Its endpoint for other services. Not managed when not given.
        type: str
      admin_url:
        description: Its endpoint for administrators. Not managed when not given.
        type: str
attributes:
  check_mode:
    support: full
    description: Says what would change and changes nothing.
  diff_mode:
    support: full
    description: Shows the declared attributes before and after; passwords only as words.
  idempotent:
    support: full
    description: A second run changes nothing.
  platform:
    support: full
    platforms: posix
    description: The operating systems it runs on.
"""

EXAMPLES = r"""
- name: Keep a project, its user and the image service
  xenstack.image_services.keystone_seed:
    auth_url: https://keystone.example.org:5000
    password: "{{ vault_keystone_admin_password }}"
    projects:
      - name: alpha
        description: Images of team Alpha
    users:
      - name: alice
        password: "{{ vault_alice_password }}"
        roles:
          - project: alpha
            role: member
    services:
      - name: glance
        type: image
        public_url: https://images.example.org:9292
"""

RETURN = r"""
changes:
  description: What was changed, or would be in check mode, in this order.
  returned: success
  type: list
  elements: dict
  contains:
    verb:
      description: What is done, V(create) or V(update).
      returned: success
      type: str
      sample: create
    kind:
      description: What it is done to, one of project, role, user, grant, service and endpoint.
      returned: success
      type: str
      sample: user
    name:
      description: Its name; of grants and endpoints the names that they consist of.
      returned: success
      type: str
      sample: alice
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.xenstack.image_services.plugins.module_utils._core.runner import run
from ansible_collections.xenstack.image_services.plugins.module_utils._keystone.job import SeedJob


def create_spec() -> dict[str, Any]:
    described = {"name": {"type": "str", "required": True}, "description": {"type": "str"}, "enabled": {"type": "bool"}}
    grant = {"project": {"type": "str", "required": True}, "role": {"type": "str", "required": True}}
    user = {
        **described,
        "password": {"type": "str", "required": True, "no_log": True},
        "update_password": {"type": "str", "choices": ["always", "on_create"], "default": "always", "no_log": False},
        "roles": {"type": "list", "elements": "dict", "options": grant},
    }
    urls = {f"{interface}_url": {"type": "str"} for interface in ("public", "internal", "admin")}
    return {
        "auth_url": {"type": "str", "required": True},
        "username": {"type": "str", "default": "admin"},
        "password": {"type": "str", "required": True, "no_log": True},
        "project_name": {"type": "str", "default": "admin"},
        "domain": {"type": "str", "default": "default"},
        "region": {"type": "str", "default": "RegionOne"},
        "validate_certs": {"type": "bool", "default": True},
        "timeout": {"type": "int", "default": 60},
        "projects": {"type": "list", "elements": "dict", "default": [], "options": described},
        "users": {"type": "list", "elements": "dict", "default": [], "options": user},
        "services": {"type": "list", "elements": "dict", "default": [], "options": {**described, "type": {"type": "str", "required": True}, **urls}},
    }


def main() -> None:
    run(AnsibleModule(argument_spec=create_spec(), supports_check_mode=True), SeedJob)


if __name__ == "__main__":
    main()
