# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter: what the instance-aware filter needs in Glance's configuration."""

from __future__ import annotations

DOCUMENTATION = r"""
name: glance_instance_aware_config
short_description: Write the configuration of the instance-aware filter of Glance
version_added: 1.0.0
author:
  - xenstack.image_services contributors (@xenstack)
description:
  - Checks the options of the filter together with Glance's own configuration, without touching a host or a service.
  - The text holds the database's URL.
positional: _input
options:
  _input:
    description: Options of the section C([glance_instance_aware]). Those that are null, empty or an empty list are left out.
    type: dict
    required: true
  files:
    description: Text of Glance's other configuration files, by path.
    type: dict
    required: true
  config_dir:
    description: Directory of Glance's configuration, as Glance sees it.
    type: str
    required: true
  drop_in:
    description: Path of the file that the text is for.
    type: str
    required: true
  paste_file:
    description: Path of the derived paste file, as Glance sees it.
    type: str
    required: true
  merged:
    description: The file in O(files) that a site generates from its own overrides and those of the role. Empty if there is none.
    type: str
    default: ""
  header:
    description: Comment at the top.
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: Write the drop-in
  ansible.builtin.copy:
    content: "{{ ({'installations': mapping} | xenstack.image_services.glance_instance_aware_config(
      files={'/etc/glance/glance-api.conf': lookup('ansible.builtin.file', '/etc/glance/glance-api.conf')},
      config_dir='/etc/glance', drop_in=path, paste_file='/etc/glance/glance-api-paste-instance-aware.ini')).text }}"
    dest: "{{ path }}"
    mode: "0640"
  vars:
    path: /etc/glance/glance-api.conf.d/60-instance-aware.conf
    mapping: [{kind: service_user, name: nova, uuid: 0b7e5e0a-6a52-4d0e-9f4f-3f0f6f8d8b11}]
  no_log: true
"""

RETURN = r"""
_value:
  description: >-
    C(text), the drop-in; C(findings), sentences that say what is wrong; C(flavor) and C(paste_file), what Glance uses without it; C(changes), the lines
    that are added and removed, without secrets; C(connection_settings), the text that tells the filter's program where the table is; C(database), the URL of
    Glance's own.
  type: dict
"""

from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.xenstack.image_services.plugins.module_utils._core.errors import ImageServicesError
from ansible_collections.xenstack.image_services.plugins.module_utils._instances.filter_config import base, connection_settings, drop_in, lint, shown_changes


def glance_instance_aware_config(options: Mapping[str, Any], files: Mapping[str, str], header: str = "", **place: str) -> dict[str, Any]:
    found = base(files, **place)
    deployed, unwritable = files.get(place["drop_in"], ""), []
    try:
        text = drop_in(header, place["paste_file"], options)
    except ImageServicesError as error:
        text, unwritable = deployed, [str(error)]
    return {
        "text": text,
        "findings": [*lint(options.get("installations") or []), *unwritable, *found.findings],
        "flavor": found.flavor,
        "paste_file": found.paste_file,
        "changes": shown_changes(deployed, text),
        "connection_settings": connection_settings(str(options.get("connection") or ""), deployed),
        "database": found.connection,
    }


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"glance_instance_aware_config": glance_instance_aware_config}
