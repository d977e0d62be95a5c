# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role glance_instance_aware with a real Keystone and Glance: two projects, two installations of Nova, and a filter that comes and goes."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.xenstack.image_services.plugins.module_utils._glance.connection import Cloud as Connection
from ansible_collections.xenstack.image_services.tests.support.aware import AwareCloud, aware_variables, relations, version
from ansible_collections.xenstack.image_services.tests.support.cloud import Cloud
from ansible_collections.xenstack.image_services.tests.support.deployment import LOCAL, Run, run_playbook
from ansible_collections.xenstack.image_services.tests.support.modules import run_module

PREFIX = "aware role"
INSTANCE = "123"
# What Nova sends by itself.
TODAY = "5f0c7a3e-4d0b-4b9e-8f57-9f1f4a0e6a11"
SECRET = "s3cret-of-the-table"
# A filter that only says that it is there.
PRETENDS = """
def factory(settings, **local):
    return Filter

class Filter:
    def __init__(self, application):
        self.application = application

    def __call__(self, environ, start_response):
        if not environ["PATH_INFO"].endswith("/info/instance-aware"):
            # Glance does not know the query.
            environ["QUERY_STRING"] = environ["QUERY_STRING"].replace("include_relation=true", "")
            return self.application(environ, start_response)
        start_response("200 OK", [("Content-Type", "application/json")])
        return [b'{"version": "0.0.0"}']
"""
OURS = ("glance-api-paste-instance-aware.ini", "glance-api.conf.d/60-instance-aware.conf", ".glance-instance-aware.verified")


def glance(cloud: Cloud, name: str) -> Any:
    return Connection(cloud.auth(name)).glance


def create(cloud: Cloud, who: str, name: str, **more: str) -> str:
    record = {"name": f"{PREFIX} {name}", "disk_format": "raw", "container_format": "bare", **more}
    return str(glance(cloud, who).create(record)["id"])


def found(cloud: Cloud, who: str, **query: str) -> set[str]:
    return {image["id"] for image in glance(cloud, who).images(list(query.items()))}


def configuration(cloud: Cloud) -> dict[str, str]:
    directory = cloud.base / "glance" / "config"
    return {name: (directory / name).read_text() for name in OURS if (directory / name).exists()}


def refusal(run: Run) -> str:
    assert run.returncode != 0, run.output
    assert "Traceback" not in run.output
    return " ".join(run.output.replace("\\n", " ").split())


@pytest.fixture
def images(aware_cloud: AwareCloud) -> Iterator[dict[str, str]]:
    """Alice's and Bob's instances have the same number, each in an installation of its own."""
    cloud = aware_cloud.cloud
    made = {
        "public": create(cloud, "admin", "public", visibility="public"),
        "plain": create(cloud, "alice", "plain"),
        # As a Nova sends it that knows nothing of installations: the mapping knows them.
        "alice backup": create(cloud, "alice", "alice backup", instance_id=INSTANCE, image_type="backup"),
        "alice today": create(cloud, "alice", "alice today", instance_uuid=TODAY, image_type="backup"),
        "alice disk": create(cloud, "alice", "alice disk", nova_installation_uuid=aware_cloud.installations["alice"], instance_id=INSTANCE),
        "bob backup": create(cloud, "bob", "bob backup", instance_id=INSTANCE, image_type="backup"),
    }
    yield made
    cloud.remove_images(PREFIX)


def test_customers_see_theirs_and_an_instance_has_exactly_its_backups(aware_cloud: AwareCloud, images: dict[str, str]) -> None:
    cloud = aware_cloud.cloud
    names = {ident: name for name, ident in images.items()}
    listed = [image for image in cloud.images("alice") if image["id"] in names or image["visibility"] != "public"]
    assert {names[image["id"]] for image in listed} == {"public", "plain", "alice backup", "alice today", "alice disk"}

    of_alice = {"nova_installation_uuid": aware_cloud.installations["alice"], "instance_id": INSTANCE}
    of_bob = {**of_alice, "nova_installation_uuid": aware_cloud.installations["bob"]}
    for who in ("alice", "admin"):
        assert found(cloud, who, **of_alice) == {images["alice backup"], images["alice disk"]}
        assert found(cloud, who, **of_alice, image_type="backup") == {images["alice backup"]}
    for who in ("bob", "admin"):
        assert found(cloud, who, **of_bob, image_type="backup") == {images["bob backup"]}
    assert found(cloud, "alice", **of_bob) == found(cloud, "bob", **of_alice) == set()

    page = glance(cloud, "alice").http.get("/v2/images", {**of_alice, "limit": 1}).json()
    rest = glance(cloud, "alice").http.get(page["next"]).json()
    assert {image["id"] for image in page["images"] + rest["images"]} == {images["alice backup"], images["alice disk"]}

    shown = glance(cloud, "alice").http.get(f"/v2/images/{images['alice backup']}", {"include_relation": "true"}).json()
    assert (shown["nova_installation_uuid"], shown["instance_id"]) == (aware_cloud.installations["alice"], INSTANCE)
    assert found(cloud, "alice", **{**of_alice, "instance_id": TODAY}) == {images["alice today"]}
    assert found(cloud, "bob", **{**of_bob, "instance_id": TODAY}) == set()
    # Nova rotates its backups by its own property, which stays; ours never reach Glance.
    stored = glance(cloud, "alice").image(images["alice today"])
    assert (stored["instance_uuid"], "instance_id" in stored, "nova_installation_uuid" in stored) == (TODAY, False, False)


def test_every_process_of_glance_answers_alike(aware_cloud: AwareCloud, images: dict[str, str]) -> None:
    cloud = aware_cloud.cloud
    # The one that starts them is the third.
    assert len(cloud.glance_processes()) == 3
    query = {"nova_installation_uuid": aware_cloud.installations["alice"], "instance_id": INSTANCE, "image_type": "backup"}
    # Each session is a connection of its own, which whichever process is free takes.
    assert {frozenset(found(cloud, "alice", **query)) for _turn in range(12)} == {frozenset({images["alice backup"]})}


def test_the_check_sees_the_filter_and_leaves_nothing(aware_cloud: AwareCloud) -> None:
    cloud = aware_cloud.cloud
    before = {image["id"] for image in cloud.images("admin")}
    checked = run_module("glance_instance_check", cloud.auth("admin"), check=True).succeeded()
    assert (checked["version"], checked["image"]) == ("0.2.0", None)
    proved = run_module("glance_instance_check", cloud.auth("admin")).succeeded()
    assert (proved["changed"], proved["image"] is None) == (False, False)
    assert {image["id"] for image in cloud.images("admin")} == before
    sentence = run_module("glance_instance_check", {**cloud.auth("admin"), "state": "absent", "wait": False}).sentence()
    assert sentence.startswith(f"Cannot verify filter 'instance_aware': Glance at http://127.0.0.1:{cloud.glance_port} still runs with it.")


def test_a_second_run_changes_nothing_and_new_settings_are_shown_first(aware_cloud: AwareCloud) -> None:
    cloud = aware_cloud.cloud
    assert aware_cloud.run().succeeded().changed == 0
    before = configuration(cloud)
    assert "glance_instance_aware.filter:factory" in before[OURS[0]]
    checked = aware_cloud.run("--check", "--diff", glance_instance_aware_max_instance_ids=77).succeeded()
    assert checked.changed
    assert "+ max_instance_ids = 77" in checked.output
    assert (configuration(cloud), version(cloud)) == (before, "0.2.0")
    # What a run has left that ended before its proof, and a paste file that has changed meanwhile.
    (cloud.base / "glance" / "config" / OURS[2]).unlink()
    paste = cloud.base / "glance" / "config" / "glance-api-paste.ini"
    own = paste.read_text()
    try:
        paste.write_text(f"# Changed\n{own}")
        assert aware_cloud.run(glance_instance_aware_max_instance_ids=77).succeeded().changed
    finally:
        paste.write_text(own)
    assert glance(cloud, "alice").http.get("/v2/info/instance-aware").json()["max_instance_ids"] == 77
    assert configuration(cloud) == {
        OURS[0]: f"# Changed\n{before[OURS[0]]}",
        OURS[1]: before[OURS[1]].replace("max_instance_ids = 10000", "max_instance_ids = 77"),
        OURS[2]: configuration(cloud)[OURS[2]],
    }


def test_a_database_that_is_not_there_changes_nothing_and_is_no_secret(aware_cloud: AwareCloud) -> None:
    cloud = aware_cloud.cloud
    before, processes = configuration(cloud), cloud.glance_processes()
    url = f"mysql+pymysql://relations:{SECRET}@127.0.0.1:9/relations"
    failed = aware_cloud.run("-vvvv", "--diff", glance_instance_aware_database_url=url)
    assert (
        "Cannot add filter 'instance_aware': Cannot migrate the table of filter 'instance_aware': Cannot upgrade: the driver of the database is missing"
        in refusal(failed)
    )
    assert SECRET not in failed.output
    assert cloud.auth("admin")["cloud"]["auth"]["password"] not in failed.output
    assert (configuration(cloud), cloud.glance_processes()) == (before, processes)


def package_with(directory: Path, **files: str) -> dict[str, str]:
    """A variable of the role that has it install another package."""
    directory.mkdir()
    for name in ("__init__", "__main__", *files):
        (directory / f"{name}.py").write_text(files.get(name, ""))
    return {"__glance_instance_aware_src": str(directory)}


def test_a_filter_that_cannot_be_loaded_never_reaches_glance(aware_cloud: AwareCloud, tmp_path: Path) -> None:
    cloud = aware_cloud.cloud
    before, processes = configuration(cloud), cloud.glance_processes()
    broken = package_with(tmp_path / "package", filter="raise ImportError('broken for a test')\n")
    said = refusal(aware_cloud.run(**broken))
    assert "Cannot add filter 'instance_aware': Cannot load the package of filter 'instance_aware': ImportError: broken for a test" in said
    assert (configuration(cloud), cloud.glance_processes(), version(cloud)) == (before, processes, "0.2.0")


def test_a_filter_that_does_not_do_its_work_is_taken_back(aware_cloud: AwareCloud, images: dict[str, str], tmp_path: Path) -> None:
    cloud = aware_cloud.cloud
    before = configuration(cloud)
    answered = cloud.glance_processes()
    failed = aware_cloud.run(**package_with(tmp_path / "package", filter=PRETENDS))
    assert "Cannot verify filter 'instance_aware': Glance keeps the instance as a property of the image" in refusal(failed)
    assert "The previous files are restored, and Glance runs as before. Fix the cause and run the role again." in refusal(failed)
    assert set(answered).isdisjoint(cloud.glance_processes())
    assert (configuration(cloud), version(cloud)) == (before, "0.2.0")
    query = {"nova_installation_uuid": aware_cloud.installations["alice"], "instance_id": INSTANCE, "image_type": "backup"}
    assert found(cloud, "alice", **query) == {images["alice backup"]}


def test_what_would_go_wrong_is_refused_before_the_first_change(cloud: Cloud, tmp_path: Path) -> None:
    """All in one play, as each of them ends before anything has happened."""
    config = tmp_path / "config"
    (config / "glance-api.conf.d").mkdir(parents=True)
    variables = {**aware_variables(cloud), "glance_config_dir": str(config), "glance_instance_aware_home": str(tmp_path / "home")}
    (config / "glance-api.conf").write_text("[paste_deploy]\nflavor = keystone\n")
    (config / "glance-api-paste.ini").write_text("[pipeline:glance-api-keystone]\npipeline = authtoken rootapp\n")
    mapping = {"kind": "user", "name": "nova", "uuid": "0b7e5e0a-6a52-4d0e-9f4f-3f0f6f8d8b11"}
    cases: dict[str, tuple[dict[str, Any], str]] = {
        "no Glance": ({"glance_config_dir": str(tmp_path / "nowhere")}, "Deploy Glance first"),
        "anonymous": ({"glance_instance_aware_cloud": ""}, "there are no credentials for Glance"),
        "no context": ({}, "has no filter 'context', after which a filter knows who asks"),
        "no UUID": ({"glance_instance_aware_installations": [{**mapping, "uuid": "0b7e5e0a"}]}, "Cannot map caller 'user nova': '0b7e5e0a' is no UUID"),
    }
    tasks = [
        {
            "block": [{"ansible.builtin.include_role": {"name": "xenstack.image_services.glance_instance_aware"}, "vars": {**variables, **changes}}],
            "rescue": [{"ansible.builtin.set_fact": {"said": "{{ said | default([]) + [ansible_failed_result.msg] }}"}}],
        }
        for changes, _expected in cases.values()
    ]
    tasks.append({"ansible.builtin.copy": {"content": "{{ said | to_json }}", "dest": str(tmp_path / "said.json"), "mode": "0600"}})
    before = sorted(tmp_path.rglob("*"))
    with tempfile.NamedTemporaryFile("w", suffix=".yml") as playbook:
        yaml.safe_dump([{"hosts": "localhost", "gather_facts": False, "vars": LOCAL, "tasks": tasks}], playbook)
        playbook.flush()
        output = run_playbook(Path(playbook.name), {}).succeeded().output
    said = yaml.safe_load((tmp_path / "said.json").read_text())
    (tmp_path / "said.json").unlink()
    assert len(said) == len(cases), output
    for sentence, (name, (_changes, expected)) in zip(said, cases.items()):
        assert expected in " ".join(sentence.split()), (name, sentence)
    assert sorted(tmp_path.rglob("*")) == before


def test_it_goes_as_it_came_and_its_table_stays(aware_cloud: AwareCloud, images: dict[str, str]) -> None:
    """The last one: where it ends, the fixture drops the table."""
    cloud = aware_cloud.cloud
    absent = {"glance_instance_aware_state": "absent"}
    kept = relations(cloud)
    assert kept is not None
    assert kept >= len(images) - 2
    assert aware_cloud.run(**absent).succeeded().changed
    assert (version(cloud), configuration(cloud), relations(cloud)) == (None, {}, kept)
    assert not (cloud.base / "glance" / "extensions").exists()
    assert not list((cloud.base / "glance" / "venvs").glob("*/lib/*/site-packages/image_services_extensions.pth"))
    # What is left to go is the table alone.
    again = aware_cloud.run("--check", **absent, glance_instance_aware_drop_table=True).succeeded()
    assert (again.changed, relations(cloud)) == (1, kept)
