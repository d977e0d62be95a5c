# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Shows the images that the module glance_images deletes, and at -v its progress; its options are documented there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.xenstack.image_services.plugins.plugin_utils.progress import ProgressAction


class ActionModule(ProgressAction):
    """The module, with its progress and what it deletes."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result = super().run(tmp, task_vars)
        if not self._task.no_log:
            for line in deletions(result, str((task_vars or {}).get("inventory_hostname", "")), self._task.args.get("cloud"), self._task.check_mode):
                # Beside standard output, which a callback may keep for a machine to read.
                self._display.display(line, stderr=True)
        return result


def deletions(result: Mapping[str, Any], host: str, cloud: object, check_mode: bool) -> Iterator[str]:
    """A line for each image that was pruned or rotated out, or would be."""
    where = f" in cloud '{cloud}'" if isinstance(cloud, str) else ""
    verb = "would delete" if check_mode else "deleted"
    for item in result.get("results") or ():
        for image in item.get("rotated") or ():
            yield f"{host}: {verb} image '{image['name']}' ({image['id']}){where}: it is beyond keep of '{item['name']}'."
    for image in result.get("pruned") or ():
        yield f"{host}: {verb} image '{image['name']}' ({image['id']}){where}: no item declares it."
