# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""Keep one plugin and its settings on one host as the options say."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .dom0_call import read_version
from .dom0_host import Dom0Host
from .dom0_options import settings
from .dom0_plan import DesiredFile, PluginPaths, PluginPlan, Seen, plan_absent, plan_present, plan_settings_absent, told, version_of

CONFIG_MODE = "0600"


@dataclass(frozen=True)
class _File:
    """One of both, with what is there, what is to be and what is to be done."""

    place: PluginPaths
    seen: Seen
    plan: PluginPlan
    wanted: DesiredFile | None = None
    content: bytes = b""


class Dom0Job:
    def __init__(self, host: Dom0Host, plugin: PluginPaths, config: PluginPaths, options: Mapping[str, Any], content: bytes) -> None:
        self._host = host
        self._plugin, self._config = plugin, config
        self._options = options
        self._content = content

    def run(self, *, check_mode: bool) -> dict[str, Any]:
        """What the action answers."""
        present = self._options["state"] == "present"
        found = self._host.look("install" if present else "remove")
        if found is None:
            if present:
                raise self._host.no_directory()
            return self._result([_File(self._plugin, Seen(), PluginPlan()), _File(self._config, Seen(), PluginPlan())], {})
        files = self._wanted(*found) if present else self._unwanted(*found)
        if any(file.plan.changed for file in files):
            self._host.check_rights(self._options["uid"])
        answer = ""
        verified = present and self._options["verify"] and not (check_mode and files[0].plan.changed)
        if not check_mode or verified:
            # Settings come before what reads them, and go after it.
            for file in reversed(files) if present else files:
                answer = self._host.apply(file.place, file.plan, file.seen, file.wanted, file.content, verified and file is files[0])
        return self._result(files, {"plugin": read_version(self._options["name"], answer)} if verified else {})

    def _wanted(self, plugin: Seen, config: Seen) -> list[_File]:
        uid, gid, backup, name = (self._options[key] for key in ("uid", "gid", "backup", "name"))
        wanted = DesiredFile(self._host.digest(self._content), self._options["mode"], uid, gid, version_of(told(self._content)))
        files = [_File(self._plugin, plugin, plan_present(self._plugin, plugin, wanted, name, backup=backup), wanted, self._content)]
        if self._options["config"] is None:
            return [*files, _File(self._config, config, PluginPlan())]
        content = settings(self._options["config"])
        wanted = DesiredFile(self._host.digest(content), CONFIG_MODE, uid, gid)
        return [*files, _File(self._config, config, plan_present(self._config, config, wanted, name, backup=backup), wanted, content)]

    def _unwanted(self, plugin: Seen, config: Seen) -> list[_File]:
        name, backup, force = (self._options[key] for key in ("name", "backup", "force"))
        return [
            _File(self._plugin, plugin, plan_absent(self._plugin, plugin, name, backup=backup, force=force)),
            _File(self._config, config, plan_settings_absent(self._config, config, name, backup=backup)),
        ]

    def _result(self, files: list[_File], more: dict[str, Any]) -> dict[str, Any]:
        plugin, config = (file.plan for file in files)
        present = self._options["state"] == "present"
        result: dict[str, Any] = {
            "changed": plugin.changed or config.changed,
            "path": self._plugin.path,
            "checksum": hashlib.sha256(self._content).hexdigest() if present else None,
            "mode": self._options["mode"] if present else None,
            "backup_file": plugin.backup_file,
            "config_path": self._config.path,
            "config_backup_file": config.backup_file,
            "diff": {
                "before": {"plugin": dict(plugin.before), "config": dict(config.before)},
                "after": {"plugin": dict(plugin.after), "config": dict(config.after)},
                "before_header": self._plugin.path,
                "after_header": self._plugin.path,
            },
            **more,
        }
        warning = self._host.warning
        return {**result, "warnings": [warning]} if warning else result
