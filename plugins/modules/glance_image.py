#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: glance_image
short_description: Keep one image in OpenStack Glance as declared
version_added: 0.1.0
author:
  - xenstack.image_services contributors (@xenstack)
description:
  - Creates, updates, replaces, shares, hides, deactivates and deletes one image.
  - Content is compared by digest. Changed content is uploaded as a new, hidden image, verified against Glance's C(os_hash_value),
    then given the name, and only then the old image is treated as O(replaced) says. A failure anywhere leaves the old image as it was.
  - What an option does not give is not managed. An empty value makes empty.
  - Tasks written for M(openstack.cloud.image) work with this module, except that O(visibility) is left alone where neither it nor
    O(is_public) is given, that images of other projects are never chosen by name, and that there is no C(volume).
attributes:
  check_mode:
    description: Can run in check mode and predict changes without making any.
    support: full
  diff_mode:
    description: Returns what has changed in the managed attributes, in check mode as well.
    support: full
  idempotent:
    description: A second run without a change in between reports and does nothing.
    support: full
  action_group:
    description: Shares O(ignore:module_defaults) with the collection C(openstack.cloud) as group C(openstack).
    support: full
    membership:
      - xenstack.image_services.openstack
  platform:
    description: Target platform.
    support: full
    platforms: posix
options:
  name:
    description:
      - Name of the image. Among the images of one project it must be the only one of this name.
      - Where no image has this name and it is a UUID, it is taken as an id.
      - With O(id), the name that the image is to have.
    type: str
  id:
    description:
      - Id of the image. An image that does not exist is created with this id.
      - Glance never gives out an id twice, so content of an image declared by id cannot be replaced.
    type: str
  state:
    description:
      - V(present) is an image that can be used, V(inactive) one whose data cannot be downloaded, V(absent) none.
    type: str
    choices: [present, absent, inactive]
    default: present
  filename:
    description:
      - Path of the image file on the host that the task runs on.
      - Its digest is computed while it is uploaded and remembered for the next run, below E(XDG_CACHE_HOME) or C(~/.cache), by path, size,
        modification time, inode and device.
    type: str
  uri:
    description:
      - Address of the image, http or https. This host fetches it and sends it on as it arrives, or, with O(import_method=web-download), Glance
        fetches it itself.
      - Whether content has changed is decided by O(checksum), else by the server's C(ETag) or C(Last-Modified), else by reading it all.
        What Glance fetched itself is read again only when O(uri) or O(checksum) changes.
    type: str
  checksum:
    description:
      - Digest of the content, as C(sha256:HEX) or C(sha512:HEX), or a bare MD5.
      - A file with another digest is refused before anything is changed. Content from O(uri) with another digest does not become the image.
    type: str
  disk_format:
    description:
      - Format of the disk. Data that is not in this format is refused before the upload.
      - Without it, what the data shows (V(raw) where it shows nothing), and V(qcow2) for an image without data.
    type: str
  container_format:
    description:
      - Format of the container. Without it, V(bare).
    type: str
  stores:
    description:
      - Ids of the stores that new content is put into. One store is uploaded to directly, several need the import method V(glance-direct).
      - Without it, the stores that hold the old content, or the service's default store.
      - It is applied when content is uploaded. An image with the declared content elsewhere is not moved, and the task warns.
    type: list
    elements: str
  replaced:
    description:
      - What becomes of an image whose content has been replaced. It is renamed to its name and creation time, whatever the choice.
      - V(hide) takes it out of default listings, V(deactivate) forbids its download, V(delete) deletes it, V(keep) leaves it otherwise alone.
    type: str
    choices: [hide, deactivate, delete, keep]
    default: hide
  use_import:
    description:
      - Send the data by the import method V(glance-direct) even for a single store, so that the service's import plugins see it.
    type: bool
  import_method:
    description:
      - How content gets into Glance. Without it, an upload by this host.
      - V(web-download) needs O(uri), V(glance-download) needs O(remote_region) and O(remote_image_id).
    type: str
    choices: [glance-direct, web-download, glance-download]
  remote_region:
    description:
      - Region of the Glance that V(glance-download) reads from.
    type: str
  remote_image_id:
    description:
      - Id of the image that V(glance-download) reads.
    type: str
  remote_service_interface:
    description:
      - Interface of the other Glance's endpoint. Without it, V(public).
    type: str
    choices: [admin, internal, public]
  visibility:
    description:
      - Who may see the image. Without it, Glance makes new images V(shared), which is private until there are members.
    type: str
    choices: [public, private, shared, community]
  is_public:
    description:
      - The same as O(visibility=public) when true, O(visibility=private) when false.
    type: bool
  members:
    description:
      - Names or ids of all projects that the image is shared with, exactly. Needs the visibility V(shared).
    type: list
    elements: str
  member_status:
    description:
      - Answer of the project that the task runs as to being a member of the image.
    type: str
    choices: [accepted, pending, rejected]
  hidden:
    description:
      - Whether the image is left out of default listings.
    type: bool
    aliases: [is_hidden]
  is_protected:
    description:
      - Whether the image is protected from being deleted.
      - With O(state=absent), V(false) takes the protection off first.
    type: bool
    aliases: [protected]
  min_disk:
    description:
      - Disk that the image needs to boot, in GiB.
    type: int
  min_ram:
    description:
      - Memory that the image needs to boot, in MiB.
    type: int
  owner:
    description:
      - Name or id of the project that owns the image. Only images of this project are chosen by name.
      - Without it, images of the project that the task runs as are.
    type: str
    aliases: [project]
  owner_domain:
    description:
      - Name or id of the domain of the projects in O(owner) and O(members), where their names alone are not unique.
    type: str
    aliases: [project_domain]
  tags:
    description:
      - All tags of the image, exactly. An empty list removes them.
    type: list
    elements: str
  properties:
    description:
      - Properties of the image. They are compared by value, whatever their YAML type, and stored as text.
      - V(null) removes a property. Properties of Glance itself (C(os_glance_*)) are never touched.
    type: dict
  properties_mode:
    description:
      - V(merge) leaves properties alone that are not listed, V(exact) removes them.
    type: str
    choices: [merge, exact]
    default: merge
  kernel:
    description:
      - Name or id of the kernel image, for the property C(kernel_id).
    type: str
  ramdisk:
    description:
      - Name or id of the ramdisk image, for the property C(ramdisk_id).
    type: str
extends_documentation_fragment:
  - xenstack.image_services._cloud
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
        filename: /srv/images/debian-13-genericcloud-amd64.qcow2
        checksum: sha512:{{ debian_13_sha512 }}
        stores: [fast, archive]
        visibility: public
        min_disk: 3
        tags: [linux, debian]
        properties:
          hw_disk_bus: scsi
          hw_scsi_model: virtio-scsi
          os_distro: debian

    - name: Replace an image each night and delete the old one
      xenstack.image_services.glance_image:
        name: appliance
        uri: https://builds.example.com/appliance/latest.qcow2
        replaced: delete

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
    after:
      min_disk: 3
      name: debian-13
stores:
  description: For content that this run uploaded into declared stores, the outcome in each.
  returned: success
  type: list
  elements: dict
  sample:
    - id: fast
      status: active
    - id: archive
      status: active
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

from typing import Any

from ansible_collections.xenstack.image_services.plugins.module_utils._common.argspec import (
    ArgumentSpec,
)
from ansible_collections.xenstack.image_services.plugins.module_utils._common.runner import (
    run,
)
from ansible_collections.xenstack.image_services.plugins.module_utils._glance.argspec import (
    CloudModule,
    create_cloud_argspec,
)
from ansible_collections.xenstack.image_services.plugins.module_utils._glance.connection import (
    Cloud,
)
from ansible_collections.xenstack.image_services.plugins.module_utils._glance.image_job import (
    ImageJob,
)


def create_image_argspec() -> ArgumentSpec:
    return ArgumentSpec(
        options={
            "name": {"type": "str"},
            "id": {"type": "str"},
            "state": {"type": "str", "choices": ["present", "absent", "inactive"], "default": "present"},
            "filename": {"type": "str"},
            "uri": {"type": "str"},
            "checksum": {"type": "str"},
            "disk_format": {"type": "str"},
            "container_format": {"type": "str"},
            "stores": {"type": "list", "elements": "str"},
            "replaced": {"type": "str", "choices": ["hide", "deactivate", "delete", "keep"], "default": "hide"},
            "use_import": {"type": "bool"},
            "import_method": {"type": "str", "choices": ["glance-direct", "web-download", "glance-download"]},
            "remote_region": {"type": "str"},
            "remote_image_id": {"type": "str"},
            "remote_service_interface": {"type": "str", "choices": ["admin", "internal", "public"]},
            "visibility": {"type": "str", "choices": ["public", "private", "shared", "community"]},
            "is_public": {"type": "bool"},
            "members": {"type": "list", "elements": "str"},
            "member_status": {"type": "str", "choices": ["accepted", "pending", "rejected"]},
            "hidden": {"type": "bool", "aliases": ["is_hidden"]},
            "is_protected": {"type": "bool", "aliases": ["protected"]},
            "min_disk": {"type": "int"},
            "min_ram": {"type": "int"},
            "owner": {"type": "str", "aliases": ["project"]},
            "owner_domain": {"type": "str", "aliases": ["project_domain"]},
            "tags": {"type": "list", "elements": "str"},
            "properties": {"type": "dict"},
            "properties_mode": {"type": "str", "choices": ["merge", "exact"], "default": "merge"},
            "kernel": {"type": "str"},
            "ramdisk": {"type": "str"},
        },
        mutually_exclusive=[("filename", "uri"), ("visibility", "is_public"), ("filename", "remote_image_id")],
        required_one_of=[("name", "id")],
        required_together=[("remote_region", "remote_image_id")],
        required_if=[("import_method", "web-download", ["uri"]), ("import_method", "glance-download", ["remote_region", "remote_image_id"])],
    )


def main() -> None:
    module = CloudModule(create_cloud_argspec().merge(create_image_argspec()), supports_check_mode=True)

    def job(module: Any) -> dict[str, Any]:
        return ImageJob(module.params, Cloud, module.log).run(module.check_mode)

    run(module, job)


if __name__ == "__main__":
    main()
