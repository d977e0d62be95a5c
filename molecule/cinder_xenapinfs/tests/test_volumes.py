# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Volumes of a Cinder whose services talk through RabbitMQ, through its API, and what the role has left on the host."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from conftest import Api
    from testinfra.host import Host

CINDER = "http://127.0.0.1:8776/v3"
DONE = 120


def ask(admin: Api, method: str, path: str, body: Any = None, expected: tuple[int, ...] = (200, 201, 202, 204)) -> Any:
    answer = admin.call(method, CINDER + path, "" if body is None else json.dumps(body), content_type="application/json")
    assert answer.status in expected, answer.body
    return answer.json() if answer.body else {}


def settled(admin: Api, kind: str, identity: str, **wanted: Any) -> dict[str, Any]:
    until = time.monotonic() + DONE
    while True:
        found: dict[str, Any] = ask(admin, "GET", f"/{kind}s/{identity}")[kind]
        if found["status"] == "available" and all(found[key] == value for key, value in wanted.items()):
            return found
        assert not found["status"].startswith("error"), admin.host.check_output("journalctl --unit=cinder-volume --lines=200 --output=cat")
        assert time.monotonic() < until, found
        time.sleep(0.5)


def delete(admin: Api, kind: str, identity: str) -> None:
    ask(admin, "DELETE", f"/{kind}s/{identity}")
    until = time.monotonic() + DONE
    while ask(admin, "GET", f"/{kind}s/{identity}", expected=(200, 404)).get(kind):
        assert time.monotonic() < until
        time.sleep(0.5)


def test_the_service_is_up(admin: Api) -> None:
    services = ask(admin, "GET", "/os-services")["services"]
    assert {(each["binary"], each["host"], each["state"]) for each in services} == {
        ("cinder-scheduler", "debian12", "up"),
        ("cinder-volume", "debian12@xenapinfs", "up"),
    }


def test_the_life_of_a_volume(admin: Api) -> None:
    image = json.loads(admin.glance("GET", "/v2/images?name=disk").body)["images"][0]["id"]
    volume = ask(admin, "POST", "/volumes", {"volume": {"size": 1, "volume_type": "xenapinfs", "imageRef": image}})["volume"]["id"]
    assert settled(admin, "volume", volume)["bootable"] == "true"
    ask(admin, "POST", f"/volumes/{volume}/action", {"os-extend": {"new_size": 2}})
    settled(admin, "volume", volume, size=2)
    snapshot = ask(admin, "POST", "/snapshots", {"snapshot": {"volume_id": volume}})["snapshot"]["id"]
    settled(admin, "snapshot", snapshot)
    second = ask(admin, "POST", "/volumes", {"volume": {"snapshot_id": snapshot, "size": 2}})["volume"]["id"]
    settled(admin, "volume", second)
    for kind, identity in (("snapshot", snapshot), ("volume", second), ("volume", volume)):
        delete(admin, kind, identity)
    assert ask(admin, "GET", "/volumes")["volumes"] == []


def test_the_configuration_keeps_its_secret(host: Host) -> None:
    file = host.file("/etc/cinder/cinder.conf")
    assert (file.user, file.group, file.mode) == ("root", "cinder", 0o640)
    assert file.content_string.startswith("# A comment of the operator's.\n[DEFAULT]\nenabled_backends = xenapinfs\n")


@pytest.mark.parametrize("service", ["cinder-api", "cinder-scheduler", "cinder-volume"])
def test_services_run_as_the_user_of_cinder(host: Host, service: str) -> None:
    assert host.service(service).is_running
    assert host.check_output("ps -o user= -p $(systemctl show -P MainPID %s)", service) == "cinder"
