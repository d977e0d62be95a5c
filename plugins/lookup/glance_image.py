# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Lookup: the id of an image in Glance."""

from __future__ import annotations

DOCUMENTATION = r"""
name: glance_image
short_description: Find the id of an image in OpenStack Glance
version_added: 1.0.0
author:
  - xenstack.image_services contributors (@xenstack)
description:
  - Returns the id of each image that is named, for tasks that take ids only. It runs on the controller, each time that it is used.
  - The image has to be active. One that is hidden, as M(xenstack.image_services.glance_image) hides images that were replaced, is not found by its name.
options:
  _terms:
    description: Names or ids of images.
    type: list
    elements: str
    required: true
  cloud:
    description:
      - Name of the entry in C(clouds.yaml) on the controller, or its settings as a dictionary.
      - Without it, the environment variables of the OpenStack clients apply, such as E(OS_CLOUD).
    type: raw
  region_name:
    description: Name of the region.
    type: str
  interface:
    description: Which endpoint of the catalogue to use.
    type: str
    choices: [admin, internal, public]
  on_duplicate:
    description: What to do where several images have the name. V(fail) names them and fails, V(newest) takes the active one that was created last.
    type: str
    choices: [fail, newest]
    default: fail
requirements:
  - openstacksdk >= 4.0.0 on the controller
seealso:
  - plugin: xenstack.image_services.glance_image
    plugin_type: module
  - plugin: xenstack.image_services.glance_image_info
    plugin_type: module
"""

EXAMPLES = r"""
- name: Create a server from an image of this name
  openstack.cloud.server:
    cloud: production
    name: web-1
    image: "{{ lookup('xenstack.image_services.glance_image', 'debian-13', cloud='production') }}"
    flavor: m1.small

- name: Show the newest nightly build
  ansible.builtin.debug:
    msg: "{{ lookup('xenstack.image_services.glance_image', 'appliance nightly', cloud='production', on_duplicate='newest') }}"
"""

RETURN = r"""
_list:
  description: The ids, one for each name.
  type: list
  elements: str
"""

from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.lookup import LookupBase
from ansible_collections.xenstack.image_services.plugins.module_utils._core.errors import ImageServicesError, cannot
from ansible_collections.xenstack.image_services.plugins.module_utils._core.identifiers import is_blank
from ansible_collections.xenstack.image_services.plugins.module_utils._glance.connection import Cloud
from ansible_collections.xenstack.image_services.plugins.module_utils._images.lookup import find_readable


class LookupModule(LookupBase):
    def run(self, terms: list[Any], variables: Mapping[str, Any] | None = None, **kwargs: Any) -> list[str]:
        self.set_options(var_options=variables, direct=kwargs)
        try:
            names = [_name(term) for term in terms]
            glance = Cloud({option: self.get_option(option) for option in ("cloud", "region_name", "interface")}).glance
            return [str(find_readable(glance, name, "the name and cloud", self.get_option("on_duplicate"))["id"]) for name in names]
        except ImageServicesError as exc:
            raise AnsibleError(str(exc)) from None


def _name(term: Any) -> str:
    if is_blank(str(term)):
        raise cannot("find", "image", str(term), "the name is empty, or what a template makes of a variable without a value", "Give a name or an id")
    return str(term)
