# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The argument specs of all modules, as each hands its own to Ansible."""

from __future__ import annotations

import importlib
from functools import cache
from typing import Any

import pytest
from ansible.module_utils.basic import AnsibleModule
from ansible_collections.xenstack.image_services.plugins.plugin_utils.dom0_options import create_dom0_plugin_argspec
from ansible_collections.xenstack.image_services.plugins.plugin_utils.stores_plan import create_stores_plan_argspec
from ansible_collections.xenstack.image_services.tests.support.deployment import ROOT

MODULES = sorted(path.stem for path in (ROOT / "plugins" / "modules").glob("*.py"))
# Their work is done by action plugins.
ACTIONS = {"glance_stores_plan": create_stores_plan_argspec, "xen_dom0_plugin": create_dom0_plugin_argspec}


class Captured(Exception):
    """The spec of a module that was about to start."""


@cache
def spec_of(name: str) -> dict[str, Any]:
    if name in ACTIONS:
        return ACTIONS[name]().module_kwargs()
    module = importlib.import_module(f"ansible_collections.xenstack.image_services.plugins.modules.{name}")
    with pytest.MonkeyPatch.context() as patch:

        def capture(self: AnsibleModule, argument_spec: dict[str, Any], **kwargs: Any) -> None:
            raise Captured({**kwargs, "argument_spec": argument_spec})

        patch.setattr(AnsibleModule, "__init__", capture)
        with pytest.raises(Captured) as caught:
            module.main()
    found: dict[str, Any] = caught.value.args[0]
    return found
