# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook that keeps one UUID on all hosts of an installation, whose directories of this machine stand for hosts; and what Nova's parser reads."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.xenstack.image_services.plugins.module_utils._core.errors import ImageServicesError
from ansible_collections.xenstack.image_services.plugins.module_utils._instances.installation import Option, find, put
from ansible_collections.xenstack.image_services.tests.support.cloud import Cloud
from ansible_collections.xenstack.image_services.tests.support.deployment import LOCAL, ROOT, Run, run_playbook

PLAYBOOK = ROOT / "playbooks" / "nova_installation_uuid.yml"
HOSTS = ("controller1", "controller2", "controller3")
UUID = "0b5c1c9a-58f3-4b8e-9a6f-6f0d2a3f9c11"
OTHER = "7a2b5f0e-6c0c-4f0d-9d1e-3a5f4f3d2c1b"


class Installation:
    """Hosts by name, each with its own file."""

    def __init__(self, base: Path, hosts: Mapping[str, Mapping[str, Any]]) -> None:
        self.base = base
        self.inventory = base / "inventory.yml"
        self.inventory.write_text(yaml.safe_dump({"nova_installation_uuid_hosts": {"hosts": {name: {**LOCAL, **more} for name, more in hosts.items()}}}))

    def run(self, *arguments: str, **variables: Any) -> Run:
        run = run_playbook(PLAYBOOK, variables, "-i", str(self.inventory), *arguments)
        assert "Traceback" not in run.output
        return run

    def changed(self, run: Run) -> dict[str, int]:
        """By host of the installation: localhost only checks the inventory."""
        recap = run.succeeded().output.partition("PLAY RECAP")[2]
        return {name: int(count) for name, count in re.findall(r"^(\S+)\s+: ok=\d+\s+changed=(\d+)", recap, re.MULTILINE) if name != "localhost"}

    def file(self, host: str) -> Path:
        return self.base / host / "installation_uuid"

    def there(self) -> dict[str, str]:
        return {path.parent.name: path.read_text() for path in self.base.glob("*/installation_uuid")}


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Installation]:
    def installation(*names: str) -> Installation:
        for name in names:
            (tmp_path / name).mkdir(exist_ok=True)
        return Installation(tmp_path, {name: {"nova_installation_uuid_path": str(tmp_path / name / "installation_uuid")} for name in names})

    return installation


def test_all_hosts_get_one_and_a_new_host_joins(make: Callable[..., Installation]) -> None:
    first = make(*HOSTS[:2])
    assert first.changed(first.run("--check", "--diff")) == dict.fromkeys(HOSTS[:2], 1)
    assert first.there() == {}
    made = first.run()
    (text,) = set(first.there().values())
    assert sorted(first.there()) == list(HOSTS[:2])
    assert f"The installation has {text.strip()}" in made.output
    assert first.changed(first.run()) == dict.fromkeys(HOSTS[:2], 0)

    joined = make("a-new-host", *HOSTS[:2])
    assert joined.changed(joined.run("--check")) == {"a-new-host": 1, **dict.fromkeys(HOSTS[:2], 0)}
    assert joined.changed(joined.run()) == {"a-new-host": 1, **dict.fromkeys(HOSTS[:2], 0)}
    assert joined.there() == {"a-new-host": text, **first.there()}


def test_hosts_that_differ_are_named_before_any_change(make: Callable[..., Installation]) -> None:
    installation = make(*HOSTS)
    installation.file("controller2").write_text(UUID)
    installation.file("controller3").write_text(OTHER.upper())
    before = installation.there()
    run = installation.run()
    assert run.returncode != 0
    said = " ".join(run.output.split())
    assert f"Cannot keep installation UUID: its hosts differ: controller2 has {UUID}, controller3 has {OTHER}." in said
    assert installation.there() == before


@pytest.mark.parametrize("arguments", [["--limit", "controller3"], ["--limit", "!controller1"]])
def test_a_host_that_is_left_out_is_missed(make: Callable[..., Installation], arguments: list[str]) -> None:
    installation = make(*HOSTS)
    installation.file("controller1").write_text(UUID)
    run = installation.run(*arguments)
    assert run.returncode != 0
    assert "controller1" in " ".join(run.output.split()).partition("Cannot keep installation UUID: ")[2]
    assert sorted(installation.there()) == ["controller1"]


def test_one_host_that_cannot_be_read_stops_all(make: Callable[..., Installation]) -> None:
    installation = make(*HOSTS)
    installation.file("controller3").write_text("none")
    run = installation.run()
    assert run.returncode != 0
    assert "line 1 holds no UUID" in " ".join(run.output.split())
    assert sorted(installation.there()) == ["controller3"]


def test_the_one_that_is_given_is_kept_and_never_put_beside_another(make: Callable[..., Installation]) -> None:
    installation = make(*HOSTS)
    assert set(installation.changed(installation.run(nova_installation_uuid_value=UUID.upper())).values()) == {1}
    assert set(installation.there().values()) == {f"{UUID}\n"}
    refused = installation.run(nova_installation_uuid_value=OTHER)
    assert refused.returncode != 0
    assert f"it is {UUID}, and uuid is {OTHER}" in " ".join(refused.output.split())
    assert set(installation.there().values()) == {f"{UUID}\n"}


def test_a_relative_path_is_refused_because_hosts_know_no_directory_of_the_user(make: Callable[..., Installation]) -> None:
    run = make(*HOSTS).run(nova_installation_uuid_path="installation_uuid")
    assert run.returncode != 0
    assert "nova_installation_uuid_path is 'installation_uuid'. Give an absolute path" in " ".join(run.output.split())


def test_a_misspelt_variable_is_refused_before_any_change(make: Callable[..., Installation]) -> None:
    installation = make(*HOSTS)
    run = installation.run(nova_installation_uuid_config_fil="/etc/nova/nova.conf")
    assert run.returncode != 0
    assert "nova_installation_uuid_config_fil is no variable of the playbook. Write nova_installation_uuid_config_file instead." in run.output
    assert installation.there() == {}


def test_it_is_kept_in_configurations_and_handed_on(tmp_path: Path) -> None:
    hosts = {}
    for name in HOSTS:
        (tmp_path / name).mkdir()
        path = tmp_path / name / "nova.conf"
        path.write_text(f"[DEFAULT]\ntransport_url = rabbit://nova:secret-of-{name}@mq\n")
        hosts[name] = {"nova_installation_uuid_config_file": str(path), "nova_installation_uuid_mode": "0640", "nova_installation_uuid_path": "/not/taken"}
    installation = Installation(tmp_path, hosts)
    after = tmp_path / "after.yml"
    plays = [
        {"ansible.builtin.import_playbook": str(PLAYBOOK)},
        {"hosts": "all", "gather_facts": False, "tasks": [{"ansible.builtin.debug": {"msg": "{{ inventory_hostname }} has <{{ nova_installation_uuid }}>"}}]},
    ]
    after.write_text(yaml.safe_dump(plays))
    run = run_playbook(after, {}, "-i", str(installation.inventory), "-vvv", "--diff").succeeded()
    assert "secret-of" not in run.output
    handed = dict(re.findall(r"(controller\d) has <([0-9a-f-]{36})>", run.output))
    assert sorted(handed) == list(HOSTS)
    (uuid,) = set(handed.values())
    for name in HOSTS:
        text = (tmp_path / name / "nova.conf").read_text()
        assert text == f"[DEFAULT]\nnova_installation_uuid = {uuid}\ntransport_url = rabbit://nova:secret-of-{name}@mq\n"
        assert (tmp_path / name / "nova.conf").stat().st_mode & 0o777 == 0o640


# Every option of each file as oslo.config's own parser reads it, by section; None for a file that it refuses.
READER = """
import json, sys
from oslo_config import cfg
found = []
for path in sys.argv[1:]:
    sections = {}
    try:
        cfg.ConfigParser(path, sections).parse()
    except cfg.ParseError:
        sections = None
    found.append(sections)
print(json.dumps(found))
"""
FILES = [
    "",
    "[DEFAULT]",
    "# Nova\n[DEFAULT]\ndebug = true\n",
    "[DEFAULT]\r\ndebug = true\r\n\r\n[api]\r\nx = 1",
    "[api]\nx = 1\n  more of it",
    "[DEFAULT]\n# a\n\n; b\nx = 1\n\tmore\n\n[DEFAULT]\ny: 2\n",
    "[default]\nx=1\n[ DEFAULT ]\ny=2\n",
    "[DEFAULT]\rx = 1\r[api]\ry = 2",
    f"[other]\nnova_installation_uuid = {OTHER}\n",
    "[DEFAULT]\n  x = 1\n",
    "[DEFAULT\nx = 1\n",
]


def test_nova_reads_what_was_put_and_everything_else_as_before(cloud: Cloud, tmp_path: Path) -> None:
    (python,) = (cloud.base / "glance" / "venvs").glob("*/bin/python")
    option, names = Option("DEFAULT", "nova_installation_uuid"), []
    for number, text in enumerate(FILES):
        before, after = tmp_path / f"{number}.before", tmp_path / f"{number}.after"
        before.write_bytes(text.encode())
        try:
            after.write_bytes(put(str(before), text.encode(), option, UUID))
        except ImageServicesError:
            after.write_bytes(text.encode())
        names += [str(before), str(after)]
    read = json.loads(subprocess.run([str(python), "-c", READER, *names], stdout=subprocess.PIPE, text=True, check=True).stdout)
    for text, before, after in zip(FILES, read[::2], read[1::2]):
        if before is None:
            assert after is None, "it was refused here as well"
            continue
        assert after["DEFAULT"].pop("nova_installation_uuid") == [UUID], text
        assert after == {"DEFAULT": {}, **before}, text
        assert find("nova.conf", put("nova.conf", text.encode(), option, UUID), option) == UUID
