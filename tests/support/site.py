# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Kolla-style site around the Glance of the integration tests: its directory, its tool and its container engine are ours, its Glance is real."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.xenstack.image_services.tests.support.cloud import Cloud
from ansible_collections.xenstack.image_services.tests.support.deployment import ROOT, Run, control, run_roles

SUPPORT = ROOT / "tests" / "support"
TEMPLATE = """[DEFAULT]
enabled_backends = {stores}

[glance_store]
default_backend = "fast"

[fast]
filesystem_store_datadir = {data}/fast/

[archive]
filesystem_store_datadir = {data}/archive/
"""


@dataclass(frozen=True)
class Site:
    """``directory`` is its /etc/kolla, ``data`` a place below which stores may have their directories."""

    directory: Path
    data: Path
    variables: dict[str, Any]

    @property
    def override(self) -> Path:
        return self.directory / "config" / "glance" / "glance-api.conf"

    @property
    def merged(self) -> Path:
        return self.directory / "glance-api" / "glance-api.conf"

    @property
    def globals(self) -> Path:
        return self.directory / "globals.yml"

    def applied(self) -> int:
        """How often the site's tool was called."""
        calls = self.directory / "calls"
        return len(calls.read_text().splitlines()) if calls.exists() else 0

    def settings(self, **changes: Any) -> None:
        """Change what the site's tool does; null removes a setting."""
        self._change("settings.json", changes)

    def containers(self, **changes: Any) -> None:
        self._change("containers.json", changes)

    def _change(self, name: str, changes: dict[str, Any]) -> None:
        path = self.directory / name
        values = {**json.loads(path.read_text()), **changes}
        path.write_text(json.dumps({key: value for key, value in values.items() if value is not None}))

    def run(self, *stores: dict[str, Any], arguments: tuple[str, ...] = (), **changes: Any) -> Run:
        return run_roles(["glance_stores"], {**self.variables, **changes, "glance_stores": list(stores)}, *arguments)


@contextmanager
def site_around(cloud: Cloud, directory: Path) -> Iterator[Site]:
    """Glance is configured as before in the end, and nothing of the site is left."""
    glance = cloud.base / "glance"
    status = cloud.store_directory("fast").stat()
    data = cloud.base / "data" / "site"
    container = {"uid": status.st_uid, "gid": status.st_gid}
    mounts = [{"Source": str(cloud.base / "data" / name), "Destination": str(cloud.base / "data" / name), "RW": True} for name in ("staging", "tasks")]
    config = glance / "config" / "glance-stores.conf"
    for name in ("config/glance", "glance-api"):
        (directory / name).mkdir(parents=True)
    (directory / "globals.yml").write_text("# The site\nkolla_base_distro: debian # as ever\n")
    (directory / "template.conf").write_text(TEMPLATE.format(stores="fast:file, archive:file", data=cloud.base / "data"))
    (directory / "containers.json").write_text(json.dumps({"glance_api": {**container, "mounts": mounts, "running": True}}))
    settings = {
        "site": str(directory),
        "host": "api1",
        "template": str(directory / "template.conf"),
        "config": str(config),
        "containers": str(directory / "containers.json"),
        "container": container,
        "mounts": mounts,
        "calls": str(directory / "calls"),
        "restart": [str(glance / "bin" / "glance-service"), "restart"],
    }
    (directory / "settings.json").write_text(json.dumps(settings))
    engine = directory / "docker"
    engine.write_text(f'#!/bin/sh\nexec {sys.executable} {SUPPORT / "site_engine.py"} {directory / "containers.json"} "$@"\n')
    engine.chmod(0o755)
    python = str(glance / "current" / "bin" / "python")
    variables = {
        "glance_stores_target": "kolla",
        "glance_stores_site_dir": str(directory),
        "glance_stores_container_engine": str(engine),
        "glance_stores_apply_command": [python, str(SUPPORT / "site_apply.py"), str(directory / "settings.json"), "reconfigure", "-t", "glance"],
        "glance_stores_python": sys.executable,
        "glance_stores_cloud": cloud.auth("admin")["cloud"],
        "glance_stores_config_backups": 0,
        "glance_stores_internal": {name: {"filesystem_store_datadir": str(cloud.base / "data" / name)} for name in ("staging", "tasks")},
    }
    before = config.read_text()
    try:
        yield Site(directory, data, variables)
    finally:
        shutil.rmtree(data, ignore_errors=True)
        if config.read_text() != before:
            config.write_text(before)
            control("glance", cloud.base, "restart")
