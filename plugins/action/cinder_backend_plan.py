# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Reads a package on the controller for the module cinder_backend_plan; its options are documented there."""

from __future__ import annotations

from typing import Any

from ansible_collections.xenstack.image_services.plugins.plugin_utils.package_files import PackageAction


class ActionModule(PackageAction):
    """The module, with the files of the package."""

    def _accepted(self, options: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in options.items() if name != "name"}
