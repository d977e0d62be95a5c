# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter: what a list of stores becomes on the hosts that serve it."""

from __future__ import annotations

DOCUMENTATION = r"""
name: glance_stores_config
short_description: Turn a list of stores into Glance's configuration
version_added: 1.0.0
author:
  - xenstack.image_services contributors (@xenstack)
description:
  - Writes the sections of a list of stores that P(xenstack.image_services.glance_stores_lint#filter) has found nothing wrong with.
  - The text holds the stores' secrets.
extends_documentation_fragment:
  - xenstack.image_services._stores
positional: _input
options:
  header:
    description: Comment at the top of each file.
    type: str
    default: ""
  swift_file:
    description: Path of the file of Swift accounts as the service sees it.
    type: str
    default: /etc/glance/glance-swift.conf
  ceph_directory:
    description: Directory of the files of Ceph as the service sees it.
    type: str
    default: /etc/glance/ceph
  deployed:
    description: Text of the configuration that is in place, to tell which stores are no longer wanted.
    type: str
    default: ""
  unit:
    description: Text of the addition to Glance's systemd unit that is in place, to tell which directories it could write.
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: Write the stores
  ansible.builtin.copy:
    content: "{{ (glance_stores | xenstack.image_services.glance_stores_config).stores }}"
    dest: /etc/glance/glance-stores.conf
    mode: "0640"
  no_log: true
"""

RETURN = r"""
_value:
  description: >-
    C(stores) and C(swift), the texts of the two files; C(ceph), a list of C(name) and C(text) for every file of Ceph's clients; C(files), all
    but the first as M(xenstack.image_services.config_files) takes them; C(directories),
    a list of C(name), C(path) and C(settings) for every directory that the stores need; C(former), paths that the
    configuration or unit in place names and the new one does not; C(removed), the names of deployed stores that are not
    declared any more; C(expected), the stores as M(xenstack.image_services.glance_store_check) wants them.
  type: dict
"""

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.xenstack.image_services.plugins.module_utils._stores.configured import backends
from ansible_collections.xenstack.image_services.plugins.module_utils._stores.declaration import Declaration, expected_stores, managed_directories
from ansible_collections.xenstack.image_services.plugins.module_utils._stores.former_directories import former_directories
from ansible_collections.xenstack.image_services.plugins.module_utils._stores.render import render_ceph, render_stores, render_swift_accounts


def glance_stores_config(
    stores: Sequence[Mapping[str, Any]],
    header: str = "",
    swift_file: str = "/etc/glance/glance-swift.conf",
    deployed: str = "",
    unit: str = "",
    **settings: Any,
) -> dict[str, Any]:
    declaration = Declaration(stores=stores, **settings)
    declared = {store["name"] for store in stores}
    swift, ceph = render_swift_accounts(declaration, header) if declaration.swift_accounts else "", render_ceph(declaration, header)
    return {
        "stores": render_stores(declaration, header, swift_file),
        "swift": swift,
        "ceph": ceph,
        "files": [
            *([{"path": "ceph", "state": "directory", "mode": "0750"}] if ceph else []),
            *({"path": f"ceph/{file['name']}", "content": file["text"]} for file in ceph),
            {"path": os.path.basename(swift_file), "content": swift, "state": "file" if swift else "absent"},
        ],
        "directories": managed_directories(declaration),
        "former": former_directories([each["path"] for each in managed_directories(declaration)], deployed, unit),
        "expected": expected_stores(declaration),
        "removed": sorted(set(backends(deployed)) - declared),
    }


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"glance_stores_config": glance_stores_config}
