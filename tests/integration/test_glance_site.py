# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role glance_stores on a Kolla-style site: override, mounts, apply command, and the proof with a real Glance."""

from __future__ import annotations

import json
import os
import random
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.xenstack.image_services.plugins.module_utils._stores.override import merge
from ansible_collections.xenstack.image_services.tests.support.cloud import Cloud
from ansible_collections.xenstack.image_services.tests.support.deployment import ROOT, Run, run_playbook
from ansible_collections.xenstack.image_services.tests.support.modules import run_module
from ansible_collections.xenstack.image_services.tests.support.site import Site, site_around

OWN = "# Kept by the operator\n[DEFAULT]\ndebug = {{ 'true' if inventory_hostname == 'api1' else 'false' }}\n\n[image_format]\ndisk_formats = raw,qcow2\n"


def literal(text: str) -> str:
    """A text with braces as a playbook has to write it."""
    return "{% raw %}" + text + "{% endraw %}"


S3 = {"name": "objects", "type": "s3", "s3_store_host": "https://s3.example.org", "s3_store_bucket": "images", "s3_store_access_key": literal("s3cret{{1")}


@pytest.fixture
def site(cloud: Cloud, tmp_path: Path) -> Iterator[Site]:
    with site_around(cloud, tmp_path / "kolla") as found:
        yield found


@pytest.fixture
def main(site: Site) -> dict[str, Any]:
    """The only store, in a directory that the site does not mount yet."""
    return {"name": "main", "type": "file", "default": True, "filesystem_store_datadir": str(site.data / "images")}


def refusal(run: Run) -> str:
    assert run.returncode != 0, run.output
    assert "Traceback" not in run.output
    return " ".join(run.output.replace("\\n", " ").split())


def offered(cloud: Cloud) -> list[str]:
    return [store["id"] for store in run_module("glance_store_info", cloud.auth("admin")).succeeded()["stores"]]


def test_from_nothing_to_a_proved_site(cloud: Cloud, site: Site, main: dict[str, Any]) -> None:
    site.override.write_text(OWN)
    site.override.chmod(0o600)
    before = site.globals.read_text()
    checked = site.run(main, arguments=("--check", "--diff"), glance_stores_manage_globals=True).succeeded()
    assert checked.changed
    for line in ("+enabled_backends = main:file", f"+filesystem_store_datadir = {site.data}/images", "+glance_extra_volumes: ["):
        assert line in checked.output
    assert "disk_formats" not in checked.output
    assert (site.applied(), site.override.read_text(), site.globals.read_text(), site.data.exists()) == (0, OWN, before, False)

    assert site.run(main, glance_stores_manage_globals=True).succeeded().changed
    assert site.applied() == 1
    assert site.override.read_text().startswith(OWN)
    assert site.override.stat().st_mode & 0o777 == 0o640
    assert site.globals.read_text() == before + f'glance_extra_volumes: ["{site.data}/images:{site.data}/images"]\n'
    assert offered(cloud) == ["main"]
    merged = site.merged.read_text()
    assert "debug = true" in merged
    assert "disk_formats = raw,qcow2" in merged

    again = site.run(main, glance_stores_manage_globals=True).succeeded()
    assert (again.changed, site.applied()) == (0, 1)


def test_a_store_comes_and_its_lines_go_with_it(cloud: Cloud, site: Site, main: dict[str, Any]) -> None:
    site.override.write_text(OWN)
    second = {"name": "second", "type": "file", "filesystem_store_datadir": str(site.data / "second"), "description": literal("{{ not a template }} 100 %")}
    site.run(main, second, glance_stores_manage_globals=True, glance_stores_site_dir=f"{site.directory}//").succeeded()
    assert offered(cloud) == ["main", "second"]
    assert "store_description = {{ not a template }} 100 %" in site.merged.read_text()
    site.run(main, glance_stores_manage_globals=True).succeeded()
    assert offered(cloud) == ["main"]
    assert "second" not in site.override.read_text()
    assert site.override.read_text().startswith(OWN)


def test_files_that_are_links_stay_links(site: Site, main: dict[str, Any]) -> None:
    """As they are where the configuration of a site is a checkout somewhere else."""
    kept = site.directory / "checkout"
    kept.mkdir()
    for path in (site.override, site.globals):
        path.touch()
        path.rename(kept / path.name)
        path.symlink_to(kept / path.name)
    (kept / "glance-api.conf").write_bytes(b"# caf\xe9\n")
    (kept / "globals.yml").chmod(0o604)
    site.settings(fails={"code": 1, "stdout": "", "stderr": ""})
    refusal(site.run(main, glance_stores_manage_globals=True))
    assert (site.override.is_symlink(), site.globals.is_symlink()) == (True, True)
    assert site.override.read_bytes().startswith(b"# caf\xe9\n# BEGIN of the stores")
    assert "glance_extra_volumes" in site.globals.read_text()
    assert site.globals.stat().st_mode & 0o777 == 0o604


def test_a_path_that_differs_in_the_container(site: Site) -> None:
    """The container sees <data>/inside, the host has <data>/outside: there the directory is made, and there the image is found.

    The files of the site are another host's.
    """
    outside, inside = site.data / "outside", site.data / "inside"
    site.data.mkdir()
    inside.symlink_to(outside)
    site.globals.write_text(f"glance_extra_volumes:\n  - {outside}:{inside}\n")
    store = {"name": "main", "type": "file", "default": True, "filesystem_store_datadir": str(inside / "images")}
    run = site.run(store, arguments=("-i", "deploy,"), glance_stores_apply_host="deploy").succeeded()
    assert "[localhost -> deploy]" in run.output
    assert (outside / "images").is_dir()
    assert f"filesystem_store_datadir = {inside}/images" in site.override.read_text()


def test_a_directory_that_is_not_mounted(site: Site, main: dict[str, Any]) -> None:
    output = refusal(site.run(main))
    path = f"{site.data}/images"
    assert f"Cannot use container 'glance_api': nothing mounts '{path}' of the host into it" in output
    assert f"Write this line to {site.globals}, or set glance_stores_manage_globals to true: glance_extra_volumes: [" in output
    assert (site.applied(), site.override.exists(), site.data.exists()) == (0, False, False)


def test_mounts_that_the_tool_does_not_make(site: Site, main: dict[str, Any]) -> None:
    """The variable is set, but something else decides: Glance would write into its container."""
    site.globals.write_text(f"glance_extra_volumes: ['{site.data}/images:{site.data}/images']\n")
    empty = site.directory / "elsewhere"
    empty.mkdir()
    for name in ("globals.yml", "config", "glance-api"):
        (empty / name).symlink_to("/dev/null" if name == "globals.yml" else site.directory / name)
    site.settings(site=str(empty))
    output = refusal(site.run(main))
    assert f"{site.data}/images is still not mounted into it" in output
    assert "sets glance_api_extra_volumes, glance_extra_volumes or default_extra_volumes." in output


def test_a_command_that_fails_is_shown_and_tried_again(cloud: Cloud, site: Site, main: dict[str, Any]) -> None:
    site.settings(fails={"code": 3, "stdout": "TASK [glance : deploy] s3cret{{1", "stderr": "no route to host api2, s3cret-two"})
    secret = {**S3, "s3_store_secret_key": "s3cret-two"}
    failed = site.run(main, secret, arguments=("-vvv",), glance_stores_manage_globals=True)
    output = refusal(failed)
    assert "Cannot apply stores 'main, objects'" in output
    assert "reconfigure -t glance ended with 3." in output
    assert "TASK [glance : deploy] ********" in output
    assert "no route to host api2, ********" in output
    assert "s3cret" not in output
    # Its lines are lines.
    assert "\\\\n" not in failed.output
    assert (site.applied(), offered(cloud)) == (1, ["fast", "archive"])

    site.settings(fails=None)
    assert site.run(main, glance_stores_manage_globals=True).succeeded().changed
    assert (site.applied(), offered(cloud)) == (2, ["main"])


def test_a_command_that_is_not_there(site: Site, main: dict[str, Any]) -> None:
    before = site.globals.read_text()
    command = ["/nowhere/kolla-ansible", "reconfigure"]
    output = refusal(site.run(main, glance_stores_manage_globals=True, glance_stores_apply_command=command, glance_stores_python="/nowhere/python3"))
    assert "Cannot apply stores 'main': the user of this task has no program '/nowhere/kolla-ansible' on the host with the files of the site." in output
    assert "Cannot verify stores 'main': '/nowhere/python3' is not a Python with openstacksdk" in output
    assert (site.globals.read_text(), site.override.exists(), site.data.exists()) == (before, False, False)


def test_secrets_are_in_the_file_alone(site: Site, main: dict[str, Any]) -> None:
    store = {**S3, "s3_store_secret_key": literal("s3cret$%{#two")}
    site.settings(fails={"code": 1, "stdout": "", "stderr": ""})
    for arguments in (("-vvv", "--diff", "--check"), ("-vvv", "--diff")):
        run = site.run(main, store, arguments=arguments, glance_stores_manage_globals=True)
        assert "s3cret" not in run.output
        assert "s3_store_secret_key = ********" in run.output
    text = site.override.read_text()
    assert "s3_store_secret_key = s3cret$$%{{ '{' }}#two" in text
    assert site.override.stat().st_mode & 0o777 == 0o640


def test_the_owner_is_that_of_the_container(site: Site, main: dict[str, Any]) -> None:
    directory = site.data / "images"
    site.globals.write_text(f"glance_extra_volumes: ['{directory}:{directory}']\n")
    site.run(main).succeeded()
    given = directory.stat()
    if os.geteuid() == 0:
        os.chown(directory, 0, 0)
        directory.chmod(0o700)
        assert site.run(main).succeeded().changed
    assert (directory.stat().st_uid, directory.stat().st_gid) == (given.st_uid, given.st_gid)
    assert site.applied() == 1


def test_the_engine_is_the_one_that_the_site_names(site: Site, main: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    programs = site.directory / "bin"
    programs.mkdir()
    (site.directory / "docker").rename(programs / "podman")
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    site.globals.write_text(f"glance_extra_volumes: ['{site.data}/images:{site.data}/images']\nkolla_container_engine: podman\n")
    output = site.run(main, arguments=("--check",), glance_stores_container_engine="").succeeded().output
    assert "Cannot read the user of Glance" not in output


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives directories away")
def test_without_a_container_the_preset_stands_in(site: Site, main: dict[str, Any]) -> None:
    directory = site.data / "images"
    site.globals.write_text(f"glance_extra_volumes: ['{directory}:{directory}']\n")
    site.containers(glance_api=None)
    site.settings(fails={"code": 1, "stdout": "", "stderr": ""})
    # The place of these without any volume of its own.
    reserved = {name: {"filesystem_store_datadir": f"/var/lib/glance/{name}"} for name in ("staging", "tasks")}
    output = refusal(site.run(main, glance_stores_internal=reserved))
    assert "(Error: No such container: glance_api). The directories of stores get the owner of the preset kolla." in output
    assert (directory.stat().st_uid, directory.stat().st_gid) == (42415, 42415)


def test_leftovers_of_the_single_store_in_any_layer_are_refused(site: Site, main: dict[str, Any]) -> None:
    """The recipe that many guides give."""
    layers = [site.directory / "config" / name for name in ("global.conf", "glance.conf", "glance/glance-api.conf", "glance/api1/glance-api.conf")]
    for layer in layers:
        layer.parent.mkdir(exist_ok=True)
        layer.write_text("[glance_store]\ndefault_backend = file\nfilesystem_store_datadir = /mnt/glance_images/\n")
    output = refusal(site.run(main, glance_stores_manage_globals=True))
    for layer in layers:
        assert f"Cannot configure store 'file {layer}': it sets default_backend as well." in output
        assert f"Cannot configure store 'file {layer}': filesystem_store_datadir stands there in [glance_store], where Glance ignores it" in output
    assert site.applied() == 0


def test_several_hosts_have_to_share_the_directory(site: Site, main: dict[str, Any]) -> None:
    output = refusal(site.run(main, glance_stores_manage_globals=True, glance_stores_api_hosts=["api1", "api2"]))
    assert "2 API hosts serve it, and each would find only the images in its own directory" in output


def test_accounts_that_cannot_reach_the_container(site: Site, main: dict[str, Any]) -> None:
    accounts = [{"reference": "ref1", "auth_address": "https://id.example.org/v3", "user": "service:glance", "key": "s3cret"}]
    output = refusal(site.run(main, glance_stores_manage_globals=True, glance_stores_swift_accounts=accounts))
    assert "Cannot configure swift accounts 'ref1': the site copies no file with accounts into the container. Say swift_store_auth_address" in output
    assert "s3cret" not in output


def test_stores_of_the_site_that_would_lose_images(cloud: Cloud, site: Site, main: dict[str, Any], small_disk: Path, image_name: str) -> None:
    """What the site's tool configured before the role came is known too."""
    site.merged.write_text((site.directory / "template.conf").read_text())
    image = {**cloud.auth("alice"), "name": image_name, "src": str(small_disk), "disk_format": "raw", "stores": ["archive"]}
    run_module("glance_image", image).succeeded()
    output = refusal(site.run(main, glance_stores_manage_globals=True))
    assert "Cannot remove stores 'archive, fast': " in output
    assert "are only in these stores" in output
    assert site.applied() == 0


READ = """
import io, json, sys
from oslo_config import iniparser

class Reader(iniparser.BaseParser):
    def __init__(self):
        self.found, self.section = {}, ""
    def new_section(self, section):
        self.section = section
    def assignment(self, key, value):
        self.found.setdefault(self.section + "/" + key, []).append(value)

def read(text):
    reader = Reader()
    try:
        reader.parse(io.StringIO(text, newline=None))
    except iniparser.ParseError:
        return None
    return reader.found

print(json.dumps([[read(text) for text in pair] for pair in json.load(sys.stdin)]))
"""


def test_oslo_config_reads_the_operator_s_lines_and_ours(cloud: Cloud) -> None:
    """Whatever oslo.config could read before, it reads as before, and our options beside it."""
    chance = random.Random(1)
    pieces = [
        "[a]\n",
        "[fast]\n",
        "[DEFAULT]\n",
        "k = v\n",
        "k: 'v'\n",
        "  more\n",
        "# c\n",
        "; c\n",
        "\n",
        "k = v",
        "\r\n",
        "x=\r\n",
        " \n",
        "é = ü\n",
        "\x0c\n",
    ]
    texts = ["".join(chance.choices(pieces, k=chance.randint(0, 12))) for _number in range(2000)]
    body = "[DEFAULT]\nenabled_backends = fast:file\n\n[fast]\nfilesystem_store_datadir = /srv/fast\n"
    pairs = [[text, merge(text, body)] for text in texts]
    python = str(cloud.base / "glance" / "current" / "bin" / "python")
    answer = subprocess.run([python, "-c", READ], input=json.dumps(pairs), stdout=subprocess.PIPE, text=True, check=True).stdout
    readable = [(before, after) for before, after in json.loads(answer) if before is not None]
    assert len(readable) > 500
    for before, after in readable:
        assert after == {**before, "DEFAULT/enabled_backends": [["fast:file"]], "fast/filesystem_store_datadir": [["/srv/fast"]]}


def test_the_playbook_of_the_custom_directory(cloud: Cloud, site: Site) -> None:
    """The manual's recipe as one command: Glance has the site's only store before and after, but keeps new images in the directory."""
    directory = site.data / "glance_images"
    template = site.directory / "template.conf"
    template.write_text(template.read_text().replace("fast:file, archive:file", "file:file").replace('"fast"', '"file"').replace("[fast]", "[file]"))
    # The interpreter of Ansible asks Glance, as on a host whose distribution has no openstacksdk.
    left_out = ("glance_stores_target", "glance_stores_cloud", "glance_stores_python")
    variables = {name: value for name, value in site.variables.items() if name not in left_out}
    variables |= {"glance_stores_cloud": "admin", "custom_directory_clouds": str(cloud.base / "clouds.yaml")}
    variables |= {"custom_directory": f"{directory}/", "custom_directory_target": "xavs"}
    playbook = ROOT / "playbooks" / "custom_directory.yml"
    assert run_playbook(playbook, variables).succeeded().changed
    assert offered(cloud) == ["file"]
    assert directory.is_dir()
    assert run_playbook(playbook, variables).succeeded().changed == 0
    assert site.applied() == 1
