# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Reads the package on the controller and Glance on the host, and plans; its options are documented in the module of this name."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.xenstack.image_services.plugins.module_utils._core.errors import ImageServicesError
from ansible_collections.xenstack.image_services.plugins.module_utils._instances.filter_host import NAME, unpacked
from ansible_collections.xenstack.image_services.plugins.module_utils._instances.filter_options import create_filter_plan_argspec
from ansible_collections.xenstack.image_services.plugins.module_utils._instances.filter_plan import plan_filter
from ansible_collections.xenstack.image_services.plugins.module_utils._stores.kolla.site import SITES
from ansible_collections.xenstack.image_services.plugins.plugin_utils.package_files import package_options
from ansible_collections.xenstack.image_services.plugins.plugin_utils.site_variables import load


class ActionModule(ActionBase):
    """YAML of a site is read here, where it needs no library of the host."""

    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result = super().run(tmp, task_vars)
        dummy, options = self.validate_argument_spec(**create_filter_plan_argspec().module_kwargs())
        try:
            package = package_options(self, {"src": options["src"], "name": NAME, "files": options["files"]})["files"]
            is_site = options["target"] in SITES
            found = self._execute_module(module_args={**options, "files": {} if is_site else package}, task_vars=task_vars)
            if found.get("failed") or "found" not in found:
                result.update(found)
                return dict(result)
            reading = unpacked(found["found"])
            if is_site:
                packages = options["site_packages"]
                complete, exists = all(each.get("installed") for each in packages), any(each.get("exists") for each in packages)
                reading = replace(reading, package_changes=not complete, package_exists=exists)
            result.update(changed=False, **plan_filter(options, reading, package, bool(self._task.check_mode), load))
        except ImageServicesError as exc:
            result.update(failed=True, **exc.as_result())
        return dict(result)
