# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Keeps a plugin of XAPI on a host without a Python that Ansible could use; its options are documented in the module of this name."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase
from ansible_collections.xenstack.image_services.plugins.module_utils._core.errors import ImageServicesError, cannot
from ansible_collections.xenstack.image_services.plugins.module_utils._core.identifiers import refuse_blank
from ansible_collections.xenstack.image_services.plugins.plugin_utils.dom0_archive import build
from ansible_collections.xenstack.image_services.plugins.plugin_utils.dom0_host import Dom0Host
from ansible_collections.xenstack.image_services.plugins.plugin_utils.dom0_job import Dom0Job
from ansible_collections.xenstack.image_services.plugins.plugin_utils.dom0_options import create_dom0_plugin_argspec, judged
from ansible_collections.xenstack.image_services.plugins.plugin_utils.dom0_plan import places


class ActionModule(ActionBase):
    """Commands of the host's shell over the task's connection: no file is transferred and no module is run."""

    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result = super().run(tmp, task_vars)
        spec = create_dom0_plugin_argspec()
        dummy, given = self.validate_argument_spec(**spec.module_kwargs())
        try:
            refuse_blank(spec.options, given)
            options = judged(given)
            content = self._content(options) if options["state"] == "present" else b""
            plugin, config = places(options["path"], options["name"])
            host = Dom0Host(self._on_host(options["name"]), options["name"], plugin, config)
            result.update(Dom0Job(host, plugin, config, options, content).run(check_mode=bool(self._task.check_mode)))
        except ImageServicesError as exc:
            result.update(failed=True, **exc.as_result())
        return dict(result)

    def _content(self, options: Mapping[str, Any]) -> bytes:
        """What is to be the plugin: a directory becomes one file."""
        name, src = options["name"], options["src"]
        try:
            found = self._find_needle("files", src)
            if os.path.isdir(found):
                return build(found)
            with open(found, "rb") as stream:
                content = stream.read()
        except (AnsibleError, OSError, ValueError) as exc:
            cause = {True: "it has no __main__.py"}.get(isinstance(exc, ValueError), str(exc).splitlines()[0])
            advice = "Give a directory with a __main__.py, or a file, on the controller"
            raise cannot("install", "plugin", name, f"its source '{src}' cannot be read ({cause.rstrip('.')})", advice, code="bad_src") from exc
        if not content:
            raise cannot("install", "plugin", name, f"its source '{src}' is empty", "Give what XAPI is to run", code="bad_src")
        return content

    def _on_host(self, name: str) -> Any:
        def execute(command: str, data: bytes | None) -> dict[str, Any]:
            if not self._connection.has_pipelining:
                cause = f"the connection {self._connection.transport} gives no standard input to commands"
                raise cannot("install", "plugin", name, cause, "Use ansible_connection: ssh", code="no_pipelining")
            # With a standard input of their own, commands get no terminal, which would mix what they say and what they answer.
            return dict(self._low_level_execute_command(command, in_data=data or b"\n"))

        return execute
