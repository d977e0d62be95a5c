# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""The Python package of a role on the controller, for the modules that install it or compare it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase

from ..module_utils._core.errors import ImageServicesError, cannot
from ..module_utils._core.python_package import content


def package_options(action: ActionBase, options: Mapping[str, Any]) -> dict[str, Any]:
    """The options with the name of the package, and with its text in ``files``."""
    src = str(options.get("src") or "")
    if not src:
        # The module says whether it can do without.
        return dict(options)
    name = str(options.get("name") or os.path.basename(os.path.normpath(src)))
    try:
        found = content(action._find_needle("files", src))
    except (AnsibleError, OSError) as exc:
        cause = f"its source '{src}' cannot be read ({str(exc).splitlines()[0].rstrip('.')})"
        raise cannot("install", "package", name, cause, "Give a directory on the controller", code="bad_src") from exc
    if "__init__.py" not in found:
        raise cannot("install", "package", name, f"its source '{src}' has no __init__.py", "Give the directory of a package", code="bad_src")
    return {**options, "name": name, "files": {**found, **(options.get("files") or {})}}


class PackageAction(ActionBase):
    """The module of the same name, with the files of the package."""

    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result = super().run(tmp, task_vars)
        try:
            options = package_options(self, self._task.args)
        except ImageServicesError as exc:
            result.update(failed=True, **exc.as_result())
            return dict(result)
        result.update(self._execute_module(module_args=self._accepted(options), task_vars=task_vars))
        # The text of every file is too long for the output.
        arguments = (result.get("invocation") or {}).get("module_args") or {}
        arguments.pop("files", None)
        return dict(result)

    def _accepted(self, options: dict[str, Any]) -> dict[str, Any]:
        """The options that the module has."""
        return options
