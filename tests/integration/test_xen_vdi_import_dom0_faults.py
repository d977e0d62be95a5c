# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever goes wrong while a host pulls: a sentence, nothing left in the pool, no secret shown, and a next run that succeeds."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import sys
import uuid
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.xenstack.image_services.plugins.module_utils._core.errors import ImageServicesError
from ansible_collections.xenstack.image_services.plugins.module_utils._glance.connection import Cloud as Connection
from ansible_collections.xenstack.image_services.plugins.module_utils._vdis import transport_dom0 as import_dom0
from ansible_collections.xenstack.image_services.plugins.module_utils._vdis.import_plan import INCOMING, PULLS, TASK, incoming_name
from ansible_collections.xenstack.image_services.tests.support import dom0
from ansible_collections.xenstack.image_services.tests.support.deployment import run_playbook
from ansible_collections.xenstack.image_services.tests.support.disks import MIB
from ansible_collections.xenstack.image_services.tests.support.imports import NAME, disks_of
from ansible_collections.xenstack.image_services.tests.support.modules import RunningModule, run_module
from ansible_collections.xenstack.image_services.tests.support.pulls import DEADLINE, SIZE, SR, Held, Setting, make_sr, rounded, scripted, until
from ansible_collections.xenstack.image_services.tests.support.xapi import PoolUnderTest, run_pool
from ansible_collections.xenstack.image_services.tests.support.xapi import start as start_server

CALLS = (
    "VDI.create",
    "task.create",
    "host.call_plugin",
    "VDI.add_to_other_config",
    "SR.scan",
    "VDI.set_other_config",
    "VDI.set_name_label",
    "VDI.set_tags",
)


def test_nothing_is_left_where_a_call_fails(setting: Setting) -> None:
    old = setting.pull("raw", transport="http")["vdi"]
    for method in CALLS:
        setting.pool.fault(kind="fail_call", method=method, error=["SR_BACKEND_FAILURE_44", "", "There is insufficient space", ""])
        with setting.pool.nothing_left(), pytest.raises(ImageServicesError, match=r"^Cannot .*\.$"):
            setting.pull("chain.gz", size="20M", on_replace="delete")
        assert setting.pool.clear_faults() == [], method
        assert [setting.pool.api.VDI.get_uuid(vdi) for vdi in disks_of(setting.pool)] == [old["uuid"]]
    assert setting.pull("chain.gz", size="20M", on_replace="delete")["changed"]
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
        assert "the plugin was ended by the signal SIGKILL" in running.result().sentence()
    held.release.set()
    # The plugin cleans up what it was killed over when it runs next.
    assert setting.pull()["changed"]
    assert not setting.staging()


def test_what_a_killed_task_has_left_goes_with_the_next(setting: Setting, held: Held) -> None:
    """The host goes on alone; meanwhile nobody else begins, and afterwards nobody takes it for a disk."""
    before = setting.pool.census()
    running = start(setting, held)
    held.wait()
    (left,) = disks_of(setting.pool, incoming_name(NAME))
    until(lambda: TASK in setting.pool.api.VDI.get_other_config(left))
    running.kill()
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
        setting.pool.api.task.set_status(ref, "cancelled")
        setting.pool.api.task.destroy(ref)
    for ident in after["session"] - before["session"]:
        setting.pool.server.json("session.logout", setting.pool.api.session.get_by_uuid(ident))


@pytest.fixture
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a pull alone: a slow machine needs the usual idle timeout for all else."""
    follow = import_dom0.follow

    def hurried(pool: Any, ref: str, what: str, idle_timeout: float | None = None, share: Any = None) -> str:
        return follow(pool, ref, what, idle_timeout if share is None else 1.0, share)

    monkeypatch.setattr(import_dom0, "follow", hurried)


@pytest.mark.usefixtures("_impatient")
def test_a_plugin_that_stands_still_ends_by_the_timeout(setting: Setting, held: Held) -> None:
    text = setting.refused("its progress has been 0% (pending) for 1 seconds", dom0_endpoints=[held.proxy.url])
    assert "raise timeout" in text
    assert not setting.staging()


@pytest.mark.usefixtures("_impatient")
def test_a_plugin_that_does_not_stop_leaves_what_tells_of_it(setting: Setting, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next run must not begin beside it."""
    monkeypatch.setattr(import_dom0, "STOP_TIMEOUT", 0.5)
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
        with pytest.raises(ImageServicesError, match="its progress has been 0%"):
            setting.pull()
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
        setting.pool.api.task.set_status(ref, "cancelled")
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


def test_a_playbook_at_full_verbosity_shows_no_secret(setting: Setting, tmp_path: Path) -> None:
    pool = setting.pool.options()
    secret = "a-word-for-the-plugin"
    given = {"pool": pool, "image": {**pool, **setting.options(), "name": NAME, "transport": "auto"}}
    by_variables = {name: {option: f"{{{{ {name}.{option} }}}}" for option in options} for name, options in given.items()}
    tasks = [
        {"xenstack.image_services.xen_vdi_import": by_variables["image"], "register": "kept"},
        {"ansible.builtin.debug": {"var": "kept"}},
        {
            "xenstack.image_services.xen_vdi_import": {**by_variables["image"], "dom0_endpoints": ["none"], "transport": "dom0"},
            "ignore_errors": True,
        },
        {"xenstack.image_services.xen_plugin": by_variables["pool"]},
        {
            "xenstack.image_services.xen_plugin": {
                **by_variables["pool"],
                "name": "imagestore",
                "function": "version",
                "secret_arguments": {"params": "{}", "word": secret},
            },
        },
    ]
    local = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    playbook = tmp_path / "play.yml"
    playbook.write_text(json.dumps([{"hosts": "localhost", "gather_facts": False, "vars": local, "tasks": tasks}]), encoding="utf-8")
    done = run_playbook(playbook, given, "-vvvv", "--diff")
    done.succeeded()
    assert '"transport": "dom0"' in done.output
    # As the tokens of Keystone begin.
    for word in (setting.password, pool["password"], secret, "gAAAAA"):
        assert word not in done.output
