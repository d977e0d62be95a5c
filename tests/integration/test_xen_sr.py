# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""SRs in a simulated pool: what is made, what is taken back when a step fails, and what is never lost."""

from __future__ import annotations

import contextlib
import functools
import itertools
from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.xenstack.image_services.plugins.module_utils._core.errors import ImageServicesError
from ansible_collections.xenstack.image_services.plugins.module_utils._core.runner import carry_out
from ansible_collections.xenstack.image_services.plugins.module_utils._core.wait import Clock
from ansible_collections.xenstack.image_services.plugins.module_utils._srs.job import SrJob
from ansible_collections.xenstack.image_services.plugins.module_utils._xapi.session import Pool
from ansible_collections.xenstack.image_services.tests.support.modules import RunningModule, run_module
from ansible_collections.xenstack.image_services.tests.support.xapi import MIB, PoolUnderTest, error

ABSENT = {"state": "absent", "destroy": True}
OPTIONS = (
    "name uuid type device_config nfsversion content_type shared description default plugged host".split(),
    {"state": "present", "destroy": False, "scan": False, "overwrite": False},
)


@pytest.fixture
def name(pool: PoolUnderTest, request: pytest.FixtureRequest) -> Iterator[str]:
    """A name of the test's own; the SRs and disks under it go."""
    label = f"test {request.node.name[:60]}"
    ((owner, record),) = pool.api.pool.get_all_records().items()
    yield label
    pool.api.pool.set_default_SR(owner, record["default_SR"])
    for sr in pool.api.SR.get_by_name_label(label):
        for pbd in pool.api.SR.get_PBDs(sr):
            pool.api.PBD.plug(pbd)
        for vdi in pool.api.SR.get_VDIs(sr):
            pool.api.VDI.destroy(vdi)
        for pbd in pool.api.SR.get_PBDs(sr):
            pool.api.PBD.unplug(pbd)
        pool.api.SR.forget(sr)


def nfs(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "type": "nfs", "device_config": {"server": "nfs.example", "serverpath": f"/{name}"}} | more


def ensure(pool: PoolUnderTest, options: dict[str, Any], check: bool = False, connect: Any = Pool) -> dict[str, Any]:
    """As the module does, in this process."""
    names, defaults = OPTIONS
    return carry_out(SrJob({**dict.fromkeys(names), **defaults, **pool.params(), **options}, connect), check)


def refused(pool: PoolUnderTest, options: dict[str, Any]) -> str:
    with pool.nothing_left(), pytest.raises(ImageServicesError) as caught:
        ensure(pool, options)
    return str(caught.value)


def add_disk(pool: PoolUnderTest, name: str, label: str = "a disk") -> str:
    (sr,) = pool.api.SR.get_by_name_label(name)
    fields = {"SR": sr, "name_label": label, "virtual_size": str(4 * MIB), "type": "user", "sharable": False, "read_only": False, "other_config": {}}
    return pool.api.VDI.get_uuid(pool.api.VDI.create(fields))


def test_all_hosts_are_connected_to_a_shared_sr(pool: PoolUnderTest, name: str) -> None:
    done = ensure(pool, nfs(name, nfsversion="4.1", description="of a test"))
    assert [(link["host_name"], link["attached"]) for link in done["sr"]["pbds"]] == [("simulated-host-1", True), ("simulated-host-2", True)]
    assert done["sr"]["pbds"][1]["device_config"] == {"nfsversion": "4.1", "server": "nfs.example", "serverpath": f"/{name}"}
    assert (done["sr"]["shared"], done["sr"]["content_type"], done["sr"]["description"]) == (True, "user", "of a test")


@pytest.mark.parametrize(
    ("kind", "config", "shared"),
    [
        ("ext", {"device": "/dev/sdx"}, False),
        ("lvm", {"device": "/dev/sdy"}, False),
        ("file", {"location": "/srv/x"}, False),
        ("iso", {"location": "/i"}, True),
    ],
)
def test_every_type_is_made_and_removed(pool: PoolUnderTest, name: str, kind: str, config: dict[str, str], shared: bool) -> None:
    with pool.nothing_left():
        done = ensure(pool, {"name": name, "type": kind, "device_config": config, "shared": shared or None})
        assert done["sr"]["type"] == kind
        assert len(done["sr"]["pbds"]) == (2 if shared else 1)
        assert not ensure(pool, {"name": name, "type": kind, "device_config": config})["changed"]
        assert ensure(pool, {"name": name, **ABSENT})["sr"] is None


def test_an_sr_is_made_by_the_host_that_is_named(pool: PoolUnderTest, name: str) -> None:
    done = ensure(pool, {"name": name, "type": "ext", "device_config": {"device": "/dev/sdz"}, "host": "simulated-host-2"})
    assert [link["host_name"] for link in done["sr"]["pbds"]] == ["simulated-host-2"]
    assert "Cannot use host 'nowhere': the pool has none of this name or uuid" in refused(pool, nfs("other", host="nowhere"))


def test_an_sr_goes_to_another_pool_and_comes_back_with_its_disks(pool: PoolUnderTest, name: str) -> None:
    made = ensure(pool, nfs(name))["sr"]
    disk = add_disk(pool, name)
    done = ensure(pool, {"name": name, "state": "forgotten"})
    assert (done["changed"], done["sr"]) == (True, None)
    assert error(pool.api.VDI.get_by_uuid, disk)[0] == "UUID_INVALID"
    assert not ensure(pool, {"uuid": made["uuid"], "state": "forgotten"})["changed"]
    back = ensure(pool, nfs(name, uuid=made["uuid"]))["sr"]
    assert (back["uuid"], back["vdis"], len(back["pbds"])) == (made["uuid"], 1, 2)
    assert pool.api.VDI.get_by_uuid(disk)
    assert not ensure(pool, nfs(name, uuid=made["uuid"].upper()))["changed"]


def test_an_sr_that_is_not_on_the_storage_cannot_be_introduced(pool: PoolUnderTest, name: str) -> None:
    said = refused(pool, nfs(name, uuid="00000000-0000-4000-8000-000000000000"))
    assert f"Cannot set up SR '{name}': the storage driver reports" in said


def test_no_disk_is_ever_lost(pool: PoolUnderTest, name: str) -> None:
    ensure(pool, nfs(name))
    add_disk(pool, name)
    said = refused(pool, {"name": name, "state": "absent"})
    assert "state absent deletes what is on the storage. Choose the state forgotten to keep it there, or set destroy to true" in said
    assert "there are 1 disks in it (a disk)" in refused(pool, {"name": name, **ABSENT})


@pytest.mark.parametrize("plugged", [True, False])
def test_a_disk_that_the_pool_does_not_know_is_found_before_an_sr_is_deleted(pool: PoolUnderTest, name: str, plugged: bool) -> None:
    made = ensure(pool, nfs(name))["sr"]
    disk = add_disk(pool, name)
    pool.api.VDI.forget(pool.api.VDI.get_by_uuid(disk))
    ensure(pool, {"name": name, "plugged": plugged})
    with pool.nothing_left("VDI"), pytest.raises(ImageServicesError, match=rf"there are 1 disks in it \({disk}\)"):
        ensure(pool, {"name": name, **ABSENT})
    (sr,) = pool.api.SR.get_by_name_label(name)
    assert {pool.api.PBD.get_currently_attached(pbd) for pbd in pool.api.SR.get_PBDs(sr)} == {plugged}
    assert list((pool.server.state / "devices").rglob(f"{made['uuid']}/{disk}.vhd"))


def test_a_device_that_holds_an_sr_is_not_formatted(pool: PoolUnderTest, name: str) -> None:
    given = {"name": name, "type": "ext", "device_config": {"device": "/dev/taken"}}
    made = ensure(pool, given)["sr"]
    ensure(pool, {"name": name, "state": "forgotten"})
    for kind in ("ext", "lvm"):
        said = refused(pool, given | {"type": kind})
        assert f"the device holds the SR {made['uuid']} and would be formatted" in said
    back = ensure(pool, given | {"uuid": made["uuid"]})["sr"]
    assert back["uuid"] == made["uuid"]


def test_an_sr_in_use_stays_connected_everywhere(pool: PoolUnderTest, name: str) -> None:
    ensure(pool, nfs(name))
    disk = pool.api.VDI.get_by_uuid(add_disk(pool, name))
    (template,) = pool.api.VM.get_by_name_label("Other install media")
    vm = pool.api.VM.clone(template, name)
    try:
        pool.api.VM.provision(vm)
        fields = {"VM": vm, "VDI": disk, "userdevice": "0", "bootable": True, "mode": "RW", "type": "Disk", "empty": False}
        pool.api.VBD.create(fields | {"other_config": {}, "qos_algorithm_type": "", "qos_algorithm_params": {}})
        pool.api.VM.start_on(vm, pool.api.host.get_by_name_label("simulated-host-2")[0], False, False)
        for change in ({"state": "forgotten"}, {"plugged": False}, {"device_config": {"options": "soft"}}):
            assert "the disk is in use" in refused(pool, {"name": name, **change})
            (sr,) = pool.api.SR.get_by_name_label(name)
            links = [pool.api.PBD.get_record(pbd) for pbd in pool.api.SR.get_PBDs(sr)]
            assert [(link["currently_attached"], link["device_config"].get("options")) for link in links] == [(True, None)] * 2
    finally:
        if pool.api.VM.get_power_state(vm) != "Halted":
            pool.api.VM.hard_shutdown(vm)
        pool.api.VM.destroy(vm)


def test_connections_follow_what_the_driver_is_told(pool: PoolUnderTest, name: str) -> None:
    ensure(pool, nfs(name))
    change = {"name": name, "device_config": {"options": "soft"}}
    assert ensure(pool, change, check=True)["diff"] == ensure(pool, change)["diff"]
    (sr,) = pool.api.SR.get_by_name_label(name)
    links = [pool.api.PBD.get_record(pbd) for pbd in pool.api.SR.get_PBDs(sr)]
    assert [(link["currently_attached"], link["device_config"]) for link in links] == [
        (True, {"server": "nfs.example", "serverpath": f"/{name}", "options": "soft"})
    ] * 2
    assert not ensure(pool, change)["changed"]
    # The storage is not there: the connections are as before.
    with pytest.raises(ImageServicesError, match="the storage driver reports"):
        ensure(pool, {"name": name, "device_config": {"serverpath": "/elsewhere"}})
    links = [pool.api.PBD.get_record(pbd) for pbd in pool.api.SR.get_PBDs(sr)]
    assert [(link["currently_attached"], link["device_config"]["serverpath"]) for link in links] == [(True, f"/{name}")] * 2


def test_a_scan_reports_a_change_only_where_it_finds_one(pool: PoolUnderTest, name: str) -> None:
    ensure(pool, nfs(name))
    assert not ensure(pool, {"name": name, "scan": True})["changed"]
    pool.api.VDI.forget(pool.api.VDI.get_by_uuid(add_disk(pool, name)))
    done = ensure(pool, {"name": name, "scan": True})
    assert (done["changed"], done["sr"]["vdis"]) == (True, 1)
    assert not ensure(pool, {"name": name, "scan": True})["changed"]


def test_the_default_of_the_pool_is_handed_over_and_given_back(pool: PoolUnderTest, name: str) -> None:
    (owner,) = pool.api.pool.get_all()
    assert ensure(pool, nfs(name, default=True))["sr"]["default"]
    assert not ensure(pool, {"name": name, "default": True})["changed"]
    assert not ensure(pool, {"name": name, "default": False})["sr"]["default"]
    assert pool.api.pool.get_default_SR(owner) == "OpaqueRef:NULL"
    # A default that has gone is none.
    ensure(pool, {"name": name, "default": True})
    ensure(pool, {"name": name, "state": "forgotten"})
    with Pool(pool.params()) as api:
        assert api.default_sr() is None


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"type": "nfs", "uuid": "x"}, "'x' is not a uuid"),
        ({"type": "nfs"}, "needs server and serverpath in device_config"),
        ({"type": "ext", "device_config": {"device": "/dev/sdx"}, "nfsversion": "4"}, "nfsversion is given, and its type is ext"),
        ({"type": "nfs", "device_config": {"nfsversion": "3"}, "nfsversion": "4"}, "Give it once"),
        ({"name": "00000000-0000-4000-8000-000000000000", "type": "nfs"}, "the pool has no SR with this uuid. Give it as uuid, beside a name"),
    ],
)
def test_bad_options_change_nothing(pool: PoolUnderTest, options: dict[str, Any], words: str) -> None:
    assert words in refused(pool, {"name": "bad"} | options)


def test_two_srs_of_one_name_are_told_apart_by_their_uuids(pool: PoolUnderTest, name: str) -> None:
    first = ensure(pool, nfs(name))["sr"]["uuid"]
    second = ensure(pool, nfs(f"{name} 2"))["sr"]["uuid"]
    pool.api.SR.set_name_label(pool.api.SR.get_by_uuid(second), name)
    assert f"2 have this name: {', '.join(sorted([first, second]))}. Give one of the uuids." in refused(pool, {"name": name, "description": "x"})
    assert ensure(pool, {"uuid": second, "name": f"{name} 2", **ABSENT})["changed"]
    assert ensure(pool, {"name": first, "description": "x"})["sr"]["name"] == name


class Hasty(Clock):
    def sleep(self, seconds: float) -> None:
        super().sleep(seconds / 10)


class Failing(Pool):
    """Fails once, at a call that is counted, before it is sent."""

    def __init__(self, params: Any, at: int, strike: BaseException) -> None:
        super().__init__(params, Hasty())
        self.left, self.strike, self.struck = at, strike, ""

    def ask(self, method: str, *arguments: Any, silence: float | None = None) -> Any:
        self.left -= 1
        if self.left == 0:
            self.struck = method
            raise self.strike
        return super().ask(method, *arguments, silence=silence)


@pytest.mark.parametrize(("introduced", "strike"), [(False, ImageServicesError("broken", code="broken")), (True, KeyboardInterrupt())])
def test_nothing_incomplete_is_left_whichever_call_fails(pool: PoolUnderTest, name: str, introduced: bool, strike: BaseException) -> None:
    options = nfs(name, default=True, scan=True, plugged=True)
    if introduced:
        options["uuid"] = ensure(pool, nfs(name))["sr"]["uuid"]
        ensure(pool, {"name": name, "state": "forgotten"})
    (owner,) = pool.api.pool.get_all()
    default = pool.api.pool.get_default_SR(owner)
    before = pool.census()
    finished = False

    def connect(connection: list[Failing], at: int, params: Any) -> Pool:
        connection.append(Failing(params, at, strike))
        return connection[0]

    for at in itertools.count(1):
        connection: list[Failing] = []
        with contextlib.suppress(ImageServicesError):
            ensure(pool, options, connect=functools.partial(connect, connection, at))
            finished = not connection[0].struck
        if pool.api.pool.get_default_SR(owner) != default:
            # What comes after the last step only reads, and what was not heard may be said again.
            assert not ensure(pool, options)["changed"], f"call {at}: {connection[0].struck}"
            pool.api.pool.set_default_SR(owner, default)
            ensure(pool, {"name": name, "state": "forgotten"})
        after = pool.census()
        assert {key: after[key] ^ before[key] for key in after if after[key] != before[key] and key != "session"} == {}, f"call {at}: {connection[0].struck}"
        if finished:
            break
    assert at > 20


@pytest.mark.parametrize("method", ["SR.create", "SR.introduce", "PBD.create", "PBD.plug", "SR.scan", "pool.set_default_SR"])
def test_a_refusal_of_the_pool_is_said_and_taken_back(pool: PoolUnderTest, name: str, method: str) -> None:
    made = ensure(pool, nfs(name))["sr"]
    ensure(pool, {"name": name, "state": "forgotten"})
    given = nfs(name, default=True, scan=True) if method == "SR.create" else nfs(name, uuid=made["uuid"], default=True)
    pool.fault(kind="fail_call", method=method, error=["SR_BACKEND_FAILURE_73", "", "NFS mount error [opterr=mount failed]", ""])
    said = refused(pool, given)
    assert said == (
        f"Cannot set up SR '{name}': the storage driver reports NFS mount error [opterr=mount failed] (SR_BACKEND_FAILURE_73). "
        "See the log of the host (/var/log/SMlog and /var/log/xensource.log)."
    )
    assert pool.clear_faults() == []
    assert ensure(pool, given)["changed"]


@pytest.mark.parametrize("after", range(0, 24, 2))
def test_a_lost_session_leaves_nothing_incomplete(pool: PoolUnderTest, name: str, after: int) -> None:
    with pool.nothing_left():
        pool.fault(kind="session_lost", after=after)
        try:
            ensure(pool, nfs(name, scan=True))
            said = ""
        except ImageServicesError as exc:
            said = str(exc)
        pool.clear_faults()
        if said:
            assert said.endswith("the pool has ended the session. Run the task again.")
            assert pool.api.SR.get_by_name_label(name) == []
        assert ensure(pool, nfs(name))["changed"] == bool(said)
        ensure(pool, {"name": name, **ABSENT})


def test_a_secret_of_the_driver_is_not_shown(pool: PoolUnderTest, name: str) -> None:
    config = {"location": "//server/share", "type": "cifs", "username": "reader", "cifspassword": "of-the-share"}
    options = pool.options(name=name, type="iso", device_config=config)
    for check in (True, False):
        result = run_module("xen_sr", options, check=check)
        assert result.succeeded()["sr"]["pbds"][0]["device_config"]["username"] == "reader"
        assert "of-the-share" not in result.output
    changed = run_module("xen_sr", options | {"device_config": config | {"cifspassword": "another-one"}})
    assert changed.succeeded()["changed"]
    assert "another-one" not in changed.output
    assert "of-the-share" not in changed.output
    assert "one of the following is required: name, uuid" in run_module("xen_sr", pool.options()).values["msg"]


def test_a_module_that_is_asked_to_end_cleans_up_first(pool: PoolUnderTest, name: str) -> None:
    made = ensure(pool, nfs(name))["sr"]
    ensure(pool, {"name": name, "state": "forgotten"})
    with pool.nothing_left():
        pool.fault(kind="slow", method="PBD.plug", seconds=5)
        running = RunningModule("xen_sr", pool.options(**nfs(name, uuid=made["uuid"])))
        pool.await_object("task", lambda task: task["name_label"] == "Async.PBD.plug")
        running.process.terminate()
        assert running.result().sentence() == f"Cannot set up SR '{name}': the task was interrupted. Run it again."
