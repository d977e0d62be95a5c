#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Module: the plugins in the control domains of a pool's hosts."""

from __future__ import annotations

DOCUMENTATION = r"""
module: xen_plugin
short_description: See and call the plugins of the hosts of a Xen pool
version_added: 1.0.0
author:
  - xenstack.image_services contributors (@xenstack)
description:
  - Without O(function), tells which plugins the hosts of a XenServer or XCP-ng pool have in their control domains (Dom0), and of which version.
    XAPI has no list of them, so that each host is asked for the plugins of O(plugins), by their function C(version).
  - With O(function), calls that function of the plugin O(name) on one host, and returns what it returns.
  - The role xen_dom0_plugins installs plugins.
attributes:
  check_mode:
    description: The plugin is not called with O(mutating=true) in check mode, so that its result is not known there.
    support: partial
    details:
      - Without O(function) nothing is changed, in check mode and without it.
  diff_mode:
    description: What a function changes is known to the plugin alone.
    support: none
  idempotent:
    description: The plugin is called each time.
    support: partial
    details:
      - Without O(function) nothing is changed.
options:
  plugins:
    description:
      - Names of the plugins to ask for. Not used with O(function).
    type: list
    elements: str
    default: [imagestore]
  host:
    description:
      - Name or uuid of a host. Without it, all hosts are asked, and a function is called on the coordinator of the pool.
    type: str
  name:
    description:
      - Name of the plugin whose O(function) is called.
    type: str
  function:
    description:
      - Function to call. The role's own plugins list their functions under C(functions).
      - O(timeout) applies to the complete call, because XAPI knows no progress of plugins.
    type: str
  arguments:
    description:
      - Arguments of the function. Plugins take texts only. Numbers, booleans, lists and dictionaries are handed over as JSON, nothing as an empty text.
      - The plugins of this collection take one argument C(params), which is JSON.
      - All arguments together may take 128 KiB in the XML of the call, less 1 KiB for what is around them. More is refused.
      - The arguments are shown in results and logs. Put secrets into O(secret_arguments), or set C(no_log) on the task.
    type: dict
  secret_arguments:
    description:
      - Further arguments, which are not shown anywhere. They end as the others do, and none may be given in both places.
      - Each value within is masked in the result, so a short one masks much of it.
    type: dict
  mutating:
    description:
      - Whether the call changes something. V(true) reports a change whenever the plugin is called, and does not call it in check mode.
      - V(false) is for functions that only tell something. They are called in check mode as well.
    type: bool
    default: true
extends_documentation_fragment:
  - xenstack.image_services._pool
notes:
  - XAPI lets only users with the role C(pool-admin) call plugins.
seealso:
  - module: xenstack.image_services.xen_vdi_import
"""

EXAMPLES = r"""
- name: Use the plugins of a pool
  module_defaults:
    group/xenstack.image_services.xapi:
      hostname: pool.example.com
      password: "{{ vault_pool_password }}"
      ca_path: /etc/ssl/pool.pem
  block:
    - name: See which hosts have the plugin that pulls images
      xenstack.image_services.xen_plugin:
      register: plugins

    - name: Stop where a host has none
      ansible.builtin.assert:
        that: plugins.hosts | map(attribute='plugins') | flatten | selectattr('present') | length == plugins.hosts | length

    - name: Remove what killed downloads have left in an SR
      xenstack.image_services.xen_plugin:
        name: imagestore
        function: cleanup
        arguments:
          params: {sr: 2f0b5b39-4ad6-4f5e-9b0e-5d7b1a0f1c11}

    - name: Ask a plugin that needs a password
      xenstack.image_services.xen_plugin:
        host: xen-2
        name: inventory
        function: list
        arguments: {user: reader}
        secret_arguments: {password: "{{ vault_inventory_password }}"}
        mutating: false
"""

RETURN = r"""
hosts:
  description: The hosts and their plugins.
  returned: success, without O(function)
  type: list
  elements: dict
  sample:
    - uuid: 4c2e7c3b-5a5e-4a4c-9d0c-0f1f3a6d8e11
      name: xen-1
      coordinator: true
      plugins:
        - name: imagestore
          present: true
          version: 1.0.0
          api: 1
          python: 3.6.15
          functions: [cancel, cleanup, download, upload, version]
          error: null
  contains:
    uuid:
      description: Uuid of the host.
      type: str
    name:
      description: Name of the host.
      type: str
    coordinator:
      description: Whether it leads the pool.
      type: bool
    plugins:
      description: The plugins that were asked for, in that order.
      type: list
      elements: dict
      contains:
        name:
          description: Name of the plugin.
          type: str
        present:
          description: Whether the host has it. V(none) where the host does not answer.
          type: bool
        version:
          description: Its version. V(none) where it tells none, as a plugin without a function C(version) does.
          type: str
        api:
          description: Number of the interface of one of our plugins, else V(none).
          type: int
        python:
          description: Version of the Python that it runs with, where it tells that.
          type: str
        functions:
          description: Its functions, where it tells them.
          type: list
          elements: str
        error:
          description: Why it or its host does not tell more, else V(none).
          type: str
host:
  description: The host on which the function was called, with its C(uuid) and C(name).
  returned: success, with O(function)
  type: dict
  sample: {uuid: 4c2e7c3b-5a5e-4a4c-9d0c-0f1f3a6d8e11, name: xen-1}
called:
  description: Whether the plugin was called, which it is not for O(mutating=true) in check mode.
  returned: success, with O(function)
  type: bool
  sample: true
result:
  description: The text that the function has returned. V(none) where it was not called.
  returned: success, with O(function)
  type: str
  sample: '{"removed": []}'
result_json:
  description: The same, where it is JSON, else V(none).
  returned: success, with O(function)
  type: raw
  sample: {removed: []}
error:
  description: What failed, for programs.
  returned: failure
  type: dict
  sample:
    code: XENAPI_MISSING_PLUGIN
    details: [imagestore]
    request_id: null
  contains:
    code:
      description: XAPI's or the plugin's error code, or a short word for what this module found.
      type: raw
    details:
      description: Its parameters.
      type: raw
    request_id:
      description: Always null.
      type: str
"""

from ansible_collections.xenstack.image_services.plugins.module_utils._core.argspec import ArgumentSpec
from ansible_collections.xenstack.image_services.plugins.module_utils._core.runner import run
from ansible_collections.xenstack.image_services.plugins.module_utils._plugins.job import PluginJob
from ansible_collections.xenstack.image_services.plugins.module_utils._xapi.argspec import PoolModule, create_pool_argspec


def create_plugin_argspec() -> ArgumentSpec:
    return ArgumentSpec(
        options={
            "plugins": {"type": "list", "elements": "str", "default": ["imagestore"]},
            "host": {"type": "str"},
            "name": {"type": "str"},
            "function": {"type": "str"},
            "arguments": {"type": "dict"},
            "secret_arguments": {"type": "dict", "no_log": True},
            "mutating": {"type": "bool", "default": True},
        },
        required_together=[("name", "function")],
        required_by={"arguments": "function", "secret_arguments": "function"},
    )


def main() -> None:
    run(PoolModule(create_pool_argspec().merge(create_plugin_argspec()), supports_check_mode=True), PluginJob)


if __name__ == "__main__":
    main()
