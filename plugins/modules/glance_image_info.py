#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: glance_image_info
short_description: List images of OpenStack Glance
version_added: 1.0.0
author:
  - xenstack.image_services contributors (@xenstack)
description:
  - Lists all images that fit every filter, through all pages of Glance's listing. Glance itself filters, except by properties that are V(true) or
    V(false).
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
      - Properties that an image must have, with these values. V(true) and V(false) match in upper and lower case.
    type: dict
  filters:
    description:
      - Any other filter of Glance's listing, by Glance's name or by that of the field in RV(images). Another key fails the task, because Glance would take it
        for a property and find nothing.
      - Attributes are C(id), C(name), C(status), C(container_format), C(disk_format), C(visibility) (with V(all)), C(owner) (a name or an id),
        C(member_status), C(is_protected), C(is_hidden), C(checksum), C(hash_algo), C(hash_value), C(tags) (all of them), and the numbers C(size),
        C(virtual_size), C(min_disk) and C(min_ram), each also with C(_min) and C(_max).
      - C(id), C(name), C(status), C(container_format) and C(disk_format) take a list as well, of which an image must have one.
      - C(created_at) and C(updated_at) take a time in ISO 8601 behind C(gt:), C(gte:), C(lt:), C(lte:), C(eq:) or C(neq:).
      - Properties are those that RV(images) has a field for, such as C(os_distro) and C(needs_config_drive), and C(properties), a dictionary as
        O(properties). RV(images) has others in C(properties), and O(properties) takes them.
    type: dict
  nova_installation_uuid:
    description:
      - UUID of the installation of Nova that the instances in O(instance_id) live in, as M(xenstack.image_services.nova_installation_uuid) returns it.
      - Needs the filter of the role P(xenstack.image_services.glance_instance_aware#role) in Glance. Without that, the task fails.
    type: str
  instance_id:
    description:
      - Ids of instances, UUIDs or the integers that Nova used as ids. Only images that are related to one of these instances are listed, with
        C(nova_installation_uuid) and C(instance_id) of each.
      - Any number can be given, and every other filter but O(id) beside them. An empty list finds no image.
    type: list
    elements: str
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

- name: Find what was not protected from being deleted
  xenstack.image_services.glance_image_info:
    cloud: production
    filters:
      is_protected: false
      owner: research
  register: unprotected

- name: Get only the ids, by name
  xenstack.image_services.glance_image_info:
    cloud: production
    properties:
      os_distro: debian
    query: "[].{name: name, id: id}"
  register: ids

- name: Find the backups of an instance
  xenstack.image_services.glance_image_info:
    cloud: production
    nova_installation_uuid: "{{ nova_installation.installation_uuid }}"
    instance_id: [6a5c2f0b-7a51-4c0e-9a55-3f5d9d0c7a11]
    properties:
      image_type: backup
  register: backups

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
    - With O(instance_id), each image has C(nova_installation_uuid) and C(instance_id) as well.
  returned: success
  type: list
  elements: dict
  sample:
    - id: 7a2b5f0e-6c0c-4f0d-9d1e-3a5f4f3d2c1b
      name: debian-13
      status: active
      stores: [fast, archive]
project_id:
  description: Id of the project that the task runs as, V(none) where it runs as none. An image of it has this C(owner).
  returned: success
  type: str
  sample: 4f0a3a0c2d7b4f0f9b8a3b5b6c1d2e3f
"""

from ansible_collections.xenstack.image_services.plugins.module_utils._core.argspec import ArgumentSpec
from ansible_collections.xenstack.image_services.plugins.module_utils._core.query import create_query_argspec
from ansible_collections.xenstack.image_services.plugins.module_utils._core.runner import run
from ansible_collections.xenstack.image_services.plugins.module_utils._glance.argspec import CloudModule, create_cloud_argspec
from ansible_collections.xenstack.image_services.plugins.module_utils._images.listing import ImageInfoJob


def create_listing_argspec() -> ArgumentSpec:
    return ArgumentSpec(
        options={
            "name": {"type": "str", "aliases": ["image"]},
            "id": {"type": "str"},
            "hidden": {"type": "bool"},
            "tags": {"type": "list", "elements": "str"},
            "properties": {"type": "dict"},
            "filters": {"type": "dict"},
            "nova_installation_uuid": {"type": "str"},
            "instance_id": {"type": "list", "elements": "str"},
        },
        mutually_exclusive=[("id", other) for other in ("name", "tags", "properties", "filters", "hidden", "instance_id")],
        required_together=[("nova_installation_uuid", "instance_id")],
    )


def main() -> None:
    spec = create_cloud_argspec().merge(create_listing_argspec()).merge(create_query_argspec())
    run(CloudModule(spec, supports_check_mode=True), ImageInfoJob)


if __name__ == "__main__":
    main()
