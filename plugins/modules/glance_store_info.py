#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Module: the stores of Glance."""

from __future__ import annotations

DOCUMENTATION = r"""
module: glance_store_info
short_description: List the stores of OpenStack Glance and their contents
version_added: 1.0.0
author:
  - xenstack.image_services contributors (@xenstack)
description:
  - Lists the stores that Glance offers, their settings, and the number of images in each of them.
options:
  details:
    description:
      - Whether to ask for type, weight and properties of the stores. Glance allows that to administrators only.
      - Glance 33 fails where a store has several directories or is of type C(vmware). They are null then, with a warning.
    type: bool
    default: false
  usage:
    description:
      - Whether to count the images of each store, which lists all images that the caller may see. Only an administrator sees those of every project.
    type: bool
    default: false
  without:
    description:
      - Names of stores to leave out, to learn which images no other store holds.
    type: list
    elements: str
    default: []
  query:
    description:
      - A JMESPath expression that shapes RV(stores). Needs the Python library jmespath.
    type: str
extends_documentation_fragment:
  - xenstack.image_services._attributes.info
  - xenstack.image_services._cloud
seealso:
  - module: xenstack.image_services.glance_store_dir
"""

EXAMPLES = r"""
- name: Find the default store
  xenstack.image_services.glance_store_info:
    cloud: production
    query: "[?default].id | [0]"
  register: default_store

- name: List the images of each store
  xenstack.image_services.glance_store_info:
    cloud: production-admin
    details: true
    usage: true
  register: stores

- name: Check that a store can be given up
  xenstack.image_services.glance_store_info:
    cloud: production-admin
    without: [archive]
  register: archive
  failed_when: archive.stranded.images > 0
"""

RETURN = r"""
stores:
  description:
    - The stores in Glance's order, or what O(query) makes of them. An empty list where Glance does not know several stores.
  returned: success
  type: list
  elements: dict
  contains:
    id:
      description: Name of the store.
      type: str
      returned: success
      sample: fast
    description:
      description: Its description, null without one.
      type: str
      returned: success
      sample: Fast local disks
    default:
      description: Whether images are uploaded there if the user names no store.
      type: bool
      returned: success
      sample: true
    read_only:
      description: Whether Glance can only read from it.
      type: bool
      returned: success
      sample: false
    type:
      description: Its type, null without O(details).
      type: str
      returned: success
      sample: file
    weight:
      description: Its weight, null without O(details).
      type: int
      returned: success
      sample: 0
    properties:
      description: Settings that its type has, null without O(details).
      type: dict
      returned: success
      sample: {data_dir: /srv/glance/fast, chunk_size: 65536, thin_provisioning: false}
    images:
      description: Images in it, null without O(usage).
      type: int
      returned: success
      sample: 12
    bytes:
      description: Size of these images together, null without O(usage).
      type: int
      returned: success
      sample: 34359738368
    images_only_here:
      description: Images that no other store holds, null without O(usage).
      type: int
      returned: success
      sample: 3
unknown_stores:
  description: Stores that images name and Glance does not offer any more, with C(id), C(images), C(bytes) and C(images_only_here).
  returned: success and O(usage=true)
  type: list
  elements: dict
  sample: []
stranded:
  description: Images that only the stores of O(without) hold.
  returned: success and O(without) is not empty
  type: dict
  contains:
    images:
      description: How many there are.
      type: int
      returned: success
      sample: 3
    bytes:
      description: Size of these images together.
      type: int
      returned: success
      sample: 1073741824
"""

from ansible_collections.xenstack.image_services.plugins.module_utils._core.argspec import ArgumentSpec
from ansible_collections.xenstack.image_services.plugins.module_utils._core.query import create_query_argspec
from ansible_collections.xenstack.image_services.plugins.module_utils._core.runner import run
from ansible_collections.xenstack.image_services.plugins.module_utils._glance.argspec import CloudModule, create_cloud_argspec
from ansible_collections.xenstack.image_services.plugins.module_utils._stores.listing import StoreInfoJob


def create_store_listing_argspec() -> ArgumentSpec:
    return ArgumentSpec(
        options={
            "details": {"type": "bool", "default": False},
            "usage": {"type": "bool", "default": False},
            "without": {"type": "list", "elements": "str", "default": []},
        }
    )


def main() -> None:
    spec = create_cloud_argspec().merge(create_store_listing_argspec()).merge(create_query_argspec())
    run(CloudModule(spec, supports_check_mode=True), StoreInfoJob)


if __name__ == "__main__":
    main()
