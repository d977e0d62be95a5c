# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter: one value as the reader of a configuration file takes it literally."""

from __future__ import annotations

DOCUMENTATION = r"""
name: config_value
short_description: Escape one value of a configuration file
version_added: 1.0.0
author:
  - xenstack.image_services contributors (@xenstack)
description:
  - Gives a value as it has to be written so that the reader of the file takes it literally.
  - Fails where the reader cannot take it at all, for example a line break in most of them.
positional: _input
options:
  _input:
    description: The value; a list with V(configparser_items), V(supervisor_command) and V(systemd_command).
    type: raw
    required: true
  dialect:
    description:
      - Who reads it. V(oslo) is oslo.config, V(oslo_environment) is oslo.config where the value comes from the environment, V(paste) is PasteDeploy.
      - V(systemd) is a setting that is one text, V(systemd_word) a word of a setting that knows quotes, V(systemd_path) a path of a list of paths.
      - V(python) is a literal of Python.
    type: str
    required: true
    choices:
      - oslo
      - oslo_environment
      - paste
      - configparser_items
      - configparser_section
      - supervisor
      - supervisor_command
      - uwsgi
      - uwsgi_item
      - systemd
      - systemd_word
      - systemd_path
      - systemd_command
      - python
"""

EXAMPLES = r"""
- name: Show a password as oslo.config reads it
  ansible.builtin.debug:
    msg: "password = {{ 'gl%nce$ecret' | xenstack.image_services.config_value('oslo') }}"
"""

RETURN = r"""
_value:
  description: The value as it has to be written.
  type: str
"""

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.xenstack.image_services.plugins.module_utils._core.config_file import written_value
from ansible_collections.xenstack.image_services.plugins.module_utils._core.errors import ImageServicesError


def config_value(value: Any, dialect: str) -> str:
    try:
        return written_value(value, dialect)
    except ImageServicesError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"config_value": config_value}
