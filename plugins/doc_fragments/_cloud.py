# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""Documentation of the options that every module with a cloud has."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
attributes:
  action_group:
    description: >-
      O(ignore:module_defaults) of C(group/xenstack.image_services.openstack) reach this module and those of the collection C(openstack.cloud). Those of
      C(group/openstack.cloud.openstack) do not apply to it.
    support: full
    membership:
      - xenstack.image_services.openstack
  platform:
    description: Target platform.
    support: full
    platforms: posix
options:
  cloud:
    description:
      - Name of a cloud in C(clouds.yaml), or a dictionary with what such an entry holds. A key of the dictionary that no cloud has is refused.
      - Without O(cloud) and O(auth), the environment variables of OpenStack clients apply (E(OS_CLOUD), E(OS_AUTH_URL), ...).
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
  wait:
    description:
      - Whether to wait for the end of what Glance does on its own, such as imports.
    type: bool
    default: true
  timeout:
    description:
      - Seconds without any progress after which a transfer or an import is considered stuck.
      - A transfer that moves is never ended by it, however large the image.
    type: int
    default: 600
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
  - openstacksdk >= 4.0.0
notes:
  - Options and their names are those of the collection C(openstack.cloud), except that O(interface) has no default
    that would override C(clouds.yaml), and O(timeout) starts from the last progress.
"""
