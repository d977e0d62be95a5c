#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: glance_instance_check
short_description: Verify that Glance relates images to instances
version_added: 1.0.0
author: xenstack.image_services contributors (@xenstack)
description:
  - Waits until Glance runs with the filter of the role P(xenstack.image_services.glance_instance_aware#role).
  - Then creates an image without data for an instance of an installation of its own, finds it by that instance and by no other, sees that Glance shows the
    instance and does not keep it as a property, deletes the image, and looks that it is found no more.
  - The image is hidden and private, and it is deleted as well when the check fails.
attributes:
  check_mode:
    description: Waits for the filter and creates nothing.
    support: full
  diff_mode:
    description: Leaves nothing changed.
    support: N/A
  idempotent:
    description: Leaves nothing changed.
    support: full
options:
  state:
    description:
      - V(present) verifies that the filter works, V(absent) that Glance answers without it.
    type: str
    choices: [present, absent]
    default: present
  timeout:
    description:
      - Seconds for which Glance may run in the other state, because another host behind a load balancer has not been restarted yet.
    default: 30
  url:
    description:
      - Address of the Glance to ask, without a version, instead of the one that the catalogue names, which may be another one behind a load balancer.
    type: str
extends_documentation_fragment:
  - xenstack.image_services._cloud
seealso:
  - module: xenstack.image_services.glance_image_info
"""

EXAMPLES = r"""
- name: Verify that images are found by their instances
  xenstack.image_services.glance_instance_check:
    cloud: production-admin
"""

RETURN = r"""
version:
  description: Version of the filter, null where Glance runs without it.
  returned: success
  type: str
  sample: 0.2.0
image:
  description: Id of the image that lived, which has gone again. Null in check mode and where Glance runs without the filter.
  returned: success
  type: str
  sample: 8b7d9a52-3c33-4a5e-9a57-0b3e0d8f6c21
url:
  description: Address that answered.
  returned: success
  type: str
  sample: http://127.0.0.1:9292
"""

from ansible_collections.xenstack.image_services.plugins.module_utils._core.argspec import ArgumentSpec
from ansible_collections.xenstack.image_services.plugins.module_utils._core.runner import run
from ansible_collections.xenstack.image_services.plugins.module_utils._glance.argspec import CloudModule, create_cloud_argspec
from ansible_collections.xenstack.image_services.plugins.module_utils._instances.check import InstanceCheckJob


def create_check_argspec() -> ArgumentSpec:
    return ArgumentSpec(options={"state": {"type": "str", "choices": ["present", "absent"], "default": "present"}, "url": {"type": "str"}})


def main() -> None:
    run(CloudModule(create_cloud_argspec(timeout=30).merge(create_check_argspec()), supports_check_mode=True), InstanceCheckJob)


if __name__ == "__main__":
    main()
