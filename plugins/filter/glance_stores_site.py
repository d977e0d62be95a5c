# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter: which directories of the host a Kolla-style site mounts for its stores."""

from __future__ import annotations

DOCUMENTATION = r"""
name: glance_stores_site
short_description: Find the host's directories of the stores of a Kolla-style site
version_added: 1.0.0
author:
  - xenstack.image_services contributors (@xenstack)
description:
  - Compares the directories that stores use in Glance's container with the mounts of the running container and with the variables of the site that
    decide over the mounts of the next one.
positional: _input
options:
  _input:
    description: Directories, as C(directories) of P(xenstack.image_services.glance_stores_config#filter).
    type: list
    elements: dict
    required: true
  stores:
    description: Names of the stores. The other directories are Glance's own.
    type: list
    elements: str
    required: true
  container:
    description: Name of the container, for the sentences.
    type: str
    required: true
  mounts:
    description: Mounts of the running container, as its engine's C(inspect) shows them. Null where none runs.
    type: list
    elements: dict
  globals_file:
    description: Path of the site's C(globals.yml).
    type: str
    required: true
  files:
    description: Text of that file and of those that override it, by path, in this order.
    type: dict
    required: true
  config_dir:
    description: Directory of the overrides.
    type: str
    required: true
  datadir_volume:
    description: What has to be mounted at C(/var/lib/glance), empty where that is not managed.
    type: str
    default: ""
  manage_globals:
    description: Whether the text of C(globals.yml) may change.
    type: bool
    default: false
  api_hosts:
    description: Hosts that serve these stores.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Refuse stores that the container does not see
  ansible.builtin.assert:
    that: site.findings | length == 0
    fail_msg: "{{ site.findings | join('\n') }}"
  vars:
    site: >-
      {{ (glance_stores | xenstack.image_services.glance_stores_config).directories
         | xenstack.image_services.glance_stores_site(
             stores=glance_stores | map(attribute='name') | list,
             container='glance_api',
             mounts=none,
             globals_file='/etc/kolla/globals.yml',
             files={'/etc/kolla/globals.yml': lookup('ansible.builtin.file', '/etc/kolla/globals.yml')},
             config_dir='/etc/kolla/config') }}
"""

RETURN = r"""
_value:
  description: >-
    C(directories), as given, with C(path) on the host and C(inside) in the container; C(findings) and C(notes), sentences; C(globals_text), the text
    of C(globals.yml) as it has to be; C(lines), what is new in it; C(pending), paths that the container sees only after the next deployment.
  type: dict
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import yaml
from ansible_collections.xenstack.image_services.plugins.module_utils._stores.kolla.site import Site, container_mounts, directories_of_stores, plan_site


class Loader(yaml.SafeLoader):
    """YAML with tags that only Ansible knows, such as !vault; what they hold is not looked at."""


Loader.add_multi_constructor("!", lambda loader, suffix, node: None)


def load(text: str) -> Any:
    try:
        return yaml.load(text, Loader)
    except yaml.YAMLError as exc:
        mark = getattr(exc, "problem_mark", None)
        # The text of the error repeats lines of the file, which may hold secrets.
        raise ValueError(f"line {mark.line + 1}" if mark else "it cannot be read") from None


def glance_stores_site(
    directories: Sequence[Mapping[str, Any]],
    stores: Sequence[str],
    mounts: Sequence[Mapping[str, Any]] | None = None,
    **settings: Any,
) -> dict[str, Any]:
    site = Site(mounts=None if mounts is None else container_mounts(mounts), **settings)
    return vars(plan_site(site, directories_of_stores(directories, stores), load))


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"glance_stores_site": glance_stores_site}
