# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook that keeps one catalogue in several clouds; two projects stand for them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.xenstack.image_services.tests.support.cloud import Cloud
from ansible_collections.xenstack.image_services.tests.support.deployment import ROOT, Run, run_playbook

PLAYBOOK = ROOT / "playbooks" / "catalog.yml"


def keep(cloud: Cloud, catalogue: Path | str | None, *arguments: str, cwd: Path = ROOT, **variables: Any) -> Run:
    where = {"catalog_file": str(catalogue)} if catalogue is not None else {}
    return run_playbook(PLAYBOOK, {**where, **variables}, *arguments, more={"OS_CLIENT_CONFIG_FILE": str(cloud.base / "clouds.yaml")}, cwd=cwd)


def test_every_cloud_gets_the_images_and_their_ids_are_written(cloud: Cloud, image_name: str, small_disk: Path, tmp_path: Path) -> None:
    catalogue, result = tmp_path / "catalogue.yml", tmp_path / "ids.json"
    declared: dict[str, Any] = {
        "clouds": ["alice", "bob"],
        "defaults": {"tags": ["a"]},
        "images": [{"name": image_name, "src": str(small_disk), "disk_format": "raw"}],
    }
    catalogue.write_text(yaml.safe_dump(declared), encoding="utf-8")
    predicted = keep(cloud, catalogue, "--check", "--diff").succeeded()
    assert predicted.changed == 1
    assert image_name in predicted.output
    assert keep(cloud, catalogue, catalog_result=str(result)).succeeded().changed == 2
    ids = json.loads(result.read_text(encoding="utf-8"))
    for name in ("alice", "bob"):
        image = next(image for image in cloud.images(name) if image["id"] == ids[name][image_name])
        assert (image["status"], image["tags"]) == ("active", ["a"])
    assert ids["alice"] != ids["bob"]
    # From another directory, by relative paths, and by the option name of openstack.cloud.
    shutil.copy(small_disk, tmp_path / "disk.raw")
    declared["images"] = [{"name": image_name, "filename": "disk.raw", "disk_format": "raw"}]
    catalogue.write_text(yaml.safe_dump(declared), encoding="utf-8")
    result.unlink()
    again = keep(cloud, "catalogue.yml", cwd=tmp_path, catalog_result="ids.json").succeeded()
    assert again.changed == 1, "the file alone"
    assert json.loads(result.read_text(encoding="utf-8")) == ids
    assert not list((ROOT / "playbooks").glob("*.json"))
    assert keep(cloud, catalogue, cwd=tmp_path, catalog_result=str(result)).succeeded().changed == 0


def test_what_is_pruned_is_shown_without_being_asked(cloud: Cloud, image_name: str, tmp_path: Path) -> None:
    """On the terminal, as ansible-playbook shows it without -v; and an empty list prunes nothing."""
    catalogue = tmp_path / "catalogue.yml"
    images = [{"name": f"{image_name} {number}", "state": "reserved", "tags": [image_name]} for number in range(2)]
    declared = {"clouds": ["alice"], "images": images, "prune": True, "prune_scope": {"tag": image_name}}
    catalogue.write_text(yaml.safe_dump(declared), encoding="utf-8")
    keep(cloud, catalogue).succeeded()
    ident = next(image["id"] for image in cloud.images("alice") if image["name"] == f"{image_name} 1")
    catalogue.write_text(yaml.safe_dump({**declared, "images": images[:1]}), encoding="utf-8")
    line = f"image '{image_name} 1' ({ident}) in cloud 'alice': no item declares it."
    assert f"localhost: would delete {line}" in keep(cloud, catalogue, "--check").succeeded().output
    assert f"localhost: deleted {line}" in keep(cloud, catalogue).succeeded().output
    assert "delete" not in keep(cloud, catalogue).succeeded().output
    for empty in ([], None):
        catalogue.write_text(yaml.safe_dump({**declared, "images": empty}), encoding="utf-8")
        failed = keep(cloud, catalogue)
        assert failed.returncode != 0
        assert "Traceback" not in failed.output
    assert [image["name"] for image in cloud.images("alice") if image["name"].startswith(image_name)] == [f"{image_name} 0"]


@pytest.mark.parametrize(
    ("catalogue", "sentence"),
    [
        (None, "Cannot keep catalogue: catalog_file is not given"),
        ({"images": []}, "needs a list of clouds and a list of images"),
        ({"clouds": "alice", "images": []}, "needs a list of clouds and a list of images"),
        ({"clouds": ["alice"], "images": [], "prun": True, "cloud": "bob"}, "it has cloud, prun, which glance_images does not take. Correct it."),
        ({"clouds": ["alice"], "images": [{"nam": "x"}]}, "Cannot keep images[0]: it has no option 'nam'"),
    ],
)
def test_a_catalogue_that_cannot_be_meant_is_refused(cloud: Cloud, tmp_path: Path, catalogue: dict[str, Any] | None, sentence: str) -> None:
    path = tmp_path / "catalogue.yml"
    path.write_text(yaml.safe_dump(catalogue), encoding="utf-8")
    done = keep(cloud, path if catalogue is not None else None)
    assert done.returncode != 0
    assert sentence in done.output
    assert "Traceback" not in done.output
