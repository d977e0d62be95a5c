# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter: a cinder.conf with one backend more or less."""

from __future__ import annotations

DOCUMENTATION = r"""
name: cinder_backend_config
short_description: Write one backend into a cinder.conf that others write to as well
version_added: 1.0.0
author:
  - xenstack.image_services contributors (@xenstack)
description:
  - Gives the text of the file with the section of the backend, and with its name in C(enabled_backends).
  - Every other line stays unchanged, comments included. What it writes itself is below a line that says so.
  - A section of this name that the filter has not written is taken over if all of its options are declared, and refused otherwise.
positional: _input
options:
  _input:
    description: The text of the file, empty where there is none.
    type: str
    required: true
  backend:
    description: Name of the backend, which is that of its section.
    type: str
    required: true
  options:
    description:
      - Options of the section. Those that are null, empty or an empty list are left out; values are literal, C($) is escaped.
      - Without it, the section and its name in C(enabled_backends) are removed.
    type: dict
"""

EXAMPLES = r"""
- name: Show what the file would become
  ansible.builtin.debug:
    msg: "{{ (lookup('ansible.builtin.file', '/etc/cinder/cinder.conf')
      | xenstack.image_services.cinder_backend_config(backend='nfs', options={'volume_driver': 'cinder.volume.drivers.nfs.NfsDriver'})).text }}"
"""

RETURN = r"""
_value:
  description: What became of the file.
  type: dict
  contains:
    text:
      description: The new text; the old one where there are findings.
      type: str
      returned: success
    differs:
      description: Whether it differs from the old one.
      type: bool
      returned: success
    findings:
      description: Why nothing is written, as sentences.
      type: list
      elements: str
      returned: success
    backends:
      description: Names in C(enabled_backends) afterwards.
      type: list
      elements: str
      returned: success
    package:
      description: Whether a backend is left that the driver of this collection serves.
      type: bool
      returned: success
"""

from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.xenstack.image_services.plugins.module_utils._cinder.backend_config import edit


def cinder_backend_config(text: str, backend: str, options: Mapping[str, Any] | None = None) -> dict[str, Any]:
    edited = edit(text, backend, options)
    return {
        "text": edited.text,
        "differs": edited.changed,
        "findings": list(edited.findings),
        "backends": list(edited.backends),
        "package": edited.package,
    }


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"cinder_backend_config": cinder_backend_config}
