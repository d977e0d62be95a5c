#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Module: whether the stores of Glance work."""

from __future__ import annotations

DOCUMENTATION = r"""
module: glance_store_check
short_description: Verify that Glance offers its stores and keeps images in them
version_added: 1.0.0
author:
  - xenstack.image_services contributors (@xenstack)
description:
  - Fails unless Glance offers exactly the declared stores with the declared default.
  - Then sends a few random bytes to each store, compares Glance's digest, finds the file in the directory of a file store with the right owner and content,
    and deletes the image again, also when the check fails.
  - Every store is tried, and the failure names each that does not work.
  - Runs on a host that serves the stores, because it looks into their directories.
attributes:
  check_mode:
    description: Compares the list of stores and sends nothing.
    support: full
  diff_mode:
    description: Leaves nothing changed.
    support: N/A
  idempotent:
    description: Leaves nothing changed.
    support: full
options:
  stores:
    description:
      - All stores that Glance has to offer.
    type: list
    elements: dict
    required: true
    suboptions:
      id:
        description:
          - Name of the store.
        type: str
        required: true
      default:
        description:
          - Whether it is the default.
        type: bool
        default: false
      writable:
        description:
          - Whether to send an image to it.
        type: bool
        default: true
      directories:
        description:
          - Directories of a file store. The image has to be found in one of them.
        type: list
        elements: path
        default: []
      uid:
        description:
          - Number of the user that the file has to belong to. Without it, any.
        type: int
      gid:
        description:
          - Number of the group that the file has to belong to. Without it, any.
        type: int
      owner_of_directory:
        description:
          - Whether the file has to belong to the user that its directory belongs to. O(stores[].uid) has precedence.
        type: bool
        default: false
  config_files:
    description:
      - Files of Glance's configuration on this host that declare the stores.
      - Where a store refuses an image, its driver is then asked directly with the same options, because Glance itself gives no reason. This needs Glance's
        own Python as C(ansible_python_interpreter).
    type: list
    elements: path
    default: []
  size:
    description:
      - Bytes to send to each store.
    type: int
    default: 65536
  timeout:
    description:
      - Seconds without any progress after which Glance's list of stores is considered final.
    default: 30
  url:
    description:
      - Address of the Glance to ask, without a version, instead of the one that the catalogue names, which may be another one behind a load balancer.
    type: str
extends_documentation_fragment:
  - xenstack.image_services._cloud
seealso:
  - module: xenstack.image_services.glance_store_dir
  - module: xenstack.image_services.glance_store_info
"""

EXAMPLES = r"""
- name: Verify that both stores work
  xenstack.image_services.glance_store_check:
    cloud: production-admin
    stores:
      - id: fast
        default: true
        directories: [/srv/glance/fast]
        uid: 42424
      - id: archive
        directories: [/srv/glance/archive]
        uid: 42424
"""

RETURN = r"""
checks:
  description: One entry for each store that an image went through. Empty in check mode.
  returned: success
  type: list
  elements: dict
  contains:
    id:
      description: Name of the store.
      type: str
      returned: success
      sample: fast
    path:
      description: Where the image was found, null for a store that keeps no files.
      type: str
      returned: success
      sample: /srv/glance/fast/1c2f1f0e-6c0c-4f0d-9d1e-3a5f4f3d2c1b
    uid:
      description: User that the file belonged to, null for a store that keeps no files.
      type: int
      returned: success
      sample: 42424
    gid:
      description: Group that the file belonged to, null for a store that keeps no files.
      type: int
      returned: success
      sample: 42424
url:
  description: Address that answered.
  returned: success
  type: str
  sample: http://127.0.0.1:9292
"""

from ansible_collections.xenstack.image_services.plugins.module_utils._core.argspec import ArgumentSpec
from ansible_collections.xenstack.image_services.plugins.module_utils._core.runner import run
from ansible_collections.xenstack.image_services.plugins.module_utils._glance.argspec import CloudModule, create_cloud_argspec
from ansible_collections.xenstack.image_services.plugins.module_utils._stores.check import StoreCheckJob


def create_store_check_argspec() -> ArgumentSpec:
    return ArgumentSpec(
        options={
            "stores": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": {
                    "id": {"type": "str", "required": True},
                    "default": {"type": "bool", "default": False},
                    "writable": {"type": "bool", "default": True},
                    "directories": {"type": "list", "elements": "path", "default": []},
                    "uid": {"type": "int"},
                    "gid": {"type": "int"},
                    "owner_of_directory": {"type": "bool", "default": False},
                },
            },
            "config_files": {"type": "list", "elements": "path", "default": []},
            "size": {"type": "int", "default": 65536},
            "url": {"type": "str"},
        }
    )


def main() -> None:
    spec = create_cloud_argspec(timeout=30).merge(create_store_check_argspec())
    run(CloudModule(spec, supports_check_mode=True), StoreCheckJob)


if __name__ == "__main__":
    main()
