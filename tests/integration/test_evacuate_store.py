# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook that empties a store and drops it: planned in check mode, in batches, and with nothing to do the second time."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.xenstack.image_services.tests.support.cloud import Cloud
from ansible_collections.xenstack.image_services.tests.support.deployment import LOCAL, ROOT, Run, run_playbook
from ansible_collections.xenstack.image_services.tests.support.modules import run_module

PLAYBOOK = ROOT / "playbooks" / "evacuate_store.yml"


@pytest.fixture
def inventory(cloud: Cloud, variables: dict[str, Any], tmp_path: Path) -> Iterator[Path]:
    """A host glance whose list still holds the stores old; its directory goes in the end."""
    owner = variables["glance_stores"][0]["directory"]
    old = {"name": "old", "type": "file", "filesystem_store_datadir": str(cloud.store_directory("old")), "directory": owner}
    declared = {**variables, **LOCAL, "ansible_become": False, "glance_stores": [*variables["glance_stores"], old]}
    path = tmp_path / "inventory.yml"
    path.write_text(yaml.safe_dump({"all": {"hosts": {"localhost": LOCAL}, "children": {"glance": {"hosts": {"controller": declared}}}}}))
    yield path
    run_module("glance_store_dir", {"path": old["filesystem_store_datadir"], "state": "absent"}).succeeded()


def run(cloud: Cloud, inventory: Path, *arguments: str, **variables: Any) -> Run:
    return run_playbook(PLAYBOOK, {"evacuate_store_cloud": cloud.auth("admin")["cloud"], **variables}, "-i", str(inventory), *arguments)


def offered(cloud: Cloud) -> list[str]:
    return [store["id"] for store in run_module("glance_store_info", cloud.auth("admin")).succeeded()["stores"]]


def test_a_store_is_emptied_and_dropped(cloud: Cloud, inventory: Path, image_name: str, tmp_path: Path) -> None:
    deployed = tmp_path / "deploy.yml"
    deployed.write_text(yaml.safe_dump([{"hosts": "glance", "gather_facts": False, "roles": ["xenstack.image_services.glance_stores"]}]))
    run_playbook(deployed, {}, "-i", str(inventory)).succeeded()
    assert "old" in offered(cloud)
    images = []
    for number in range(3):
        path = tmp_path / f"{number}.raw"
        path.write_bytes(os.urandom(64 * 1024))
        declared = {"name": f"{image_name} {number}", "src": str(path), "disk_format": "raw", "stores": ["old"]}
        images.append((run_module("glance_image", {**cloud.auth("alice"), **declared}).succeeded()["image"], path))

    planned = run(cloud, inventory, "--check", evacuate_store="old").succeeded()
    assert "3 images with 196608 bytes are in store 'old', 196608 bytes are to copy, 0 images are skipped" in planned.output
    assert all(f"{image['id']}  65536 bytes  {image['name']}: copy to fast" in planned.output for image, _path in images)
    assert "Store 'old' would be dropped after that." in planned.output
    assert "old" in offered(cloud)
    assert all(cloud.stored_bytes(image, "old").exists() for image, _path in images)

    done = run(cloud, inventory, evacuate_store="old", evacuate_store_batch=2).succeeded()
    assert "2 images moved, 1 left in store 'old'" in done.output
    assert "1 images moved, 0 left in store 'old'" in done.output
    assert "Remove store 'old' from glance_stores in the inventory" in done.output
    assert offered(cloud) == ["fast", "archive"]
    for image, path in images:
        cloud.assert_stored(image, path, "fast")
        assert not cloud.stored_bytes(image, "old").exists()

    for arguments in (["--check"], []):
        again = run(cloud, inventory, *arguments, evacuate_store="old").succeeded()
        assert "Glance does not offer store 'old': there is nothing to move" in again.output
        assert again.output.count("changed=0") == 2, again.output


def test_the_stores_and_the_cloud_are_those_of_the_play(cloud: Cloud, variables: dict[str, Any], tmp_path: Path) -> None:
    """As a site has them that sets the variables of the roles in its playbook, not in its inventory."""
    inventory = tmp_path / "inventory.yml"
    inventory.write_text(yaml.safe_dump({"all": {"hosts": {"localhost": LOCAL}, "children": {"glance": {"hosts": {"controller": LOCAL}}}}}))
    of_play = {"glance_stores": variables["glance_stores"], "glance_stores_cloud": cloud.auth("admin")["cloud"], "evacuate_store": "nowhere"}
    playbook = tmp_path / "site.yml"
    playbook.write_text(yaml.safe_dump([{"import_playbook": str(PLAYBOOK), "vars": of_play}]))
    done = run_playbook(playbook, {}, "-i", str(inventory), "--limit", "localhost").succeeded()
    assert "Glance does not offer store 'nowhere': there is nothing to move" in done.output


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({}, "Cannot evacuate store '': evacuate_store is not given."),
        ({"evacuate_store": "archive", "evacuate_store_to": "fast"}, "evacuate_store_to is no list of stores."),
        ({"evacuate_store": "archive", "evacuate_store_batch": 0}, "evacuate_store_batch is '0'. Give a number from 1."),
        ({"evacuate_store": "archive", "evacuate_store_concurrency": "many"}, "evacuate_store_concurrency is 'many'. Give a whole number."),
        (
            {"evacuate_store": "archive", "evacuate_store_on_deactivated": "delete"},
            "evacuate_store_on_deactivated is 'delete'. Choose refuse, skip or reactivate.",
        ),
        ({"evacuate_store": "fast"}, "Cannot evacuate store 'fast': glance_stores makes it the default."),
    ],
)
def test_bad_settings_are_refused(cloud: Cloud, inventory: Path, given: dict[str, Any], sentence: str) -> None:
    refused = run(cloud, inventory, **given)
    assert refused.returncode != 0
    assert sentence in refused.output
    assert "Remove the store" not in refused.output
