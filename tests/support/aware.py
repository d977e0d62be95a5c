# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The real cloud of the integration tests with the instance-aware filter in its Glance."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.xenstack.image_services.plugins.module_utils._glance.connection import Cloud as Connection
from ansible_collections.xenstack.image_services.plugins.module_utils._glance.http import GlanceError
from ansible_collections.xenstack.image_services.tests.support.cloud import Cloud
from ansible_collections.xenstack.image_services.tests.support.deployment import Run, run_roles

# Two installations of Nova: users of the project alpha belong to A, those of beta to B.
A = "0b7e5e0a-6a52-4d0e-9f4f-3f0f6f8d8b11"
B = "c1a5b7f2-9d7e-4d53-8a55-7f3e6b0c2d22"


@dataclass(frozen=True)
class AwareCloud:
    """``installations`` are the UUIDs by the name of the cloud's entry whose requests they belong to."""

    cloud: Cloud
    installations: dict[str, str] = field(default_factory=lambda: {"alice": A, "bob": B})

    @property
    def variables(self) -> dict[str, Any]:
        return aware_variables(self.cloud)

    def run(self, *arguments: str, **changes: Any) -> Run:
        return run_roles(["glance_instance_aware"], {**self.variables, **changes}, *arguments)


def aware_variables(cloud: Cloud) -> dict[str, Any]:
    """What the role needs to manage the filter of this cloud."""
    status = cloud.store_directory("fast").stat()
    return {
        "glance_home": str(cloud.base / "glance"),
        "glance_config_dir": str(cloud.base / "glance" / "config"),
        "glance_user": str(status.st_uid),
        "glance_group": str(status.st_gid),
        "glance_instance_aware_cloud": cloud.auth("admin")["cloud"],
        "glance_instance_aware_config_backups": 0,
        "glance_instance_aware_installations": [
            {"kind": "project", "name": "alpha", "uuid": A},
            {"kind": "project", "name": "beta", "uuid": B},
        ],
    }


def version(cloud: Cloud) -> str | None:
    """Which filter Glance runs with; None where it runs without."""
    try:
        return str(Connection(cloud.auth("alice")).glance.http.get("/v2/info/instance-aware").json()["version"])
    except GlanceError as exc:
        if exc.status != 404:
            raise
        return None


def relations(cloud: Cloud) -> int | None:
    """Rows of the table; None where there is none."""
    database = sqlite3.connect(cloud.base / "glance" / "state" / "glance.sqlite")
    try:
        if not database.execute("SELECT 1 FROM sqlite_master WHERE name = 'instance_aware_images'").fetchall():
            return None
        return int(database.execute("SELECT count(*) FROM instance_aware_images").fetchone()[0])
    finally:
        database.close()
