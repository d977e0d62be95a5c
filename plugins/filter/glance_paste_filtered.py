# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter: a paste file of Glance with the instance-aware filter in it."""

from __future__ import annotations

DOCUMENTATION = r"""
name: glance_paste_filtered
short_description: Add the instance-aware filter to a paste file of Glance
version_added: 1.0.0
author:
  - xenstack.image_services contributors (@xenstack)
description:
  - Puts the filter right after C(context) into the pipeline that Glance takes for its flavor, and into those of the other flavors that have a C(context), so
    that the file stays right when the flavor changes. Adds its section at the end.
  - Every other byte stays as it is. Pipelines of their own sections and those of C(glance.api:pipeline_factory) are known.
positional: _input
options:
  _input:
    description: Text of the file.
    type: str
    required: true
  flavor:
    description:
      - Glance's C(flavor) of C([paste_deploy]), empty where none is set. The filter is refused where its pipeline cannot have it.
      - Unset, no flavor must have it.
    type: str
  path:
    description: Path of the file, for the sentence.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Show what the pipeline becomes
  ansible.builtin.debug:
    msg: "{{ (lookup('ansible.builtin.file', path) | xenstack.image_services.glance_paste_filtered(flavor='keystone', path=path)).text }}"
  vars:
    path: /etc/glance/glance-api-paste.ini
"""

RETURN = r"""
_value:
  description: >-
    C(text), the new text, empty where there is a finding; C(findings), a list of sentences that say why there is none.
  type: dict
"""

from collections.abc import Callable
from typing import Any

from ansible_collections.xenstack.image_services.plugins.module_utils._core.errors import cannot
from ansible_collections.xenstack.image_services.plugins.module_utils._instances.filter_config import FILTER
from ansible_collections.xenstack.image_services.plugins.module_utils._instances.paste import NotDerivable, derive


def glance_paste_filtered(text: str, path: str, flavor: str | None = None) -> dict[str, Any]:
    try:
        return {"text": derive(text, flavor, FILTER), "findings": []}
    except NotDerivable as exc:
        sentence = cannot("extend", "paste file", path, str(exc), "Correct the file, or flavor and config_file of [paste_deploy]")
        return {"text": "", "findings": [str(sentence)]}


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"glance_paste_filtered": glance_paste_filtered}
