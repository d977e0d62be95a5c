# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real Cinder beside the cloud of the tests, without a backend of its own, and a client of its API."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.xenstack.image_services.tests.support import xapi
from ansible_collections.xenstack.image_services.tests.support.cloud import Cloud
from ansible_collections.xenstack.image_services.tests.support.deployed import WORKER
from ansible_collections.xenstack.image_services.tests.support.deployment import ROOT, free_port
from ansible_collections.xenstack.image_services.tests.support.modules import run_module
from ansible_collections.xenstack.image_services.tests.support.xapi import PoolUnderTest

VENV = ROOT / ".venv-cinder"
CONTROL = Path(__file__).with_name("cinder_control.py")
BASE = ROOT / ".test" / f"cinder-{WORKER}"
PASSWORD = "cinder-pass-word"
IDLE_TIMEOUT = 180.0

CONFIGURATION = """\
# A comment of the operator's.
[DEFAULT]
host = tests
transport_url = fake://
auth_strategy = keystone
osapi_volume_listen = 127.0.0.1
osapi_volume_listen_port = {port}
osapi_volume_workers = 1
api_paste_config = {base}/api-paste.ini
resource_query_filters_file = {base}/resource_filters.json
state_path = {base}/state
image_conversion_dir = {base}/state/conversion
glance_api_servers = {glance}
glance_num_retries = 3
backup_driver = cinder.backup.drivers.posix.PosixBackupDriver
backup_posix_path = {base}/backups
backup_compression_algorithm = none
backup_file_size = 268435456
backup_sha_block_size_bytes = 4194304
graceful_shutdown_timeout = 5
periodic_interval = 2
periodic_fuzzy_delay = 1
quota_volumes = -1
quota_gigabytes = -1
quota_snapshots = -1

[database]
connection = sqlite:///{base}/cinder.sqlite?timeout=60

[keystone_authtoken]
{credentials}

[oslo_concurrency]
lock_path = {base}/state/locks

[coordination]
backend_url = file://{base}/state/coordination
"""


class Refused(AssertionError):
    """Cinder has answered with an error; whoever expects it looks at the status."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"{status}: {text}")
        self.status = status


def pause(until: float) -> float:
    """Seconds to the next look: each takes time of the one process that does the work, so that long work is looked at less often."""
    waited = IDLE_TIMEOUT - (until - time.monotonic())
    return min(max(waited / 10, 0.1), 1.0)


@dataclass
class Cinder:
    """The service by its files, and its API as the administrator uses it."""

    base: Path
    url: str
    auth: dict[str, Any]
    _session: Any = field(default=None)

    @property
    def configuration(self) -> Path:
        return self.base / "cinder.conf"

    @property
    def python(self) -> Path:
        return self.base / "env" / "bin" / "python"

    def control(self, action: str) -> list[str]:
        return [sys.executable, str(CONTROL), action, str(self.base)]

    def run(self, action: str) -> None:
        done = subprocess.run(self.control(action), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        assert done.returncode == 0, done.stdout

    def log(self) -> str:
        return (self.base / "cinder.log").read_text(errors="replace")

    def ask(self, method: str, path: str, body: Any = None, version: str = "3.71") -> Any:
        """One request; the answer's JSON."""
        answer = self._client().request(
            f"{self.url}/v3{path}", method, json=body, headers={"OpenStack-API-Version": f"volume {version}"}, raise_exc=False, authenticated=True
        )
        if answer.status_code >= 300:
            raise Refused(answer.status_code, answer.text)
        return answer.json() if answer.content else {}

    def _client(self) -> Any:
        if self._session is None:
            import requests
            from keystoneauth1.identity import v3
            from keystoneauth1.session import Session

            self._session = Session(auth=v3.Password(**self.auth), session=requests.Session())
        return self._session

    def close(self) -> None:
        if self._session is not None:
            self._session.session.close()

    def provider_location(self, volume: str) -> str:
        """Where the driver says that a volume lies; the API does not tell."""
        with contextlib.closing(sqlite3.connect(self.base / "cinder.sqlite")) as database:
            ((found,),) = database.execute("SELECT provider_location FROM volumes WHERE id = ?", [volume])
        return str(found)

    # What the tests do with volumes

    def create(self, size: int | None = 1, **more: Any) -> dict[str, Any]:
        given: dict[str, Any] = self.ask("POST", "/volumes", {"volume": {"size": size, **more}})["volume"]
        return given

    def action(self, path: str, name: str, **arguments: Any) -> Any:
        return self.ask("POST", f"{path}/action", {name: arguments})

    def get(self, kind: str, identity: str) -> dict[str, Any] | None:
        try:
            found: dict[str, Any] = self.ask("GET", f"/{kind}s/{identity}")[kind]
        except Refused as exc:
            if exc.status != 404:
                raise
            return None
        return found

    def settled(self, kind: str, identity: str, expected: str = "available", *, also: Callable[[dict[str, Any]], bool] = bool) -> dict[str, Any]:
        """The object once it has the status; another one that nothing follows fails at once."""
        until = time.monotonic() + IDLE_TIMEOUT
        while True:
            found = self.get(kind, identity)
            assert found is not None, f"{kind} {identity} has gone\n{self.log()[-6000:]}"
            if found["status"] == expected and also(found):
                return found
            unexpected = found["status"].startswith("error") and found["status"] != "error_deleting" and not expected.startswith("error")
            assert not unexpected, f"{found}\n{self.log()[-8000:]}"
            assert time.monotonic() < until, f"{found}\n{self.log()[-6000:]}"
            time.sleep(pause(until))

    def back_up(self, volume: str) -> str:
        """A backup, once the scheduler has heard of the service that makes it: it hears by and by after a start."""
        until = time.monotonic() + IDLE_TIMEOUT
        while True:
            made: str = self.ask("POST", "/backups", {"backup": {"volume_id": volume}})["backup"]["id"]
            while (found := self.get("backup", made) or {})["status"] == "creating":
                assert time.monotonic() < until, f"{found}\n{self.log()[-6000:]}"
                time.sleep(pause(until))
            if found["status"] == "available":
                return made
            assert "Service not found" in str(found["fail_reason"]), f"{found}\n{self.log()[-6000:]}"
            assert time.monotonic() < until, found
            self.delete("backup", made)
            self.settled("volume", volume)

    def delete(self, kind: str, identity: str) -> None:
        self.ask("DELETE", f"/{kind}s/{identity}")
        self.gone(kind, identity)

    def gone(self, kind: str, identity: str) -> None:
        until = time.monotonic() + IDLE_TIMEOUT
        while (found := self.get(kind, identity)) is not None:
            assert not found["status"].startswith("error"), f"{found}\n{self.log()[-8000:]}"
            assert time.monotonic() < until, f"{found}\n{self.log()[-6000:]}"
            time.sleep(pause(until))


def deploy_cinder(cloud: Cloud) -> Iterator[Cinder]:
    """Serve Cinder's API from the environment that its lock describes; one of an earlier run that has not ended is ended."""
    assert (VENV / ".stamp").exists(), "make .venv-cinder/.stamp"
    subprocess.run([sys.executable, str(CONTROL), "kill", str(BASE)], check=True)
    shutil.rmtree(BASE, ignore_errors=True)
    (BASE / "state" / "conversion").mkdir(parents=True)
    (BASE / "backups").mkdir()
    (BASE / "state" / "locks").mkdir()
    (BASE / "state" / "coordination").mkdir()
    admin = cloud.auth("admin")["cloud"]["auth"]
    port = free_port()
    cinder = Cinder(BASE, f"http://127.0.0.1:{port}", admin)
    _make_environment(BASE / "env")
    for name in ("api-paste.ini", "resource_filters.json"):
        shutil.copy(VENV / "etc" / "cinder" / name, BASE / name)
    credentials = {
        "auth_type": "password",
        "auth_url": admin["auth_url"],
        "username": "cinder",
        "password": PASSWORD,
        "project_name": "service",
        "user_domain_name": "Default",
        "project_domain_name": "Default",
    }
    text = CONFIGURATION.format(
        base=BASE, port=port, glance=f"http://127.0.0.1:{cloud.glance_port}", credentials="\n".join(f"{key} = {value}" for key, value in credentials.items())
    )
    cinder.configuration.write_text(text)
    (BASE / "control.json").write_text(json.dumps({"python": str(cinder.python), "url": cinder.url}))
    _database(cinder)
    with _in_the_catalogue(admin, cinder.url):
        try:
            cinder.run("start")
            yield cinder
        finally:
            cinder.close()
            cinder.run("stop")


def _make_environment(directory: Path) -> None:
    """What the role installs goes into an environment of its own, over the one that the lock describes."""
    subprocess.run([VENV / "bin" / "python", "-m", "venv", "--without-pip", directory], check=True)
    (packages,) = directory.glob("lib/python3*/site-packages")
    (locked,) = VENV.resolve().glob("lib/python3*/site-packages")
    (packages / "locked.pth").write_text(f"{locked}\n")
    program = directory / "bin" / "cinder-volume"
    program.write_text(f"#!{directory}/bin/python\nimport cinder.cmd.volume\n")
    program.chmod(0o755)


def _database(cinder: Cinder) -> None:
    """The tables are made once for each version of the lock."""
    digest = hashlib.sha256((ROOT / "requirements" / "cinder.txt").read_bytes()).hexdigest()[:16]
    template = BASE.with_name(f"{BASE.name}-{digest}.sqlite")
    target = cinder.base / "cinder.sqlite"
    if not template.exists():
        command = [cinder.python, "-c", "from cinder.cmd.manage import main; main()", "--config-file", cinder.configuration, "db", "sync"]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        assert done.returncode == 0, done.stdout
        partial = template.with_suffix(".partial")
        shutil.copy(target, partial)
        partial.replace(template)
    shutil.copy(template, target)


@contextlib.contextmanager
def _in_the_catalogue(admin: dict[str, Any], url: str) -> Iterator[None]:
    """The user of the service, and its entry; other tests see no entry of a service that has ended."""
    seed = {"auth_url": admin["auth_url"], "password": admin["password"]}
    service = {"name": "cinder", "type": "block-storage", "public_url": f"{url}/v3"}
    roles = [{"project": "service", "role": role} for role in ("admin", "service")]
    user = {"name": "cinder", "password": PASSWORD, "roles": roles}
    run_module("keystone_seed", {**seed, "users": [user], "services": [{**service, "enabled": True}]}).succeeded()
    try:
        yield
    finally:
        run_module("keystone_seed", {**seed, "services": [{**service, "enabled": False}]}).succeeded()


def backend_types(cinder: Cinder) -> dict[str, Any]:
    """Extra specs of the volume types, by name."""
    return {each["name"]: each["extra_specs"] for each in cinder.ask("GET", "/types")["volume_types"]}


def role_variables(cloud: Cloud, cinder: Cinder, pool: PoolUnderTest, **more: Any) -> dict[str, Any]:
    """What the role needs to give this Cinder a backend on the simulated pool."""
    mine = os.getuid()
    return {
        "cinder_xenapinfs_connection_url": pool.server.url,
        "cinder_xenapinfs_password": xapi.PASSWORD,
        "cinder_xenapinfs_ca_path": str(pool.certificate),
        "cinder_xenapinfs_nfs_server": "nfs.example.org",
        "cinder_xenapinfs_nfs_serverpath": "/srv/volumes",
        "cinder_xenapinfs_python": str(cinder.python),
        "cinder_xenapinfs_home": str(cinder.base / "role"),
        "cinder_xenapinfs_config_file": str(cinder.configuration),
        "cinder_xenapinfs_config_owner": str(mine),
        "cinder_xenapinfs_config_group": str(mine),
        "cinder_xenapinfs_config_backups": 0,
        "cinder_xenapinfs_restart_command": cinder.control("restart"),
        "cinder_xenapinfs_cloud": cloud.auth("admin")["cloud"],
        "cinder_xenapinfs_api_python": sys.executable,
        **more,
    }
