# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host without a network gets Glance from a directory that the commands of the guide have filled."""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from conftest import Api
    from testinfra.host import Host

HERE = Path(__file__).parent
GLANCE = "http://127.0.0.1:9393"
WHEELS = "/srv/offline/wheels"
VENV = "/opt/offline/venvs/33.0.0"
# All that is left of the network of the container, which may not change it itself, is this end of the SSH connection.
ISOLATE = """
ip route add "$1/32" dev eth0
ip route flush proto kernel table main
ip route del default || true
ip -6 route flush table main
"""
INSTALLED = "import importlib.metadata, json; print(json.dumps({dist.metadata['Name']: dist.version for dist in importlib.metadata.distributions()}))"


@pytest.fixture(scope="module")
def isolated(host: Host) -> Host:
    """The host, once its directory is filled and its network is gone."""
    deadline = time.monotonic() + 400
    while host.run("systemctl is-active wheels").stdout.strip() == "active" and time.monotonic() < deadline:
        time.sleep(1)
    assert host.file("/srv/offline/complete").exists, host.check_output("journalctl --no-pager --unit wheels")
    container = f"image-services-glance_package-{host.backend.get_hostname()}"
    subprocess.run(["podman", "exec", "--privileged", container, "sh", "-euc", ISOLATE, "isolate", controller(host)], check=True)
    return host


def controller(host: Host) -> str:
    return host.check_output("echo ${SSH_CONNECTION%% *}")


def deploy(**variables: Any) -> tuple[int, str]:
    inventory = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"]) / "inventory"
    command = ["ansible-playbook", "-i", str(inventory), "-e", json.dumps(variables), str(HERE.parent / "offline.yml")]
    environment = {**os.environ, "ANSIBLE_FORCE_COLOR": "0", "ANSIBLE_NOCOLOR": "1"}
    run = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment, check=False)
    return run.returncode, run.stdout


def test_the_host_has_no_way_out(isolated: Host) -> None:
    routes = isolated.check_output("ip route show").splitlines() + isolated.check_output("ip -6 route show").splitlines()
    assert [route.split()[0] for route in routes] == [controller(isolated)]
    fetched = isolated.run("/opt/keystone/uv/bin/pip download --retries 0 --no-deps --dest /tmp/fetched six")
    assert fetched.rc != 0
    assert "No matching distribution found for six" in fetched.stderr


def test_a_package_that_is_missing_is_named_and_nothing_is_installed(isolated: Host) -> None:
    isolated.check_output("mkdir /srv/offline/away && mv %s/oslo[_.]config-* /srv/offline/away/", WHEELS)
    try:
        code, output = deploy()
    finally:
        isolated.check_output("mv /srv/offline/away/* %s/", WHEELS)
    assert code != 0
    said = " ".join(output.replace("''", "'").split())
    assert f"Cannot install glance '33.0.0': directory '{WHEELS}' has no package 'oslo-config" in said, output[-6000:]
    assert "oslo" not in isolated.check_output("ls %s/lib/python3*/site-packages", VENV)
    assert not isolated.file("/opt/offline/current").exists


def test_glance_is_deployed_and_serves(isolated: Host, admin: Api) -> None:
    code, output = deploy()
    assert code == 0, output
    assert isolated.check_output("readlink -f /opt/offline/current") == VENV
    assert isolated.file("/opt/offline/uv/bin/uv").exists
    image = admin.call("POST", f"{GLANCE}/v2/images", '{"name": "offline", "disk_format": "raw", "container_format": "bare"}', content_type="application/json")
    assert image.status == 201, image.body
    listed = admin.call("GET", f"{GLANCE}/v2/images").json()["images"]
    assert [each["name"] for each in listed] == ["offline"]


def test_what_is_installed_is_from_the_directory(isolated: Host) -> None:
    files = {name.replace(".", "_").replace("-", "_").lower() for name in isolated.file(WHEELS).listdir()}
    found = json.loads(isolated.check_output("%s/bin/python -I -c %s", VENV, INSTALLED))
    wanted = [f"{name}_{version}_".replace(".", "_").replace("-", "_").lower() for name, version in found.items()]
    assert len(found) > 50
    assert {"boto3", "glance"} <= {name.lower() for name in found}
    assert [each for each in wanted if not any(file.startswith(each) for file in files)] == []
