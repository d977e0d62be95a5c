# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""The work of the module keystone_seed."""

from __future__ import annotations

from typing import Any

from .._core.errors import cannot
from .._core.runner import Job, Params
from .client import KeystoneClient
from .plan import KeystoneFacts, KeystonePlan, plan, unknown_projects


class SeedJob(Job[KeystoneFacts, KeystonePlan, None]):
    """Projects, users and services of a Keystone as they are declared."""

    def __init__(self, params: Params) -> None:
        super().__init__(params)
        names = ("auth_url", "username", "password", "domain", "validate_certs", "timeout")
        self._client = KeystoneClient(**{name: params[name] for name in names}, project=params["project_name"])

    def look(self) -> KeystoneFacts:
        params = self.params
        self._client.log_in()
        return self._client.read({user["name"]: user["password"] for user in params["users"] if user["update_password"] == "always"})

    def plan(self, seen: KeystoneFacts) -> KeystonePlan:
        missing = unknown_projects(self.params, seen)
        if missing:
            raise cannot("grant roles in", "project", missing[0], "it neither exists nor is declared", "Add it to projects", details=missing)
        return plan(self.params, self.params["region"], seen)

    def apply(self, seen: KeystoneFacts, plan: KeystonePlan) -> None:
        for change in plan.changes:
            self._client.apply(change)

    def result(self, seen: KeystoneFacts, plan: KeystonePlan, done: None) -> dict[str, Any]:
        return {
            "changed": plan.changed,
            "changes": [{"verb": change.verb, "kind": change.kind, "name": change.name} for change in plan.changes],
            "diff": {"before": plan.before, "after": plan.after},
        }
