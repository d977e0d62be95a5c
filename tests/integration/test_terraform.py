# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Terraform example against a real Glance: created, planned again without a change, changed, and destroyed without a trace."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.xenstack.image_services.tests.support.cloud import Cloud
from ansible_collections.xenstack.image_services.tests.support.deployment import LOCAL, ROOT
from ansible_collections.xenstack.image_services.tests.support.modules import run_module

TERRAFORM = shutil.which("terraform")
EXAMPLE = ROOT / "examples" / "terraform"
MIB = 1024 * 1024
UNCHANGED, CHANGED = 0, 2

pytestmark = pytest.mark.skipif(TERRAFORM is None, reason="terraform is not installed")


class Terraform:
    """A copy of the example with variables of its own."""

    def __init__(self, directory: Path, cloud: Cloud) -> None:
        self.directory = directory
        shutil.copytree(EXAMPLE, directory)
        (directory / "example.tfvars").unlink()
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("ANSIBLE_", "OS_", "TF_"))}
        self._environment = {
            **kept,
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "CHECKPOINT_DISABLE": "1",
            "OS_CLIENT_CONFIG_FILE": str(cloud.base / "clouds.yaml"),
            "TF_CLI_CONFIG_FILE": "/dev/null",
            "TF_IN_AUTOMATION": "1",
        }

    def __call__(self, command: str, *arguments: str, expected: int = 0, **environment: str) -> str:
        done = subprocess.run(
            [str(TERRAFORM), command, *arguments],
            cwd=self.directory,
            env={**self._environment, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == expected, done.stdout
        return done.stdout

    def declare(self, **variables: Any) -> None:
        values = {"cloud": "alice", "ansible_playbook": str(Path(sys.executable).with_name("ansible-playbook")), **variables}
        (self.directory / "terraform.tfvars.json").write_text(json.dumps(values), encoding="utf-8")

    def apply(self) -> None:
        self("apply", "-auto-approve", "-input=false", "-no-color")

    def plan(self, expected: int) -> str:
        return self("plan", "-detailed-exitcode", "-input=false", "-no-color", expected=expected)

    def output(self, name: str) -> Any:
        return json.loads(self("output", "-json", name))


@pytest.fixture
def terraform(cloud: Cloud, tmp_path: Path) -> Terraform:
    terraform = Terraform(tmp_path / "terraform", cloud)
    # No provider is asked for anywhere.
    terraform("init", "-input=false", "-no-color", HTTPS_PROXY="http://127.0.0.1:9", HTTP_PROXY="http://127.0.0.1:9")
    return terraform


def present(cloud: Cloud, prefix: str) -> dict[str, dict[str, Any]]:
    return {str(image["name"]): image for image in cloud.images("alice") if str(image["name"]).startswith(prefix)}


def test_the_example_is_formatted_and_valid(terraform: Terraform) -> None:
    terraform("fmt", "-check", "-recursive", "-diff")
    terraform("validate")
    shutil.copy(EXAMPLE / "example.tfvars", terraform.directory / "terraform.tfvars")
    planned = terraform.plan(CHANGED)
    assert 'terraform_data.image["debian-13"] will be created' in planned
    assert "Plan: 6 to add, 0 to change, 0 to destroy." in planned


def test_images_come_change_and_go(cloud: Cloud, terraform: Terraform, image_name: str, small_disk: Path, tmp_path: Path) -> None:
    one, two, three = (f"{image_name} {number}" for number in ("one", "two", "three"))
    packed = tmp_path / "packed.gz"
    packed.write_bytes(gzip.compress(os.urandom(MIB)))
    images: dict[str, dict[str, Any]] = {
        one: {"src": str(small_disk), "disk_format": "raw", "tags": ["a"]},
        two: {"src": str(packed), "decompress": True, "disk_format": "raw", "properties": {"os_distro": "debian"}, "on_replace": "delete"},
    }
    terraform.declare(images=images)
    terraform.apply()
    made = present(cloud, image_name)
    assert set(made) == {one, two}
    assert terraform.output("image_ids") == {name: image["id"] for name, image in made.items()}
    assert terraform.output("images")[one] == {key: made[one][key] for key in ("id", "status", "size", "hash_algo", "hash_value", "stores")}
    terraform.plan(UNCHANGED)

    images[one]["tags"] = ["b"]
    images[three] = {"src": str(small_disk), "disk_format": "raw"}
    packed.write_bytes(gzip.compress(os.urandom(MIB)))
    terraform.declare(images=images)
    terraform.apply()
    changed = present(cloud, image_name)
    assert set(changed) == {one, two, three}
    assert (changed[one]["id"], changed[one]["tags"]) == (made[one]["id"], ["b"])
    assert changed[two]["id"] != made[two]["id"], "its content is another"
    assert terraform.output("image_ids") == {name: image["id"] for name, image in changed.items()}
    terraform.plan(UNCHANGED)

    del images[one]
    terraform.declare(images=images)
    terraform.apply()
    assert set(present(cloud, image_name)) == {two, three}
    assert set(terraform.output("image_ids")) == {two, three}
    terraform.plan(UNCHANGED)

    state = (terraform.directory / "terraform.tfstate").read_text(encoding="utf-8")
    for secret in cloud.auth("alice")["cloud"]["auth"]["password"], "auth_url":
        assert secret not in state
    terraform("destroy", "-auto-approve", "-input=false", "-no-color")
    assert present(cloud, image_name) == {}


def test_an_image_of_somebody_else_is_adopted_only_when_told(cloud: Cloud, terraform: Terraform, image_name: str, small_disk: Path) -> None:
    declared = {"src": str(small_disk), "disk_format": "raw"}
    theirs, ours = f"{image_name} theirs", f"{image_name} ours"
    there = run_module("glance_image", {**cloud.auth("alice"), "name": theirs, **declared}).succeeded()["image"]["id"]
    terraform.declare(images={theirs: {"tags": ["taken"]}, ours: declared})
    refused = " ".join(terraform("apply", "-auto-approve", "-input=false", "-no-color", expected=1).split())
    assert f"Cannot keep image '{theirs}'" in refused
    assert there in refused
    assert set(present(cloud, image_name)) == {theirs}, "nothing was created beside it"
    terraform("destroy", "-auto-approve", "-input=false", "-no-color")
    assert present(cloud, image_name)[theirs]["tags"] == []

    terraform.declare(images={theirs: {"tags": ["taken"], "adopt": True}, ours: declared})
    terraform.apply()
    assert present(cloud, image_name)[theirs]["tags"] == ["taken"]
    assert terraform.output("image_ids")[theirs] == there
    terraform.plan(UNCHANGED)
    # One that takes the place of ours is not ours.
    cloud.remove_images(ours)
    other = run_module("glance_image", {**cloud.auth("alice"), "name": ours, **declared}).succeeded()["image"]["id"]
    terraform("destroy", "-auto-approve", "-input=false", "-no-color")
    assert {name: image["id"] for name, image in present(cloud, image_name).items()} == {ours: other}


def test_a_failure_is_told_and_the_next_apply_goes_on(cloud: Cloud, terraform: Terraform, image_name: str, small_disk: Path, tmp_path: Path) -> None:
    declared = {"src": str(tmp_path / "missing"), "disk_format": "raw"}
    terraform.declare(images={image_name: declared})
    assert "No such file or directory" in terraform("apply", "-auto-approve", "-input=false", "-no-color", expected=1)
    shutil.copy(small_disk, tmp_path / "missing")
    terraform.apply()
    assert terraform.output("image_ids") == {image_name: present(cloud, image_name)[image_name]["id"]}
    terraform.plan(UNCHANGED)
    # A checkout without the file is told how to get it.
    shutil.rmtree(terraform.directory / "results")
    assert "terraform apply -replace=terraform_data.images" in terraform("plan", "-no-color", expected=1).replace("\n", " ").replace("│ ", "")
    terraform("apply", "-auto-approve", "-input=false", "-replace=terraform_data.images")
    terraform.plan(UNCHANGED)
    terraform("destroy", "-auto-approve", "-input=false", "-no-color")
    assert present(cloud, image_name) == {}


def test_a_store_comes_with_its_image_and_goes_with_it(
    cloud: Cloud, terraform: Terraform, variables: dict[str, Any], image_name: str, small_disk: Path, tmp_path: Path
) -> None:
    permanent = variables.pop("glance_stores")
    inventory = tmp_path / "hosts.json"
    inventory.write_text(json.dumps({"glance": {"hosts": {"localhost": {**LOCAL, **variables}}}}), encoding="utf-8")
    directory = cloud.base / "data" / "terraform"
    extra = {"name": "terraform", "type": "file", "description": "first", "filesystem_store_datadir": str(directory)}
    declared = {"inventory": str(inventory), "permanent_stores": permanent}
    image = {image_name: {"src": str(small_disk), "disk_format": "raw", "stores": ["terraform"]}}

    def stores() -> dict[str, str]:
        found = run_module("glance_store_info", {**cloud.auth("admin"), "details": True}).succeeded()["stores"]
        return {store["id"]: store["description"] for store in found}

    try:
        terraform.declare(**declared, stores=[extra], images=image)
        terraform.apply()
        assert stores()["terraform"] == "first"
        assert present(cloud, image_name)[image_name]["stores"] == ["terraform"]
        terraform.plan(UNCHANGED)

        terraform.declare(**declared, stores=[{**extra, "description": "second"}], images=image)
        terraform.apply()
        assert stores()["terraform"] == "second"
        assert present(cloud, image_name)[image_name]["stores"] == ["terraform"]

        # The store and the image that lies only there, in one step.
        terraform.declare(**declared)
        terraform.apply()
        assert set(stores()) == {store["name"] for store in permanent}
        assert present(cloud, image_name) == {}
        terraform.plan(UNCHANGED)

        terraform.declare(**declared, stores=[extra], images=image)
        terraform.apply()
        terraform("destroy", "-auto-approve", "-input=false", "-no-color")
        assert set(stores()) == {store["name"] for store in permanent}
        assert present(cloud, image_name) == {}
    finally:
        run_module("glance_store_dir", {"path": str(directory), "state": "absent"}).succeeded()
