# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter: what a Kolla-style site needs to run Glance with the instance-aware filter."""

from __future__ import annotations

DOCUMENTATION = r"""
name: glance_instance_aware_site
short_description: Put the instance-aware filter into the override of a Kolla-style site
version_added: 1.0.0
author:
  - xenstack.image_services contributors (@xenstack)
description:
  - Keeps every line of an override of C(glance-api.conf) and adds the settings of the filter as one marked block, or takes that block out.
  - Looks whether the site shows the filter's files to Glance's container, in the mounts of the running one and in the variables that decide over the next.
positional: _input
options:
  _input:
    description: Text of the override as it is, empty where there is none.
    type: str
    required: true
  settings:
    description: Text of the settings, as P(xenstack.image_services.glance_instance_aware_config#filter) gives it. Empty takes the block out.
    type: str
    required: true
  path:
    description: Path of the override, for the sentence.
    type: str
    required: true
  wanted:
    description: Pairs of a path on the host and the path at which the container has to see it.
    type: list
    elements: list
    default: []
  container:
    description: Name of the container, for the sentence.
    type: str
    default: glance_api
  mounts:
    description: Mounts of the running container, as its engine's C(inspect) shows them. Null where none runs.
    type: list
    elements: dict
  globals_file:
    description: Path of the site's C(globals.yml).
    type: str
    default: /etc/kolla/globals.yml
  files:
    description: Text of that file and of those that override it, by path, in this order.
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: Show the operator's own lines
  ansible.builtin.debug:
    msg: "{{ (lookup('ansible.builtin.file', path) | xenstack.image_services.glance_instance_aware_site(settings='', path=path)).own }}"
  vars:
    path: /etc/kolla/config/glance/glance-api.conf
"""

RETURN = r"""
_value:
  description: >-
    C(text), the complete override; C(own), the operator's lines alone; C(block), the lines of the role as they are now; C(findings), sentences; C(pending),
    paths that the container sees only after the next deployment.
  type: dict
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.xenstack.image_services.plugins.filter.glance_stores_site import load
from ansible_collections.xenstack.image_services.plugins.module_utils._core.errors import cannot
from ansible_collections.xenstack.image_services.plugins.module_utils._instances.filter_config import override
from ansible_collections.xenstack.image_services.plugins.module_utils._stores.kolla.mounts import plan_mounts
from ansible_collections.xenstack.image_services.plugins.module_utils._stores.kolla.site import container_mounts


def glance_instance_aware_site(
    text: str,
    settings: str,
    path: str,
    wanted: Sequence[tuple[str, str]] = (),
    container: str = "glance_api",
    mounts: Sequence[Mapping[str, Any]] | None = None,
    globals_file: str = "/etc/kolla/globals.yml",
    files: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    found = override(text, settings)
    mounting = plan_mounts(wanted, container, None if mounts is None else container_mounts(mounts), globals_file, files or {}, load)
    unclear = [str(cannot("configure", "file", path, found.fault, "Correct it by hand"))] if found.fault else []
    return {"text": found.text, "own": found.own, "block": found.block, "findings": [*unclear, *mounting.findings], "pending": list(mounting.pending)}


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"glance_instance_aware_site": glance_instance_aware_site}
