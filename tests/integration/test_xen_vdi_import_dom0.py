# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images of a real Glance that a host pulls by the real plugin: bit for bit, once, and nothing is left of what fails."""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import signal
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.xenstack.image_services.plugins.module_utils._common.errors import ImageServicesError
from ansible_collections.xenstack.image_services.plugins.module_utils._glance.connection import Cloud as Connection
from ansible_collections.xenstack.image_services.plugins.module_utils._plan.vdi_import import INCOMING, PULLS, incoming_name
from ansible_collections.xenstack.image_services.plugins.module_utils._xapi import import_dom0
from ansible_collections.xenstack.image_services.tests.support import dom0
from ansible_collections.xenstack.image_services.tests.support.cloud import Cloud
from ansible_collections.xenstack.image_services.tests.support.deployment import free_port
from ansible_collections.xenstack.image_services.tests.support.disks import MIB
from ansible_collections.xenstack.image_services.tests.support.faulty_proxy import Fault, FaultyProxy
from ansible_collections.xenstack.image_services.tests.support.imports import NAME, disks_of, images_of, imported, small_raw
from ansible_collections.xenstack.image_services.tests.support.modules import RunningModule, run_module
from ansible_collections.xenstack.image_services.tests.support.xapi import PoolUnderTest, query, run_pool
from ansible_collections.xenstack.image_services.tests.support.xapi import start as start_server

SIZE = 13 * MIB + 7 * 512
SR = "dom0 tests"
DEADLINE = 60.0


@dataclass
class Setting:
    """A pool whose hosts have the plugin and see one SR, and the images to pull."""

    pool: PoolUnderTest
    cloud: Cloud
    plugins: Path
    paths: dict[str, Path]
    images: dict[str, dict[str, Any]]

    @property
    def glance(self) -> dict[str, Any]:
        return self.cloud.auth("alice")

    @property
    def password(self) -> str:
        return str(self.cloud.auth("alice")["cloud"]["auth"]["password"])

    def options(self, content: str = "raw", /, **options: Any) -> dict[str, Any]:
        return {"image": self.images[content]["id"], "glance": self.glance, "sr": SR, "transport": "dom0", **options}

    def pull(self, content: str = "raw", /, check: bool = False, **options: Any) -> dict[str, Any]:
        return imported(self.pool, check, **self.options(content, **options))

    def stored(self, name: str = NAME) -> bytes:
        """What the pool itself reads from the one VDI of the name, with its parents."""
        (vdi,) = disks_of(self.pool, name)
        task = self.pool.api.task.create("read", "")
        try:
            status, data = self.pool.server.ask("GET", query(self.pool.session, "/export_raw_vdi", vdi=vdi, format="raw", task_id=task))
        finally:
            self.pool.api.task.destroy(task)
        assert status == 200
        return data

    @property
    def sr_directory(self) -> Path:
        (sr,) = self.pool.api.SR.get_by_name_label(SR)
        return self.pool.server.state / "sr-mount" / str(self.pool.api.SR.get_uuid(sr))

    def staging(self) -> list[Path]:
        return [path for path in self.sr_directory.iterdir() if path.name.startswith("imagestore.")]

    def refused(self, *words: str, **options: Any) -> str:
        with self.pool.nothing_left(), pytest.raises(ImageServicesError) as excinfo:
            self.pull(**options)
        text = str(excinfo.value)
        assert text.startswith("Cannot "), text
        assert text.endswith("."), text
        assert all(word in text for word in words), text
        return text


def rounded(data: bytes) -> bytes:
    return data.ljust(-(-len(data) // (2 * MIB)) * 2 * MIB, b"\0")


def until(seen: Callable[[], Any]) -> Any:
    end = time.monotonic() + DEADLINE
    while time.monotonic() < end:
        if found := seen():
            return found
        time.sleep(0.05)
    raise AssertionError("not seen")


def make_sr(pool: PoolUnderTest) -> str:
    return str(pool.api.SR.create(pool.api.host.get_all()[0], {"server": "files", "serverpath": "/dom0"}, "0", SR, "", "nfs", "", True, {}))


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return images_of(small_raw(tmp_path_factory.mktemp("images"), SIZE, seed=7))


@pytest.fixture(scope="module")
def images(cloud: Cloud, paths: dict[str, Path]) -> Iterator[dict[str, dict[str, Any]]]:
    """As any client of Glance makes them."""
    glance = Connection(cloud.auth("alice")).glance
    made = {}
    forms = {"raw": ("raw", "bare"), "vhd-descending": ("vhd", "bare"), "chain": ("vhd", "ovf"), "chain.gz": ("vhd", "ovf"), "qcow2": ("qcow2", "bare")}
    for name, (disk, container) in forms.items():
        ident = glance.create({"id": str(uuid.uuid4()), "name": f"dom0 {name}", "disk_format": disk, "container_format": container})["id"]
        glance.upload(ident, paths[name].read_bytes(), paths[name].stat().st_size)
        made[name] = dict(glance.image(ident) or {})
    yield made
    for image in made.values():
        glance.delete(image["id"])


@pytest.fixture(scope="module")
def installed(pool_of_the_run: PoolUnderTest) -> Iterator[Path]:
    pool = pool_of_the_run
    directory = dom0.install(pool)
    sr = make_sr(pool)
    yield directory
    for vdi in pool.api.SR.get_VDIs(sr):
        pool.api.VDI.destroy(vdi)
    for pbd in pool.api.SR.get_PBDs(sr):
        pool.api.PBD.unplug(pbd)
    pool.api.SR.destroy(sr)
    for name in ("imagestore", "glance"):
        (directory / name).unlink()


@pytest.fixture
def setting(
    installed: Path, images: dict[str, dict[str, Any]], paths: dict[str, Path], cloud: Cloud, pool: PoolUnderTest, cleared_pool: None
) -> Iterator[Setting]:
    made = Setting(pool, cloud, installed, paths, images)
    yield made
    assert not made.staging()
    for each in pool.api.host.get_all_records().values():
        shutil.rmtree(installed / each["uuid"], ignore_errors=True)


@dataclass
class Held:
    """A pull that stands in the middle: Glance does not answer the host before it is let go."""

    proxy: FaultyProxy
    arrived: threading.Event
    release: threading.Event

    def wait(self) -> None:
        assert self.arrived.wait(DEADLINE)


@pytest.fixture
def held(cloud: Cloud) -> Iterator[Held]:
    """Only the host asks this proxy; the module itself asks Glance."""
    with cloud.proxy() as proxy:
        made = Held(proxy, threading.Event(), threading.Event())

        def hold() -> None:
            made.arrived.set()
            made.release.wait(DEADLINE)

        proxy.faults.append(Fault("GET .*/file", hook=hold))
        try:
            yield made
        finally:
            made.release.set()


# What comes of it


@pytest.mark.parametrize("name", ["raw", "vhd-descending", "chain", "chain.gz"])
def test_a_host_pulls_what_the_module_would_send(setting: Setting, name: str) -> None:
    image = setting.images[name]
    predicted = setting.pull(name, check=True)
    assert (predicted["changed"], predicted["transport"], predicted["vdi"]["uuid"]) == (True, "dom0", None)
    assert not disks_of(setting.pool)
    done = setting.pull(name, verify=name == "chain")
    assert (done["changed"], done["transport"], done["transport_reason"], done["route"]) == (True, "dom0", None, None)
    assert done["format"] == {"raw": "raw", "vhd-descending": "vhd"}.get(name, "vhd tarball")
    assert done["verified"] == (name == "chain")
    assert done["bytes_transferred"] == setting.paths[name].stat().st_size
    assert done["vdi"]["other_config"] == {
        "image_services_source": f"glance:{image['id']}",
        "image_services_digest": f"{image['os_hash_algo']}:{image['os_hash_value']}",
    }
    assert setting.stored() == rounded(setting.paths["raw"].read_bytes())
    # By whatever way, it is there.
    for transport in ("dom0", "http", "auto"):
        again = setting.pull(name, transport=transport)
        assert (again["changed"], again["bytes_transferred"], again["transport"], again["route"]) == (False, 0, None, None)
        assert again["vdi"] == done["vdi"]


def test_what_the_module_has_sent_is_not_pulled(setting: Setting) -> None:
    assert setting.pull(transport="http")["transport"] == "http"
    assert setting.pull()["changed"] is False


def test_attributes_and_size_are_as_declared(setting: Setting) -> None:
    declared = {"description": "pulled", "tags": ["b", "a"], "size": "33M", "read_only": True, "sharable": True}
    done = setting.pull(**declared)
    vdi = done["vdi"]
    assert (vdi["description"], vdi["tags"], vdi["virtual_size"], vdi["read_only"], vdi["sharable"]) == ("pulled", ["a", "b"], 34 * MIB, True, True)
    assert setting.stored() == setting.paths["raw"].read_bytes().ljust(34 * MIB, b"\0")
    assert setting.pull(**declared)["changed"] is False
    assert setting.pull(**{**declared, "transport": "http"})["changed"] is False


def test_new_content_replaces_the_old_one(setting: Setting) -> None:
    old = setting.pull("raw", tags=["kept"])["vdi"]
    setting.pool.api.VDI.add_to_other_config(disks_of(setting.pool)[0], "owner", "somebody")
    done = setting.pull("chain.gz", replaced="delete", verify=True)
    assert done["replaced_vdi"] == old["uuid"] != done["vdi"]["uuid"]
    assert done["vdi"]["tags"] == ["kept"]
    assert done["vdi"]["other_config"]["owner"] == "somebody"
    assert setting.stored() == rounded(setting.paths["raw"].read_bytes())


def test_the_next_endpoint_is_asked_where_one_does_not_answer(setting: Setting) -> None:
    dead = f"http://127.0.0.1:{free_port()}"
    with setting.cloud.proxy() as proxy:
        assert setting.pull(dom0_endpoints=[dead, f"{proxy.url}/v2/"])["transport"] == "dom0"
        assert [request for request in proxy.requests if request.endswith("/file")]
    text = setting.refused(name=f"{NAME} 2", dom0_endpoints=[dead])
    assert dead in text
    assert "See that the host reaches Glance" in text


# What is taken, and why


def test_auto_takes_dom0_where_it_can(setting: Setting) -> None:
    done = setting.pull(transport="auto")
    assert (done["transport"], done["transport_reason"]) == ("dom0", "every host that sees SR 'dom0 tests' has the plugin imagestore 1.0.0")


@pytest.fixture
def lvm(setting: Setting) -> Iterator[str]:
    api = setting.pool.api
    sr = api.SR.create(api.host.get_all()[0], {"device": "/dev/dom0"}, "0", "dom0 lvm", "", "lvm", "", False, {})
    yield "dom0 lvm"
    for vdi in api.SR.get_VDIs(sr):
        api.VDI.destroy(vdi)
    for pbd in api.SR.get_PBDs(sr):
        api.PBD.unplug(pbd)
    api.SR.destroy(sr)


def without_plugin(setting: Setting) -> str:
    """One of the hosts has none any more; its name."""
    record = list(setting.pool.api.host.get_all_records().values())[1]
    (setting.plugins / record["uuid"]).mkdir()
    return str(record["name_label"])


def with_another_version(setting: Setting) -> str:
    """One of the hosts has a plugin that says 0.9.0; its name."""
    name = without_plugin(setting)
    (record,) = [each for each in setting.pool.api.host.get_all_records().values() if each["name_label"] == name]
    said = json.dumps({"name": "imagestore", "version": "0.9.0", "api": 1, "python": "2.7.5", "functions": ["cancel", "download", "version"]})
    scripted(setting.plugins / record["uuid"] / "imagestore", f"value = {said!r}")
    return name


def scripted(path: Path, body: str) -> None:
    lines = [
        f"#!{sys.executable}",
        "import json, os, sys, xmlrpc.client",
        "(session, args), function = xmlrpc.client.loads(sys.argv[1])",
        "failure = value = None",
        body,
        'answer = {"Status": "Success", "Value": value} if failure is None else {"Status": "Failure", "ErrorDescription": failure}',
        'print(xmlrpc.client.dumps((answer,), "", True))',
    ]
    path.write_text("\n".join(lines))
    path.chmod(0o755)


def test_what_stands_against_it_is_an_error_or_a_reason(setting: Setting, lvm: str) -> None:
    def both(words: str, advice: str, options: dict[str, Any]) -> None:
        setting.refused(f"{words}, and transport is dom0. {advice}", **options)
        with setting.pool.nothing_left("VDI"):
            done = imported(setting.pool, **{**setting.options(), **options, "transport": "auto"})
        assert (done["changed"], done["transport"], done["route"]) == (True, "http", "chunked")
        assert words in done["transport_reason"]
        assert imported(setting.pool, **{**setting.options(), "state": "absent", "sr": options.get("sr", SR)})["changed"]

    both("its disk_format is 'qcow2', and hosts pull raw disks and VHDs", "Use transport http.", {"image": setting.images["qcow2"]["id"]})
    both("the content is named by src, and a host pulls images of Glance alone", "Use transport http.", {"image": None, "src": str(setting.paths["raw"])})
    both("SR 'dom0 lvm' is of type lvm, and a host can put files only into SRs of the types ext, file, nfs, smb", "Use transport http.", {"sr": lvm})
    host = without_plugin(setting)
    both(f"host {host} has no plugin imagestore", "Install it with the role xen_dom0_plugins, or use transport http.", {})
    shutil.rmtree(next(path for path in setting.plugins.iterdir() if path.is_dir()))
    host = with_another_version(setting)
    other = next(each["name_label"] for each in setting.pool.api.host.get_all_records().values() if each["name_label"] != host)
    listed = ", ".join(f"{name} has {version}" for name, version in sorted({host: "0.9.0", other: "1.0.0"}.items()))
    both(f"the hosts have different versions of the plugin imagestore: {listed}", "Install one version on all of them", {})


def test_a_ca_file_that_is_too_large_for_a_call(setting: Setting, tmp_path: Path) -> None:
    bundle = tmp_path / "bundle.pem"
    bundle.write_text("words\n-----BEGIN CERTIFICATE-----\n" + ("A" * 64 + "\n") * 2200 + "-----END CERTIFICATE-----\n")
    glance = setting.glance
    glance["cloud"]["cacert"] = str(bundle)
    options = {"glance": glance, "dom0_endpoints": ["https://127.0.0.1:9"]}
    text = setting.refused("Cannot call plugin 'imagestore': the arguments take", **options)
    assert "Have the cloud's settings name a file of the one authority" in text
    done = setting.pull(**{**options, "transport": "auto"})
    assert done["transport"] == "http"
    assert "the arguments take" in done["transport_reason"]


def test_what_is_no_endpoint(setting: Setting) -> None:
    for address in ("glance", "ftp://x", "https://user:word@x", "https://x?y=z", "http://"):
        text = setting.refused("it is not the address of an image service", dom0_endpoints=[address])
        assert "word" not in text


def test_a_size_that_is_too_small(setting: Setting) -> None:
    for name in ("raw", "vhd-descending", "chain"):
        setting.refused("disks are not made smaller", name=f"{NAME} {name}", image=setting.images[name]["id"], size="10M")


# What goes wrong


CALLS = (
    "VDI.create",
    "task.create",
    "host.call_plugin",
    "VDI.add_to_other_config",
    "SR.scan",
    "VDI.set_other_config",
    "VDI.set_name_label",
    "VDI.resize",
    "VDI.set_tags",
)


def test_nothing_is_left_where_a_call_fails(setting: Setting) -> None:
    old = setting.pull("raw", transport="http")["vdi"]
    for method in CALLS:
        setting.pool.fault(kind="fail_call", method=method, error=["SR_BACKEND_FAILURE_44", "", "There is insufficient space", ""])
        with setting.pool.nothing_left(), pytest.raises(ImageServicesError, match=r"^Cannot .*\.$"):
            setting.pull("chain.gz", size="20M", replaced="delete")
        assert setting.pool.clear_faults() == [], method
        assert [setting.pool.api.VDI.get_uuid(vdi) for vdi in disks_of(setting.pool)] == [old["uuid"]]
    assert setting.pull("chain.gz", size="20M", replaced="delete")["changed"]
    assert setting.stored() == setting.paths["raw"].read_bytes().ljust(20 * MIB, b"\0")


@pytest.mark.parametrize("after", sorted(random.Random(20261121).sample(range(2, 60), 6)))
def test_nothing_is_left_where_the_session_is_lost(setting: Setting, after: int) -> None:
    """Both the module and the plugin use it."""
    before = setting.pool.census()
    setting.pool.fault(kind="session_lost", after=after)
    with contextlib.suppress(ImageServicesError):
        setting.pull("chain")
    setting.pool.clear_faults()
    found = disks_of(setting.pool)
    if not found:
        assert setting.pool.census() == before
    assert not disks_of(setting.pool, incoming_name(NAME))
    assert setting.pull("chain")["changed"] == (not found)
    assert setting.stored() == rounded(setting.paths["raw"].read_bytes())


def test_data_that_a_store_has_spoiled(setting: Setting, image_name: str) -> None:
    glance = Connection(setting.glance).glance
    made = glance.create({"id": str(uuid.uuid4()), "name": image_name, "disk_format": "raw", "container_format": "bare"})
    glance.upload(made["id"], setting.paths["raw"].read_bytes(), SIZE)
    image = dict(glance.image(made["id"]) or {})
    with setting.cloud.stored_bytes(image, "fast").open("r+b") as stream:
        stream.seek(-300_000, 2)
        stream.write(b"flipped")
    setting.refused("digest of what came is", "look at the disk of Glance's store", image=image["id"])


def start(setting: Setting, held: Held, name: str = "raw") -> RunningModule:
    options = setting.options(name, dom0_endpoints=[held.proxy.url])
    return RunningModule("xen_vdi_import", setting.pool.options(name=NAME, timeout=60, **options))


def test_a_task_that_is_ended_has_the_plugin_stop(setting: Setting, held: Held) -> None:
    with setting.pool.nothing_left():
        running = start(setting, held)
        held.wait()
        assert setting.staging()
        running.process.send_signal(signal.SIGTERM)
        assert "the task was interrupted" in running.result().sentence()
        assert not setting.staging()


def test_a_plugin_that_is_killed(setting: Setting, held: Held) -> None:
    with setting.pool.nothing_left():
        running = start(setting, held)
        held.wait()
        (staging,) = setting.staging()
        # imagestore.HOST.PID.STARTED.VDI.staging
        os.kill(int(staging.name.split(".")[-4]), signal.SIGKILL)
        assert "the plugin ended with an error of its own" in running.result().sentence()
    held.release.set()
    # The plugin cleans up what it was killed over when it runs next.
    assert setting.pull()["changed"]
    assert not setting.staging()


def test_what_a_killed_task_has_left_goes_with_the_next(setting: Setting, held: Held) -> None:
    """The host goes on alone; meanwhile nobody else begins, and afterwards nobody takes it for a disk."""
    before = setting.pool.census()
    running = start(setting, held)
    held.wait()
    running.kill()
    (left,) = disks_of(setting.pool, incoming_name(NAME))
    notes = setting.pool.api.VDI.get_other_config(left)
    assert notes[INCOMING] == NAME
    with pytest.raises(ImageServicesError, match="another task is importing it now"):
        setting.pull()
    held.release.set()
    made = until(lambda: [record for record in setting.pool.api.VDI.get_all_records().values() if record["uuid"] == notes[PULLS]])
    until(lambda: all(record["status"] != "pending" for record in setting.pool.api.task.get_all_records().values() if record["name_label"].startswith("Async")))
    assert made[0]["name_label"] == ""
    done = setting.pull()
    assert done["changed"]
    assert not disks_of(setting.pool, incoming_name(NAME))
    assert done["vdi"]["uuid"] != notes[PULLS]
    assert setting.stored() == rounded(setting.paths["raw"].read_bytes())
    after = setting.pool.census()
    assert len(after["VDI"] - before["VDI"]) == 1
    # The task's own session and tasks end as the pool ends those of clients that are gone.
    for ref in after["task"] - before["task"]:
        setting.pool.api.task.destroy(ref)
    for ident in after["session"] - before["session"]:
        setting.pool.server.json("session.logout", setting.pool.api.session.get_by_uuid(ident))


def test_a_plugin_that_stands_still_ends_by_the_timeout(setting: Setting, held: Held) -> None:
    text = setting.refused("it has stood at 0% (pending) for 2 seconds", timeout=2, dom0_endpoints=[held.proxy.url])
    assert "raise timeout" in text
    assert not setting.staging()


def test_a_plugin_that_does_not_stop_leaves_what_tells_of_it(setting: Setting, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next run must not begin beside it."""
    monkeypatch.setattr(import_dom0, "STOP_PATIENCE", 0.5)
    real = setting.plugins / "imagestore"
    kept = real.read_bytes()
    facts = json.dumps({"version": "1.0.0", "api": 1, "functions": ["cancel", "download", "version"]})
    flag = setting.plugins / "go-on"
    wait = f"""
import time
value = '{{"cancelled": false}}' if function == "cancel" else {facts!r}
if function == "download":
    until = time.time() + {DEADLINE}
    while not os.path.exists({str(flag)!r}) and time.time() < until:
        time.sleep(0.05)
    failure = ["IMAGESTORE_CANCELLED", "It was cancelled."]
"""
    try:
        scripted(real, wait)
        before = setting.pool.census()
        with pytest.raises(ImageServicesError, match="it has stood at 0%"):
            setting.pull(timeout=1)
        assert disks_of(setting.pool, incoming_name(NAME))
        with pytest.raises(ImageServicesError, match="another task is importing it now"):
            setting.pull()
        flag.touch()
        until(lambda: all(record["status"] != "pending" for record in setting.pool.api.task.get_all_records().values()))
    finally:
        flag.unlink(missing_ok=True)
        real.write_bytes(kept)
    assert setting.pull()["changed"]
    for ref in setting.pool.census()["task"] - before["task"]:
        setting.pool.api.task.destroy(ref)
    assert not disks_of(setting.pool, incoming_name(NAME))


def test_a_pool_that_goes_away_in_the_middle(setting: Setting, held: Held, tmp_path: Path) -> None:
    """Its successor finds what was begun there."""
    state = tmp_path / "state"
    server = start_server(state)
    pool = PoolUnderTest(server, server.login())
    try:
        dom0.install(pool)
        make_sr(pool)
        gone = Setting(pool, setting.cloud, setting.plugins, setting.paths, setting.images)
        running = start(gone, held)
        held.wait()
        server.kill()
        assert running.result().sentence().startswith("Cannot ")
    finally:
        server.kill()
    held.release.set()
    second = run_pool(state)
    pool = next(second)
    try:
        again = Setting(pool, setting.cloud, setting.plugins, setting.paths, setting.images)
        (stand_in,) = disks_of(pool, incoming_name(NAME))
        # The plugin that was orphaned sees that its pool is gone.
        until(lambda: not again.staging())
        with pool.nothing_left("VDI"):
            assert again.pull()["changed"]
        assert stand_in not in pool.api.VDI.get_all()
        assert len([each for each in pool.api.VDI.get_all_records().values() if each["SR"] in pool.api.SR.get_by_name_label(SR)]) == 1
        assert again.stored() == rounded(setting.paths["raw"].read_bytes())
    finally:
        second.close()


def test_secrets_stay_secret_even_where_the_plugin_tells_them(setting: Setting, tmp_path: Path) -> None:
    done = run_module("xen_vdi_import", setting.pool.options(name=NAME, **setting.options()))
    assert done.succeeded()["transport"] == "dom0"
    real = setting.plugins / "imagestore"
    kept = real.read_bytes()
    facts = json.dumps({"version": "1.0.0", "api": 1, "functions": ["cancel", "download", "version"]})
    seen = tmp_path / "seen.json"
    body = f"""
value = {facts!r}
if function == "download":
    token = json.loads(args["params"])["sources"][0]["headers"]["X-Auth-Token"]
    with open({str(seen)!r}, "w") as stream:
        json.dump([token, session], stream)
    failure = ["XENAPI_PLUGIN_FAILURE", "download", "ValueError", args["params"] + session]
"""
    try:
        scripted(real, body)
        failed = run_module("xen_vdi_import", setting.pool.options(name=f"{NAME} 2", **setting.options()))
    finally:
        real.write_bytes(kept)
    assert "the plugin failed in download" in failed.sentence()
    secrets = [*json.loads(seen.read_text()), setting.password, setting.pool.options()["password"]]
    assert len(secrets[0]) > 20
    for text in (done.output, failed.output):
        assert not [secret for secret in secrets if secret in text]
