#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: xen_vdi_export
short_description: Export a disk of a Xen pool to Glance, to a file or to an http address
version_added: 1.0.0
author:
  - xenstack.image_services contributors (@xenstack)
description:
  - Takes a VDI, a snapshot, or the disk of a VM out of a XenServer or XCP-ng pool, and keeps it as an image in Glance, as a file, or sends it to an
    address that takes a PUT.
  - The disk is streamed through the host that the task runs on, in a constant amount of memory and without a copy on disk. Only what is in use
    of it leaves the pool.
  - A disk that a running VM may write to is exported from a snapshot, which is taken for it and removed afterwards, also when the export fails.
  - VHDs are rewritten with the disk's full size and a geometry that every reader understands; the ones that a pool writes are cut short by some.
  - A snapshot never changes, so what was exported from it once is known by its uuid, and is not read again. Any other disk is read to see whether it
    has changed, and sent only then.
attributes:
  check_mode:
    description: Can run in check mode and predict changes without making any. No snapshot is taken then.
    support: full
  diff_mode:
    description: Returns what has changed, in check mode as well.
    support: full
  idempotent:
    description: >-
      A second run without a change in between reports and does nothing, except that a disk that a running VM may write to is exported each time,
      and so is what goes to O(uri). To export the same state of a running VM once, take a snapshot of it and export that.
    support: partial
options:
  vdi:
    description:
      - Name or uuid of the VDI. A name only finds disks of users. A snapshot is given by its uuid.
    type: str
  vm:
    description:
      - Name or uuid of the VM whose disk is exported. A snapshot of a VM, or a template, is given by its uuid.
    type: str
  device:
    description:
      - Which disk of O(vm), by its number (V(0)) or name (V(xvda)).
      - Without it, the bootable one, or the only one.
    type: str
  base:
    description:
      - Uuid or name of an older snapshot. Only what differs from it is exported, as a differencing VHD whose parent it is.
      - Needs O(format=vhd), and O(dest) or O(uri). What was exported of O(base) itself with O(format=vhd) is the file to lay it over.
    type: str
  snapshot:
    description:
      - Whether a disk that a running VM may write to is exported from a snapshot of this moment. It is what a power cut would leave on the disk.
      - With V(false), such a disk is refused.
    type: bool
    default: true
  format:
    description:
      - V(vhd_tarball) is a compressed tarball with the VHD as C(0.vhd), which Glance knows as C(disk_format) V(vhd) in C(container_format) V(ovf),
        as images for Nova on Xen are.
      - V(vhd), V(raw) and V(qcow2) are what their names say, and V(bare) in Glance. A qcow2 image has all its tables before its data, so that a pool
        can take it as it is.
      - Without it, V(vhd_tarball) for O(image), else V(vhd).
      - A disk of more than 2040 GiB can be exported as V(raw) only.
    type: str
    choices: [vhd_tarball, vhd, raw, qcow2]
  compression_level:
    description:
      - How hard a V(vhd_tarball) is compressed, from 1 (fast) to 9 (small).
    type: int
    default: 1
  dest:
    description:
      - Path of the file, on the host that the task runs on. Its directory must be there.
      - It is written under a temporary name in the same directory and renamed when it is complete. Zeros become holes.
      - The disk that it was exported from is recorded in an extended attribute of the file. If the file system has none, the file is compared with the disk.
    type: path
  uri:
    description:
      - Address, http or https, that takes the disk as a PUT. Its query string is not shown.
      - A redirect is not followed.
      - V(raw), V(vhd) and V(qcow2) are sent with their length, V(vhd_tarball) in chunks, which some servers do not take.
    type: str
  headers:
    description:
      - Headers of that PUT, for example C(Authorization). Their values are not shown.
    type: dict
  url_username:
    description:
      - User name for HTTP basic authentication of that PUT.
    type: str
  url_password:
    description:
      - Password that belongs to O(url_username).
    type: str
extends_documentation_fragment:
  - xenstack.image_services._url_tls
  - xenstack.image_services._image_created
  - xenstack.image_services._pool
  - xenstack.image_services._cloud_glance
  - ansible.builtin.files
seealso:
  - module: xenstack.image_services.xen_vdi_import
  - module: xenstack.image_services.glance_image
"""

EXAMPLES = r"""
- name: Export disks of a pool with one set of credentials
  module_defaults:
    group/xenstack.image_services.xapi:
      hostname: pool1.example.com
      password: "{{ pool_password }}"
      ca_path: /etc/ssl/pool1.pem
  block:
    - name: Publish the disk of a VM as an image for Nova on Xen
      xenstack.image_services.xen_vdi_export:
        vm: golden
        glance:
          cloud: production
        image:
          name: golden
          visibility: public
          min_disk: 20
          tags: [golden]

    - name: Keep the second disk of a VM as qcow2 in two stores
      xenstack.image_services.xen_vdi_export:
        vm: database
        device: "1"
        format: qcow2
        glance:
          cloud: production
        image:
          name: database data
          stores: [fast, archive]
          on_replace: delete

    - name: Keep the disk of an instance of Nova as an image that belongs to it
      xenstack.image_services.xen_vdi_export:
        vm: instance-0000002a
        glance:
          cloud: production
        image:
          name: web 1 before the upgrade
          nova_installation_uuid: "{{ nova_installation.installation_uuid }}"
          instance_id: 6a5c2f0b-7a51-4c0e-9a55-3f5d9d0c7a11

    - name: Back up a snapshot to a file
      xenstack.image_services.xen_vdi_export:
        vdi: 3c4d1f5e-7a50-4b8f-9c3d-2f0f3f6f8a10
        dest: /srv/backup/web-monday.vhd
        mode: "0600"

    - name: Back up what has changed since
      xenstack.image_services.xen_vdi_export:
        vdi: 9a0b5c5e-3f52-4d0e-8d25-51a8f0f3f1c2
        base: 3c4d1f5e-7a50-4b8f-9c3d-2f0f3f6f8a10
        dest: /srv/backup/web-tuesday.vhd
        mode: "0600"

    - name: Send a raw disk to an object store by a signed address
      xenstack.image_services.xen_vdi_export:
        vm: golden
        format: raw
        uri: "{{ signed_address }}"
"""

RETURN = r"""
vdi:
  description: The disk that was exported.
  returned: success, and failure after it was found
  type: dict
  sample:
    uuid: 3c4d1f5e-7a50-4b8f-9c3d-2f0f3f6f8a10
    name: golden root
    virtual_size: 21474836480
    is_a_snapshot: false
  contains:
    uuid:
      description: Uuid of the VDI.
      type: str
    name:
      description: Name of the VDI.
      type: str
    virtual_size:
      description: Size that a machine sees, in bytes.
      type: int
    is_a_snapshot:
      description: Whether it is a snapshot.
      type: bool
format:
  description: Format that was written.
  returned: success
  type: str
  sample: vhd_tarball
snapshot:
  description: Whether a snapshot was taken for the export, or would be in check mode.
  returned: success
  type: bool
  sample: true
image:
  description: The image, as M(xenstack.image_services.glance_image) returns it. In check mode it is the predicted image.
  returned: success, with O(image)
  type: dict
  sample:
    id: 7a2b5f0e-6c0c-4f0d-9d1e-3a5f4f3d2c1b
    name: golden
    status: active
    disk_format: vhd
    container_format: ovf
replaced_image_id:
  description: Id of the image whose content was replaced, else V(none).
  returned: success, with O(image)
  type: str
  sample: 0d9b6b8f-4f8e-4f57-8c9a-0a8a5d8b8d11
stores:
  description: What this run did in each store, as M(xenstack.image_services.glance_image) returns it.
  returned: success, with O(image)
  type: list
  elements: dict
  sample:
    - id: fast
      status: active
dest:
  description: Path of the file.
  returned: success, with O(dest)
  type: str
  sample: /srv/backup/web-monday.vhd
uri:
  description: Address that the disk was sent to, without its query string.
  returned: success, with O(uri)
  type: str
  sample: https://objects.example.com/backup/golden.raw
mode:
  description: Mode of the file. As all modules of Ansible do for a file, it returns C(size), C(owner), C(group), C(uid), C(gid) and C(state) as well.
  returned: success, with O(dest) that exists
  type: str
  sample: "0600"
checksum:
  description: SHA-256 digest of what was written or sent, V(none) where nothing was.
  returned: success, with O(dest) or O(uri)
  type: str
  sample: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
diff:
  description: What is managed, before and after.
  returned: success
  type: dict
  sample:
    before: {}
    after:
      dest: /srv/backup/web-monday.vhd
      content: VDI 3c4d1f5e-7a50-4b8f-9c3d-2f0f3f6f8a10 as vhd
bytes_read:
  description: Bytes that came from the pool.
  returned: success
  type: int
  sample: 1075842048
bytes_transferred:
  description: Bytes that were written or sent.
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
    code: in_use
    details: null
    request_id: null
  contains:
    code:
      description: Error code of XAPI, HTTP status of Glance, or a short word for what this module found.
      type: raw
    details:
      description: More of it, where there is more.
      type: raw
    request_id:
      description: Id of the request in Glance's log.
      type: str
"""

from ansible_collections.xenstack.image_services.plugins.module_utils._content.web import create_access_argspec
from ansible_collections.xenstack.image_services.plugins.module_utils._core.argspec import ArgumentSpec
from ansible_collections.xenstack.image_services.plugins.module_utils._core.runner import run
from ansible_collections.xenstack.image_services.plugins.module_utils._images.options import create_image_option
from ansible_collections.xenstack.image_services.plugins.module_utils._vdis.export_job import ExportJob
from ansible_collections.xenstack.image_services.plugins.module_utils._xapi.argspec import PoolModule, create_glance_option, create_pool_argspec


def create_export_argspec() -> ArgumentSpec:
    return ArgumentSpec(
        options={
            "vdi": {"type": "str"},
            "vm": {"type": "str"},
            "device": {"type": "str"},
            "base": {"type": "str"},
            "snapshot": {"type": "bool", "default": True},
            "format": {"type": "str", "choices": ["vhd_tarball", "vhd", "raw", "qcow2"]},
            "compression_level": {"type": "int", "default": 1},
            "dest": {"type": "path"},
            "uri": {"type": "str"},
        },
        mutually_exclusive=[("vdi", "vm"), ("image", "dest", "uri"), ("image", "base")],
        required_one_of=[("vdi", "vm"), ("image", "dest", "uri")],
        required_by={"device": "vm", **dict.fromkeys(("headers", "url_username", "url_ca_cert", "url_validate_certs", "url_client_cert"), "uri")},
    ).merge(create_access_argspec())


def main() -> None:
    spec = create_pool_argspec().merge(create_glance_option()).merge(create_image_option()).merge(create_export_argspec())
    run(PoolModule(spec, supports_check_mode=True, add_file_common_args=True), ExportJob)


if __name__ == "__main__":
    main()
