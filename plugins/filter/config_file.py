# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter: the text of a configuration file whose values are literal."""

from __future__ import annotations

DOCUMENTATION = r"""
name: config_file
short_description: Write a configuration file of OpenStack whose values are literal
version_added: 1.0.0
author:
  - xenstack.image_services contributors (@xenstack)
description:
  - Gives the text of a file for oslo.config from its sections and options.
  - Every value is read as it was given. C($), quotes and blanks around a text are escaped, and a line break becomes a continuation.
  - What cannot be written so is a finding. No finding repeats a value, which may be a secret.
positional: _input
options:
  _input:
    description:
      - "The sections as C({section: {option: value}})."
      - An option that is null or empty is left out. A list becomes a line for each of its items, a dictionary pairs of key and value with commas between.
    type: dict
    required: true
  header:
    description: First lines of the file, which have to be comments.
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: Write a configuration file with a password that holds anything
  ansible.builtin.copy:
    content: "{{ ({'database': {'connection': url}} | xenstack.image_services.config_file(header='# Ansible managed')).text }}"
    dest: /etc/example/example.conf
    mode: "0640"
  vars:
    url: "mysql+pymysql://example:{{ vault_password | urlencode }}@db.example.org/example"
  no_log: true
"""

RETURN = r"""
_value:
  description: What became of it.
  type: dict
  contains:
    text:
      description: The text, empty where there are findings.
      type: str
      returned: success
    findings:
      description: Why it cannot be written, as sentences.
      type: list
      elements: str
      returned: success
"""

from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.xenstack.image_services.plugins.module_utils._core import config_file as plan


def config_file(sections: Mapping[str, Any], header: str = "") -> dict[str, Any]:
    written = plan.config_file(sections, header)
    return {"text": written.text, "findings": list(written.findings)}


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"config_file": config_file}
