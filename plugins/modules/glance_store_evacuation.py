#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Module: no image in a store any more, and none lost."""

from __future__ import annotations

DOCUMENTATION = r"""
module: glance_store_evacuation
short_description: Move all images out of a store of OpenStack Glance
version_added: 1.0.0
author:
  - xenstack.image_services contributors (@xenstack)
description:
  - Moves every image of every project out of one store, hidden and protected ones included, and leaves the store itself as it is.
  - An image that only this store holds is copied by Glance's import method C(copy-image), which compares the digest of the copy with that of the
    image. It is taken out of the store only after Glance has shown it active in the other stores and has ended the import.
  - Nothing is kept but what Glance shows, so a run that was interrupted at any point is continued by the next one.
  - Users can still upload images into the store while it is the default or they name it. Run the task until it reports no change.
  - Only administrators may do this by Glance's default policy.
attributes:
  check_mode:
    description: Shows the plan with every image and its bytes, and changes nothing.
    support: full
  diff_mode:
    description: Returns the number and bytes of the images in the store before and after.
    support: full
  idempotent:
    description: A second run without a change in between reports and does nothing.
    support: full
options:
  store:
    description:
      - Name of the store that is to hold no images.
    type: str
    required: true
  to:
    description:
      - Names of the stores that an image is copied to if no other store that takes data holds it. It is copied to all of them.
      - Without it, the service's default store. It has to be given where that is O(store) itself.
    type: list
    elements: str
  on_deactivated:
    description:
      - What to do about deactivated images. Glance neither copies them nor takes them out of a store.
      - V(refuse) ends the task before the first change where there are any, V(skip) leaves them in the store.
      - V(reactivate) makes each active while it is copied, and deactivates it again. Whoever sees the image can download it meanwhile. Where a
        run is interrupted then, the next one, whatever its options, deactivates the image first of all.
    type: str
    choices: [refuse, skip, reactivate]
    default: refuse
  limit:
    description:
      - The most images that this run moves. Without it, all.
      - Those that need no copy come first, then the smallest.
    type: int
  concurrency:
    description:
      - How many images are moved at the same time. Each takes space in Glance's staging directory while it is copied.
    type: int
    default: 2
extends_documentation_fragment:
  - xenstack.image_services._cloud
notes:
  - With O(wait=false) the task is refused, as nothing is taken out of the store before its copy is verified.
  - A Glance that dies in a copy may leave a part of it as a file in the other store, which Glance then refuses to overwrite, and holds the
    image for an hour. The image stays where it is, and the failure names it.
seealso:
  - module: xenstack.image_services.glance_image
  - module: xenstack.image_services.glance_store_info
"""

EXAMPLES = r"""
- name: Move everything from the old array to the default store
  xenstack.image_services.glance_store_evacuation:
    cloud: production-admin
    store: old-array

- name: Move fifty images a night into two stores
  xenstack.image_services.glance_store_evacuation:
    cloud: production-admin
    store: old-array
    to: [fast, archive]
    limit: 50
    concurrency: 4
  register: evacuation

- name: Show what is left
  ansible.builtin.debug:
    msg: "{{ evacuation.totals.remaining }} images"
"""

RETURN = r"""
images:
  description: The images that this run moves or skips.
  returned: success, and failure after the first change
  type: list
  elements: dict
  contains:
    id:
      description: Id of the image.
      type: str
      sample: 7a2b5f0e-6c0c-4f0d-9d1e-3a5f4f3d2c1b
    name:
      description: Name of the image, empty where it has none.
      type: str
      sample: debian-13
    owner:
      description: Id of the project that owns it.
      type: str
      sample: 5fb1e5a3b2a04f0fa3f4f6a7c0d9e8b1
    bytes:
      description: Size of the image.
      type: int
      sample: 448790528
    copy_to:
      description: Stores that it is copied to. Empty if another store already holds it.
      type: list
      elements: str
      sample: [fast]
    stays_in:
      description: Stores that hold it afterwards.
      type: list
      elements: str
      sample: [fast]
    status:
      description: >-
        V(planned) in check mode and if the run ended before it, V(moved) after a copy, V(removed) if no copy was needed, V(gone) if someone
        has deleted the image meanwhile, V(skipped), or V(failed).
      type: str
      sample: moved
    error:
      description: Why it was skipped or failed, else null.
      type: str
      sample: null
totals:
  description: The sums.
  returned: success, and failure after the first change
  type: dict
  contains:
    images:
      description: Images that the store held before the run.
      type: int
      sample: 120
    bytes:
      description: Their bytes.
      type: int
      sample: 53687091200
    bytes_to_copy:
      description: Bytes that Glance has to copy for the images of this run, once for each store that one is copied to.
      type: int
      sample: 21474836480
    done:
      description: Images that the run has taken out of the store. 0 in check mode.
      type: int
      sample: 50
    failed:
      description: Images that failed.
      type: int
      sample: 0
    skipped:
      description: Images that were not tried, as they are deactivated, or uploaded or deleted just now.
      type: int
      sample: 0
    remaining:
      description: Images of the listing that the store holds after the run. In check mode all of them.
      type: int
      sample: 70
diff:
  description: Images in the store and their bytes, before and after.
  returned: success, and failure after the first change
  type: dict
  sample:
    before: {store: old-array, images: 120, bytes: 53687091200}
    after: {store: old-array, images: 70, bytes: 32212254720}
"""

from ansible_collections.xenstack.image_services.plugins.module_utils._core.argspec import ArgumentSpec
from ansible_collections.xenstack.image_services.plugins.module_utils._core.runner import run
from ansible_collections.xenstack.image_services.plugins.module_utils._glance.argspec import CloudModule, create_cloud_argspec
from ansible_collections.xenstack.image_services.plugins.module_utils._stores.evacuation_job import EvacuationJob


def create_evacuation_argspec() -> ArgumentSpec:
    return ArgumentSpec(
        options={
            "store": {"type": "str", "required": True},
            "to": {"type": "list", "elements": "str"},
            "on_deactivated": {"type": "str", "choices": ["refuse", "skip", "reactivate"], "default": "refuse"},
            "limit": {"type": "int"},
            "concurrency": {"type": "int", "default": 2},
        }
    )


def main() -> None:
    run(CloudModule(create_cloud_argspec().merge(create_evacuation_argspec()), supports_check_mode=True), EvacuationJob)


if __name__ == "__main__":
    main()
