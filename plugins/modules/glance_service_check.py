#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Module: whether one Glance works."""

from __future__ import annotations

DOCUMENTATION = r"""
module: glance_service_check
short_description: Verify that the Glance at one address works
version_added: 1.0.0
author:
  - xenstack.image_services contributors (@xenstack)
description:
  - Gets a token from Keystone and asks the Glance at one address for images. Fails unless Glance accepts the token and reaches its database.
  - The catalogue is not asked, because it may lead to another Glance, behind a load balancer for example.
  - The certificate of Glance is not checked, because it is issued for the public name. That of Keystone is checked.
attributes:
  check_mode:
    description: Creates no image.
    support: full
  diff_mode:
    description: Leaves nothing changed.
    support: N/A
  idempotent:
    description: Leaves nothing changed.
    support: full
options:
  url:
    description:
      - Address of Glance, without a version.
    type: str
    required: true
  auth:
    description:
      - Credentials of a user, as keystoneauth's plugin C(v3password) takes them. Those of Glance's own user are enough, whatever its roles.
    type: dict
    required: true
  ca_cert:
    description:
      - Certificates that Keystone's own is checked with. Those of the system by default.
    type: path
  round_trip:
    description:
      - Whether to create, read and delete a private, hidden image without data as well. Left out where the user is not permitted to create images.
    type: bool
    default: false
seealso:
  - module: xenstack.image_services.glance_store_check
"""

EXAMPLES = r"""
- name: Verify the Glance of this host
  xenstack.image_services.glance_service_check:
    url: http://127.0.0.1:9292
    auth:
      auth_url: https://identity.example.org:5000/v3
      username: glance
      password: "{{ vault_glance_password }}"
      project_name: service
      user_domain_name: Default
      project_domain_name: Default
    round_trip: true
"""

RETURN = r"""
url:
  description: Address that answered.
  returned: success
  type: str
  sample: http://127.0.0.1:9292
round_trip:
  description: Whether an image was created, read and deleted.
  returned: success
  type: bool
  sample: true
"""

from ansible_collections.xenstack.image_services.plugins.module_utils._core.argspec import ArgumentSpec, SecretMaskingModule
from ansible_collections.xenstack.image_services.plugins.module_utils._core.runner import run
from ansible_collections.xenstack.image_services.plugins.module_utils._glance.argspec import cloud_secrets
from ansible_collections.xenstack.image_services.plugins.module_utils._glance.service_check import ServiceCheckJob


def create_service_check_argspec() -> ArgumentSpec:
    return ArgumentSpec(
        options={
            "url": {"type": "str", "required": True},
            "auth": {"type": "dict", "required": True},
            "ca_cert": {"type": "path"},
            "round_trip": {"type": "bool", "default": False},
        }
    )


def main() -> None:
    run(SecretMaskingModule(create_service_check_argspec(), cloud_secrets, supports_check_mode=True), ServiceCheckJob)


if __name__ == "__main__":
    main()
