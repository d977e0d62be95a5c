# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module xen_vm against a simulated pool: what it makes, what it refuses, and that it leaves nothing when it fails."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from ansible_collections.xenstack.image_services.plugins.module_utils._core.errors import ImageServicesError
from ansible_collections.xenstack.image_services.plugins.module_utils._core.runner import carry_out
from ansible_collections.xenstack.image_services.plugins.module_utils._vms.job import VmJob
from ansible_collections.xenstack.image_services.plugins.module_utils._vms.options import create_vm_argspec
from ansible_collections.xenstack.image_services.plugins.module_utils._xapi.session import Pool
from ansible_collections.xenstack.image_services.tests.support.modules import RunningModule, run_module
from ansible_collections.xenstack.image_services.tests.support.xapi import MIB, PoolUnderTest

NETWORK = "Pool-wide network associated with eth0"
MakeDisk = Callable[..., str]


@pytest.fixture
def make_disk(pool: PoolUnderTest) -> Iterator[MakeDisk]:
    """Disks in the default SR, by name; what a test leaves in the pool goes with them."""
    before = pool.census()
    (only,) = pool.api.pool.get_all()
    sr = pool.api.pool.get_default_SR(only)

    def make(name: str, **fields: Any) -> str:
        record = {"name_label": name, "SR": sr, "virtual_size": str(4 * MIB), "type": "user", "sharable": False, "read_only": False, "other_config": {}}
        return pool.api.VDI.get_uuid(pool.api.VDI.create(record | fields))

    yield make
    pool.clear_faults()
    for vm in pool.census()["VM"] - before["VM"]:
        if pool.api.VM.get_power_state(vm) != "Halted":
            pool.api.VM.hard_shutdown(vm)
        pool.api.VM.destroy(vm)
    for vdi in pool.census()["VDI"] - before["VDI"]:
        pool.api.VDI.destroy(vdi)


def in_process(pool: PoolUnderTest, options: dict[str, Any]) -> dict[str, Any]:
    """The module without its process: a fault needs many runs."""
    defaults = {name: option.get("default") for name, option in create_vm_argspec().options.items()}
    params = {**defaults, "username": "root", "validate_certs": True, "timeout": 600, **pool.options(), **options}
    params["networks"] = [{"mac": None, **network} for network in options["networks"]] if "networks" in options else None
    return carry_out(VmJob(params), False)


WHOLE: dict[str, Any] = {
    "name": "whole",
    "description": "of every kind",
    "tags": ["one"],
    "boot_disk": "golden",
    "clone": True,
    "memory": "2GiB",
    "vcpus": 2,
    "firmware": "uefi",
    "disks": [{"vdi": "data", "mode": "ro"}],
    "networks": [{"name": NETWORK}],
    "snapshot": "fresh",
    "state": "running",
}


def test_a_vm_is_made_from_a_clone_and_the_source_stays_as_it_is(pool: PoolUnderTest, make_disk: MakeDisk) -> None:
    mark = {"image_services_source": "glance", "kept": "yes"}
    golden, data = make_disk("golden", other_config=mark), make_disk("data")
    with pool.nothing_left("VM", "VBD", "VIF", "VDI"):
        made = run_module("xen_vm", pool.options(**WHOLE)).succeeded()
    vm = made["vm"]
    ref = pool.api.VM.get_by_uuid(vm["uuid"])
    record = pool.api.VM.get_record(ref)
    assert (record["name_label"], record["name_description"], record["tags"]) == ("whole", "of every kind", ["one"])
    assert (record["power_state"], record["is_a_template"], record["HVM_boot_params"]["firmware"]) == ("Running", False, "uefi")
    assert {record[f"memory_{name}"] for name in ("dynamic_min", "dynamic_max", "static_max")} == {str(2 << 30)}
    assert (record["VCPUs_max"], record["VCPUs_at_startup"]) == ("2", "2")
    assert [(disk["name"], disk["device"], disk["mode"], disk["bootable"], disk["made_for_vm"]) for disk in vm["disks"]] == [
        ("whole boot", "0", "rw", True, True),
        ("data", "1", "ro", False, False),
    ]
    assert (vm["disks"][0]["uuid"] != golden, vm["disks"][1]["uuid"], vm["cloned_from"]) == (True, data, golden)
    # What marks an image is not true of what a VM writes to: the next import must not find the clone.
    assert pool.api.VDI.get_other_config(pool.api.VDI.get_by_uuid(vm["disks"][0]["uuid"])) == {"kept": "yes", "image_services_vm": vm["uuid"]}
    assert pool.api.VDI.get_other_config(pool.api.VDI.get_by_uuid(golden)) == mark
    assert [(card["name"], card["device"]) for card in vm["networks"]] == [(NETWORK, "0")]
    assert [each["name"] for each in vm["snapshots"]] == ["fresh"]

    pool.api.VDI.destroy(pool.api.VDI.get_by_uuid(golden))
    assert not run_module("xen_vm", pool.options(**WHOLE)).succeeded()["changed"], "the clone is the VM's own"

    with pool.nothing_left("VM", "VBD", "VIF", "VDI"):
        gone = run_module("xen_vm", pool.options(name="whole", state="absent", drop_snapshots=["fresh"])).succeeded()
    left = [pool.api.VDI.get_name_label(vdi) for vdi in pool.census()["VDI"]]
    assert (gone["changed"], gone["vm"], left.count("data"), left.count("whole boot")) == (True, None, 1, 0)


def test_a_disk_itself_is_booted_and_exchanged_and_kept(pool: PoolUnderTest, make_disk: MakeDisk) -> None:
    first, second = make_disk("first"), make_disk("second")
    made = run_module("xen_vm", pool.options(name="plain", boot_disk="first", boot={"order": "cd"}, state="running")).succeeded()["vm"]
    assert (made["kind"], made["boot"], made["disks"][0]["uuid"], made["disks"][0]["made_for_vm"]) == ("hvm", {"order": "cd"}, first, False)
    refused = run_module("xen_vm", pool.options(name="plain", boot_disk=second)).sentence()
    assert "some of the changes need a halted VM" in refused
    changed = run_module("xen_vm", pool.options(name="plain", boot_disk=second, restart=True)).succeeded()["vm"]
    assert ([disk["uuid"] for disk in changed["disks"]], changed["power_state"]) == ([second], "running")
    assert changed["domain_id"] != made["domain_id"]
    run_module("xen_vm", pool.options(uuid=made["uuid"], state="absent")).succeeded()
    assert {pool.api.VDI.get_by_uuid(each) for each in (first, second)} <= pool.census()["VDI"]


def test_a_paravirtual_vm_is_made_of_its_parameters(pool: PoolUnderTest, make_disk: MakeDisk) -> None:
    make_disk("root")
    options = {"name": "legacy", "boot_disk": "root", "boot": {"bootloader": "pygrub", "args": "ro"}}
    made = run_module("xen_vm", pool.options(**options)).succeeded()["vm"]
    record = pool.api.VM.get_record(pool.api.VM.get_by_uuid(made["uuid"]))
    assert (made["kind"], made["firmware"], made["boot"], made["power_state"]) == ("pv", None, {"bootloader": "pygrub", "args": "ro"}, "stopped")
    assert (record["HVM_boot_policy"], record["PV_bootloader"]) == ("", "pygrub")
    assert not run_module("xen_vm", pool.options(**options)).succeeded()["changed"]


def test_the_model_that_a_firmware_cannot_run_on_is_left_to_the_pool(pool: PoolUnderTest, make_disk: MakeDisk) -> None:
    make_disk("d")
    made = run_module("xen_vm", pool.options(name="model", boot_disk="d", firmware="uefi")).succeeded()["vm"]
    ref = pool.api.VM.get_by_uuid(made["uuid"])
    pool.api.VM.add_to_platform(ref, "device-model", "qemu-upstream-uefi")
    assert run_module("xen_vm", pool.options(name="model", firmware="bios")).succeeded()["vm"]["firmware"] == "bios"
    assert "device-model" not in pool.api.VM.get_platform(ref)


def test_network_cards_keep_their_place_and_their_address(pool: PoolUnderTest, make_disk: MakeDisk) -> None:
    make_disk("d")
    other = pool.api.network.create({"name_label": "other", "other_config": {}})
    cards = [{"name": NETWORK, "mac": "52:54:00:00:00:AA"}, {"name": NETWORK}]
    first = run_module("xen_vm", pool.options(name="cards", boot_disk="d", networks=cards)).succeeded()["vm"]["networks"]
    moved = run_module("xen_vm", pool.options(name="cards", networks=[{"name": "other"}, {"name": NETWORK}])).succeeded()["vm"]["networks"]
    assert first[0]["mac"] == "52:54:00:00:00:aa"
    assert [(card["name"], card["device"], card["mac"]) for card in moved] == [("other", "0", first[0]["mac"]), (NETWORK, "1", first[1]["mac"])]
    assert run_module("xen_vm", pool.options(name="cards", networks=[])).succeeded()["vm"]["networks"] == []
    pool.api.network.destroy(other)


def test_a_snapshot_is_gone_back_to(pool: PoolUnderTest, make_disk: MakeDisk) -> None:
    make_disk("d")
    run_module("xen_vm", pool.options(name="back", boot_disk="d", clone=True, state="running", snapshot="s")).succeeded()
    assert "its state would be lost" in run_module("xen_vm", pool.options(name="back", revert="s")).sentence()
    for state in ("running", "present"):
        again = run_module("xen_vm", pool.options(name="back", revert="s", restart=True, state=state)).succeeded()
        assert (again["changed"], again["vm"]["power_state"], again["vm"]["disks"][0]["made_for_vm"]) == (True, "running", True)
    assert "its snapshots would be left behind: s" in run_module("xen_vm", pool.options(name="back", state="absent")).sentence()
    with pool.nothing_left("VM", "VBD", "VDI"):
        run_module("xen_vm", pool.options(name="back", state="absent", remove_disks=True, force=True)).succeeded()
    assert not [vdi for vdi in pool.census()["VDI"] if pool.api.VDI.get_name_label(vdi) == "back boot"]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"boot_disk": "nowhere"}, "Cannot use VDI 'nowhere': the pool has none of this name or uuid. Check the name."),
        ({"boot_disk": "twin"}, "Cannot use VDI 'twin': 2 have this name:"),
        ({"boot_disk": "d", "networks": [{"name": "nowhere"}]}, "Cannot use network 'nowhere'"),
        ({"boot_disk": "d", "template": "nowhere"}, "Cannot create VM 'bad': there is no template 'nowhere'."),
        ({"boot_disk": "d", "disks": [{"vdi": "d"}]}, "Cannot create VM 'bad': a disk is named twice"),
        ({"boot_disk": "d", "networks": [{"name": NETWORK, "mac": "nonsense"}]}, "Cannot declare VM 'bad': mac 'nonsense' is no address"),
        ({"boot_disk": "d", "memory": "2 cubits"}, "Cannot declare VM 'bad': memory '2 cubits' is no size. Give bytes, or for example 2GiB."),
        ({"boot_disk": "d", "memory": "2048"}, "memory '2048' is less than 16 MiB"),
        ({"boot_disk": "d", "vcpus": 0}, "vcpus is 0"),
        ({"boot_disk": "d", "boot": {"order": "x"}}, "boot order 'x' has other letters"),
        ({"boot_disk": "d", "boot": {"kernel": "/k"}, "firmware": "bios"}, "Give one kind."),
        ({"boot_disk": "d", "snapshot": "s", "drop_snapshots": ["s"]}, "snapshot 's' is to be kept and to be dropped"),
        ({}, "Cannot create VM 'bad': it has nothing to boot from."),
        ({"revert": "s", "memory": "2GiB"}, "parameters are mutually exclusive: revert|memory."),
        ({"clone": True}, "missing parameter(s) required by 'clone': boot_disk."),
    ],
)
def test_bad_input_is_refused_before_anything_is_made(pool: PoolUnderTest, make_disk: MakeDisk, options: dict[str, Any], sentence: str) -> None:
    for name in ("d", "twin", "twin"):
        make_disk(name)
    with pool.nothing_left():
        result = run_module("xen_vm", pool.options(name="bad", **options))
    assert result.failed
    assert sentence in (result.values["msg"] + ("" if result.values["msg"].endswith(".") else "."))


# Every call that makes or changes something on the way to a whole VM.
CALLS = (
    *("VM.clone", "VM.get_other_config", "VM.set_other_config", "VM.provision", "VDI.clone", "VDI.set_other_config", "VDI.set_name_label", "VBD.create"),
    *("VM.set_memory_limits", "VM.set_VCPUs_max", "VM.set_HVM_boot_params", "VIF.create", "VM.set_name_description", "VM.set_tags", "VM.set_name_label"),
    *("VM.snapshot", "VM.start"),
)


def test_a_vm_that_cannot_be_completed_is_removed(pool: PoolUnderTest, make_disk: MakeDisk) -> None:
    make_disk("golden")
    make_disk("data")
    for method in CALLS:
        pool.fault(kind="fail_call", method=method, error=["SR_BACKEND_FAILURE_47", "", "no such luck", ""])
        with pool.nothing_left(), pytest.raises(ImageServicesError, match=r"^Cannot create VM 'whole': .*no such luck.* \(SR_BACKEND_FAILURE_47\)"):
            in_process(pool, WHOLE)
        assert pool.clear_faults() == [], method
    assert in_process(pool, WHOLE)["changed"]
    assert not in_process(pool, WHOLE)["changed"]


def test_a_session_that_is_lost_anywhere_leaves_nothing(pool: PoolUnderTest, make_disk: MakeDisk) -> None:
    make_disk("golden")
    make_disk("data")
    chooser, failures = random.Random(4), 0
    for after in sorted(chooser.sample(range(60), 20)):
        with pool.nothing_left():
            failures += not survives(pool, after)
            assert in_process(pool, WHOLE)["vm"]["power_state"] == "running", "the next run succeeds, whatever this one came to"
            in_process(pool, {"name": "whole", "state": "absent", "drop_snapshots": ["fresh"]})
    # Most calls only read, and are made again in a new session.
    assert failures


def survives(pool: PoolUnderTest, after: int) -> bool:
    """Whether the VM was made although the session ended after so many calls; where it was not, nothing of it is there."""
    before = pool.census()
    pool.fault(kind="session_lost", after=after)
    try:
        in_process(pool, WHOLE)
    except ImageServicesError as exc:
        sentence = str(exc)
    else:
        sentence = ""
    pool.clear_faults()
    assert not sentence or (sentence.startswith("Cannot ") and pool.census() == before)
    return not sentence


def test_an_interrupted_run_leaves_nothing(pool: PoolUnderTest, make_disk: MakeDisk, monkeypatch: pytest.MonkeyPatch) -> None:
    make_disk("golden")
    make_disk("data")
    call = Pool.call

    def interrupted(self: Pool, method: str, *arguments: Any) -> Any:
        if method == "VIF.create":
            raise KeyboardInterrupt
        return call(self, method, *arguments)

    monkeypatch.setattr(Pool, "call", interrupted)
    with pool.nothing_left(), pytest.raises(ImageServicesError, match="the task was interrupted. Run it again."):
        in_process(pool, WHOLE)


def test_a_terminated_task_cleans_up_and_says_so(pool: PoolUnderTest, make_disk: MakeDisk) -> None:
    make_disk("golden")
    make_disk("data")
    fault = pool.fault(kind="slow", method="VM.start", seconds=3)
    with pool.nothing_left():
        running = RunningModule("xen_vm", pool.options(**WHOLE))
        patience = time.monotonic() + 60
        while not fault.struck:
            assert time.monotonic() < patience
            time.sleep(0.05)
        running.process.terminate()
        assert running.result().sentence() == "Cannot create VM 'whole': the task was interrupted. Run it again."


def test_a_clone_that_is_stuck_is_given_up_and_removed(pool: PoolUnderTest, make_disk: MakeDisk) -> None:
    make_disk("golden")
    make_disk("data")
    pool.fault(kind="slow", method="VDI.clone", seconds=4)
    with pool.nothing_left(), pytest.raises(ImageServicesError, match=r"its progress has been"):
        in_process(pool, {**WHOLE, "timeout": 0.2})


def test_a_vm_that_ran_runs_on_when_a_change_fails(pool: PoolUnderTest, make_disk: MakeDisk) -> None:
    make_disk("d")
    run_module("xen_vm", pool.options(name="ran", boot_disk="d", state="running")).succeeded()
    pool.fault(kind="fail_call", method="VM.set_memory_limits", error=["MEMORY_CONSTRAINT_VIOLATION", "too much"])
    refused = run_module("xen_vm", pool.options(name="ran", memory="4GiB", restart=True)).sentence()
    assert refused.startswith("Cannot change VM 'ran': XAPI says MEMORY_CONSTRAINT_VIOLATION [too much].")
    assert run_module("xen_vm", pool.options(name="ran")).succeeded()["vm"]["power_state"] == "running"
