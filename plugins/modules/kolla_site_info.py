#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: kolla_site_info
short_description: Read what a Kolla-style site says about its Glance
version_added: 1.0.0
author: xenstack.image_services contributors (@xenstack)
description:
  - Reads the files of a site that Kolla-Ansible, or a tool derived from it, deploys, and inspects the container of Glance.
  - Returns only what was asked for. The files are often on another host than the container, so they may be read by one task and the container by another.
  - Nothing that is missing is an error. The result says so instead.
options:
  globals_file:
    description:
      - Path of the C(globals.yml) of the site. The files in the directory C(globals.d) beside it are read too.
    type: path
  config_dir:
    description:
      - Directory of the overrides. What the site merges into C(glance-api.conf) is read, for all hosts and for each.
    type: path
  files:
    description:
      - Further files to read.
    type: list
    elements: path
    default: []
  container:
    description:
      - Name of the container to inspect, usually V(glance_api).
    type: str
  engine:
    description:
      - Program that manages the containers.
      - Without it, the one that the variables of O(globals_file) name, and V(docker) where they name none.
    type: str
  user:
    description:
      - User in O(container) whose numbers are returned.
    type: str
    default: glance
  commands:
    description:
      - Commands to run in O(container), as lists of the program and its arguments. They must not change anything, because they run in check mode as well.
    type: dict
  programs:
    description:
      - Programs to find on the host, as names on C(PATH) or as paths.
    type: list
    elements: str
    default: []
  python:
    description:
      - Interpreter on the host of which to find out whether it has openstacksdk.
    type: path
extends_documentation_fragment:
  - xenstack.image_services._attributes.info
notes:
  - The files may hold secrets. Set C(no_log) for the task.
seealso:
  - module: xenstack.image_services.glance_stores_plan
"""

EXAMPLES = r"""
- name: Read the files of the site
  xenstack.image_services.kolla_site_info:
    globals_file: /etc/kolla/globals.yml
    config_dir: /etc/kolla/config
  delegate_to: deploy
  no_log: true
  register: site

- name: Inspect the container of Glance
  xenstack.image_services.kolla_site_info:
    container: glance_api
    engine: "{{ site.engine }}"
  register: host

- name: Show the user of Glance
  ansible.builtin.debug:
    msg: "{{ host.container.uid }}"
"""

RETURN = r"""
variables:
  description: The file of O(globals_file) and those that override it, in the order in which the site reads them.
  returned: success
  type: list
  elements: dict
  sample:
    - path: /etc/kolla/globals.yml
      real_path: /etc/kolla/globals.yml
      content: a29sbGFfYmFzZV9kaXN0cm86IGRlYmlhbgo=
      mode: "0644"
  contains: &file
    path:
      description: Path, without doubled slashes.
      type: str
    real_path:
      description: Path without links.
      type: str
    content:
      description: Content of the file in base64.
      type: str
    mode:
      description: Mode of the file.
      type: str
overrides:
  description: The overrides of C(glance-api.conf) that exist.
  returned: success
  type: list
  elements: dict
  sample: []
  contains: *file
files:
  description: Those of O(files) that exist.
  returned: success
  type: list
  elements: dict
  sample: []
  contains: *file
engine:
  description: Program that manages the containers.
  returned: success
  type: str
  sample: docker
uid:
  description: Number of the user that has read the files.
  returned: success
  type: int
  sample: 0
container:
  description: What is known of the container. V(null) without O(container).
  returned: success
  type: dict
  contains:
    name:
      description: Name of the container.
      type: str
      returned: success
      sample: glance_api
    running:
      description: Whether it runs.
      type: bool
      returned: success
      sample: true
    mounts:
      description: Mounts of the running container, as its engine shows them. V(null) where it does not run.
      type: list
      elements: dict
      returned: success
      sample:
        - Type: volume
          Name: glance
          Source: /var/lib/docker/volumes/glance/_data
          Destination: /var/lib/glance
          RW: true
    uid:
      description: Number of O(user). V(null) where it is not known.
      type: int
      returned: success
      sample: 42415
    gid:
      description: Number of its group. V(null) where it is not known.
      type: int
      returned: success
      sample: 42415
    error:
      description: Why nothing is known of the container, empty otherwise.
      type: str
      returned: success
      sample: ""
outputs:
  description: What each of O(commands) has answered, by its name, as C(rc), C(stdout) and C(stderr).
  returned: success
  type: dict
  sample: {}
programs:
  description: Path of each of O(programs), by what it was asked for. V(null) where this user cannot run it.
  returned: success
  type: dict
  sample:
    kolla-ansible: /opt/kolla/bin/kolla-ansible
has_openstacksdk:
  description: Whether O(python) can be run and has openstacksdk. V(null) without O(python).
  returned: success
  type: bool
  sample: true
error:
  description: What failed, for programs.
  returned: failure
  type: dict
  sample:
    code: unreadable
    details: null
    request_id: null
  contains:
    code:
      description: A short word for the kind of failure.
      type: raw
    details:
      description: Always V(null).
      type: raw
    request_id:
      description: Always V(null).
      type: str
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.xenstack.image_services.plugins.module_utils._core.runner import run
from ansible_collections.xenstack.image_services.plugins.module_utils._stores.kolla.look import SiteInfoJob, create_site_argspec


def main() -> None:
    run(AnsibleModule(supports_check_mode=True, **create_site_argspec().module_kwargs()), SiteInfoJob)


if __name__ == "__main__":
    main()
