# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""The paste files that are derived from Glance's own, kept like it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from ansible.module_utils.basic import AnsibleModule

from .._core.atomic_file import Attributes, FileAttributes
from .._core.config_files import ConfigFilesJob
from .._core.errors import cannot
from .._core.runner import Job, Params, carry_out
from .filter_config import FILTER
from .paste import NotDerivable, derive

# Options whose values the diff shows: the file of an old deployment holds the password of authtoken.
SHOWN = ("pipeline", "paste.app_factory", "paste.composite_factory", "paste.filter_factory")


class PastePlan(NamedTuple):
    """The files as they have to be, or why they stay as they are."""

    files: ConfigFilesJob | None
    finding: str | None


class DerivedPasteJob(Job[str, PastePlan, "dict[str, Any]"]):
    """The work of the module glance_derived_paste."""

    def __init__(self, params: Params, attributes: Callable[[Mapping[str, Any]], Attributes], shows_diff: bool = True) -> None:
        """``attributes`` are those of the group and mode that one file declares."""
        super().__init__(params)
        self._attributes = attributes
        self._shows_diff = shows_diff

    @classmethod
    def of(cls, module: AnsibleModule) -> DerivedPasteJob:
        return cls(module.params, lambda given: FileAttributes(module, given), bool(module._diff))

    def look(self) -> str:
        path = self.params["path"]
        try:
            with open(path, encoding="utf-8", errors="surrogateescape", newline="") as stream:
                return stream.read()
        except OSError as exc:
            advice = "Deploy Glance first, or run the task as a user who may read it"
            raise cannot("read", "paste file", path, os.strerror(exc.errno or 0).lower(), advice, code="bad_path") from exc

    def plan(self, seen: str) -> PastePlan:
        try:
            text = derive(seen, self.params["flavor"], FILTER)
        except NotDerivable as exc:
            advice = "Correct the file, or flavor and config_file of [paste_deploy]"
            refusal = cannot("extend", "paste file", self.params["path"], str(exc), advice, code="not_derivable")
            if self.params["flavor"] is not None:
                raise refusal from exc
            return PastePlan(None, str(refusal))
        return PastePlan(ConfigFilesJob(self._declared(text), self._attributes, self._shows_diff), None)

    def must_apply(self, plan: PastePlan) -> bool:
        return plan.files is not None

    def apply(self, seen: str, plan: PastePlan) -> dict[str, Any]:
        return self._carry_out(plan, check_mode=False)

    def result(self, seen: str, plan: PastePlan, done: dict[str, Any] | None) -> dict[str, Any]:
        written = self._carry_out(plan, check_mode=True) if done is None else done
        return {**{key: value for key, value in written.items() if key != "removed_backups"}, "finding": plan.finding}

    def _carry_out(self, plan: PastePlan, check_mode: bool) -> dict[str, Any]:
        return carry_out(plan.files, check_mode) if plan.files is not None else {"changed": False, "files": []}

    def _declared(self, text: str) -> dict[str, Any]:
        """The options of config_files."""
        absent = dict.fromkeys(("directory", "owner", "group", "mode", "keep_backups", "shown_options", "target"))
        entry = {**absent, "state": "file", "content": text, "replace": True, "backup": False, "shown_options": SHOWN}
        kept = {"group": self.params["group"], "mode": self.params["mode"]}
        return {**absent, "backup": False, "files": [{**entry, **kept, "path": path} for path in self.params["files"]]}
