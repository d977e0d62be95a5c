#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: glance_derived_paste
short_description: Derive paste files with the instance-aware filter from that of Glance
version_added: 1.0.0
author: xenstack.image_services contributors (@xenstack)
description:
  - Reads the paste file of Glance and writes copies of it that have the filter for instance-aware images. Glance must never be started with one that was
    derived from an older file, so whoever changes the paste file runs this module after it.
  - The filter is right after C(context) in the pipeline that Glance takes for its flavor, and in those of the other flavors that have a C(context), so that
    the file stays right when the flavor changes. Its section is added at the end. Every other byte stays as it is.
  - Pipelines of their own sections and those of C(glance.api:pipeline_factory) are known.
options:
  path:
    description:
      - Paste file of Glance, which is only read.
    type: path
    required: true
  files:
    description:
      - Paths of the derived files, for example RV(xenstack.image_services.wsgi_service_info#module:derived).
    type: list
    elements: path
    required: true
  flavor:
    description:
      - Glance's C(flavor) of C([paste_deploy]), empty where none is set. The module fails if the pipeline of this flavor cannot have the filter.
      - Without it, no flavor must have the filter. Where the file cannot have it at all, the derived files stay as they are, and RV(finding) says why.
    type: str
  group:
    description:
      - Group of the derived files. Without it the group is left unchanged.
    type: str
  mode:
    description:
      - Mode of the derived files as in M(ansible.builtin.file), for example V("0640"). Without it the mode is left unchanged, and a new file is readable for
        its owner alone.
    type: raw
seealso:
  - module: xenstack.image_services.wsgi_service_info
  - module: xenstack.image_services.glance_instance_aware_plan
extends_documentation_fragment:
  - xenstack.image_services._attributes
"""

EXAMPLES = r"""
- name: Keep the pipeline with the filter like the one of Glance
  xenstack.image_services.glance_derived_paste:
    path: /etc/glance/glance-api-paste.ini
    files:
      - /etc/glance/glance-api-paste-instance-aware.ini
    flavor: keystone
    group: glance
    mode: "0640"
"""

RETURN = r"""
files:
  description: The derived files.
  returned: success
  type: list
  elements: dict
  sample:
    - path: /etc/glance/glance-api-paste-instance-aware.ini
      changed: true
      created: false
      backup_file: null
finding:
  description: Why the files stay as they are, V(null) if they were derived.
  returned: success
  type: str
  sample: null
diff:
  description: The lines that change, without the values of options that may be secret.
  returned: success, with C(--diff) or C(diff=true)
  type: list
  elements: dict
  sample:
    - before_header: /etc/glance/glance-api-paste-instance-aware.ini
      after_header: /etc/glance/glance-api-paste-instance-aware.ini
      before: "[pipeline:glance-api-keystone]\npipeline = authtoken context instance_aware rootapp\n"
      after: "[pipeline:glance-api-keystone]\npipeline = cors authtoken context instance_aware rootapp\n"
error:
  description: What failed, for programs.
  returned: failure
  type: dict
  sample:
    code: not_derivable
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
from ansible_collections.xenstack.image_services.plugins.module_utils._core.argspec import ArgumentSpec
from ansible_collections.xenstack.image_services.plugins.module_utils._core.runner import run
from ansible_collections.xenstack.image_services.plugins.module_utils._instances.paste_job import DerivedPasteJob


def create_derived_paste_argspec() -> ArgumentSpec:
    return ArgumentSpec(
        options={
            "path": {"type": "path", "required": True},
            "files": {"type": "list", "elements": "path", "required": True},
            "flavor": {"type": "str"},
            "group": {"type": "str"},
            "mode": {"type": "raw"},
        }
    )


def main() -> None:
    run(AnsibleModule(supports_check_mode=True, **create_derived_paste_argspec().module_kwargs()), DerivedPasteJob)


if __name__ == "__main__":
    main()
