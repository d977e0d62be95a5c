# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever goes wrong in an import: a sentence, nothing left in the pool, and a next run that succeeds."""

from __future__ import annotations

import contextlib
import random
import signal
import struct
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.xenstack.image_services.plugins.module_utils._core.errors import ImageServicesError
from ansible_collections.xenstack.image_services.plugins.module_utils._vdis import import_apply
from ansible_collections.xenstack.image_services.plugins.module_utils._vdis import transport as import_way
from ansible_collections.xenstack.image_services.plugins.module_utils._vdis import transport_http as import_http
from ansible_collections.xenstack.image_services.plugins.module_utils._vdis.import_job import ImportJob
from ansible_collections.xenstack.image_services.plugins.module_utils._vdis.import_plan import INCOMING, REPLACES, incoming_name
from ansible_collections.xenstack.image_services.plugins.module_utils._xapi import transfer
from ansible_collections.xenstack.image_services.plugins.module_utils._xapi.session import Pool
from ansible_collections.xenstack.image_services.tests.support.disks import MIB, qemu_img, write_raw
from ansible_collections.xenstack.image_services.tests.support.hostile import (
    backed,
    chain_gap,
    chain_loop,
    cut_gzip,
    flat_vmdk,
    hidden_flat_vmdk,
    links,
    lone_child,
    lying_size,
    outside,
    truncated,
    truncated_chain,
)
from ansible_collections.xenstack.image_services.tests.support.imports import (
    NAME,
    disks_of,
    imported,
    parameters,
    small_raw,
    stored,
)
from ansible_collections.xenstack.image_services.tests.support.modules import RunningModule
from ansible_collections.xenstack.image_services.tests.support.sweep import sample
from ansible_collections.xenstack.image_services.tests.support.xapi import PoolUnderTest

pytestmark = pytest.mark.usefixtures("cleared_pool")
SIZE = 12 * MIB + 512


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_raw(tmp_path_factory.mktemp("images"), SIZE)


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_raw(tmp_path_factory.mktemp("images"), SIZE, seed=5)


def refused(pool: PoolUnderTest, *words: str, **options: Any) -> str:
    with pool.nothing_left(), pytest.raises(ImageServicesError) as excinfo:
        imported(pool, **options)
    text = str(excinfo.value)
    assert text.startswith("Cannot "), text
    assert text.endswith("."), text
    assert all(word in text for word in words), text
    return text


def holds(pool: PoolUnderTest, source: Path) -> bool:
    return stored(pool).startswith(source.read_bytes())


METHODS = [
    "VDI.create",
    "task.create",
    "import_raw_vdi",
    "export_raw_vdi",
    "VDI.set_tags",
    "VDI.set_name_label",
    "VDI.set_other_config",
    "SR.add_to_other_config",
]


# Whatever happens, these end the task; of the others, most calls only read, and are made again in a new session.
FATAL = frozenset({"drop", "sr_full", "fail_call", "fail_task"})
HARMLESS = frozenset({"slow"})
ERRORS = [["SR_BACKEND_FAILURE_44", "", "There is insufficient space", ""], ["VDI_IO_ERROR", "Device I/O errors"], ["INTERNAL_ERROR", "Stdext.Unix.Broken"]]
POINTS = 20


def random_faults() -> list[dict[str, Any]]:
    """Each kind of fault at as many random points, all of which a run comes to: it sends more than the largest of them."""
    chooser = random.Random(20261121)
    found: dict[str, list[dict[str, Any]]] = {}
    for number in range(POINTS):
        point, handler = chooser.randrange(5 * MIB // 4), ("import_raw_vdi", "export_raw_vdi")[number % 2]
        full = {"method": "import_raw_vdi", "after": point} if number else {"method": "VDI.create"}
        drawn: list[dict[str, Any]] = [
            {"kind": "drop", "method": handler, "after": point},
            {"kind": "sr_full", **full},
            {"kind": "fail_call", "method": METHODS[number % len(METHODS)], "error": chooser.choice(ERRORS)},
            {"kind": "fail_task", "method": handler, "error": chooser.choice(ERRORS)},
            {"kind": "session_lost", "after": number + 3},
            {"kind": "slow", "seconds": round(chooser.uniform(0.05, 0.3), 2), "method": chooser.choice(METHODS)},
        ]
        for fault in drawn:
            found.setdefault(fault["kind"], []).append(fault)
    return [fault for kind, faults in found.items() for fault in sample(faults, POINTS // 5, f"faults of imports: {kind}")]


@pytest.mark.parametrize("fault", random_faults(), ids=lambda fault: "-".join(str(value) for value in fault.values())[:50])
def test_nothing_is_left_of_a_run_with_a_fault(pool: PoolUnderTest, raw: Path, other: Path, fault: dict[str, Any]) -> None:
    """Where something is there already, it is as it was; the next run does what this one could not."""
    imported(pool, src=str(raw), on_replace="delete")
    (old,) = disks_of(pool)
    before = pool.census()
    planned = pool.fault(**fault)
    failure = ""
    try:
        imported(pool, src=str(other), verify=True, on_replace="delete")
    except ImageServicesError as exc:
        failure = str(exc)
    pool.clear_faults()
    assert planned.struck == 1
    assert bool(failure) or fault["kind"] not in FATAL
    assert not failure or fault["kind"] not in HARMLESS, failure
    assert not failure or (failure.startswith("Cannot ") and failure.endswith(".")), failure
    if disks_of(pool) == [old]:
        assert pool.census() == before
        assert holds(pool, raw)
    imported(pool, src=str(other), verify=True, on_replace="delete")
    assert holds(pool, other)
    assert disks_of(pool) != [old]
    assert not disks_of(pool, incoming_name(NAME))
    after = pool.census()
    assert {name: len(refs) for name, refs in after.items()} == {name: len(refs) for name, refs in before.items()}
    (marks,) = [pool.api.VDI.get_other_config(vdi) for vdi in disks_of(pool)]
    assert REPLACES not in marks
    assert not [key for sr in pool.api.SR.get_all() for key in pool.api.SR.get_other_config(sr) if key.startswith("image_services_lock")]


def test_a_full_sr(pool: PoolUnderTest, raw: Path) -> None:
    pool.fault(kind="sr_full", method="VDI.create")
    refused(pool, f"Cannot import image '{NAME}'", "insufficient space", src=str(raw))


def test_a_silent_pool_ends_by_the_timeout(pool: PoolUnderTest, raw: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its task goes too, which the pool only marks while the import still runs."""
    monkeypatch.setattr(transfer, "GRACE", 0.2)
    pool.fault(kind="slow", method="import_raw_vdi", seconds=4)
    with pool.nothing_left(), pytest.raises(ImageServicesError, match="for 1 seconds the host has neither ended nor gone on"):
        imported(pool, src=str(raw), timeout=1)


@pytest.mark.parametrize("kind", ["drop_call", "lose_answer"])
@pytest.mark.parametrize("method", ["task.create", "task.destroy", "task.get_status"])
def test_no_task_is_left_where_an_answer_about_it_is_lost(pool: PoolUnderTest, raw: Path, kind: str, method: str) -> None:
    with pool.nothing_left("VDI"):
        pool.fault(kind=kind, method=method, after=0 if method == "task.create" else 1)
        with contextlib.suppress(ImageServicesError):
            imported(pool, src=str(raw))
    assert not disks_of(pool, incoming_name(NAME))


def start(pool: PoolUnderTest, source: Path) -> RunningModule:
    return RunningModule("xen_vdi_import", pool.options(name=NAME, src=str(source), timeout=20))


def until(seen: Callable[[], Any], seconds: float = 15) -> Any:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := seen():
            return found
        time.sleep(0.02)
    raise AssertionError("not seen")


def test_a_task_that_is_ended_cleans_up(pool: PoolUnderTest, raw: Path) -> None:
    with pool.nothing_left():
        pool.fault(kind="slow", method="import_raw_vdi", seconds=2)
        running = start(pool, raw)
        until(lambda: not pool.waiting_faults())
        running.process.send_signal(signal.SIGTERM)
        assert "the task was interrupted" in running.result().sentence()


def test_what_a_killed_task_has_left_goes_with_the_next(pool: PoolUnderTest, raw: Path) -> None:
    before = pool.census()
    pool.fault(kind="slow", method="import_raw_vdi", seconds=1)
    running = start(pool, raw)
    until(lambda: not pool.waiting_faults())
    running.kill()
    (left,) = disks_of(pool, incoming_name(NAME))
    assert pool.api.VDI.get_other_config(left)[INCOMING] == NAME
    until(lambda: not pool.api.VDI.get_VBDs(left) and all(record["status"] != "pending" for record in pool.api.task.get_all_records().values()))
    assert imported(pool, check=True, src=str(raw))["changed"]
    imported(pool, src=str(raw))
    assert not disks_of(pool, incoming_name(NAME))
    assert holds(pool, raw)
    # The session of a killed task ends by itself; its task is over and goes as the pool removes what is over.
    for ref in pool.census()["task"] - before["task"]:
        pool.api.task.destroy(ref)
    _end_sessions(pool, before["session"])


def _end_sessions(pool: PoolUnderTest, kept: frozenset[str]) -> None:
    """As the pool does with what is unused for a day."""
    for uuid in pool.census()["session"] - kept:
        session = pool.api.session.get_by_uuid(uuid)
        pool.server.json("session.logout", session)


def test_a_replacement_that_was_interrupted_is_finished(pool: PoolUnderTest, raw: Path, other: Path) -> None:
    imported(pool, src=str(raw))
    pool.fault(kind="fail_call", method="VDI.remove_from_other_config")
    with pytest.raises(ImageServicesError, match="Cannot replace VDI"):
        imported(pool, src=str(other))
    done = imported(pool, src=str(other))
    assert (done["changed"], done["bytes_transferred"]) == (True, 0)
    assert imported(pool, src=str(other))["changed"] is False
    assert holds(pool, other)


# Two at once


def test_a_second_task_does_not_import_what_one_imports_now(pool: PoolUnderTest, raw: Path) -> None:
    pool.fault(kind="slow", method="VDI.set_tags", seconds=1)
    first = start(pool, raw)
    until(lambda: disks_of(pool, incoming_name(NAME)))
    second = start(pool, raw)
    results = [first.result(), second.result()]
    assert len(disks_of(pool)) == 1
    assert holds(pool, raw)
    for result in results:
        assert not result.failed or result.sentence().startswith("Cannot ")
    assert any(not result.failed for result in results)


def test_a_disk_that_is_being_filled_is_left_alone(pool: PoolUnderTest, raw: Path) -> None:
    """The connection of the host to the disk is what tells that somebody is at work."""
    others = set(pool.api.task.get_all())
    with Pool(parameters(pool)) as session:
        given = {"SR": session.default_sr(), "virtual_size": SIZE, "type": "user", "sharable": False, "read_only": False, "other_config": {INCOMING: NAME}}
        vdi = session.call("VDI.create", {**given, "name_label": incoming_name(NAME)})
    path = f"/import_raw_vdi?session_id={pool.session.handle}&vdi={vdi}&format=raw&chunked=true"
    connection = pool.server.connect()
    try:
        connection.connect()
        connection.sock.sendall(f"PUT {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        until(lambda: pool.api.VDI.get_VBDs(vdi))
        with pytest.raises(ImageServicesError, match=f"another task is importing it now, into VDI {pool.api.VDI.get_uuid(vdi)}"):
            imported(pool, src=str(raw))
        connection.sock.sendall(struct.pack("<QI", 0, 0))
        until(lambda: not pool.api.VDI.get_VBDs(vdi))
    finally:
        connection.close()
    [task] = set(pool.api.task.get_all()) - others
    # A destroy only marks a task that is not over, and the disk is free a moment before that.
    until(lambda: pool.api.task.get_status(task) != "pending")
    pool.api.task.destroy(task)
    imported(pool, src=str(raw))
    assert holds(pool, raw)


@pytest.mark.parametrize("same", [True, False])
def test_a_task_that_is_overtaken(pool: PoolUnderTest, raw: Path, other: Path, same: bool) -> None:
    params = parameters(pool, src=str(raw))
    job = ImportJob(params)
    with job.opened:
        seen = job.look()
        plan = job.plan(seen)
        faster = imported(pool, src=str(raw if same else other))["vdi"]["uuid"]
        if same:
            done = job.result(seen, plan, job.apply(seen, plan))
            assert (done["changed"], done["vdi"]["uuid"]) == (False, faster)
        else:
            with pytest.raises(ImageServicesError, match="another task has imported something else under this name"):
                job.apply(seen, plan)
    assert [pool.api.VDI.get_uuid(vdi) for vdi in disks_of(pool)] == [faster]
    assert not disks_of(pool, incoming_name(NAME))


def test_many_at_once_make_one(pool: PoolUnderTest, raw: Path) -> None:
    ready, errors = threading.Barrier(3), []

    def work() -> None:
        ready.wait()
        try:
            imported(pool, src=str(raw))
        except ImageServicesError as exc:
            errors.append(str(exc))

    threads = [threading.Thread(target=work) for _number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(errors) < 3, errors
    assert all(error.startswith("Cannot ") for error in errors), errors
    assert len(disks_of(pool)) == 1
    assert not disks_of(pool, incoming_name(NAME))
    assert holds(pool, raw)


def test_a_lock_that_nobody_holds_any_more_is_taken(pool: PoolUnderTest, raw: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(import_apply, "LOCK_TIMEOUT", 0.3)
    seen: list[str] = []
    commit = import_apply.VdiImporter._commit

    def with_a_foreign_lock(self: Any, *args: Any) -> Any:
        monkeypatch.setattr(import_apply, "uuid4", lambda: seen.append("asked") or "ours")
        key = f"{import_apply.LOCK}_{import_apply.hashlib.sha256(NAME.encode()).hexdigest()[:16]}"
        (sr,) = {pool.api.VDI.get_SR(vdi) for vdi in disks_of(pool, incoming_name(NAME))}
        pool.api.SR.add_to_other_config(sr, key, "another")
        return commit(self, *args)

    monkeypatch.setattr(import_apply.VdiImporter, "_commit", with_a_foreign_lock)
    assert imported(pool, src=str(raw))["changed"]
    assert seen


# Hostile images


HOSTILE = [
    (chain_gap, "the chain has a gap"),
    (chain_loop, "loop"),
    (links, "a symbolic link, which is not followed"),
    (outside, "outside of the tarball's own directory"),
    (truncated("qcow2"), "it is cut off"),
    (truncated("vhd"), "it is cut off"),
    (truncated_chain, "it is cut off"),
    (lying_size, "block"),
    (cut_gzip, "Cannot decompress gzip data of"),
    (lone_child, "only what differs from its parent"),
    (backed, "only what differs from a backing file"),
    (flat_vmdk, "only a description of a disk"),
    (hidden_flat_vmdk, "keeps data in other files"),
]


@pytest.mark.parametrize(("make", "words"), HOSTILE, ids=[make.__qualname__.split(".")[0] + str(number) for number, (make, _words) in enumerate(HOSTILE)])
def test_a_hostile_image_ends_in_a_sentence(pool: PoolUnderTest, tmp_path: Path, make: Callable[[Path], Path], words: str) -> None:
    path = make(tmp_path)
    text = refused(pool, src=str(path))
    assert words in text, text
    assert len(text) < 600


def test_an_image_that_is_not_what_is_declared(pool: PoolUnderTest, raw: Path, tmp_path: Path) -> None:
    qemu_img("convert", "-O", "qcow2", raw, tmp_path / "disk.qcow2")
    refused(pool, "disk_format is 'raw', but the data is qcow2", src=str(tmp_path / "disk.qcow2"), disk_format="raw")
    refused(pool, "disk_format is 'qcow2', but the data is a raw disk", src=str(raw), disk_format="qcow2")
    refused(pool, "disk_format is 'vhd', but", src=str(tmp_path / "disk.qcow2"), disk_format="vhd")
    (tmp_path / "disk.vdi").write_bytes(bytes(64) + b"\x7f\x10\xda\xbe" + bytes(4096))
    refused(pool, "the data is vdi", src=str(tmp_path / "disk.vdi"))
    refused(pool, "No such file or directory", src=str(tmp_path / "none"))


def test_a_file_that_changes_meanwhile(pool: PoolUnderTest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = small_raw(tmp_path, SIZE)
    put = import_http.put

    def change(*args: Any) -> Any:
        write_raw(path, SIZE, [(0, b"another")])
        return put(*args)

    monkeypatch.setattr(import_http, "put", change)
    refused(pool, "it changed while it was read", src=str(path))


def test_a_pool_that_gives_back_something_else(pool: PoolUnderTest, raw: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    get = import_way.get

    def spoil(session: Any, path: str, query: dict[str, str], what: str) -> Any:
        session.call("VDI.get_uuid", query["vdi"])
        from ansible_collections.xenstack.image_services.tests.support.xapi import disk_file

        with disk_file(pool.server, pool.api, query["vdi"]).open("r+b") as stream:
            stream.seek(-MIB, 2)
            stream.write(b"flipped")
        return get(session, path, query, what)

    monkeypatch.setattr(import_way, "get", spoil)
    refused(pool, "Cannot verify image", "other data than it was sent", src=str(raw), verify=True)
