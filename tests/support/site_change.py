# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cloud of the integration tests between two states, each declared for all roles of site.yml, and a run that is cut short on the way."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from ansible_collections.xenstack.image_services.plugins.module_utils._glance.connection import Cloud as Connection
from ansible_collections.xenstack.image_services.plugins.module_utils._glance.http import GlanceError
from ansible_collections.xenstack.image_services.tests.support.aware import aware_variables
from ansible_collections.xenstack.image_services.tests.support.cloud import Cloud
from ansible_collections.xenstack.image_services.tests.support.deployment import ROOT, Run, run_playbook

ALL = ("glance", "glance_stores", "glance_instance_aware")


@dataclass(frozen=True)
class Change:
    """What of a site changes: the flavor of Glance's pipeline, a store, and the settings of its filter."""

    caching: bool
    third_store: bool
    max_instance_ids: int


# As the fixtures of the tests leave it, and two states that have nothing in common.
DEPLOYED = Change(False, False, 10000)
RICH = Change(True, True, 10000)
PLAIN = Change(False, False, 77)


@dataclass(frozen=True)
class Site:
    cloud: Cloud
    log: Path

    @property
    def config(self) -> Path:
        return self.cloud.base / "glance" / "config"

    def run(self, state: Change, roles: Sequence[str] = ALL, cut_after: int = 0, **more: Any) -> Run:
        """Let a play with these roles bring the state about, or cut it short after so many changes."""
        play = {
            "hosts": "localhost",
            "connection": "local",
            "gather_facts": False,
            "vars": {"demo_root": str(ROOT)},
            "vars_files": [str(ROOT / "playbooks" / "vars" / "demo.yml")],
            "pre_tasks": [{"ansible.builtin.include_tasks": str(ROOT / "tests" / "support" / "cloud_settings.yml")}],
            "roles": [f"xenstack.image_services.{role}" for role in roles],
        }
        environment = {
            "ANSIBLE_CALLBACK_PLUGINS": str(ROOT / "tests" / "support" / "callbacks"),
            "ANSIBLE_CALLBACKS_ENABLED": "power_cut",
            "POWER_CUT_LOG": str(self.log),
            "POWER_CUT_AFTER": str(cut_after),
        }
        self.log.write_text("", encoding="utf-8")
        with tempfile.NamedTemporaryFile("w", suffix=".yml") as playbook:
            yaml.safe_dump([play], playbook)
            playbook.flush()
            return run_playbook(Path(playbook.name), {**self._variables(state), **more}, more=environment)

    def changes(self) -> list[str]:
        """The tasks of the last run that have changed something, in their order."""
        return self.log.read_text(encoding="utf-8").splitlines()

    def _variables(self, state: Change) -> dict[str, Any]:
        owner = str(self.cloud.store_directory("fast").stat().st_uid)
        stores = [
            {
                "name": store,
                "type": "file",
                "default": store == "fast",
                "filesystem_store_datadir": str(self.cloud.store_directory(store)),
                "directory": {"owner": owner, "group": owner},
            }
            for store in ("fast", "archive", *(["third"] if state.third_store else []))
        ]
        aware = aware_variables(self.cloud)
        # The filter is proved as the stores are: with glance_stores_auth.
        del aware["glance_instance_aware_cloud"]
        return {
            **aware,
            "demo_dir": str(self.cloud.base),
            # As the fixture of the cloud has it.
            "glance_web_download_filter": {"allowed_hosts": ["127.0.0.1", "localhost"], "allowed_ports": []},
            "glance_image_cache": {"enabled": state.caching, "management": state.caching},
            "glance_stores": stores,
            "glance_stores_backup": False,
            "glance_instance_aware_max_instance_ids": state.max_instance_ids,
        }

    def served(self) -> Change | None:
        """What the running Glance answers with, which is what it was started with; None where it has no filter."""
        http = Connection(self.cloud.auth("admin")).glance.http
        try:
            limit = http.get("/v2/info/instance-aware").json()["max_instance_ids"]
        except GlanceError as exc:
            if exc.status != 404:
                raise
            return None
        try:
            http.get("/v2/cache")
            caching = True
        except GlanceError as exc:
            if exc.status != 404:
                raise
            caching = False
        stores = [store["id"] for store in http.get("/v2/info/stores").json()["stores"]]
        return Change(caching, "third" in stores, limit)

    def configuration(self) -> dict[str, str]:
        """What Glance is started with, without the backups and records beside it."""
        files = [path for path in sorted(self.config.rglob("*")) if path.is_file() and path.name[0] != "." and path.name[-1] != "~"]
        return {str(path.relative_to(self.config)): path.read_text(encoding="utf-8") for path in files}
