# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""An upgrade of a real Glance either happens completely or leaves the old version serving."""

from __future__ import annotations

import json
import os
import re
import sqlite3
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.xenstack.image_services.tests.support.deployment import (
    ROOT,
    Run,
    control,
    free_port,
    run_roles,
    service_variables,
    serving_processes,
)

OLD = "32.0.0"
NEW = "33.0.0"
LOCK = ROOT / "roles" / "glance" / "files" / f"requirements-{NEW}.txt"
PASSWORD = "upgrade-secret"
FORMER = 42424


@dataclass
class Deployment:
    """One Glance in a directory; no request of these tests needs its Keystone."""

    base: Path
    port: int = field(default_factory=free_port)

    def deploy(self, version: str, *arguments: str, **variables: Any) -> Run:
        defaults = {
            **service_variables("glance", self.base),
            "glance_version": version,
            "glance_constraints": str(self.base / "constraints.txt") if version == OLD else "",
            "glance_listen_port": self.port,
            "glance_workers": 1,
            "glance_verify": False,
            "__glance_versions": [OLD, NEW],
            "glance_keystone_auth": {"auth_url": "http://127.0.0.1:9/v3", "username": "glance", "password": PASSWORD},
        }
        return run_roles(["glance"], {**defaults, **variables}, *arguments)

    @property
    def current(self) -> str:
        return (self.base / "glance" / "current").readlink().name

    @property
    def database(self) -> Path:
        return self.base / "glance" / "state" / "glance.sqlite"

    def serving(self) -> dict[int, str]:
        """Processes and their versions, once Glance has answered."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/healthcheck", timeout=30) as answer:
            assert answer.status == 200
        return serving_processes("glance", self.base)

    def namespaces(self, removed: str | None = None) -> set[str]:
        """Namespaces of metadata definitions in the database, after removing one if it is given."""
        with sqlite3.connect(self.database) as database:
            if removed is not None:
                database.execute("DELETE FROM metadef_namespaces WHERE namespace = ?", (removed,))
            rows = database.execute("SELECT namespace FROM metadef_namespaces").fetchall()
        database.close()
        return {row[0] for row in rows}

    def schema(self, revision: str | None = None) -> list[str]:
        """Revisions that the database says it has, after setting them if one is given."""
        with sqlite3.connect(self.database) as database:
            if revision is not None:
                database.execute("UPDATE alembic_version SET version_num = ?", (revision,))
            rows = database.execute("SELECT version_num FROM alembic_version").fetchall()
        database.close()
        return [row[0] for row in rows]


@pytest.fixture(scope="module")
def glance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """The old version, serving."""
    base = tmp_path_factory.mktemp("upgrade")
    # The same libraries as the new version has, so that only Glance differs.
    pins = re.findall(r"^[a-z0-9.-]+==[^\\\n]+", LOCK.read_text(), re.MULTILINE)
    (base / "constraints.txt").write_text("\n".join(pin for pin in pins if not pin.startswith("glance==")))
    deployment = Deployment(base)
    stores = base / "glance" / "config" / "glance-stores.conf"
    stores.parent.mkdir(parents=True, mode=0o750)
    for name in ("images", "staging", "tasks"):
        (base / name).mkdir()
    stores.write_text(
        "[DEFAULT]\nenabled_backends = fast:file\n[glance_store]\ndefault_backend = fast\n"
        f"[fast]\nfilesystem_store_datadir = {base}/images\n"
        f"[os_glance_staging_store]\nfilesystem_store_datadir = {base}/staging\n"
        f"[os_glance_tasks_store]\nfilesystem_store_datadir = {base}/tasks\n"
    )
    deployment.deploy(OLD).succeeded()
    yield deployment
    control("glance", base, "stop")


def test_the_old_version_serves_and_a_second_run_changes_nothing(glance: Deployment) -> None:
    assert glance.current == OLD
    before = glance.serving()
    assert set(before.values()) == {OLD}
    assert glance.deploy(OLD).succeeded().changed == 0
    assert glance.serving() == before


def test_metadata_definitions_are_loaded_once_and_reported_when_they_are(glance: Deployment) -> None:
    names = {json.loads(path.read_text())["namespace"] for path in (glance.base / "glance" / "current" / "etc" / "glance" / "metadefs").glob("*.json")}
    assert len(names) > 30
    assert glance.namespaces() == names
    [stamp] = (glance.base / "glance" / "state").glob(".metadefs-*")
    # As on a second host with the same database.
    stamp.unlink()
    assert glance.deploy(OLD).succeeded().changed == 0
    assert stamp.exists()
    stamp.unlink()
    glance.namespaces("OS::Compute::Watchdog")
    assert glance.deploy(OLD).succeeded().changed == 1
    assert glance.namespaces() == names
    # What somebody has removed does not come back.
    glance.namespaces("OS::Compute::Watchdog")
    assert glance.deploy(OLD).succeeded().changed == 0
    assert glance.namespaces() == names - {"OS::Compute::Watchdog"}


def test_few_backups_of_the_configuration_are_kept(glance: Deployment) -> None:
    config = glance.base / "glance" / "config"
    for number in range(5):
        (config / f"glance-api.conf.{number}.2026-01-0{number + 1}@00:00:00~").write_text(PASSWORD)
        (config / f"glance-api.conf.{number}.2026-01-0{number + 1}@00:00:00~").chmod(0o640)
        if os.getuid() == 0:
            # As when the service ran as another user.
            os.chown(config / f"glance-api.conf.{number}.2026-01-0{number + 1}@00:00:00~", FORMER, FORMER)
    assert glance.deploy(OLD).succeeded().changed == 1
    assert sorted(path.name for path in config.glob("glance-api.conf.*~")) == [
        f"glance-api.conf.{number}.2026-01-0{number + 1}@00:00:00~" for number in (2, 3, 4)
    ]
    assert {(path.stat().st_uid, path.stat().st_gid) for path in config.glob("glance-api.conf.*~")} == {(os.getuid(), os.getgid())}
    assert glance.deploy(OLD, glance_config_backups=0).succeeded().changed == 1
    assert list(config.glob("*~")) == []


def test_check_mode_announces_the_upgrade_and_does_not_do_it(glance: Deployment) -> None:
    before = glance.serving()
    assert glance.deploy(NEW, "--check", "--diff").succeeded().changed > 0
    assert glance.current == OLD
    assert glance.serving() == before


def test_a_failed_migration_leaves_the_old_version_serving(glance: Deployment) -> None:
    before = glance.serving()
    [revision] = glance.schema()
    glance.schema("of_no_version")
    failed = glance.deploy(NEW, "-vvv")
    assert failed.returncode != 0
    assert f"Cannot deploy Glance '{NEW}': task 'Migrate | Run glance-manage' failed: " in failed.output
    assert f"Version {OLD} keeps serving." in failed.output
    assert PASSWORD not in failed.output
    assert "Traceback" not in failed.output
    assert glance.current == OLD
    assert glance.serving() == before
    glance.schema(revision)


def test_a_version_that_does_not_start_is_taken_back(glance: Deployment) -> None:
    # The failed migration above left the new version installed, but never active.
    [module] = (glance.base / "glance" / "venvs" / NEW).glob("lib/python*/site-packages/glance/wsgi/api.py")
    # Another file in its place: uv shares files with its cache, so that the old one must not be written to.
    whole = module.rename(module.with_suffix(".whole"))
    module.write_text("raise ImportError('broken for a test')\n")
    failed = glance.deploy(NEW, glance_log_level="WARNING")
    whole.replace(module)
    assert failed.returncode != 0
    assert f"Version {OLD} keeps serving." in failed.output
    assert "ends right after its start" in failed.output
    assert glance.current == OLD
    assert set(glance.serving().values()) == {OLD}
    assert "glance=INFO" in (glance.base / "glance" / "config" / "glance-api.conf").read_text()


def test_an_upgrade_keeps_a_copy_of_the_database_and_serves_the_new_version(glance: Deployment) -> None:
    # What another role keeps beside the old version, for example the instance-aware filter, the new one finds as well.
    extensions = glance.base / "glance" / "extensions"
    extensions.mkdir()
    glance.deploy(NEW).succeeded()
    assert glance.current == NEW
    [pth] = (glance.base / "glance" / "venvs" / NEW).glob("lib/python*/site-packages/image_services_extensions.pth")
    assert pth.read_text() == f"{extensions}\n"
    after = glance.serving()
    assert set(after.values()) == {NEW}
    copy = glance.database.with_name(f"{glance.database.name}.before-{NEW}")
    assert copy.stat().st_size > 0
    assert copy.stat().st_uid == os.getuid()
    assert glance.deploy(NEW).succeeded().changed == 0
    assert glance.serving() == after


def test_a_foreign_policy_is_refused_before_anything_changes(glance: Deployment) -> None:
    policy = glance.base / "glance" / "config" / "policy.yaml"
    own = policy.read_text()
    policy.write_text("context_is_admin: '@'\n")
    before = glance.serving()
    failed = glance.deploy(NEW, glance_log_level="DEBUG")
    assert failed.returncode != 0
    assert f"{policy} changes permissions" in failed.output
    assert failed.changed == 0
    assert glance.serving() == before
    policy.write_text(own)
