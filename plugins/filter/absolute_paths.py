# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter: relative paths as those of the directory in which the user has started Ansible."""

from __future__ import annotations

DOCUMENTATION = r"""
name: absolute_paths
short_description: Make relative paths in options absolute, from the directory where Ansible was started
version_added: 1.0.0
author:
  - xenstack.image_services contributors (@xenstack)
description:
  - Modules on the local host run in the directory of the playbook. For a playbook of a collection that is the installed collection, where no path of
    a user leads to anything.
  - What is no dictionary or list is returned as it is, so that the name of a cloud may be in place of its settings.
positional: _input, keys
options:
  _input:
    description: Options, or a list of them.
    type: raw
    required: true
  keys:
    description:
      - Keys whose values are paths. A dot leads into a dictionary or into each entry of a list, as in C(images.src).
      - Without it, the paths in the options of a pool or of a cloud, which are C(ca_path), C(ca_cert), C(cacert), C(client_cert), C(cert), C(client_key) and
        C(key).
    type: list
    elements: str
"""

EXAMPLES = r"""
- name: Take files of images from the directory where the user is
  xenstack.image_services.glance_images:
    cloud: production
    images: "{{ my_images | xenstack.image_services.absolute_paths(['src']) }}"
"""

RETURN = r"""
_value:
  description: The same, with absolute paths. C(~) at the beginning of one is the home directory.
  type: raw
"""

import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any

OF_CREDENTIALS = ("ca_path", "ca_cert", "cacert", "client_cert", "cert", "client_key", "key")


def absolute_paths(value: Any, keys: Iterable[str] = OF_CREDENTIALS) -> Any:
    for key in keys:
        value = _within(value, key.split("."))
    return value


def _within(value: Any, steps: list[str]) -> Any:
    if isinstance(value, (list, tuple)):
        return [_within(item, steps) for item in value]
    if not isinstance(value, Mapping) or steps[0] not in value:
        return value
    inner = value[steps[0]]
    return {**value, steps[0]: _within(inner, steps[1:]) if len(steps) > 1 else _absolute(inner)}


def _absolute(path: Any) -> Any:
    return os.path.abspath(os.path.expanduser(path)) if isinstance(path, str) and path else path


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"absolute_paths": absolute_paths}
