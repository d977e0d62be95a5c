#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: glance_image_info
short_description: List images of OpenStack Glance
version_added: 0.1.0
author:
  - xenstack.image_services contributors (@xenstack)
description:
  - Lists all images that fit every filter, through all pages of Glance's listing. Glance itself filters.
options:
  name:
    description:
      - Name of the images. Where no image has it and it is a UUID, it is taken as an id.
    type: str
    aliases: [image]
  id:
    description:
      - Id of one image.
    type: str
  hidden:
    description:
      - V(true) lists only hidden images. Without it, and with V(false), only those that are not.
    type: bool
  tags:
    description:
      - Tags that an image must all have.
    type: list
    elements: str
  properties:
    description:
      - Properties that an image must have, with these values.
    type: dict
  filters:
    description:
      - Any other filter of Glance's listing, for example C(status), C(owner), C(visibility), C(size_min), C(created_at) with C(gt:),
        or C(in:) lists.
    type: dict
  query:
    description:
      - A JMESPath expression that shapes RV(images). Needs the Python library jmespath.
    type: str
extends_documentation_fragment:
  - xenstack.image_services._attributes.info
  - xenstack.image_services._cloud
seealso:
  - module: xenstack.image_services.glance_image
"""

EXAMPLES = r"""
- name: Find all active Debian images
  xenstack.image_services.glance_image_info:
    cloud: production
    tags: [debian]
    filters:
      status: active
  register: debian

- name: Get only the ids, by name
  xenstack.image_services.glance_image_info:
    cloud: production
    properties:
      os_distro: debian
    query: "[].{name: name, id: id}"
  register: ids

- name: Wait for an import that another task has started
  xenstack.image_services.glance_image_info:
    cloud: production
    name: rescue
  register: rescue
  until: rescue.images | map(attribute='status') | list == ['active']
  retries: 60
  delay: 10
"""

RETURN = r"""
images:
  description:
    - The images, with the field names of openstacksdk, as M(openstack.cloud.image_info) returns them, or what O(query) makes of them.
    - Without any image that fits, an empty list.
  returned: success
  type: list
  elements: dict
  sample:
    - id: 7a2b5f0e-6c0c-4f0d-9d1e-3a5f4f3d2c1b
      name: debian-13
      status: active
      stores: [fast, archive]
"""

from typing import Any

from ansible_collections.xenstack.image_services.plugins.module_utils._common.argspec import ArgumentSpec
from ansible_collections.xenstack.image_services.plugins.module_utils._common.query import create_query_argspec
from ansible_collections.xenstack.image_services.plugins.module_utils._common.runner import run
from ansible_collections.xenstack.image_services.plugins.module_utils._glance.argspec import CloudModule, create_cloud_argspec
from ansible_collections.xenstack.image_services.plugins.module_utils._glance.connection import Cloud
from ansible_collections.xenstack.image_services.plugins.module_utils._glance.image_listing import list_images


def create_listing_argspec() -> ArgumentSpec:
    return ArgumentSpec(
        options={
            "name": {"type": "str", "aliases": ["image"]},
            "id": {"type": "str"},
            "hidden": {"type": "bool"},
            "tags": {"type": "list", "elements": "str"},
            "properties": {"type": "dict"},
            "filters": {"type": "dict"},
        },
        mutually_exclusive=[("id", "name"), ("id", "tags"), ("id", "properties"), ("id", "filters"), ("id", "hidden")],
    )


def main() -> None:
    spec = create_cloud_argspec().merge(create_listing_argspec()).merge(create_query_argspec())
    module = CloudModule(spec, supports_check_mode=True)

    def job(module: Any) -> dict[str, Any]:
        return list_images(module.params, Cloud)

    run(module, job)


if __name__ == "__main__":
    main()
