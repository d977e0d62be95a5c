# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two hosts that serve one Glance: a PostgreSQL, a store and a public address that both share, deployed host by host as the guide says."""

from __future__ import annotations

import hashlib
import re
import shutil
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.xenstack.image_services.tests.support.cloud import Cloud
from ansible_collections.xenstack.image_services.tests.support.deployment import (
    LOCAL,
    Run,
    free_port,
    run_plays,
    service_variables,
    serving_processes,
    stop_if_there,
)
from ansible_collections.xenstack.image_services.tests.support.environments import SHARED, UV, built_nothing, provide
from ansible_collections.xenstack.image_services.tests.support.modules import run_module
from ansible_collections.xenstack.image_services.tests.support.postgresql import PostgreSql, postgresql
from keystoneauth1.identity import v3
from keystoneauth1.session import Session

# What quoting in a URL, in a configuration file and in a template has to survive.
PASSWORD = "d@ta/b%se:\"'\\$#{{ 7 * 7 }} secret"


class Literal(str):
    """A value of the inventory that is no template."""


yaml.SafeDumper.add_representer(Literal, lambda dumper, value: dumper.represent_scalar("!unsafe", value))
NAMES = ("glance-1", "glance-2")
DEADLINE = 120.0


@dataclass(frozen=True)
class Hosts:
    """Both, each below a directory of its own."""

    cloud: Cloud
    database: PostgreSql
    base: Path
    ports: dict[str, int] = field(default_factory=lambda: {name: free_port() for name in NAMES})
    public_port: int = field(default_factory=free_port)

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.ports[name]}"

    def inventory(self, own: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
        admin = self.cloud.auth("admin")["cloud"]["auth"]
        uid, keystone = str(self.cloud.settings["demo_uid"]), admin["auth_url"]
        directory = {"owner": uid, "group": uid}
        shared = {
            **LOCAL,
            "glance_uv": UV,
            # Nobody listens there: a host is verified at its own address, not through a balancer.
            "glance_public_url": f"http://127.0.0.1:{self.public_port}",
            "glance_workers": 1,
            "glance_database": {
                "type": "postgresql",
                "host": "127.0.0.1",
                "port": self.database.port,
                "user": "glance",
                "password": Literal(PASSWORD),
                "name": "glance",
            },
            "glance_stores_auth": admin,
            "glance_stores": [
                {
                    "name": "archive",
                    "type": "file",
                    "default": True,
                    "shared": True,
                    "filesystem_store_datadir": str(self.base / "archive"),
                    "directory": directory,
                }
            ],
        }
        password = Literal(self.cloud.glance_password)
        hosts = {
            name: {
                **service_variables("glance", self.base / name),
                "glance_user": uid,
                "glance_group": uid,
                "glance_listen_port": self.ports[name],
                "glance_worker_self_reference_url": self.url(name),
                "glance_keystone_auth": {"auth_url": keystone, "username": "glance", "password": password, "project_name": "service"},
                "glance_stores_internal": {
                    kind: {"filesystem_store_datadir": str(self.base / name / kind), "directory": directory} for kind in ("staging", "tasks")
                },
                **own.get(name, {}),
            }
            for name in NAMES
        }
        return {"glance": {"hosts": hosts, "vars": shared}}

    def deploy(self, own: Mapping[str, Mapping[str, Any]] | None = None, **variables: Any) -> Run:
        roles = [f"xenstack.image_services.{role}" for role in ("glance", "glance_stores")]
        with tempfile.NamedTemporaryFile("w", suffix=".yml") as inventory:
            yaml.safe_dump(self.inventory(own or {}), inventory)
            inventory.flush()
            return run_plays([{"hosts": "glance", "gather_facts": False, "serial": 1, "roles": roles}], variables, "-i", inventory.name)

    def auth(self, name: str, user: str = "alice") -> dict[str, Any]:
        """Options of the modules to ask one of the hosts."""
        options = self.cloud.auth(user)
        options["cloud"]["image_endpoint_override"] = self.url(name)
        return options

    def session(self) -> Session:
        return Session(v3.Password(**self.cloud.auth("alice")["cloud"]["auth"]))

    def serves(self, name: str) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url(name)}/healthcheck", timeout=10) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    @contextmanager
    def watched(self) -> Iterator[list[set[str]]]:
        """Which hosts answered, again and again."""
        seen: list[set[str]] = []
        done = threading.Event()

        def watch() -> None:
            while not done.is_set():
                seen.append({name for name in NAMES if self.serves(name)})
                time.sleep(0.02)

        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            yield seen
        finally:
            done.set()
            watcher.join()


def changes(run: Run) -> dict[str, int]:
    """Changed tasks by host, of those that the play has come to."""
    return {name: int(count) for name, count in re.findall(r"^(glance-\d)\s+: ok=\d+\s+changed=(\d+)\s", run.output, re.MULTILINE)}


@pytest.fixture(scope="module")
def hosts(cloud: Cloud) -> Iterator[Hosts]:
    base = cloud.base / "hosts"
    shutil.rmtree(base, ignore_errors=True)
    base.mkdir()
    with postgresql() as database:
        database.create("glance", PASSWORD)
        hosts = Hosts(cloud, database, base)
        try:
            # With the driver that the role takes for this database.
            for name in NAMES:
                provide(base / name, ["glance"], SHARED.with_name("services-postgresql"), glance_database_url="postgresql+psycopg://localhost/glance")
            built_nothing(hosts.deploy().succeeded())
            yield hosts
        finally:
            for name in NAMES:
                stop_if_there("glance", base / name)
            shutil.rmtree(base)


def test_both_serve_and_a_second_run_changes_nothing(hosts: Hosts) -> None:
    before = [serving_processes("glance", hosts.base / name) for name in NAMES]
    assert all(before)
    assert changes(hosts.deploy().succeeded()) == dict.fromkeys(NAMES, 0)
    assert [serving_processes("glance", hosts.base / name) for name in NAMES] == before
    # The second host has found what the first one has loaded.
    assert hosts.database.execute("SELECT count(*) - count(DISTINCT namespace), count(*) > 30 FROM metadef_namespaces", database="glance") == ["0|t"]
    for name in NAMES:
        config = (hosts.base / name / "glance" / "config" / "glance-api.conf").read_text(encoding="utf-8")
        assert "postgresql+psycopg" in config


def test_an_image_of_one_host_is_the_same_on_the_other(hosts: Hosts, image_name: str, small_disk: Path) -> None:
    image = {"name": image_name, "src": str(small_disk), "disk_format": "raw", "container_format": "bare"}
    first, second = (hosts.auth(name) for name in NAMES)
    created = run_module("glance_image", {**first, **image}).succeeded()
    assert created["changed"]
    assert not run_module("glance_image", {**second, **image}).succeeded()["changed"]
    assert hosts.session().get(f"{hosts.url('glance-2')}/v2/images/{created['image']['id']}/file").content == small_disk.read_bytes()
    run_module("glance_image", {**second, "id": created["image"]["id"], "state": "absent"}).succeeded()
    assert run_module("glance_image_info", {**first, "name": image_name}).succeeded()["images"] == []
    assert list((hosts.base / "archive").iterdir()) == []


def test_what_was_staged_on_one_host_is_imported_through_the_other(hosts: Hosts, image_name: str, small_disk: Path) -> None:
    session = hosts.session()
    first, second = (f"{hosts.url(name)}/v2/images" for name in NAMES)
    image = session.post(first, json={"name": image_name, "disk_format": "raw", "container_format": "bare"}).json()["id"]
    session.put(f"{first}/{image}/stage", data=small_disk.read_bytes(), headers={"Content-Type": "application/octet-stream"})
    assert [path.name for path in (hosts.base / "glance-1" / "staging").iterdir()] == [image]
    assert session.post(f"{second}/{image}/import", json={"method": {"name": "glance-direct"}}).status_code == 202
    deadline = time.monotonic() + DEADLINE
    while (found := session.get(f"{second}/{image}").json())["status"] != "active":
        assert found["status"] in ("uploading", "importing"), found
        assert time.monotonic() < deadline, found
        time.sleep(0.1)
    assert found["os_hash_value"] == hashlib.new(found["os_hash_algo"], small_disk.read_bytes()).hexdigest()
    assert list((hosts.base / "glance-1" / "staging").iterdir()) == []
    session.delete(f"{second}/{image}")


def test_one_host_serves_while_the_other_restarts(hosts: Hosts) -> None:
    with hosts.watched() as seen:
        run = hosts.deploy(glance_log_level="WARNING").succeeded()
    assert min(changes(run).values()) > 0
    assert set() not in seen
    assert {name for name in NAMES if set(NAMES) - {name} in seen} == set(NAMES), "both have restarted"
    assert hosts.deploy().succeeded()


def test_a_host_that_does_not_work_stops_the_play_before_the_next_one(hosts: Hosts) -> None:
    auth = hosts.inventory({})["glance"]["hosts"]["glance-1"]["glance_keystone_auth"]
    before = (hosts.base / "glance-2" / "glance" / "config" / "glance-api.conf").read_bytes()
    run = hosts.deploy({"glance-1": {"glance_keystone_auth": {**auth, "password": "another-secret"}}}, glance_log_level="DEBUG")
    assert run.returncode != 0
    assert set(changes(run)) == {"glance-1"}
    assert "another-secret" not in run.output
    assert (hosts.base / "glance-2" / "glance" / "config" / "glance-api.conf").read_bytes() == before
    # The first one is back at what worked.
    assert all(hosts.serves(name) for name in NAMES)
    for name in NAMES:
        run_module("glance_image_info", hosts.auth(name)).succeeded()
    assert changes(hosts.deploy().succeeded()) == dict.fromkeys(NAMES, 0)
