#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: glance_image_download
short_description: Download an image of OpenStack Glance to a file
version_added: 1.0.0
author:
  - xenstack.image_services contributors (@xenstack)
description:
  - Keeps the data of one image in a file, byte by byte as Glance holds it.
  - The data is written beside the file and verified by Glance's C(os_hash_value), or C(checksum) where an image has no other, before it takes the file's
    place. A failure anywhere leaves the file as it was. A transfer that breaks continues where it stopped.
  - A file that holds the image already is not downloaded again. What was downloaded is known by an extended attribute of the file as long as the file is not
    changed; any other file of the image's size is read and compared by digest.
  - Zeros become holes, and memory is constant.
attributes:
  diff_mode:
    description: Returns which image the file holds, and its attributes, in check mode as well.
    support: full
options:
  name:
    description:
      - Name or id of the image. One that is hidden has to be named by its id.
    type: str
    required: true
    aliases: [image]
  dest:
    description:
      - Path of the file, on the host that the task runs on. Its directory must be there.
      - In a directory, the file is called as the image. Where the name of the image cannot be that of a file, the task fails.
    type: path
    required: true
  on_duplicate:
    description:
      - What to do where several images have the name. V(fail) names them and fails, V(newest) takes the active one that was created last.
    type: str
    choices: [fail, newest]
    default: fail
  stores:
    description:
      - Stores to take the data from, the preferred ones first. An image that is in none of them comes from any other of its stores.
      - Glance 33 and newer choose the store, older ones do not, and a Glance that answers from its image cache does not either. By default, Glance's policy
        C(download_from_store) allows it to those who may download the image as members of its project, and to administrators.
    type: list
    elements: str
extends_documentation_fragment:
  - xenstack.image_services._attributes
  - xenstack.image_services._cloud
  - xenstack.image_services._progress
  - ansible.builtin.files
seealso:
  - module: xenstack.image_services.glance_image
  - module: xenstack.image_services.glance_image_info
  - module: xenstack.image_services.xen_vdi_import
"""

EXAMPLES = r"""
- name: Keep a copy of an image that only its owner reads
  xenstack.image_services.glance_image_download:
    cloud: production
    name: debian-13
    dest: /srv/images/debian-13.qcow2
    owner: root
    group: root
    mode: "0600"

- name: Download an image from the archive and not from the fast store
  xenstack.image_services.glance_image_download:
    cloud: production
    name: 7a2b5f0e-6c0c-4f0d-9d1e-3a5f4f3d2c1b
    dest: /srv/images/
    stores: [archive]

- name: Copy an image to another cloud
  block:
    - name: Download it from the one
      xenstack.image_services.glance_image_download:
        cloud: production
        name: golden
        dest: /srv/images/golden.qcow2
      register: golden

    - name: Keep it in the other
      xenstack.image_services.glance_image:
        cloud: staging
        name: golden
        src: "{{ golden.dest }}"
        checksum: "{{ golden.checksum }}"
        disk_format: "{{ golden.image.disk_format }}"
"""

RETURN = r"""
image:
  description: The image, as M(xenstack.image_services.glance_image_info) returns it.
  returned: success
  type: dict
  sample:
    id: 7a2b5f0e-6c0c-4f0d-9d1e-3a5f4f3d2c1b
    name: debian-13
    status: active
    disk_format: qcow2
dest:
  description: Path of the file.
  returned: success
  type: str
  sample: /srv/images/debian-13.qcow2
checksum:
  description:
    - Glance's digest of the data, in the form of O(xenstack.image_services.glance_image#module:checksum).
    - V(none) for an image of which Glance has no digest; only its size is compared then, with a warning.
  returned: success
  type: str
  sample: sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
mode:
  description: Mode of the file. As all modules of Ansible do for a file, it returns C(size), C(owner), C(group), C(uid), C(gid) and C(state) as well.
  returned: success, where the file exists
  type: str
  sample: "0600"
diff:
  description: What is managed, before and after.
  returned: success
  type: dict
  sample:
    before: {}
    after:
      dest: /srv/images/debian-13.qcow2
      content: glance:7a2b5f0e-6c0c-4f0d-9d1e-3a5f4f3d2c1b
bytes_transferred:
  description: Bytes of image data that came from Glance.
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
    code: digest_mismatch
    details: null
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

from ansible_collections.xenstack.image_services.plugins.module_utils._core.argspec import ArgumentSpec
from ansible_collections.xenstack.image_services.plugins.module_utils._core.runner import run
from ansible_collections.xenstack.image_services.plugins.module_utils._glance.argspec import CloudModule, create_cloud_argspec
from ansible_collections.xenstack.image_services.plugins.module_utils._images.download_job import DownloadJob


def create_download_argspec() -> ArgumentSpec:
    return ArgumentSpec(
        options={
            "name": {"type": "str", "required": True, "aliases": ["image"]},
            "dest": {"type": "path", "required": True},
            "on_duplicate": {"type": "str", "choices": ["fail", "newest"], "default": "fail"},
            "stores": {"type": "list", "elements": "str"},
        }
    )


def main() -> None:
    spec = create_cloud_argspec().merge(create_download_argspec())
    run(CloudModule(spec, supports_check_mode=True, add_file_common_args=True), DownloadJob)


if __name__ == "__main__":
    main()
