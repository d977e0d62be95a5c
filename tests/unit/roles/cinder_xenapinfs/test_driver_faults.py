# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every call of every operation fails in turn: nothing is left in the pool or on the share, and the operation then succeeds."""

from __future__ import annotations

import contextlib
import random
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
import sweep
from backend import MIB, Backend, ImageService
from cinder import exception
from cinder_xenapinfs.repository import Repository
from xapi import PASSWORD, AskedFault, PoolUnderTest

MAX_CALLS = 60
DATA = random.Random(1).randbytes(MIB)


class Operation:
    """What is done, again and again, and how its result is removed."""

    def __init__(self, backend: Backend) -> None:
        self.backend, self.driver = backend, backend.driver

    def prepare(self) -> None:
        """Before each try from the beginning."""

    def run(self) -> None:
        raise NotImplementedError

    def undo(self) -> None:
        """After each success."""

    def close(self) -> None:
        """At the end of all."""


class Create(Operation):
    def prepare(self) -> None:
        self.volume = self.backend.volume(1)

    def run(self) -> None:
        self.volume.update(self.driver.create_volume(self.volume))

    def undo(self) -> None:
        self.driver.delete_volume(self.volume)


class Delete(Operation):
    def prepare(self) -> None:
        self.volume = self.backend.made(1)

    def run(self) -> None:
        self.driver.delete_volume(self.volume)


class OfAVolume(Operation):
    def __init__(self, backend: Backend) -> None:
        super().__init__(backend)
        self.source = backend.made(1)
        self.size = 1

    def close(self) -> None:
        self.driver.delete_volume(self.source)


class Extend(OfAVolume):
    def prepare(self) -> None:
        self.size += 1

    def run(self) -> None:
        self.driver.extend_volume(self.source, self.size)


class Snapshot(OfAVolume):
    def prepare(self) -> None:
        self.snapshot = self.backend.snapshot(self.source)

    def run(self) -> None:
        self.snapshot.update(self.driver.create_snapshot(self.snapshot))

    def undo(self) -> None:
        self.driver.delete_snapshot(self.snapshot)


class CopyInUse(Snapshot):
    def __init__(self, backend: Backend) -> None:
        super().__init__(backend)
        self.source.attach_status = "attached"


class FromImage(OfAVolume):
    def __init__(self, backend: Backend) -> None:
        super().__init__(backend)
        self.images = ImageService()
        self.image = self.images.add(DATA, "raw")

    def run(self) -> None:
        self.driver.copy_image_to_volume(self.backend.context, self.source, self.images, self.image)


class ToImage(FromImage):
    def run(self) -> None:
        self.driver.copy_volume_to_image(self.backend.context, self.source, self.images, self.images.empty("vhd"))


class Statistics(Operation):
    def run(self) -> None:
        self.driver.capacity_until = 0
        if self.driver.get_volume_stats(refresh=True)["backend_state"] != "up":
            raise exception.VolumeBackendAPIException(data="down")


class SetUp(Operation):
    def run(self) -> None:
        self.driver.check_for_setup_error()


OPERATIONS = [Create, Delete, Extend, Snapshot, CopyInUse, FromImage, ToImage, Statistics, SetUp]
KINDS = ["drop_call", "lose_answer", "fail_call", "session_lost"]
# Where every call is cut off both before and after it is carried out; elsewhere the two take turns.
THOROUGH = (Create, Snapshot)
# One in so many is drawn for a run.
DRAWN = 4


def points(what: type[Operation], kind: str) -> Sequence[int]:
    """Which calls fail: one that is refused ends as one that never arrives, so that some of those do. A run draws where it begins, a sweep has all."""
    if kind in ("drop_call", "lose_answer"):
        all_of_them = range(MAX_CALLS) if what in THOROUGH else range(KINDS.index(kind), MAX_CALLS, 2)
    else:
        all_of_them = range(OPERATIONS.index(what) % 5, MAX_CALLS, 5)
    begin = sweep.sample(range(1, DRAWN + 1), 1, f"{what.__name__} {kind}")[0]
    return [all_of_them[0], *all_of_them[begin :: 1 if sweep.COMPLETE else DRAWN]]


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cinder_xenapinfs.session.FIRST_DELAY", 0.02)


@contextlib.contextmanager
def fault(pool: PoolUnderTest, **given: Any) -> Iterator[AskedFault]:
    """The fault, for as long as the block."""
    try:
        yield pool.fault(**given)
    finally:
        pool.clear_faults()


def attempt(operation: Operation) -> bool:
    """Whether it went well; what is raised is an exception of Cinder, and does not tell the password."""
    raised = None
    try:
        operation.run()
    except exception.CinderException as exc:
        raised = exc
    assert PASSWORD not in str(raised)
    return raised is None


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("what", OPERATIONS)
def test_each_call_in_turn(backend: Backend, pool: PoolUnderTest, what: type[Operation], kind: str) -> None:
    backend.set_up()
    operation = what(backend)
    failures = strikes = 0
    for after in points(what, kind):
        operation.prepare()
        before = set(backend.share)
        # A session whose reference never arrived cannot be ended by anybody.
        unknown = ["session"] if kind == "lose_answer" and after == 0 else []
        with pool.nothing_left(*unknown):
            # The one behind the last call does not strike.
            with fault(pool, kind=kind, after=after, sure=False) as planned:
                done = attempt(operation)
            if not done:
                failures += 1
                assert set(backend.share) <= before
                operation.run()
        operation.undo()
        if not planned.struck:
            break
        strikes += 1
    else:
        raise AssertionError("the operation makes more calls than that")
    operation.close()
    assert strikes
    # Who loses a session logs in again.
    assert bool(failures) is (kind != "session_lost")
    assert backend.share == []


@pytest.mark.parametrize(
    "given",
    [
        {"kind": "drop", "after": 0},
        {"kind": "drop", "after": 100_000},
        {"kind": "fail_task"},
        {"kind": "fail_call", "method": "import_raw_vdi", "error": ["SR_BACKEND_FAILURE_46", "", "gone", ""]},
        {"kind": "sr_full", "method": "import_raw_vdi", "after": 4096},
    ],
)
@pytest.mark.parametrize("what", [FromImage, ToImage])
def test_a_stream_breaks(backend: Backend, pool: PoolUnderTest, what: type[Operation], given: dict[str, Any]) -> None:
    backend.set_up()
    operation = what(backend)
    if what is ToImage:
        FromImage.run(operation)
        given = given | ({"method": "export_raw_vdi"} if "method" in given else {})
    if given["kind"] == "sr_full" and what is ToImage:
        given = {"kind": "drop", "after": 600_000}
    with pool.nothing_left():
        with fault(pool, **given):
            assert not attempt(operation)
        operation.run()
    operation.close()


@pytest.mark.parametrize("what", [Create, Snapshot, CopyInUse, FromImage])
@pytest.mark.parametrize("after", [3, 6, 9])
def test_the_pool_is_away_for_a_moment(backend: Backend, pool: PoolUnderTest, what: type[Operation], after: int) -> None:
    """What was begun is removed once it is back."""
    backend.set_up()
    operation = what(backend)
    operation.prepare()
    with pool.nothing_left():
        pool.fault(kind="drop_call", after=after, times=0)
        back = threading.Timer(0.7, pool.clear_faults)
        back.start()
        done = attempt(operation)
        back.join()
        if not done:
            operation.run()
    operation.undo()
    operation.close()
    assert backend.share == []


def left_behind(backend: Backend, pool: PoolUnderTest) -> set[str]:
    """A creation that the pool did not survive, for longer than the driver waits."""
    backend.driver.pool.idle_timeout = 0.3
    before = pool.census()["SR"]
    with fault(pool, kind="drop_call", after=4, times=0), pytest.raises(exception.VolumeBackendAPIException):
        backend.driver.create_volume(backend.volume(1))
    left = set(pool.census()["SR"] - before)
    assert len(left) == 1
    return left


@pytest.mark.parametrize("restarted", [False, True])
def test_what_could_not_be_removed_goes_later(make_backend: Callable[..., Backend], pool: PoolUnderTest, restarted: bool) -> None:
    backend, other = make_backend("first"), make_backend("second")
    backend.set_up(), other.set_up()
    with pool.nothing_left("session"):
        left = left_behind(backend, pool)
        other.driver.check_for_setup_error()
        assert left <= pool.census()["SR"], "the other backend has removed it"
        if restarted:
            make_backend("first").set_up()
        else:
            backend.driver.get_volume_stats(refresh=True)
    assert backend.share == []


def test_what_a_dead_process_had_introduced_is_let_go(make_backend: Callable[..., Backend], pool: PoolUnderTest) -> None:
    """Its volume stays."""
    backend = make_backend()
    backend.set_up()
    volume = backend.made(1)
    with pool.nothing_left(), backend.driver.pool.session() as session:
        backend.driver.repositories.attach(session, Repository(volume.provider_location.split("/")[0]))
        left = [session.call("task.create", "theirs", f"{session.originator} {number}") for number in range(2)]
        session.call("task.set_status", left[0], "success")
        with session.task("ours") as ours:
            make_backend().set_up()
            assert not {*left} & {*pool.api.task.get_all()}
            assert pool.api.task.get_status(ours) == "pending"
    assert backend.share == [f"{volume.provider_location}.vhd"]
    with pool.nothing_left():
        backend.driver.delete_volume(volume)
    assert backend.share == []


def test_strangers_are_not_touched(make_backend: Callable[..., Backend], pool: PoolUnderTest) -> None:
    api = pool.api
    sr = api.SR.introduce("", "cinder_xenapinfs", "cinder_xenapinfs another@backend created", "nfs", "user", False, {})
    task = api.task.create("theirs", "cinder_xenapinfs another@backend 1")
    with pool.nothing_left():
        make_backend().set_up()
    api.task.set_status(task, "success")
    api.task.destroy(task)
    api.SR.forget(sr)
