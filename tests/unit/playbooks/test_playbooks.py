# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What playbooks say twice is the same, and their paths are those of the user's directory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.xenstack.image_services.plugins.filter.absolute_paths import OF_CREDENTIALS, absolute_paths
from ansible_collections.xenstack.image_services.plugins.module_utils._glance.argspec import create_cloud_argspec
from ansible_collections.xenstack.image_services.plugins.module_utils._images.catalogue_options import create_catalogue_argspec
from ansible_collections.xenstack.image_services.tests.support.deployment import ROOT, run_playbook

PLAYBOOKS = [
    *sorted((ROOT / "playbooks").glob("*.yml")),
    *sorted((ROOT / "playbooks" / "tasks").glob("*.yml")),
    *sorted((ROOT / "examples").rglob("playbooks/*.yml")),
]
TASKS = [*PLAYBOOKS, *sorted((ROOT / "roles").glob("*/tasks/*.yml")), *sorted((ROOT / "roles").glob("*/handlers/*.yml"))]


def tasks_of(found: Any) -> Iterator[dict[str, Any]]:
    if isinstance(found, list):
        for each in found:
            yield from tasks_of(each)
    elif isinstance(found, dict):
        if "name" in found:
            yield found
        for key in ("tasks", "pre_tasks", "post_tasks", "block", "rescue", "always"):
            yield from tasks_of(found.get(key))


def test_the_catalogue_takes_each_option_of_its_module_and_no_other() -> None:
    (play,) = yaml.safe_load((ROOT / "playbooks" / "catalog.yml").read_text(encoding="utf-8"))
    expected = {*create_cloud_argspec().merge(create_catalogue_argspec()).options} - {"cloud"}
    assert set(play["vars"]["__catalog_options"]) == expected
    (task,) = [each for each in play["tasks"] if "xenstack.image_services.glance_images" in each]
    given = task["xenstack.image_services.glance_images"]
    assert set(given) == {*expected, "cloud"}
    assert all(f"__catalog.{option}" in given[option] for option in expected)


@pytest.mark.parametrize("path", TASKS, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_task_takes_its_arguments_from_a_template(path: Path) -> None:
    tasks = list(tasks_of(yaml.safe_load(path.read_text(encoding="utf-8"))))
    assert tasks
    for task in tasks:
        for key, value in task.items():
            if key == "args" or key.startswith("xenstack.image_services."):
                assert not isinstance(value, str) or "{{" not in value, task["name"]


def test_what_ansible_says_of_such_a_task_fails_every_test(tmp_path: Path) -> None:
    path = tmp_path / "play.yml"
    task = {"name": "Show", "ansible.builtin.debug": None, "args": "{{ {'msg': 'x'} }}"}
    path.write_text(yaml.safe_dump([{"hosts": "localhost", "gather_facts": False, "tasks": [task]}]), encoding="utf-8")
    with pytest.raises(AssertionError, match="template for task args is unsafe"):
        run_playbook(path, {})


def test_relative_paths_are_of_the_directory_where_the_user_stands(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/ada")
    given = {"ca_path": "pool.pem", "hostname": "pool.pem", "cert": "/etc/cert", "key": "~/key", "cacert": None, "client_cert": ""}
    expected = {**given, "ca_path": f"{tmp_path}/pool.pem", "key": "/home/ada/key"}
    assert absolute_paths(given) == expected
    assert absolute_paths([given]) == [expected]
    for other in ("production", None, 7, {}, []):
        assert absolute_paths(other) == other
    images = {"images": [{"src": "a/../b.raw", "properties": {"src": "x"}}, {"uri": "http://x"}], "defaults": {}}
    assert absolute_paths(images, ["images.src", "ca_cert"]) == {
        "images": [{"src": f"{tmp_path}/b.raw", "properties": {"src": "x"}}, {"uri": "http://x"}],
        "defaults": {},
    }
    assert given["ca_path"] == "pool.pem"
    assert {"ca_cert", "client_cert", "client_key", "cacert", "cert", "key", "ca_path"} == set(OF_CREDENTIALS)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("site", "Cannot deploy site: the inventory has no hosts in group 'keystone' or 'glance'. Name one that has, by option -i."),
        ("glance_check", "Cannot check stores: the inventory has no hosts in group 'glance'. Name"),
        ("nova_installation_uuid", "Cannot keep installation UUID: the inventory has no hosts in group 'nova_installation_uuid_hosts'. Name"),
    ],
)
@pytest.mark.parametrize("inventory", ["other,", "[glance]\n[keystone]\n"])
def test_an_inventory_without_its_hosts_is_no_success(name: str, sentence: str, inventory: str, tmp_path: Path) -> None:
    path = tmp_path / "hosts"
    path.write_text(inventory, encoding="utf-8")
    run = run_playbook(ROOT / "playbooks" / f"{name}.yml", {}, "-i", inventory if "," in inventory else str(path), "--tags", "check")
    assert run.returncode != 0, run.output
    assert sentence in " ".join(run.output.split())


def test_playbooks_for_groups_look_for_their_hosts_first() -> None:
    for path in sorted((ROOT / "playbooks").glob("*.yml")):
        first, *others = yaml.safe_load(path.read_text(encoding="utf-8"))
        if {play.get("hosts") for play in others} - {"localhost", None}:
            assert first["hosts"] == "localhost", path
