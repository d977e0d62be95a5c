# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role cinder_xenapinfs beside a real Cinder: what it refuses before the first change, a second backend, and a removal."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.xenstack.image_services.plugins.module_utils._core.ini import parse
from ansible_collections.xenstack.image_services.tests.support.cinder import Cinder, backend_types, role_variables
from ansible_collections.xenstack.image_services.tests.support.cloud import Cloud
from ansible_collections.xenstack.image_services.tests.support.deployment import LOCAL, Run, run_playbook, run_roles
from ansible_collections.xenstack.image_services.tests.support.xapi import PASSWORD, PoolUnderTest

ROLE = "xenstack.image_services.cinder_xenapinfs"


@pytest.fixture
def variables(cloud: Cloud, cinder: Cinder, volume_pool: PoolUnderTest) -> dict[str, Any]:
    return role_variables(cloud, cinder, volume_pool)


def interpreter(path: Path, version: str) -> str:
    """What stands for the interpreter of an environment with another Cinder."""
    told = {"cinder": version, "package": None, "xenapi": None, "venv": True}
    path.write_text(f"#!/bin/sh\necho '{json.dumps(told)}'\n")
    path.chmod(0o755)
    return str(path)


def try_cases(tmp_path: Path, cases: dict[str, dict[str, Any]], variables: dict[str, Any]) -> dict[str, str]:
    """The role once for each case, in one play; the message of each failure."""
    written = tmp_path / "messages.json"
    tasks: list[dict[str, Any]] = []
    for name, changes in cases.items():
        said = {"messages": "{{ messages | default({}) | combine({'" + name + "': ansible_failed_result.msg | default('')}) }}"}
        tasks.append({"block": [{"ansible.builtin.include_role": {"name": ROLE}, "vars": changes}], "rescue": [{"ansible.builtin.set_fact": said}]})
    tasks.append({"ansible.builtin.copy": {"content": "{{ messages | default({}) | to_json }}", "dest": str(written), "mode": "0600"}})
    playbook = tmp_path / "cases.yml"
    playbook.write_text(yaml.safe_dump([{"hosts": "localhost", "gather_facts": False, "vars": {**LOCAL, **variables}, "tasks": tasks}]))
    run_playbook(playbook, {}).succeeded()
    found: dict[str, str] = json.loads(written.read_text())
    return found


def test_what_would_go_wrong_is_refused_before_the_first_change(cinder: Cinder, variables: dict[str, Any], volume_pool: PoolUnderTest, tmp_path: Path) -> None:
    before = cinder.configuration.read_bytes()
    stranger = tmp_path / "uuid"
    stranger.write_text("00000000-0000-4000-8000-000000000000\n")
    new = {"cinder_xenapinfs_backend": "other"}
    expected = {
        "nameless": ({"cinder_xenapinfs_backend_name": " "}, "it needs cinder_xenapinfs_backend_name. Set what is missing."),
        "nowhere": ({"cinder_xenapinfs_connection_url": ""}, "it needs cinder_xenapinfs_connection_url. Set what is missing."),
        "anonymous": ({"cinder_xenapinfs_cloud": ""}, "there are no credentials for Cinder"),
        "unverifiable": ({"cinder_xenapinfs_volume_type": ""}, "without a volume type, Cinder could create the volume on any backend"),
        "no Cinder": ({"cinder_xenapinfs_config_file": str(tmp_path / "none.conf")}, "Deploy Cinder first"),
        "no environment": ({"cinder_xenapinfs_python": "/bin/false"}, "the interpreter '/bin/false' cannot be asked (it ends with exit code 1)"),
        "between": ({"cinder_xenapinfs_python": interpreter(tmp_path / "between", "23.1.0")}, "Cinder 23.1.0 has no XenAPINFS driver any more"),
        "taken": ({"cinder_xenapinfs_backend": "database"}, "Cinder cannot have a backend of this name"),
        "no VM": ({"cinder_xenapinfs_configuration": "local", "__cinder_xenapinfs_hypervisor_uuid": str(tmp_path / "none")}, "this host is no VM of Xen"),
        "a stranger": ({"cinder_xenapinfs_configuration": "local", "__cinder_xenapinfs_hypervisor_uuid": str(stranger)}, "Cannot find VM '00000000"),
        "no plugin": ({"cinder_xenapinfs_image_transport": "dom0"}, "Cannot use plugin 'imagestore'"),
        "no export": (new, "Cannot use NFS export 'nfs.example.org:/srv/volumes'"),
        "no entrance": ({"cinder_xenapinfs_password": "wrong-pass-word"}, "the pool refuses this user name and password"),
    }
    volume_pool.fault(kind="fail_call", method="SR.probe", error=["SR_BACKEND_FAILURE_73", "", "NFS mount error", ""])
    messages = try_cases(tmp_path, {name: changes for name, (changes, _says) in expected.items()}, variables)
    assert volume_pool.clear_faults() == []
    for name, (_changes, says) in expected.items():
        assert says in messages.get(name, ""), (name, messages)
        assert messages[name].startswith("Cannot "), messages[name]
    assert cinder.configuration.read_bytes() == before


def test_an_old_cinder_has_the_class_of_its_own_tree(variables: dict[str, Any], tmp_path: Path) -> None:
    file = tmp_path / "cinder.conf"
    file.write_text("[DEFAULT]\nverbose = true\nenabled_backends = lvm\n[lvm]\n")
    changes = {
        "cinder_xenapinfs_python": interpreter(tmp_path / "python", "2014.1.3"),
        "cinder_xenapinfs_config_file": str(file),
        "cinder_xenapinfs_home": str(tmp_path / "home"),
        "cinder_xenapinfs_restart_command": ["true"],
        "cinder_xenapinfs_volume_type": "",
        "cinder_xenapinfs_verify": "never",
    }
    assert try_cases(tmp_path, {"old": changes}, variables) == {}
    found = parse(file.read_text())
    assert found["DEFAULT"] == {"verbose": ["true"], "enabled_backends": ["lvm,xenapinfs"]}
    assert found["xenapinfs"]["volume_driver"] == ["cinder.volume.drivers.xenapi.sm.XenAPINFSDriver"]
    assert {"xenapi_verify", "xenapi_ca_path", "xenapi_image_transport"}.isdisjoint(found["xenapinfs"])
    assert not list((tmp_path / "home").glob("*.whl"))


def test_the_second_run_changes_nothing_and_no_run_tells_the_password(cinder: Cinder, variables: dict[str, Any]) -> None:
    again = run_roles(["cinder_xenapinfs"], variables, "-vvv", "--diff").succeeded()
    assert again.changed == 0, again.output
    changed = run_roles(["cinder_xenapinfs"], {**variables, "cinder_xenapinfs_sr_base_path": "/run/sr-mount"}, "-vvv", "--diff", "--check").succeeded()
    assert changed.changed > 0
    assert "+xenapi_sr_base_path = /run/sr-mount" in changed.output.splitlines()
    secret = {"cinder_xenapinfs_password": "another-Pass-word", "cinder_xenapinfs_extra_config": {"san_password": "Third-Pass-word"}}
    masked = run_roles(["cinder_xenapinfs"], {**variables, **secret, "cinder_xenapinfs_precheck": False}, "-vvv", "--diff", "--check").succeeded()
    lines = {"-xenapi_connection_password = ********", "+xenapi_connection_password = ******** (changed)", "+san_password = ********"}
    assert lines <= set(masked.output.splitlines())
    for run in (again, changed, masked):
        assert [word for word in (PASSWORD, "another-Pass-word", "Third-Pass-word") if word in run.output] == []
    assert stat.S_IMODE(cinder.configuration.stat().st_mode) == 0o640
    text = cinder.configuration.read_text()
    assert text.startswith("# A comment of the operator's.\n[DEFAULT]\nenabled_backends = xenapinfs\nhost = tests\n")
    assert backend_types(cinder)["xenapinfs"] == {"volume_backend_name": "xenapinfs"}


def refused(run: Run) -> str:
    assert run.returncode != 0, run.output
    assert "Traceback" not in run.output
    return run.output


def test_a_second_backend_comes_and_goes(cinder: Cinder, variables: dict[str, Any], volume_pool: PoolUnderTest) -> None:
    """Volumes of its type land on it, and it is not removed while there is one."""
    before = cinder.configuration.read_text()
    second = {**variables, "cinder_xenapinfs_backend": "second", "cinder_xenapinfs_nfs_serverpath": "/srv/second"}
    run_roles(["cinder_xenapinfs"], second).succeeded()
    with volume_pool.nothing_left("session"):
        made = {name: cinder.create(volume_type=name)["id"] for name in ("xenapinfs", "second")}
        for name, volume in made.items():
            assert cinder.settled("volume", volume)["os-vol-host-attr:host"] == f"tests@{name}#{name}"
        absent = {**second, "cinder_xenapinfs_state": "absent"}
        assert "1 volume(s) are on it" in refused(run_roles(["cinder_xenapinfs"], absent)).replace("\\n", " ")
        for volume in made.values():
            cinder.delete("volume", volume)
    assert run_roles(["cinder_xenapinfs"], absent).succeeded().changed
    assert cinder.configuration.read_text() == before
    assert "second" not in backend_types(cinder)
    volume = cinder.create(volume_type="xenapinfs")["id"]
    cinder.settled("volume", volume)
    cinder.delete("volume", volume)
