#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: glance_image
short_description: Keep one image in OpenStack Glance as declared
version_added: 1.0.0
author:
  - xenstack.image_services contributors (@xenstack)
description:
  - Creates, updates, replaces, shares, hides, deactivates and deletes one image.
  - Content is compared by digest. Changed content is uploaded as a new, hidden image, verified against Glance's C(os_hash_value),
    then given the name, and only then the old image is treated as O(on_replace) says. A failure anywhere leaves the old image as it was.
  - What an option does not give is not managed. An empty value makes empty.
  - Tasks written for M(openstack.cloud.image) work with this module, with these differences. O(visibility) is left unchanged where neither it nor
    O(is_public) is set. Images of other projects are never chosen by name, see O(owner). A name that no image has creates nothing without content, see
    O(state). There is no C(volume).
  - C(module_defaults) of C(group/openstack.cloud.openstack) do not apply to this module, because a task belongs to the groups of its own collection. Write
    C(group/xenstack.image_services.openstack) instead, which reaches the modules of both collections.
requirements:
  - backports.zstd >= 1.0.0 on a Python before 3.14, only to decompress zstd
extends_documentation_fragment:
  - xenstack.image_services._attributes
  - xenstack.image_services._image
  - xenstack.image_services._cloud
  - xenstack.image_services._progress
seealso:
  - module: xenstack.image_services.glance_image_info
  - module: xenstack.image_services.glance_store_info
"""

EXAMPLES = r"""
- name: Keep images with one set of credentials
  module_defaults:
    group/xenstack.image_services.openstack:
      cloud: production
  block:
    - name: Keep the Debian image in two stores
      xenstack.image_services.glance_image:
        name: debian-13
        src: /srv/images/debian-13-genericcloud-amd64.qcow2
        checksum: sha512:{{ debian_13_sha512 }}
        stores: [fast, archive]
        visibility: public
        min_disk: 3
        tags: [linux, debian]
        properties:
          hw_disk_bus: scsi
          hw_scsi_model: virtio-scsi
          os_distro: debian

    - name: Move an image to the archive, as an administrator
      xenstack.image_services.glance_image:
        name: debian-11
        stores: [archive]
        stores_mode: exact

    - name: Replace an image each night and delete the old one
      xenstack.image_services.glance_image:
        name: appliance
        uri: https://builds.example.com/appliance/latest.qcow2
        on_replace: delete

    - name: Follow what a mirror publishes, and fetch it only when its list of checksums has changed
      xenstack.image_services.glance_image:
        name: appliance-stable
        uri: https://mirror.example.com/appliance/appliance.raw.xz
        checksum: sha256:https://mirror.example.com/appliance/SHA256SUMS
        decompress: true
        disk_format: raw

    - name: Have Glance fetch an image itself
      xenstack.image_services.glance_image:
        name: rescue
        disk_format: iso
        uri: https://mirror.example.com/rescue.iso
        import_method: web-download

    - name: Share an image with two projects and no others
      xenstack.image_services.glance_image:
        name: golden
        visibility: shared
        members: [research, teaching]

    - name: Clear all tags and keep exactly one property
      xenstack.image_services.glance_image:
        name: golden
        tags: []
        properties:
          os_distro: debian
        properties_mode: exact

    - name: Say which instance an image was taken of
      xenstack.image_services.glance_image:
        name: web 1 before the upgrade
        nova_installation_uuid: 0b5c1c9a-58f3-4b8e-9a6f-6f0d2a3f9c11
        instance_id: 6a5c2f0b-7a51-4c0e-9a55-3f5d9d0c7a11

    - name: Let an image belong to no instance any more
      xenstack.image_services.glance_image:
        name: web 1 before the upgrade
        nova_installation_uuid: ""
        instance_id: ""

    - name: Reserve an image whose data another program uploads
      xenstack.image_services.glance_image:
        name: nightly-build
        state: reserved
        disk_format: raw

    - name: Delete an image of another project, as an administrator
      xenstack.image_services.glance_image:
        name: golden
        owner: research
        state: absent

    - name: Delete a protected image
      xenstack.image_services.glance_image:
        name: debian-11
        is_protected: false
        state: absent

- name: Accept an image that another project shares
  xenstack.image_services.glance_image:
    cloud: research
    id: 7a2b5f0e-6c0c-4f0d-9d1e-3a5f4f3d2c1b
    member_status: accepted
"""

RETURN = r"""
image:
  description:
    - The image, with the field names of openstacksdk, as M(openstack.cloud.image) returns it. In check mode it is the predicted image.
    - V(none) where there is none.
  returned: success
  type: dict
  sample:
    checksum: 1b3c7c8b0d1c6a0d3f4e3a3d9c9b5a77
    container_format: bare
    created_at: "2026-11-20T08:15:30Z"
    disk_format: qcow2
    hash_algo: sha512
    hash_value: 6513f21e44aa3da349f248188a44bc304a3653a04122d8fb4535423c8e1d14cd6a153f735bb0982e2161b5b5186106570c17a9e58b64dd39390617cd5a350f78
    id: 7a2b5f0e-6c0c-4f0d-9d1e-3a5f4f3d2c1b
    is_hidden: false
    is_protected: false
    min_disk: 3
    min_ram: 0
    name: debian-13
    owner: 5fb1e5a3b2a04f0fa3f4f6a7c0d9e8b1
    owner_id: 5fb1e5a3b2a04f0fa3f4f6a7c0d9e8b1
    properties:
      hw_disk_bus: scsi
    size: 448790528
    status: active
    stores: [fast, archive]
    tags: [debian, linux]
    updated_at: "2026-11-20T08:15:41Z"
    virtual_size: 3221225472
    visibility: public
  contains:
    id:
      description: Id of the image.
      type: str
    name:
      description: Name of the image.
      type: str
    status:
      description: Glance's status of the image.
      type: str
    stores:
      description: Ids of the stores that hold the content.
      type: list
      elements: str
    properties:
      description: Properties that openstacksdk has no field of its own for.
      type: dict
    nova_installation_uuid:
      description: UUID of the installation of Nova that RV(image.instance_id) lives in, V(none) where the image belongs to no instance.
      returned: with O(instance_id)
      type: str
    instance_id:
      description: Id of the instance that the image belongs to, V(none) where it belongs to none.
      returned: with O(instance_id)
      type: str
    hash_algo:
      description: Algorithm of RV(image.hash_value).
      type: str
    hash_value:
      description: Digest of the content that Glance holds.
      type: str
diff:
  description: Managed attributes before and after.
  returned: success
  type: dict
  sample:
    before:
      min_disk: 0
      name: debian-13
      stores: [fast]
    after:
      min_disk: 3
      name: debian-13
      stores: [archive, fast]
stores:
  description: What this run did in each store, by uploading into it, copying into it, or taking the image out of it.
  returned: success, and failure of copying or of taking out
  type: list
  elements: dict
  sample:
    - id: archive
      status: active
    - id: fast
      status: removed
  contains:
    id:
      description: Id of the store.
      type: str
    status:
      description: >-
        V(active) holds the content now, V(importing) will when Glance has ended, V(failed) does not, V(removed) does not any more,
        V(kept) still does although it should not.
      type: str
    error:
      description: Why, for V(failed) and V(kept), where this store is the cause.
      type: str
replaced_image_id:
  description: Id of the image whose content was replaced, else V(none).
  returned: success
  type: str
  sample: 0d9b6b8f-4f8e-4f57-8c9a-0a8a5d8b8d11
bytes_transferred:
  description: Bytes of image data that this host sent.
  returned: success
  type: int
  sample: 448790528
elapsed:
  description: Seconds that the task took.
  returned: success
  type: float
  sample: 12.431
error:
  description: What failed, for programs.
  returned: failure
  type: dict
  sample:
    code: duplicate
    details:
      ids: [0d9b6b8f-4f8e-4f57-8c9a-0a8a5d8b8d11, 7a2b5f0e-6c0c-4f0d-9d1e-3a5f4f3d2c1b]
    request_id: null
  contains:
    code:
      description: HTTP status of Glance, or a short word for what this module found.
      type: raw
    details:
      description: More of it, where there is more.
      type: raw
    request_id:
      description: Id of the request in Glance's log.
      type: str
"""

from ansible_collections.xenstack.image_services.plugins.module_utils._core.runner import run
from ansible_collections.xenstack.image_services.plugins.module_utils._glance.argspec import CloudModule, create_cloud_argspec
from ansible_collections.xenstack.image_services.plugins.module_utils._images.job import ImageJob
from ansible_collections.xenstack.image_services.plugins.module_utils._images.options import create_image_argspec


def main() -> None:
    run(CloudModule(create_cloud_argspec().merge(create_image_argspec()), supports_check_mode=True), ImageJob)


if __name__ == "__main__":
    main()
