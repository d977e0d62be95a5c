# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# Private to this collection: no compatibility is promised to users of the fragment.
"""The options of the cloud in a dictionary of their own. Written by make doc-fragments from _cloud.py."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  glance:
    description:
      - How to reach the cloud. Options and their names are those of the collection C(openstack.cloud).
      - Without it, the environment variables of OpenStack clients and C(clouds.yaml) apply.
    type: dict
    suboptions:
      cloud:
        description:
          - Name of a cloud in C(clouds.yaml), or a dictionary with what such an entry holds. A key of the dictionary that no cloud has is refused.
          - Without O(glance.cloud) and O(glance.auth), the environment variables of OpenStack clients apply (E(OS_CLOUD), E(OS_AUTH_URL), ...).
        type: raw
      auth:
        description:
          - Options of the authentication plugin, for example C(auth_url), C(username), C(password), C(project_name),
            C(user_domain_name) and C(project_domain_name).
          - Values of keys that may hold a secret are masked in all output.
        type: dict
      auth_type:
        description:
          - Name of the authentication plugin. Without it, C(password) is used.
        type: str
      region_name:
        description:
          - Name of the region.
        type: str
      interface:
        description:
          - Which endpoints of the catalogue to use.
          - Without it, the cloud's configuration decides, else V(public).
        type: str
        choices: [admin, internal, public]
        aliases: [endpoint_type]
      validate_certs:
        description:
          - Whether certificates of the services are verified. Without it, the cloud's configuration decides, else they are.
        type: bool
        aliases: [verify]
      ca_cert:
        description:
          - Path of a file with certificates of the authorities to trust.
        type: path
        aliases: [cacert]
      client_cert:
        description:
          - Path of a client certificate.
        type: path
        aliases: [cert]
      client_key:
        description:
          - Path of the client certificate's key.
        type: path
        aliases: [key]
      api_timeout:
        description:
          - Seconds that a service may be silent in a single call that moves no image data. Without it, 120.
        type: int
      sdk_log_path:
        description:
          - Path of a log file of openstacksdk. Without it, none is written.
        type: path
      sdk_log_level:
        description:
          - Level of that log.
        type: str
        choices: [INFO, DEBUG]
        default: INFO
requirements:
  - openstacksdk >= 4.0.0, for images in Glance
"""
