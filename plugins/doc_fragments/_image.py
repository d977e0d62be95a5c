# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# Private to this collection: no compatibility is promised to users of the fragment.
"""The options that declare one image, for the module of one image and for the items of the module of many."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
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
      - Glance never gives out an id twice, so content of an image declared by id cannot be replaced, and the id of a deleted image cannot be used again.
    type: str
  state:
    description:
      - V(present) is an image that can be used, V(inactive) one whose data cannot be downloaded, V(absent) none.
      - Where no image of the name or id exists, V(present) and V(inactive) need content. Without it the task fails, so that a misspelled name creates
        nothing.
      - V(reserved) is an image, with or without data, and takes no content. One that does not exist is created without data, for someone else to upload.
        V(present) with both O(name) and O(id) reserves as well, as with M(openstack.cloud.image).
    type: str
    choices: [present, reserved, inactive, absent]
    default: present
  src:
    description:
      - Path of the image file on the host that the task runs on. M(openstack.cloud.image) calls it C(filename).
      - Its digest is computed while it is uploaded and remembered for the next run, below E(XDG_CACHE_HOME) or C(~/.cache), by path, size,
        modification time, inode and device.
    type: path
    aliases: [filename]
  uri:
    description:
      - Address of the image, http or https. This host fetches it and sends it on as it arrives, or, with O(import_method=web-download), Glance
        fetches it itself.
      - A broken transfer is resumed where it stopped if the server answers with exactly the part that is missing, and has a strong C(ETag) or O(checksum)
        is given; else it is an error.
      - A server that answers 429, 500, 502, 503 or 504, or that breaks the connection, is asked again up to four times, after the pause that its
        C(Retry-After) names, which is two minutes at most.
      - A user name, password or signature in the address is not shown. They are better given in O(url_username), O(url_password) and O(headers).
      - Whether content has changed is decided by O(checksum), else by the server's C(ETag) or C(Last-Modified), else by reading it all.
        What Glance fetched itself is read again only when O(uri) or O(checksum) changes.
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
  url_ca_cert:
    description:
      - File with the certificates, in the form PEM, of the authorities that the server of O(uri) is verified by, in place of those that the host trusts.
      - These four options are for O(uri) and where it redirects to. A checksum file on another server is verified by what the host trusts.
    type: path
  url_validate_certs:
    description:
      - Whether the certificate of the server of O(uri) is verified, which is done unless this is V(false).
    type: bool
  url_client_cert:
    description:
      - File with the client certificate for the server of O(uri), in the form PEM. It is shown to no other server.
    type: path
  url_client_key:
    description:
      - File with the key of O(url_client_cert), without a password. Without it, the key is in the file of O(url_client_cert).
    type: path
  checksum:
    description:
      - Digest of the content, as C(sha256:HEX) or C(sha512:HEX), or hex digits alone, which are a SHA-512, a SHA-256 or an MD5 by their number.
      - Or a checksum file that lists the content, as C(sha256:https://mirror.example.com/SHA256SUMS); also C(file://) on the host that the task runs
        on. The line is found by the last part of the path in O(src) or O(uri), or by O(checksum_name). The file is read once in a task, for however many
        images.
      - A checksum file has lines as C(sha256sum) writes them, with or without C(--tag), also with one space or with tabs, or as C(openssl dgst) does,
        or with the name first and a colon behind it, or it holds one digest alone. It is UTF-8, or UTF-16 with a byte order mark.
      - Lines of it that begin with C(#) are comments. Of a file with a PGP signature, the signed lines are read; the signature is not verified.
        Lines that give one name different digests are an error.
      - Of compressed content it is the digest of the compressed file, as publishers give it.
      - While the digest is the one that the image was created from, no request is sent to O(uri).
      - A file with another digest is refused before anything is changed. Content from O(uri) with another digest does not become the image.
    type: str
  checksum_name:
    description:
      - Name of the content in the checksum file that O(checksum) names, where it is not the last part of the path in O(src) or O(uri). It may be a path.
      - Where O(checksum) is a digest, it is not used.
    type: str
  decompress:
    description:
      - Whether content that is compressed with gzip, xz, zstd or bzip2 is decompressed on its way into Glance. It takes no disk and a constant amount
        of memory. What is not compressed is uploaded unchanged.
      - Without it, and with V(false), compressed content is refused unless O(container_format) is V(compressed) or another one that may hold it, or
        O(disk_format) is V(aki) or V(ari), since kernels and initial RAM disks are compressed.
      - Content that needs more than 128 MiB of memory to be decompressed is refused.
      - An image that was not created with this option, and that holds the content already, is left unchanged; the source is read each time to see that.
      - It does nothing to what Glance fetches itself, and is refused there.
    type: bool
  disk_format:
    description:
      - Format of the disk. Data that is not in this format is refused before the upload.
      - Without it, what the data shows, the format of an image that is there, and V(qcow2) for an image without data.
      - Without it, data is V(raw) only if it begins with a partition table, a boot sector, a file system, an LVM volume or swap space. All else is refused
        with what was recognised, and so is a name that claims another format, such as a raw disk called C(debian.qcow2).
      - In a O(container_format) of V(bare), an image that is only a part of a disk is refused, whatever is declared, such as a qcow2 or vmdk with a backing
        file or data in another file, and so are qcow1, QED, and qcow2 with C(extended_l2), which Glance refuses after the upload.
      - V(raw) takes any data, except VHD, qcow2, vmdk, vhdx, vdi and Parallels images, which Glance and hypervisors would take apart.
      - A fixed VHD has its mark at its end, where Glance does not look. Without O(disk_format) it is refused. With V(vhd) it is uploaded, and Glance takes it
        only if C(require_image_format_match) is off there. With V(raw) it is uploaded with its footer, with a warning;
        M(xenstack.image_services.xen_vdi_import) reads such an image as the disk that it is.
    type: str
  container_format:
    description:
      - Format of the container. Without it, V(bare).
    type: str
  stores:
    description:
      - Ids of the stores that hold the image. Without it, new content is uploaded to the stores of the old content, or to the service's default store.
      - V(all) alone stands for every store of the service that takes data, unless a store is called so. The next run fills those that are added.
      - New content is uploaded straight into them. One store is uploaded to directly, several need the import method V(glance-direct).
      - An image in other stores is copied by Glance's import method V(copy-image), which only administrators may use by its default policy.
      - With O(wait=false), copies are started but not waited for, and the next run continues from there.
    type: list
    elements: str
  stores_mode:
    description:
      - V(at_least) copies the image into those of O(stores) that lack it, and leaves it in others.
      - V(exact) then removes it from all others. A copy is removed only after Glance has shown the image active in every one of O(stores), and never
        the last one.
      - Only active images can be copied and taken out of a store. A deactivated image is refused where it is to stay so and has to move.
    type: str
    choices: [at_least, exact]
    default: at_least
  on_replace:
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
      - Without it, images of the project that the task runs as are. Where it has none of the name and another project has one, whatever its visibility,
        the task fails and names what to set here. There are three exceptions. A task that names content, or that reserves, is refused for public images
        only. A project that is not an administrator's can only have meant its own image with O(state=absent). And O(state=absent) deletes an image that a
        task of the same project has created with this option.
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
      - V(merge) leaves properties alone that are not listed, V(exact) removes them. Without O(properties) none is removed.
    type: str
    choices: [merge, exact]
    default: merge
  nova_installation_uuid:
    description:
      - UUID of the installation of Nova that O(instance_id) lives in, as M(xenstack.image_services.nova_installation_uuid) returns it.
      - Together with O(instance_id) it relates the image to an instance. Both empty take the relation away. Without them it is left alone, and new
        content keeps it.
      - Needs the filter of the role P(xenstack.image_services.glance_instance_aware#role) in Glance. Without that, the task fails before it changes
        anything.
    type: str
  instance_id:
    description:
      - Id of the instance that the image belongs to, a UUID or one of the integers that Nova used as ids.
      - Only the project that owns the image, administrators and services may change it.
    type: str
  kernel:
    description:
      - Name or id of the kernel image, for the property C(kernel_id).
    type: str
  ramdisk:
    description:
      - Name or id of the ramdisk image, for the property C(ramdisk_id).
    type: str
"""
