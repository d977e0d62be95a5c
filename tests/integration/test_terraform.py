# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Terraform example against a real Glance: created, planned again without a change, changed, and destroyed without a trace; and what plans see of
the cloud where a provider lets them look."""

from __future__ import annotations

import gzip
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.xenstack.image_services.tests.support.cloud import Cloud
from ansible_collections.xenstack.image_services.tests.support.deployment import LOCAL, ROOT, quick
from ansible_collections.xenstack.image_services.tests.support.modules import run_module
from ansible_collections.xenstack.image_services.tests.support.terraform_external import ExternalProvider

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
        self.environment = {
            **kept,
            **quick(),
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "CHECKPOINT_DISABLE": "1",
            "OS_CLIENT_CONFIG_FILE": str(cloud.base / "clouds.yaml"),
            "TF_CLI_CONFIG_FILE": "/dev/null",
            "TF_IN_AUTOMATION": "1",
        }

    def __call__(self, command: str, *arguments: str, expected: int = 0, **environment: str) -> str:
        return self.run([str(TERRAFORM), command, *arguments], expected, **environment)

    def run(self, command: Sequence[str], expected: int, **environment: str) -> str:
        done = subprocess.run(
            command,
            cwd=self.directory,
            env={**self.environment, **environment},
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

    def apply(self, expected: int = 0) -> str:
        """What it prints begins with the plan."""
        return self("apply", "-auto-approve", "-input=false", "-no-color", expected=expected)

    def plan(self, expected: int) -> str:
        return self("plan", "-detailed-exitcode", "-input=false", "-no-color", expected=expected)

    def told(self, expected: int) -> str:
        """A plan by the line of the README that needs no provider."""
        readme = (self.directory / "README.md").read_text(encoding="utf-8")
        (line,) = re.findall("^TF_VAR_seen=.*$", readme, re.MULTILINE)
        return self.run(["/bin/sh", "-c", f"{line} -input=false -no-color"], expected)

    def destroy(self) -> None:
        self("destroy", "-auto-approve", "-input=false", "-no-color")

    def output(self, name: str) -> Any:
        return json.loads(self("output", "-json", name))


def words(output: str) -> str:
    """Without Terraform's frames and line breaks."""
    return " ".join(output.replace("│", " ").split())


@pytest.fixture
def terraform(cloud: Cloud, tmp_path: Path) -> Terraform:
    terraform = Terraform(tmp_path / "terraform", cloud)
    # No provider is asked for anywhere.
    terraform("init", "-input=false", "-no-color", HTTPS_PROXY="http://127.0.0.1:9", HTTP_PROXY="http://127.0.0.1:9")
    return terraform


@pytest.fixture
def provider(terraform: Terraform, tmp_path: Path) -> Iterator[ExternalProvider]:
    with ExternalProvider(tmp_path / "provider", terraform.directory, terraform.environment) as provider:
        yield provider


@pytest.fixture
def looking(terraform: Terraform, provider: ExternalProvider, tmp_path: Path) -> Terraform:
    """With the drift.tf that needs a provider."""
    shutil.copy(EXAMPLE / "external" / "drift.tf", terraform.directory / "drift.tf")
    (tmp_path / "mirror").mkdir()
    assert "hashicorp/external" in terraform("init", "-input=false", "-no-color", f"-plugin-dir={tmp_path / 'mirror'}", expected=1)
    terraform.environment.update(provider.environment)
    terraform("init", "-input=false", "-no-color")
    terraform("validate")
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
    images: dict[str, dict[str, Any]] = {
        one: {"src": str(small_disk), "disk_format": "raw", "tags": ["a"], "min_disk": 1},
        two: {"src": str(packed), "decompress": True, "disk_format": "raw", "properties": {"os_distro": "debian"}, "on_replace": "delete"},
    }
    terraform.declare(images=images)
    assert "No such file or directory" in terraform.apply(expected=1)
    assert present(cloud, image_name) == {}
    # What has failed is repeated.
    packed.write_bytes(gzip.compress(os.urandom(MIB)))
    terraform.apply()
    made = present(cloud, image_name)
    assert set(made) == {one, two}
    assert terraform.output("image_ids") == {name: image["id"] for name, image in made.items()}
    assert terraform.output("images")[one] == {key: made[one][key] for key in ("id", "status", "size", "hash_algo", "hash_value", "stores")}
    # What was not looked at is not called unchanged without a word.
    assert "it has not looked at the cloud" in words(terraform.plan(UNCHANGED))
    # A run that is told what the cloud holds.
    run_module("glance_image", {**cloud.auth("alice"), "name": one, "tags": ["somebody"]}).succeeded()
    assert f'{one}: tags is ["somebody"], declared ["a"]' in words(terraform.told(CHANGED))

    images[one].update(tags=["b"], min_disk=2)
    images[three] = {"src": str(small_disk), "disk_format": "raw"}
    packed.write_bytes(gzip.compress(os.urandom(MIB)))
    terraform.declare(images=images)
    planned = terraform.apply()
    assert re.findall(r"# (terraform_data\.\S.*) (?:will|must) be (.*)", planned) == [
        (f'terraform_data.image["{one}"]', "updated in-place"),
        (f'terraform_data.image["{three}"]', "created"),
        ("terraform_data.images", "replaced"),
    ]
    assert "~ min_disk    = 1 -> 2" in planned
    assert '~ "a" -> "b",' in planned
    changed = present(cloud, image_name)
    assert set(changed) == {one, two, three}
    assert (changed[one]["id"], changed[one]["tags"], changed[one]["min_disk"]) == (made[one]["id"], ["b"], 2)
    assert changed[two]["id"] != made[two]["id"], "its content is another"
    assert terraform.output("image_ids") == {name: image["id"] for name, image in changed.items()}
    terraform.plan(UNCHANGED)

    # A checkout without the file of results is told how to get it.
    shutil.rmtree(terraform.directory / "results")
    assert "terraform apply -replace=terraform_data.images" in words(terraform("plan", "-no-color", expected=1))
    del images[one]
    terraform.declare(images=images)
    assert re.findall(r"# terraform_data\.(image\[.*\]) (.*)", terraform.apply()) == [(f'image["{one}"]', "will be destroyed")]
    assert set(present(cloud, image_name)) == {two, three}
    assert set(terraform.output("image_ids")) == {two, three}
    terraform.plan(UNCHANGED)

    state = (terraform.directory / "terraform.tfstate").read_text(encoding="utf-8")
    for secret in cloud.auth("alice")["cloud"]["auth"]["password"], "auth_url":
        assert secret not in state
    terraform.destroy()
    assert present(cloud, image_name) == {}


def test_an_image_of_somebody_else_is_adopted_only_when_told(cloud: Cloud, terraform: Terraform, image_name: str, small_disk: Path) -> None:
    declared = {"src": str(small_disk), "disk_format": "raw"}
    theirs, ours = f"{image_name} theirs", f"{image_name} ours"
    there = run_module("glance_image", {**cloud.auth("alice"), "name": theirs, **declared}).succeeded()["image"]["id"]
    terraform.declare(images={theirs: {"tags": ["taken"]}, ours: declared})
    refused = words(terraform.apply(expected=1))
    assert f"Cannot keep image '{theirs}'" in refused
    assert there in refused
    assert {name: image["tags"] for name, image in present(cloud, image_name).items()} == {theirs: []}, "nothing was created beside it"

    terraform.declare(images={theirs: {"tags": ["taken"], "adopt": True}, ours: declared})
    terraform.apply()
    assert present(cloud, image_name)[theirs]["tags"] == ["taken"]
    assert terraform.output("image_ids")[theirs] == there
    terraform.plan(UNCHANGED)
    # One that takes the place of ours is not ours.
    cloud.remove_images(ours)
    other = run_module("glance_image", {**cloud.auth("alice"), "name": ours, **declared}).succeeded()["image"]["id"]
    terraform.destroy()
    assert {name: image["id"] for name, image in present(cloud, image_name).items()} == {ours: other}


def test_plans_look_at_the_cloud_by_a_provider(
    cloud: Cloud, looking: Terraform, provider: ExternalProvider, image_name: str, small_disk: Path, tmp_path: Path
) -> None:
    terraform = looking
    names = open_, gone, other, theirs = [f"{image_name} {word}" for word in ("open", "gone", "other", "theirs")]
    declared = {"src": str(small_disk), "disk_format": "raw"}
    images: dict[str, dict[str, Any]] = {
        open_: {**declared, "visibility": "private", "properties": {"os_distro": "debian"}, "properties_mode": "exact"},
        gone: declared,
        other: {**declared, "on_replace": "delete"},
    }
    terraform.declare(images=images)
    terraform.apply()
    made = present(cloud, image_name)
    runs = provider.runs
    assert "Warning" not in terraform.plan(UNCHANGED)
    assert provider.runs == runs + 1, "one for all images"

    # Somebody does this in the cloud, and the plan says of each image what; the next apply undoes it.
    bytes_of_others = tmp_path / "other.raw"
    bytes_of_others.write_bytes(os.urandom(MIB))
    as_alice = cloud.auth("alice")
    run_module("glance_image", {**as_alice, "id": made[open_]["id"], "visibility": "shared", "properties": {"os_distro": "\x1b[2J"}}).succeeded()
    run_module("glance_image", {**as_alice, "name": other, "src": str(bytes_of_others), "disk_format": "raw", "on_replace": "delete"}).succeeded()
    run_module("glance_image", {**as_alice, "name": gone, "state": "absent"}).succeeded()
    planned = terraform.plan(CHANGED)
    told = words(planned)
    assert f'{open_}: properties.os_distro is "\\u001b[2J", declared "debian", visibility is "shared", declared "private"' in told
    assert f"{gone}: it is not in the cloud" in told
    assert f'{other}: content is "{present(cloud, image_name)[other]["hash_algo"]}:' in told
    assert f'declared "{small_disk}"' in told
    assert re.findall(r"# (terraform_data\.\S.*) (?:will|must) be (.*)", planned) == [
        *((f'terraform_data.image["{name}"]', "updated in-place") for name in sorted((open_, gone, other))),
        ("terraform_data.images", "replaced"),
    ]
    terraform.apply()
    repaired = present(cloud, image_name)
    assert set(repaired) == {open_, gone, other}
    assert (repaired[open_]["id"], repaired[open_]["visibility"], repaired[open_]["os_distro"]) == (made[open_]["id"], "private", "debian")
    assert repaired[other]["hash_value"] == repaired[gone]["hash_value"] == made[other]["hash_value"]
    assert "Warning" not in terraform.plan(UNCHANGED)

    # An image of somebody else is refused before anything changes, and what taking it over means is in the plan.
    run_module("glance_image", {**as_alice, "name": theirs, **declared}).succeeded()
    images[theirs] = {"tags": ["taken"]}
    del images[gone]
    terraform.declare(images=images)
    assert f"Cannot keep image '{theirs}'" in words(terraform.plan(1))
    images[theirs]["adopt"] = True
    terraform.declare(images=images)
    planned = terraform.apply()
    assert "+ adopt = true" in planned
    assert f'{theirs}: tags is [], declared ["taken"]' in words(planned)
    assert {name: image["tags"] for name, image in present(cloud, image_name).items()} == {open_: [], other: [], theirs: ["taken"]}

    # A plan that cannot look says so, and not that nothing has changed.
    nowhere = tmp_path / "clouds.yaml"
    auth = {**as_alice["cloud"]["auth"], "auth_url": "http://127.0.0.1:9/v3"}
    nowhere.write_text(json.dumps({"clouds": {"alice": {**as_alice["cloud"], "auth": auth}}}), encoding="utf-8")
    terraform.declare(images=images, ansible_playbook="/no/ansible-playbook")
    refused = words(terraform.plan(1))
    assert "Cannot look at cloud 'alice': '/no/ansible-playbook' cannot be run: No such file or directory. Set the variable ansible_playbook" in refused
    terraform.declare(images=images)
    provider.variables["OS_CLIENT_CONFIG_FILE"] = str(nowhere)
    refused = words(terraform.plan(1))
    assert "127.0.0.1:9" in refused
    assert "Traceback" not in refused
    provider.variables["OS_CLIENT_CONFIG_FILE"] = terraform.environment["OS_CLIENT_CONFIG_FILE"]
    runs = provider.runs
    terraform("destroy", "-auto-approve", "-input=false", "-no-color", "-refresh=false")
    assert provider.runs == runs
    assert not set(names) & set(present(cloud, image_name))


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
        terraform.destroy()
        assert set(stores()) == {store["name"] for store in permanent}
        assert present(cloud, image_name) == {}
    finally:
        run_module("glance_store_dir", {"path": str(directory), "state": "absent"}).succeeded()
