#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: glance_images
short_description: Keep many images in OpenStack Glance as declared
version_added: 1.0.0
author:
  - xenstack.image_services contributors (@xenstack)
description:
  - Does for a list of images what M(xenstack.image_services.glance_image) does for one, in a single session. One listing of Glance serves all items,
    everything is planned before the first change, and transfers run side by side.
  - A bad item, an unreachable source or a wrong checksum is refused before the first change, and the message names the item.
  - Images that are no longer declared can be deleted (O(prune)), and replaced ones rotated (O(images[].keep)). What a server or volume uses stays, as far as
    the cloud has Nova and Cinder and the task's user may ask them; only an administrator sees those of other projects.
  - A run that was interrupted at any point is finished by the next one.
  - Images that O(images[].kernel) and O(images[].ramdisk) name must be there before the task, so keep those in a task of their own.
options:
  defaults:
    description:
      - Options for all items that do not name them. Properties are merged one by one; a V(null) in an item takes a default back.
      - Takes what O(images) takes, except what can only be said of one image, as C(name), C(id), C(src), C(uri) and C(checksum).
    type: dict
    default: {}
  concurrency:
    description:
      - Number of items that are worked on at a time, from 1 to 64.
    type: int
    default: 4
  bandwidth:
    description:
      - Bytes a second that all uploads of this task together may use, as C(50M) or C(1G) with factors of 1024. Without it, there is no cap.
      - What Glance fetches itself is not included.
    type: str
  continue_on_error:
    description:
      - Work on the other items when one fails. The task fails at its end all the same.
      - Without it, nothing is changed when an item is bad before the first change, and no further item is begun when one fails later.
    type: bool
    default: false
  prune:
    description:
      - Delete images in O(prune_scope) that no item declares. Nothing is pruned in a run in which an item failed.
      - An empty O(images) is refused, and so is a run that would delete more than O(prune_max).
      - Each image that is deleted, or in check mode would be, is shown without C(-v), as is what O(images[].keep) rotates out.
      - Images that a declared one has replaced are left to O(images[].keep). Protected images and images in use stay and are listed in RV(kept).
    type: bool
    default: false
  prune_max:
    description:
      - How many images one run may prune, as a number or as a share of the images in O(prune_scope), such as V(10%). More of them fail the task before the
        first change, with their names. Images that stay because they are protected or in use are not included.
    type: str
    default: "50%"
  prune_scope:
    description:
      - Which images O(prune) may delete. Those of one project, and if O(prune_scope.tag) is given, only those with that tag.
    type: dict
    suboptions:
      tag:
        description:
          - A tag that the images carry.
        type: str
      owner:
        description:
          - Name or id of the project that owns the images. Without it, the project that the task runs as.
        type: str
      owner_domain:
        description:
          - Name or id of the domain of O(prune_scope.owner).
        type: str
requirements:
  - backports.zstd >= 1.0.0 on a Python before 3.14, only to decompress zstd
extends_documentation_fragment:
  - xenstack.image_services._attributes
  - xenstack.image_services._image_items
  - xenstack.image_services._cloud
  - xenstack.image_services._progress
seealso:
  - module: xenstack.image_services.glance_image
  - module: xenstack.image_services.glance_image_info
"""

EXAMPLES = r"""
- name: Keep the catalogue of the cloud
  xenstack.image_services.glance_images:
    cloud: production
    concurrency: 4
    bandwidth: 200M
    defaults:
      visibility: public
      tags: [catalogue]
      keep: 3
      properties:
        hw_disk_bus: scsi
        hw_scsi_model: virtio-scsi
    images:
      - name: debian-13
        uri: https://cloud.debian.org/images/cloud/trixie/latest/debian-13-genericcloud-amd64.qcow2
        min_disk: 3
      - name: appliance
        src: /srv/images/appliance.qcow2
        visibility: shared
        members: [research]
      - name: debian-11
        state: absent

- name: Show what would be pruned
  xenstack.image_services.glance_images:
    cloud: production
    images: "{{ catalogue }}"
    prune: true
    prune_scope:
      tag: catalogue
  check_mode: true
  diff: true
"""

RETURN = r"""
results:
  description: What became of each item, in the order of O(images).
  returned: always, unless an option was refused
  type: list
  elements: dict
  sample:
    - bytes_transferred: 448790528
      changed: true
      diff:
        after:
          content: /srv/images/debian-13.qcow2
          name: debian-13
        before: {}
      elapsed: 12.431
      error: null
      image:
        id: 7a2b5f0e-6c0c-4f0d-9d1e-3a5f4f3d2c1b
        name: debian-13
        status: active
      name: debian-13
      replaced_image_id: null
      result: changed
      rotated: []
      stores: []
  contains:
    name:
      description: Name of the item.
      type: str
    result:
      description: One of V(ok), V(changed), V(failed), V(ignored), and V(skipped) for an item that was not begun because another had failed.
      type: str
    changed:
      description: Whether the item changed anything.
      type: bool
    image:
      description: The image, as M(xenstack.image_services.glance_image) returns it.
      type: dict
    diff:
      description: Managed attributes before and after.
      type: dict
    stores:
      description: For content that this run uploaded into declared stores, the outcome in each.
      type: list
      elements: dict
    replaced_image_id:
      description: Id of the image whose content was replaced, else V(none).
      type: str
    rotated:
      description: Replaced images of this name that were deleted because they were beyond C(keep).
      type: list
      elements: dict
    bytes_transferred:
      description: Bytes of image data that this host sent.
      type: int
    elapsed:
      description: Seconds from the start of the task to the end of this item.
      type: float
    error:
      description: What failed, with C(msg), C(code), C(details) and C(request_id), else V(none).
      type: dict
ids:
  description: Ids of the images by name, for programs.
  returned: always, unless an option was refused
  type: dict
  sample:
    debian-13: 7a2b5f0e-6c0c-4f0d-9d1e-3a5f4f3d2c1b
pruned:
  description: Images that were deleted because no item declares them.
  returned: always, unless an option was refused
  type: list
  elements: dict
  sample:
    - id: 0d9b6b8f-4f8e-4f57-8c9a-0a8a5d8b8d11
      name: debian-10
kept:
  description: Images that would have been pruned or rotated out, and what forbids it in C(used_by).
  returned: always, unless an option was refused
  type: list
  elements: dict
  sample:
    - id: 5b0c0f4e-31b5-4a4f-8c39-3a2f6f1a9f0c
      name: debian-12-20260101T000000Z
      used_by: [server 9c6b2a3e-5a52-4c0a-a6fb-9b3f2d1c0e4d]
diff:
  description: Managed attributes before and after, one entry for each item that changes and each image that is deleted.
  returned: always, unless an option was refused
  type: list
  elements: dict
  sample:
    - after:
        min_disk: 3
        name: debian-13
      after_header: images[0] (debian-13)
      before:
        min_disk: 0
        name: debian-13
      before_header: images[0] (debian-13)
bytes_transferred:
  description: Bytes of image data that this host sent for all items.
  returned: always, unless an option was refused
  type: int
  sample: 448790528
elapsed:
  description: Seconds that the task took.
  returned: always, unless an option was refused
  type: float
  sample: 14.012
error:
  description: What failed, for programs. Its C(code) is that of the first item that failed.
  returned: failure
  type: dict
  sample:
    code: bad_source
    details:
      failed: ["images[3] (appliance)"]
    request_id: null
"""

from ansible_collections.xenstack.image_services.plugins.module_utils._core.runner import run
from ansible_collections.xenstack.image_services.plugins.module_utils._glance.argspec import CloudModule, create_cloud_argspec
from ansible_collections.xenstack.image_services.plugins.module_utils._images.catalogue_job import CatalogueJob
from ansible_collections.xenstack.image_services.plugins.module_utils._images.catalogue_options import create_catalogue_argspec


def main() -> None:
    run(CloudModule(create_cloud_argspec().merge(create_catalogue_argspec()), supports_check_mode=True), CatalogueJob)


if __name__ == "__main__":
    main()
