# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Plans the stores of Glance from what is on its host and files of the controller; its options are documented in the module of this name."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase
from ansible_collections.xenstack.image_services.plugins.module_utils._core.errors import ImageServicesError, cannot
from ansible_collections.xenstack.image_services.plugins.module_utils._core.identifiers import refuse_blank
from ansible_collections.xenstack.image_services.plugins.module_utils._stores.plan import plan_at_site, plan_service, refused
from ansible_collections.xenstack.image_services.plugins.plugin_utils.site_variables import load
from ansible_collections.xenstack.image_services.plugins.plugin_utils.stores_plan import (
    COUNT,
    counted,
    create_stores_plan_argspec,
    files_to_read,
    found_at_site,
    found_on_host,
    wanted_of,
)


class ActionModule(ActionBase):
    """One read-only module on the host of a service; of a site, everything was read by kolla_site_info before."""

    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result = super().run(tmp, task_vars)
        spec = create_stores_plan_argspec()
        dummy, given = self.validate_argument_spec(**spec.module_kwargs())
        try:
            refuse_blank(spec.options, given)
            plan = self._plan(given, task_vars or {})
        except ImageServicesError as exc:
            # A finding is shown by the next task, whereas nothing is shown of a task whose result holds secrets.
            plan = refused([str(exc)])
        result.update(changed=False, **plan)
        return dict(result)

    def _plan(self, given: Mapping[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        wanted = wanted_of(given, self._with_texts(given["ceph"]))
        if wanted.is_site:
            found, around, others = found_at_site(wanted, given, len(task_vars.get("ansible_play_hosts_all") or [""]))
            return plan_at_site(replace(wanted, declaration=replace(wanted.declaration, other_config=others)), found, around, load)
        read = self._execute_module(
            module_name="xenstack.image_services.config_files_info", module_args=files_to_read(wanted, given["started_file"]), task_vars=task_vars
        )
        if read.get("failed"):
            raise ImageServicesError(str(read.get("msg")))
        found, others, former = found_on_host(wanted, given["started_file"], read, bool(self._task.check_mode))
        wanted = replace(wanted, declaration=replace(wanted.declaration, other_config=others))
        return plan_service(wanted, replace(found, former={path: self._images_in(path) for path in former}))

    def _images_in(self, path: str) -> int | None:
        command = " ".join(shlex.quote(word.format(path)) if word == "{}" else shlex.quote(word) for word in COUNT)
        return counted(self._low_level_execute_command(f"LC_ALL=C {command}"))

    def _with_texts(self, clusters: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
        """The clusters with the text of the files that ``src`` names on the controller."""
        read: list[Mapping[str, Any]] = []
        for cluster in clusters:
            keyrings = cluster.get("keyrings")
            found = {**cluster, **self._text(cluster)}
            if isinstance(keyrings, list):
                found["keyrings"] = [{**keyring, **self._text(keyring)} if isinstance(keyring, Mapping) else keyring for keyring in keyrings]
            read.append(found)
        return read

    def _text(self, declared: Mapping[str, Any]) -> dict[str, str]:
        src = declared.get("src")
        if not src:
            return {}
        try:
            return {"text": self._loader.get_text_file_contents(self._find_needle("files", str(src))).rstrip()}
        except (AnsibleError, OSError) as exc:
            cause = f"it cannot be read ({str(exc).splitlines()[0].rstrip('.')})"
            raise cannot("read", "file", str(src), cause, "Correct src, which is a path on the controller", code="bad_src") from exc
