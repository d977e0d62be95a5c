# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the roles keystone and glance leave on a host with systemd."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from testinfra.host import Host

PORTS = {"keystone": 5000, "glance": 9292}
SECRETS = ("molecule-admin", "molecule-glance")


def main_process(host: Host, service: str) -> int:
    return int(host.check_output("systemctl show --property MainPID --value %s", service))


@pytest.fixture(scope="module")
def token(host: Host) -> str:
    """A token of the service user, who is known to Keystone as declared."""
    login = {
        "auth": {
            "identity": {"methods": ["password"], "password": {"user": {"name": "glance", "password": "molecule-glance", "domain": {"id": "default"}}}},
            "scope": {"project": {"name": "service", "domain": {"id": "default"}}},
        }
    }
    program = (
        "import json, sys, urllib.request as u; "
        "r = u.Request('http://127.0.0.1:5000/v3/auth/tokens', sys.argv[1].encode(), {'Content-Type': 'application/json'}); "
        "print(u.urlopen(r).headers['X-Subject-Token'])"
    )
    return str(host.check_output("python3 -c %s %s", program, json.dumps(login)))


def status(host: Host, url: str, token: str = "") -> int:
    """HTTP status of a GET on the host itself."""
    program = (
        "import sys, urllib.error as e, urllib.request as u\n"
        "try: print(u.urlopen(u.Request(sys.argv[1], headers={'X-Auth-Token': sys.argv[2]})).status)\n"
        "except e.HTTPError as answer: print(answer.code)"
    )
    return int(host.check_output("python3 -c %s %s %s", program, url, token))


@pytest.mark.parametrize("service", PORTS)
def test_the_unit_runs_now_and_after_a_reboot(host: Host, service: str) -> None:
    assert host.service(service).is_running
    assert host.service(service).is_enabled
    assert host.socket(f"tcp://127.0.0.1:{PORTS[service]}").is_listening


@pytest.mark.parametrize("service", PORTS)
def test_the_service_is_not_root_and_cannot_become_it(host: Host, service: str) -> None:
    state = dict(line.split(":\t", 1) for line in host.file(f"/proc/{main_process(host, service)}/status").content_string.splitlines() if ":\t" in line)
    assert set(state["Uid"].split()) == {str(host.user(service).uid)}
    assert int(state["CapBnd"], 16) == 0
    assert state["NoNewPrivs"] == "1"
    assert state["Seccomp"] == "2"


@pytest.mark.parametrize("service", PORTS)
def test_the_sandbox_is_in_force(host: Host, service: str) -> None:
    mounts = [line.split() for line in host.file(f"/proc/{main_process(host, service)}/mountinfo").content_string.splitlines()]
    options = {fields[4]: fields[5].split(",") for fields in mounts}
    assert "ro" in options["/"]
    assert "rw" in options[f"/var/lib/{service}"]
    assert "/tmp" in options


def test_glance_asks_keystone_who_calls(host: Host, token: str) -> None:
    assert status(host, "http://127.0.0.1:9292/healthcheck") == 200
    assert status(host, "http://127.0.0.1:9292/v2/images") == 401
    assert status(host, "http://127.0.0.1:9292/v2/images", token) == 200


@pytest.mark.parametrize("path", ["/etc/glance/glance-api.conf", "/etc/glance/policy.yaml", "/etc/keystone/keystone.conf"])
def test_only_the_service_reads_its_configuration(host: Host, path: str) -> None:
    file = host.file(path)
    assert (file.user, file.group, oct(file.mode)) == ("root", path.split("/")[2], "0o640")


@pytest.mark.parametrize("service", PORTS)
def test_no_password_is_seen(host: Host, service: str) -> None:
    seen = host.check_output("ps -eo args") + host.check_output("journalctl --no-pager --unit %s", service) + host.check_output("systemctl cat %s", service)
    assert not [secret for secret in SECRETS if secret in seen]
