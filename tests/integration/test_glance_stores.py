# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role glance_stores against a running Glance: a third store comes, keeps its only image, and goes."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.xenstack.image_services.plugins.module_utils._stores.directory import owners
from ansible_collections.xenstack.image_services.tests.support.cloud import Cloud
from ansible_collections.xenstack.image_services.tests.support.deployment import ROOT, Run, run_playbook, run_roles
from ansible_collections.xenstack.image_services.tests.support.modules import run_module

SECRET = 's3cret$%"key'


@pytest.fixture
def extra(cloud: Cloud) -> Iterator[dict[str, Any]]:
    """A third store, declared; its directory goes in the end."""
    directory = cloud.base / "data" / "extra"
    yield {"name": "extra", "type": "file", "description": "100 % new", "filesystem_store_datadir": str(directory), "weight": 7}
    run_module("glance_store_dir", {"path": str(directory), "state": "absent"}).succeeded()


def stores(variables: dict[str, Any], *more: dict[str, Any], check: bool = False, **changes: Any) -> Run:
    declared = {**variables, **changes, "glance_stores": [*variables["glance_stores"], *more]}
    return run_roles(["glance_stores"], declared, *(["--check", "--diff"] if check else []))


def offered(cloud: Cloud) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = run_module("glance_store_info", {**cloud.auth("admin"), "details": True}).succeeded()["stores"]
    return found


def refusal(run: Run) -> str:
    assert run.returncode != 0, run.output
    assert "Traceback" not in run.output
    return run.output


def test_a_store_comes_keeps_its_only_image_and_goes(cloud: Cloud, variables: dict[str, Any], extra: dict[str, Any], small_disk: Path, image_name: str) -> None:
    directory = Path(extra["filesystem_store_datadir"])
    assert stores(variables, extra, check=True).succeeded().changed
    assert not directory.exists()
    assert stores(variables, extra).succeeded().changed
    assert stores(variables, extra).succeeded().changed == 0
    third = next(store for store in offered(cloud) if store["id"] == "extra")
    assert (third["description"], third["weight"], third["default"], third["properties"]["data_dir"]) == ("100 % new", 7, False, str(directory))
    assert third["properties"]["chunk_size"] == 1024 * 1024
    assert list(directory.iterdir()) == []

    image = {**cloud.auth("alice"), "name": image_name, "src": str(small_disk), "disk_format": "raw", "stores": ["extra"]}
    run_module("glance_image", image).succeeded()
    configuration = cloud.base / "glance" / "config" / "glance-stores.conf"
    before = configuration.read_text()
    assert "Cannot remove stores 'extra': 1 image(s) with 65536 bytes are only in these stores" in refusal(stores(variables)).replace("\\n", " ")
    assert configuration.read_text() == before

    cloud.remove_images(image_name)
    assert stores(variables).succeeded().changed
    assert [store["id"] for store in offered(cloud)] == ["fast", "archive"]


def test_a_removal_that_nobody_can_judge_is_refused(variables: dict[str, Any]) -> None:
    kept = {**variables, "glance_stores": [{**variables["glance_stores"][0], "default": True}]}
    assert "there are no credentials to find the images" in refusal(stores(kept, glance_stores_cloud="", glance_stores_verify=False))


def test_a_changed_directory_leaves_images_that_are_counted_and_can_be_deleted(
    cloud: Cloud, variables: dict[str, Any], extra: dict[str, Any], small_disk: Path, image_name: str
) -> None:
    stores(variables, extra).succeeded()
    image = {**cloud.auth("alice"), "name": image_name, "src": str(small_disk), "disk_format": "raw", "stores": ["extra"]}
    ident = run_module("glance_image", image).succeeded()["image"]["id"]
    former = Path(extra["filesystem_store_datadir"])
    (former / "not-an-image").write_text("")
    new = former.with_name("extra new")
    try:
        moved = stores(variables, {**extra, "filesystem_store_datadir": str(new)}).succeeded().output
        assert f"1 image(s) are in '{former}', which no store names any more." in " ".join(moved.split())
        assert (former / ident).exists()
        run_module("glance_image", {**cloud.auth("alice"), "name": image_name, "state": "absent"}).succeeded()
        assert not (former / ident).exists()
        assert stores(variables).succeeded().changed
    finally:
        (former / "not-an-image").unlink(missing_ok=True)
        run_module("glance_store_dir", {"path": str(new), "state": "absent"}).succeeded()


def test_a_check_that_failed_is_repeated(cloud: Cloud, variables: dict[str, Any], extra: dict[str, Any]) -> None:
    """The restart is forgotten: Glance does not offer the store, the next run restarts and proves although no file changes."""
    failed = stores(variables, extra, glance_stores_restart_command=["true"], glance_stores_verify_timeout=2)
    assert "Glance offers other stores than declared (extra missing)" in refusal(failed)
    assert stores(variables, extra).succeeded().changed
    assert "extra" in [store["id"] for store in offered(cloud)]


def test_tags_reach_their_steps(cloud: Cloud, variables: dict[str, Any], extra: dict[str, Any], tmp_path: Path) -> None:
    """Each tag of the README, from the files to the verification on demand, which a playbook of its own does as well."""
    declared = {**variables, "glance_stores": [*variables["glance_stores"], extra]}
    directory, configuration = Path(extra["filesystem_store_datadir"]), cloud.base / "glance" / "config" / "glance-stores.conf"

    def tagged(tag: str, **changes: Any) -> Run:
        return run_roles(["glance_stores"], {**declared, **changes}, "--tags", tag, "--diff")

    assert tagged("config").succeeded().changed == 1
    assert "[extra]" in configuration.read_text()
    assert (directory.exists(), "extra" in [store["id"] for store in offered(cloud)]) == (False, False)
    assert "Glance offers other stores than declared (extra missing)" in refusal(tagged("check", glance_stores_verify_timeout=2))
    assert tagged("stores").succeeded().changed
    assert (directory.exists(), "extra" in [store["id"] for store in offered(cloud)]) == (True, True)
    checked = tagged("check").succeeded()
    assert (checked.changed, "Verify | Send an image through every store" in checked.output) == (0, True)
    assert tagged("service").succeeded().changed == 0

    inventory = tmp_path / "hosts.ini"
    inventory.write_text(f"[glance]\nlocalhost ansible_connection=local ansible_python_interpreter={sys.executable}\n")
    playbook = ROOT / "playbooks" / "glance_check.yml"
    checked = run_playbook(playbook, {**declared, "ansible_become": False}, "-i", str(inventory)).succeeded()
    assert (checked.changed, "Verify | Send an image through every store" in checked.output) == (0, True)
    output = refusal(run_playbook(playbook, {**variables, "ansible_become": False, "glance_stores_verify_timeout": 2}, "-i", str(inventory)))
    assert "Glance offers other stores than declared (extra not declared)" in output


def test_the_check_finds_images_that_land_elsewhere(cloud: Cloud, variables: dict[str, Any], tmp_path: Path) -> None:
    """What the seed of many guides amounts to: the directory is prepared, but Glance writes to another one."""
    proved = [{"id": store["name"], "default": store["default"], "directories": [str(tmp_path)]} for store in variables["glance_stores"]]
    result = run_module("glance_store_check", {**cloud.auth("admin"), "stores": proved})
    assert f"the image of the check is not in '{tmp_path}'" in result.sentence()
    assert not [image for image in cloud.images("admin") if str(image["name"]).startswith("check of store")]


def test_bad_stores_are_refused_before_anything_is_written(cloud: Cloud, variables: dict[str, Any]) -> None:
    configuration = cloud.base / "glance" / "config" / "glance-stores.conf"
    before = configuration.stat().st_mtime_ns
    output = refusal(
        stores(
            variables,
            {"name": "x", "type": "filesystem"},
            {"name": "y", "type": "file", "filesystem_store_datadri": "/srv/y"},
            {"name": "z", "type": "file", "filesystem_store_datadir": str(cloud.store_directory("fast") / "z")},
        )
    )
    for expected in ("Write type: file.", "Did you mean filesystem_store_datadir?", "lies inside"):
        assert expected in output
    assert configuration.stat().st_mtime_ns == before


def test_a_misspelt_key_of_the_cloud_is_refused_before_anything_is_read(cloud: Cloud, variables: dict[str, Any]) -> None:
    """It would be ignored until the verification, which comes last."""
    admin = cloud.auth("admin")["cloud"]
    output = refusal(stores({**variables, "glance_stores_cloud": {**admin, "ca_cert": "/etc/ssl/site.pem"}}))
    assert "cloud has the key 'ca_cert', which no cloud has. Write cacert instead." in output
    assert "Plan | Compute what has to be done" not in output


def test_other_files_of_the_service_are_read_too(cloud: Cloud, variables: dict[str, Any]) -> None:
    directory = cloud.base / "glance" / "config" / "glance-api.conf.d"
    files = {
        "10-site.conf": ("[glance_store]\nfilesystem_store_datadir = /mnt/glance_images/\n", "where Glance ignores it"),
        "60-site.conf": ("[DEFAULT]\nenabled_backends = a:file\n", "it sets enabled_backends as well"),
    }
    try:
        for name, (text, _expected) in files.items():
            (directory / name).write_text(text)
        output = refusal(stores(variables))
    finally:
        for name in files:
            (directory / name).unlink(missing_ok=True)
    for _text, expected in files.values():
        assert expected in output


def test_files_for_another_deployment(tmp_path: Path) -> None:
    """Only files are written: no service is asked, no directory made, and no secret shown."""
    directory = tmp_path / "config" / "glance"
    variables = {
        "glance_stores_target": "files",
        "glance_stores_config_dir": str(directory),
        "glance_stores_config_file": "glance-api.conf",
        "glance_stores_service_config_dir": "/etc/glance",
        "glance_stores": [
            {"name": "local", "type": "file", "default": True, "filesystem_store_datadir": str(tmp_path / "never-made")},
            {
                "name": "objects",
                "type": "s3",
                "s3_store_host": "https://s3.example.org",
                "s3_store_bucket": "images",
                "s3_store_access_key": SECRET + "1",
                "s3_store_secret_key": SECRET + "2",
            },
            {"name": "swift", "type": "swift"},
        ],
        "glance_stores_swift_accounts": [{"reference": "ref1", "auth_address": "https://id.example.org/v3", "user": "service:glance", "key": SECRET + "3"}],
    }
    runs = [run_roles(["glance_stores"], variables, "-vvv", "--diff", *arguments) for arguments in (["--check"], [], [])]
    assert [run.succeeded().changed > 0 for run in runs] == [True, True, False]
    for run in runs:
        assert "s3cret" not in run.output
    for run in runs[:2]:
        for line in ("+[objects]", "+s3_store_secret_key = ********", "+s3_store_bucket = images", "+key = ********", '+user = "service:glance"'):
            assert line in run.output.splitlines()
    assert not (tmp_path / "never-made").exists()
    text = (directory / "glance-api.conf").read_text()
    assert "swift_store_config_file = /etc/glance/glance-swift.conf" in text
    assert SECRET.replace("$", "$$") + "2" in text
    assert SECRET.replace("%", "%%") + "3" in (directory / "glance-swift.conf").read_text()
    assert {path.name: path.stat().st_mode & 0o777 for path in directory.iterdir()} == {"glance-api.conf": 0o640, "glance-swift.conf": 0o640}

    (directory / "glance-api.conf").write_text(text + "\n[database]\nconnection = mysql://x\n")
    assert "it holds database, which the stores would replace" in refusal(run_roles(["glance_stores"], variables))


def test_counts_are_those_of_every_project_and_of_hidden_images(cloud: Cloud, small_disk: Path, image_name: str) -> None:
    def images_in_archive() -> int:
        asked = {**cloud.auth("admin"), "usage": True, "query": "[?id=='archive'].images | [0]"}
        return int(run_module("glance_store_info", asked).succeeded()["stores"])

    before = images_in_archive()
    for user, hidden in (("alice", True), ("bob", False)):
        image = {**cloud.auth(user), "name": f"{image_name} {user}", "src": str(small_disk), "disk_format": "raw", "stores": ["archive"]}
        run_module("glance_image", {**image, "is_hidden": hidden} if hidden else image).succeeded()
    assert images_in_archive() == before + 2


def test_details_are_for_administrators(cloud: Cloud) -> None:
    sentence = run_module("glance_store_info", {**cloud.auth("alice"), "details": True}).sentence()
    assert sentence.startswith("Cannot list stores '*': Glance answered 403")


def test_the_running_service_is_recognised(cloud: Cloud) -> None:
    """What owner: auto looks for, among the real processes of the server."""
    processes = cloud.glance_processes()
    assert processes
    assert all(owners.serves_glance(Path("/proc") / str(pid)) for pid in processes)
    assert not owners.serves_glance(Path("/proc/self"))
