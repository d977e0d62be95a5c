#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: nova_installation_uuid
short_description: Keep the UUID of an installation of Nova
version_added: 1.0.0
author:
  - xenstack.image_services contributors (@xenstack)
description:
  - Makes a UUID for an installation of Nova once, keeps it on the host, and returns it on every run. Ids of instances are unique together with it, so
    that images can be related to instances of several installations.
  - An existing UUID is never changed. A value in its place that is not a UUID is refused with its line, and so is a second UUID.
  - It is kept in a file of its own, or in an option of Nova's configuration, of which every other byte stays as it is.
  - The file is written under a temporary name in the same directory and renamed when it is complete. An existing file keeps its owner, mode and SELinux
    context. A symbolic link is followed.
  - The playbook C(xenstack.image_services.nova_installation_uuid) keeps the same one on all hosts of an installation.
options:
  path:
    description:
      - Path of the file of its own. Its directory must be there.
      - Without it and O(config_file), V(/etc/nova/installation_uuid).
    type: path
  config_file:
    description:
      - Path of a configuration file of Nova, for example C(/etc/nova/nova.conf), to keep it in instead. The file must be there.
      - The option is added right below the header of O(section), and the section at the end of the file where there is none.
    type: path
  section:
    description:
      - Section of O(config_file).
    type: str
    default: DEFAULT
  option:
    description:
      - Option in O(section).
    type: str
    default: nova_installation_uuid
  uuid:
    description:
      - The UUID to keep, for example that of another host of the installation, with or without dashes. Without it, one is generated at random.
      - Where another one is there already, the task fails and changes nothing.
    type: str
  backup:
    description:
      - Whether to keep a copy of O(config_file) beside it before it is changed.
    type: bool
    default: false
extends_documentation_fragment:
  - xenstack.image_services._attributes
  - ansible.builtin.files
notes:
  - A new file has the mode that the umask leaves of V(0666), unless O(mode) is given.
  - In check mode, a UUID that would be generated cannot be known, so RV(installation_uuid) is V(none) then.
  - A UUID in upper case or without dashes stays in the file as it is, and is returned in lower case with dashes.
seealso:
  - module: xenstack.image_services.glance_image
  - module: xenstack.image_services.glance_image_info
  - module: xenstack.image_services.xen_vdi_export
"""

EXAMPLES = r"""
- name: Keep the UUID of this installation in a file
  xenstack.image_services.nova_installation_uuid:
    path: /etc/nova/installation_uuid
    mode: "0644"
  register: nova_installation

- name: Relate an image to an instance of this installation
  xenstack.image_services.glance_image:
    cloud: production
    name: web 1 before the upgrade
    nova_installation_uuid: "{{ nova_installation.installation_uuid }}"
    instance_id: 6a5c2f0b-7a51-4c0e-9a55-3f5d9d0c7a11

- name: Keep it in Nova's configuration
  xenstack.image_services.nova_installation_uuid:
    config_file: /etc/nova/nova.conf
    backup: true

- name: Give a new controller the UUID that the installation has
  xenstack.image_services.nova_installation_uuid:
    path: /etc/nova/installation_uuid
    uuid: "{{ hostvars['controller1'].nova_installation_uuid }}"
"""

RETURN = r"""
installation_uuid:
  description: The UUID, in lower case with dashes. V(none) in check mode if one would be generated.
  returned: success
  type: str
  sample: 0b5c1c9a-58f3-4b8e-9a6f-6f0d2a3f9c11
path:
  description: Path of the file, after links were followed.
  returned: success
  type: str
  sample: /etc/nova/installation_uuid
backup_file:
  description: Path of the copy that O(backup) created, else V(none).
  returned: success
  type: str
  sample: /etc/nova/nova.conf.4242.2026-11-21@10:15:00~
mode:
  description: Mode of the file. As all modules of Ansible do for a file, it returns C(size), C(owner), C(group), C(uid), C(gid) and C(state) as well.
  returned: success, where the file exists
  type: str
  sample: "0644"
diff:
  description: The UUID before and after, and owner, group and mode where they change. Nothing else of the file is shown.
  returned: success
  type: dict
  sample:
    before:
      uuid: null
    after:
      uuid: 0b5c1c9a-58f3-4b8e-9a6f-6f0d2a3f9c11
error:
  description: What failed, for programs.
  returned: failure
  type: dict
  sample:
    code: malformed
    details: null
    request_id: null
  contains:
    code:
      description: A short word for what this module found.
      type: raw
    details:
      description: Nothing for now.
      type: raw
    request_id:
      description: Nothing for now.
      type: str
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.xenstack.image_services.plugins.module_utils._core.argspec import ArgumentSpec
from ansible_collections.xenstack.image_services.plugins.module_utils._core.runner import run
from ansible_collections.xenstack.image_services.plugins.module_utils._instances.installation_job import InstallationJob


def create_installation_argspec() -> ArgumentSpec:
    return ArgumentSpec(
        options={
            "path": {"type": "path"},
            "config_file": {"type": "path"},
            "section": {"type": "str", "default": "DEFAULT"},
            "option": {"type": "str", "default": "nova_installation_uuid"},
            "uuid": {"type": "str"},
            "backup": {"type": "bool", "default": False},
        },
        mutually_exclusive=[("path", "config_file")],
    )


def main() -> None:
    run(AnsibleModule(supports_check_mode=True, add_file_common_args=True, **create_installation_argspec().module_kwargs()), InstallationJob)


if __name__ == "__main__":
    main()
