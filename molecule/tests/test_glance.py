# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the roles keystone and glance leave on a host with systemd."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Api
    from testinfra.host import Host

PORTS = {"keystone": 5000, "glance": 9292}
LOCKS = {"keystone": "requirements-30.0.0.txt", "glance": "requirements-33.0.0.txt"}
INSTALLED = "import importlib.metadata, json; print(json.dumps({dist.metadata['Name']: dist.version for dist in importlib.metadata.distributions()}))"
SECRETS = ("molecule-admin", "molecule-gl%nce$ecret{x}")


def main_process(host: Host, unit: str) -> int:
    return int(host.check_output("systemctl show --property MainPID --value %s", unit))


@pytest.mark.parametrize("unit", PORTS)
def test_the_unit_runs_now_and_after_a_reboot(host: Host, unit: str) -> None:
    assert host.service(unit).is_running
    assert host.service(unit).is_enabled
    assert host.socket(f"tcp://127.0.0.1:{PORTS[unit]}").is_listening


@pytest.mark.parametrize("unit", PORTS)
def test_the_service_is_not_root_and_cannot_become_it(host: Host, unit: str) -> None:
    state = dict(line.split(":\t", 1) for line in host.file(f"/proc/{main_process(host, unit)}/status").content_string.splitlines() if ":\t" in line)
    assert "0" not in state["Uid"].split() + state["Gid"].split() + state["Groups"].split()
    assert int(state["CapBnd"], 16) == 0
    assert state["NoNewPrivs"] == "1"
    assert state["Seccomp"] == "2"


@pytest.mark.parametrize("unit", PORTS)
def test_the_sandbox_is_in_force(host: Host, unit: str) -> None:
    mounts = [line.split() for line in host.file(f"/proc/{main_process(host, unit)}/mountinfo").content_string.splitlines()]
    options = {fields[4]: fields[5].split(",") for fields in mounts}
    assert "ro" in options["/"]
    assert "rw" in options[f"/var/lib/{unit}"]
    assert "/tmp" in options


def test_glance_asks_keystone_who_calls(nobody: Api, service: Api) -> None:
    assert nobody.glance("GET", "/healthcheck").status == 200
    assert nobody.glance("GET", "/v2/images").status == 401
    assert service.glance("GET", "/v2/images").status == 200


@pytest.mark.parametrize("path", ["/etc/glance/glance-api.conf", "/etc/glance/policy.yaml", "/etc/keystone/keystone.conf"])
def test_only_the_service_reads_its_configuration(host: Host, path: str) -> None:
    file = host.file(path)
    assert (file.user, oct(file.mode)) == ("root", "0o640")
    assert file.gid != 0


@pytest.mark.parametrize("unit", PORTS)
def test_no_password_is_seen(host: Host, unit: str) -> None:
    seen = host.check_output("ps -eo args") + host.check_output("journalctl --no-pager --unit %s", unit) + host.check_output("systemctl cat %s", unit)
    assert not [secret for secret in SECRETS if secret in seen]


@pytest.mark.parametrize("unit", PORTS)
def test_what_is_installed_is_what_the_lock_holds(host: Host, unit: str) -> None:
    venv = f"/opt/{unit}/current"
    if unit == "glance" and host.package("python3-glance").is_installed:
        assert not host.file(venv).exists
        return
    lock = (Path(__file__).parents[2] / "roles" / unit / "files" / LOCKS[unit]).read_text(encoding="utf-8")
    assert host.file(f"{venv}/requirements.lock").content_string.strip() == lock.strip()
    pins: dict[str, set[str]] = {}
    for name, version in re.findall(r"(?m)^([a-z0-9.-]+)==([^ ;]+)", lock):
        pins.setdefault(name, set()).add(version)
    # -I, so that no package of the distribution or of another directory is listed.
    found = {re.sub("[._]", "-", name.lower()): version for name, version in json.loads(host.check_output(f"{venv}/bin/python -I -c %s", INSTALLED)).items()}
    assert len(found) > 50
    assert {name: version for name, version in found.items() if version not in pins.get(name, set())} == {}
