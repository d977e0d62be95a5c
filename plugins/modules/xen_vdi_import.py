#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Module: an image as a disk of a Xen pool."""

from __future__ import annotations

DOCUMENTATION = r"""
module: xen_vdi_import
short_description: Keep an image as a disk in a XenServer or XCP-ng pool
version_added: 1.0.0
author:
  - xenstack.image_services contributors (@xenstack)
description:
  - Imports an image from OpenStack Glance, from a file or from an address into a storage repository (SR), as a VDI that VMs can be created from.
  - Reads raw, iso, VHD, tarballs of VHDs (C(0.vhd) is the disk, C(1.vhd) its parent, and so on), qcow2 and vmdk, each compressed with gzip, xz, zstd or
    bzip2 as well. Only what is not zeros is sent.
  - The VDI notes in its C(other_config) where its content is from, and the digest of it. The same content is not sent twice.
    New content becomes a new VDI beside the old one, which is never overwritten. Only when all of it has come, and is what it should be, the new VDI gets the
    name, and the old one is treated as O(on_replace) says.
  - A VDI whose import has failed is removed. What is left of a task that was killed is removed by the next one.
  - The module sends the data itself, or has a host of the pool pull it from Glance. O(transport) chooses, and all else is the same.
  - What an option does not give is not managed. An empty value makes empty.
options:
  name:
    description:
      - Name of the VDI, or the uuid of one that is there. It is looked for in the SR of O(sr) alone.
      - A name only finds disks of users. Snapshots, hidden copies of the storage manager, disks whose data is missing, and VDIs of types other than C(user)
        are never taken.
      - Two VDIs of the same name are an error that lists their uuids.
    type: str
    required: true
  state:
    description:
      - V(present) keeps the VDI as declared. V(absent) removes it, unless a VM uses it.
      - A VDI without a note of this collection in its C(other_config) was created by someone else, and V(absent) removes it only if O(name) is its uuid.
    type: str
    choices: [present, absent]
    default: present
  image:
    description:
      - Name or id of an image in Glance, in any of its stores. O(glance) tells where Glance is.
      - Its C(disk_format) and C(container_format) say how the data is read. Data that is something else is an error.
    type: str
  on_duplicate:
    description:
      - What to do where several images have the name in O(image). V(fail) names them and fails, V(newest) takes the active one that was created last.
    type: str
    choices: [fail, newest]
    default: fail
  src:
    description:
      - Path of an image file on the host that the module runs on.
    type: path
  uri:
    description:
      - An C(http) or C(https) address of an image. A broken transfer is resumed where it stopped if the server answers with exactly the part that is
        missing, and has a strong C(ETag) or O(checksum) is given; else it is an error.
      - A server that answers 429, 500, 502, 503 or 504, or that breaks the connection, is asked again up to four times, after the pause that its
        C(Retry-After) names, which is two minutes at most.
      - A user name, password or signature in the address is not shown. They are better given in O(url_username), O(url_password) and O(headers).
    type: str
  url_username:
    description:
      - User name for HTTP basic authentication at the server of O(uri). A user name in the address itself is used where this is not set.
    type: str
  url_password:
    description:
      - Password that belongs to O(url_username).
    type: str
  headers:
    description:
      - Headers of the requests to O(uri), for example C(Authorization). Their values are not shown.
      - Neither these nor O(url_username) and O(url_password) are sent to another server, whether O(uri) redirects there or O(checksum) names it. A checksum
        file of a local file gets them as well.
    type: dict
  checksum:
    description:
      - Digest of the bytes of O(src) or O(uri), as C(algorithm:hex), or as C(algorithm:) and the address of a checksum file, with sha256 or sha512.
        M(xenstack.image_services.glance_image) tells which checksum files are read.
      - A checksum file on another server than that of O(uri) is verified by what the host trusts.
      - With it, an address is asked for its content only when the VDI has another one.
    type: str
  checksum_name:
    description:
      - Name of the content in the checksum file that O(checksum) names, where it is not the last part of the path in O(src) or O(uri). It may be a path.
      - Where O(checksum) is a digest, it is not used.
    type: str
  disk_format:
    description:
      - Format of O(src) or O(uri) below any compression. Without it, the data tells.
      - Without it, data is a raw disk only if it begins with a partition table, a boot sector, a file system, an LVM volume or swap space. All else is
        refused with what was recognised, and so is a name that claims another format, such as a raw disk called C(debian.qcow2).
      - V(raw) takes any data as a raw disk, except VHD, qcow2, vmdk, vhdx, vdi and Parallels images. A fixed VHD that is declared V(raw), as Glance keeps
        them, is read as a VHD, with a warning.
    type: str
    choices: [raw, iso, vhd, qcow2, vmdk]
  sr:
    description:
      - Name or uuid of the SR. Without it, the default SR of the pool.
    type: str
  description:
    description:
      - Description of the VDI.
    type: str
  tags:
    description:
      - Tags of the VDI, no more and no fewer.
    type: list
    elements: str
  size:
    description:
      - Size of the VDI, in bytes or with K, M, G or T (powers of 1024) behind the number. Without it, a new VDI is as large as the disk in the image.
      - A VDI that is smaller grows, which pools do while no running VM has it attached. None shrinks.
      - Pools round sizes up to a multiple of 2 MiB.
    type: str
  read_only:
    description:
      - Whether VMs may only read the VDI. M(xenstack.image_services.xen_vm) then gives it to VMs read-only, and boots them from clones of it alone.
      - This is a note in the C(other_config) of the VDI, which other clients of the pool do not obey. XAPI lets no client write its own field C(read_only),
        and a VDI that the pool itself keeps read-only cannot be made writable.
    type: bool
  sharable:
    description:
      - Whether several VMs may write to the VDI at once.
      - A pool takes this only when a VDI is created, and only for one that the module creates, which excludes O(transport=dom0). A VDI that is there
        already and says otherwise is an error.
    type: bool
  on_replace:
    description:
      - What becomes of a VDI whose content was replaced. V(keep) gives it a name of its own, with the beginning of its uuid behind the old name.
      - V(delete) removes it, but only if no VM uses it. One that is in use is kept as with V(keep).
      - V(delete) is refused where this collection has not created the old VDI.
    type: str
    choices: [keep, delete]
    default: keep
  upload_format:
    description:
      - How the data is uploaded to the pool if the module sends it. V(chunked) sends it in records of up to 2 MiB, which is fastest and has no limit of size.
      - V(vhd) sends it as a VHD, of at most 2040 GiB, for hosts that do not know records. A tarball of several VHDs cannot be sent in this form.
      - V(auto) is V(chunked) on XenServer 7.2 and newer and on XCP-ng, else V(vhd).
    type: str
    choices: [auto, chunked, vhd]
    default: auto
  transport:
    description:
      - How the image data reaches the pool. V(http) sends it from the module, by XAPI's own import.
      - V(dom0) is a host of the pool, by the plugin C(imagestore) in its Dom0, which the role xen_dom0_plugins installs. The data goes from Glance to the
        host, and does not pass the host that the module runs on. The module itself reads no more than the beginning of it.
      - V(dom0) is for O(image) alone, for a C(disk_format) of raw, iso or vhd, with a tarball of VHDs (C(container_format) ovf) among them, which keeps its
        chain of VHDs. The SR must be of a type that keeps files, which are ext, file, nfs and smb. Every host that sees the SR and is up must have the same
        version of the plugin. All else is an error that says what to do. The user needs the role C(pool-admin).
      - V(auto) is V(dom0) where that can be, else V(http). Where the plugin refuses to read an image that the module may read, such as a fixed VHD or one
        whose blocks are not of 2 MiB, the module sends it after all. RV(transport) and RV(transport_reason) tell which, and why.
      - A VDI that has the content already is left as it is, whatever brought it there. While a host pulls for a task that was killed, the next task says that
        another one is at work. What comes of that pull is removed once it has ended.
      - With V(dom0), a token of the project, the addresses of Glance and, where the cloud's settings name a CA file, the certificates in that file go to the
        host. All of it together must fit into 128 KiB, as XML, so name a file with the one authority that is needed, not a complete bundle.
        Without a CA file, the authorities of Dom0 apply.
    type: str
    choices: [http, dom0, auto]
    default: http
  dom0_endpoints:
    description:
      - Addresses of Glance by which the hosts of the pool reach it, such as V(https://glance.internal:9292), to be tried in turn. For O(transport=dom0) and
        O(transport=auto).
      - Without them, hosts use the address that the module itself uses, and those that the catalogue has besides for the same interface and region.
      - A token is sent to each of them, in the clear if the address has C(http).
    type: list
    elements: str
  verify:
    description:
      - Whether to read the VDI back from the pool and compare it with what was sent, before it gets its name.
      - Without that, digests of the source, the formats' own checksums and the pool's task vouch for the content.
      - What a host has pulled is compared with the image as the module reads it from Glance, which takes all of its data past the module once more.
    type: bool
    default: false
  spool_dir:
    description:
      - Directory on the host that the module runs on, for images that cannot be read while they come. These are qcow2, sparse vmdk and compressed raw ones from
        Glance or an address, and compressed ones of all of these in files. So are raw disks and fixed VHDs of unknown length.
        A vmdk for streaming (V(streamOptimized)) needs none, unless O(upload_format=vhd). Without it, the directory for temporary files.
      - They take as much room there as their data. The files have no names, so nothing of them is left, however the module ends.
    type: path
extends_documentation_fragment:
  - xenstack.image_services._url_tls
  - xenstack.image_services._attributes
  - xenstack.image_services._pool
  - xenstack.image_services._cloud_glance
notes:
  - Images that are compressed with zstd need Python 3.14 or the Python library backports.zstd.
  - Images are read by the module alone, as one file that holds the complete disk. Nothing that an image names is opened, so images with a backing file, a
    parent or data in other files are refused. vmdk is read as V(monolithicSparse) and V(streamOptimized), with grains of 8 KiB to 2 MiB and up to 16 TiB.
seealso:
  - module: xenstack.image_services.glance_image
  - module: xenstack.image_services.xen_plugin
  - module: xenstack.image_services.xen_vdi_export
  - module: xenstack.image_services.xen_vdi_info
"""

EXAMPLES = r"""
- name: Keep images in a pool with one set of credentials
  module_defaults:
    group/xenstack.image_services.xapi:
      hostname: pool.example.com
      password: "{{ pool_password }}"
      ca_path: /etc/ssl/pool.pem
  block:
    - name: Keep an image of Glance in the default SR
      xenstack.image_services.xen_vdi_import:
        name: debian-13
        image: debian-13
        glance:
          cloud: production

    - name: Import a cloud image from its mirror, with room to grow, and verify it
      xenstack.image_services.xen_vdi_import:
        name: debian-13
        uri: https://cloud.debian.org/images/cloud/trixie/latest/debian-13-genericcloud-amd64.qcow2
        checksum: sha512:https://cloud.debian.org/images/cloud/trixie/latest/SHA512SUMS
        sr: images
        size: 20G
        verify: true

    - name: Replace a template's disk each night and remove the old one where no VM uses it
      xenstack.image_services.xen_vdi_import:
        name: appliance
        src: /srv/images/appliance.vhd
        on_replace: delete
        read_only: true
        tags: [template, nightly]

    - name: Have a host of the pool pull an image, where it can
      xenstack.image_services.xen_vdi_import:
        name: debian-13-xen
        image: debian-13-xen
        glance:
          cloud: production
        sr: shared
        transport: auto
        dom0_endpoints: [https://glance.internal:9292]

    - name: Remove an image
      xenstack.image_services.xen_vdi_import:
        name: debian-11
        sr: images
        state: absent
"""

RETURN = r"""
vdi:
  description:
    - The VDI. In check mode it is the predicted one, whose uuid is null where it would be a new one, and its size where only its content tells it.
    - V(none) where there is none.
  returned: success
  type: dict
  sample:
    uuid: 5c4f1fd1-7f38-4b7c-93f5-0b0b6f5b7a52
    name: debian-13
    description: Debian 13 of 2026-03
    sr: 2f0b5b39-4ad6-4f5e-9b0e-5d7b1a0f1c11
    sr_name: images
    virtual_size: 21474836480
    tags: [template]
    read_only: false
    sharable: false
    other_config:
      image_services_source: glance:7a2b5f0e-6c0c-4f0d-9d1e-3a5f4f3d2c1b
      image_services_digest: sha256:0f3c1d2e4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0
  contains:
    uuid:
      description: Its uuid.
      type: str
    name:
      description: Its name.
      type: str
    description:
      description: Its description.
      type: str
    sr:
      description: Uuid of its SR.
      type: str
    sr_name:
      description: Name of its SR.
      type: str
    virtual_size:
      description: Size in bytes that a VM sees.
      type: int
    tags:
      description: Its tags.
      type: list
      elements: str
    read_only:
      description: Whether VMs may only read it.
      type: bool
    sharable:
      description: Whether several VMs may write to it at once.
      type: bool
    other_config:
      description: Its other_config, with the notes on its source.
      type: dict
diff:
  description: Managed attributes before and after.
  returned: success
  type: dict
  sample:
    before: {name: debian-13, size: 3221225472}
    after: {name: debian-13, size: 21474836480}
upload_format:
  description: How the module sent the data, or would in check mode, V(chunked) or V(vhd). V(none) where it had not to.
  returned: success
  type: str
  sample: chunked
transport:
  description: How the content reached the pool, or would in check mode, V(http) from the module or V(dom0) by a host. V(none) if nothing was sent.
  returned: success
  type: str
  sample: dom0
transport_reason:
  description: Why O(transport=auto) has chosen that, or what the host has refused. V(none) where it had not to choose.
  returned: success
  type: str
  sample: every host that sees SR 'shared' has the plugin imagestore 1.0.0
format:
  description: What the image was read as, one of V(raw), V(iso), V(vhd), V(vhd tarball), V(qcow2) and V(vmdk). V(none) where no content had to be sent.
  returned: success
  type: str
  sample: qcow2
verified:
  description: Whether the VDI was read back and compared.
  returned: success
  type: bool
  sample: true
replaced_vdi:
  description: Uuid of the VDI whose content was replaced, else V(none).
  returned: success
  type: str
  sample: 0d9b6b8f-4f8e-4f57-8c9a-0a8a5d8b8d11
bytes_transferred:
  description: Bytes that went to the pool for the content, from the module or from Glance.
  returned: success
  type: int
  sample: 1181116416
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
    code: VDI_IO_ERROR
    details: [Device I/O errors]
    request_id: null
  contains:
    code:
      description: Error code of XAPI or of the plugin, HTTP status of Glance, or a short word for what this module found.
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
from ansible_collections.xenstack.image_services.plugins.module_utils._vdis.import_job import ImportJob
from ansible_collections.xenstack.image_services.plugins.module_utils._xapi.argspec import PoolModule, create_glance_option, create_pool_argspec


def create_import_argspec() -> ArgumentSpec:
    return ArgumentSpec(
        options={
            "name": {"type": "str", "required": True},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "image": {"type": "str"},
            "on_duplicate": {"type": "str", "choices": ["fail", "newest"], "default": "fail"},
            "src": {"type": "path"},
            "uri": {"type": "str"},
            "checksum": {"type": "str"},
            "checksum_name": {"type": "str"},
            "disk_format": {"type": "str", "choices": ["raw", "iso", "vhd", "qcow2", "vmdk"]},
            "sr": {"type": "str"},
            "description": {"type": "str"},
            "tags": {"type": "list", "elements": "str"},
            "size": {"type": "str"},
            "read_only": {"type": "bool"},
            "sharable": {"type": "bool"},
            "on_replace": {"type": "str", "choices": ["keep", "delete"], "default": "keep"},
            "upload_format": {"type": "str", "choices": ["auto", "chunked", "vhd"], "default": "auto"},
            "transport": {"type": "str", "choices": ["http", "dom0", "auto"], "default": "http"},
            "dom0_endpoints": {"type": "list", "elements": "str"},
            "verify": {"type": "bool", "default": False},
            "spool_dir": {"type": "path"},
        },
        mutually_exclusive=[("image", "src", "uri"), ("image", "checksum"), ("image", "disk_format")],
        required_by={"checksum_name": ["checksum"]},
    ).merge(create_access_argspec())


def main() -> None:
    spec = create_pool_argspec().merge(create_glance_option()).merge(create_import_argspec())
    run(PoolModule(spec, supports_check_mode=True), ImportJob)


if __name__ == "__main__":
    main()
