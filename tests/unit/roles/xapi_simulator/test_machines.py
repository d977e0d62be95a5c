# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""VMs, CDs, networks and ISO libraries: the parts that no disk stream touches."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.xenstack.image_services.tests.support.xapi import MIB, Server, content, disk_file, error

NULL = "OpaqueRef:NULL"
GIB = 1 << 30

MACHINE = {
    "name_label": "made",
    "user_version": "1",
    "is_a_template": False,
    "affinity": NULL,
    "memory_static_max": str(GIB),
    "memory_dynamic_max": str(GIB),
    "memory_dynamic_min": str(GIB),
    "memory_static_min": str(GIB),
    "VCPUs_params": {},
    "VCPUs_max": "1",
    "VCPUs_at_startup": "1",
    "actions_after_shutdown": "destroy",
    "actions_after_reboot": "restart",
    "actions_after_crash": "restart",
    "PV_bootloader": "",
    "PV_kernel": "",
    "PV_ramdisk": "",
    "PV_args": "",
    "PV_bootloader_args": "",
    "PV_legacy_args": "",
    "HVM_boot_policy": "BIOS order",
    "HVM_boot_params": {"order": "c"},
    "platform": {},
    "PCI_bus": "",
    "other_config": {},
    "recommendations": "",
}
DEVICE = {"bootable": False, "mode": "RO", "type": "CD", "other_config": {}, "qos_algorithm_type": "", "qos_algorithm_params": {}}


@pytest.fixture
def vm(api: Any) -> str:
    return api.VM.create(MACHINE)


@pytest.fixture
def library(server: Server, api: Any) -> str:
    """An ISO library with one image, on both hosts."""
    sr = api.SR.create(api.host.get_all()[0], {"location": "isos.example:/isos"}, "0", "isos", "", "iso", "iso", True, {})
    (server.state / "sr-mount" / api.SR.get_uuid(sr) / "debian 12.iso").write_bytes(b"x" * 4096)
    api.SR.scan(sr)
    return sr


@pytest.mark.parametrize("field", ["memory_static_max", "VCPUs_max", "platform", "actions_after_crash"])
def test_a_vm_needs_every_field_without_a_default(api: Any, field: str) -> None:
    given = {name: value for name, value in MACHINE.items() if name != field}
    assert error(api.VM.create, given) == ["INTERNAL_ERROR", f'Server_helpers.Dispatcher_FieldNotFound("{field}")']


def test_a_vm_is_made_halted_whatever_is_said(api: Any) -> None:
    vm = api.VM.create(MACHINE | {"power_state": "Running", "actions_after_crash": "RESTART", "unknown": "ignored"})
    record = api.VM.get_record(vm)
    assert (record["power_state"], record["actions_after_crash"], record["memory_static_max"]) == ("Halted", "restart", str(GIB))
    assert "start" in record["allowed_operations"]
    assert error(api.VM.create, MACHINE | {"memory_dynamic_min": str(2 * GIB)})[0] == "MEMORY_CONSTRAINT_VIOLATION"
    assert error(api.VM.create, MACHINE | {"affinity": "x"}) == ["HANDLE_INVALID", "host", "x"]


def test_memory_and_processors_are_set_while_halted(api: Any, vm: str) -> None:
    api.VM.set_memory_limits(vm, str(GIB), str(4 * GIB), str(2 * GIB), str(3 * GIB))
    api.VM.set_VCPUs_max(vm, "4")
    api.VM.add_to_other_config(vm, "k", "v")
    api.VM.set_platform(vm, {"viridian": "true"})
    record = api.VM.get_record(vm)
    assert [record[f"memory_{name}"] for name in ("static_min", "dynamic_min", "dynamic_max", "static_max")] == [str(each * GIB) for each in (1, 2, 3, 4)]
    assert (record["VCPUs_max"], record["other_config"], record["platform"]) == ("4", {"k": "v"}, {"viridian": "true"})
    assert error(api.VM.set_memory_limits, vm, str(GIB), str(GIB), str(2 * GIB), str(GIB))[0] == "MEMORY_CONSTRAINT_VIOLATION"
    api.VM.start(vm, False, False)
    assert error(api.VM.set_memory, vm, str(GIB)) == ["VM_BAD_POWER_STATE", vm, "halted", "running"]


def test_power_follows_its_order(api: Any, vm: str) -> None:
    api.VM.start(vm, True, False)
    assert api.VM.get_power_state(vm) == "Paused"
    assert error(api.VM.clean_shutdown, vm) == ["VM_BAD_POWER_STATE", vm, "running", "paused"]
    api.VM.unpause(vm)
    assert error(api.VM.unpause, vm) == ["VM_BAD_POWER_STATE", vm, "paused", "running"]
    api.VM.pause(vm)
    domain = int(api.VM.get_domid(vm))
    api.VM.hard_shutdown(vm)
    assert (api.VM.get_power_state(vm), api.VM.get_resident_on(vm)) == ("Halted", NULL)
    api.VM.start(vm, False, False)
    assert int(api.VM.get_domid(vm)) > domain
    api.VM.hard_shutdown(vm)
    assert error(api.VM.hard_shutdown, vm)[:3] == ["VM_BAD_POWER_STATE", vm, "running, paused, suspended"]
    assert error(api.VM.suspend, vm) == ["NOT_IMPLEMENTED", "VM.suspend"]


def test_a_vm_without_processors_or_with_disks_to_be_made_is_refused(api: Any) -> None:
    none = api.VM.create(MACHINE | {"VCPUs_at_startup": "0"})
    assert error(api.VM.start, none, False, False) == ["VM_NO_VCPUS", none]
    described = api.VM.create(MACHINE | {"is_a_template": True, "other_config": {"disks": "<provision><disk/></provision>"}})
    assert error(api.VM.provision, described)[0] == "NOT_IMPLEMENTED"


def test_the_control_domain_is_left_alone(api: Any) -> None:
    domain = api.host.get_control_domain(api.host.get_all()[0])
    for refused in (api.VM.clean_shutdown, api.VM.destroy):
        assert error(refused, domain)[0] == "OPERATION_NOT_ALLOWED"


def test_a_disk_of_one_host_chooses_where_its_vm_runs(api: Any, vm: str) -> None:
    first, second = sorted(api.host.get_all(), key=api.host.get_name_label)
    local = api.SR.create(second, {"device": "/dev/only-here"}, "0", "local", "", "ext", "", False, {})
    vdi = api.VDI.create({"SR": local, "virtual_size": "1", "type": "user", "sharable": False, "read_only": False, "other_config": {}})
    api.VBD.create(DEVICE | {"VM": vm, "VDI": vdi, "userdevice": "0", "empty": False, "type": "Disk", "mode": "RW"})
    assert api.VM.get_possible_hosts(vm) == [second]
    assert error(api.VM.start_on, vm, first, False, False) == ["VM_REQUIRES_SR", vm, local]
    assert api.VM.get_power_state(vm) == "Halted"
    api.VM.start(vm, False, False)
    assert api.VM.get_resident_on(vm) == second
    (pbd,) = api.SR.get_PBDs(local)
    assert error(api.PBD.unplug, pbd) == ["VDI_IN_USE", vdi, "PBD.unplug"]
    api.VM.hard_shutdown(vm)
    api.PBD.unplug(pbd)
    assert error(api.VM.start, vm, False, False) == ["NO_HOSTS_AVAILABLE"]


def test_a_copy_of_a_vm_goes_to_another_sr(server: Server, api: Any, vm: str, make_vdi: Callable[..., str], fill: Callable[..., bytes]) -> None:
    vdi = make_vdi()
    data = fill(vdi)
    api.VBD.create(DEVICE | {"VM": vm, "VDI": vdi, "userdevice": "0", "empty": False, "type": "Disk", "mode": "RW"})
    other = api.SR.create(api.host.get_all()[0], {"location": "/files"}, "0", "files", "", "file", "", True, {})
    copy = api.VM.copy(vm, "copied", other)
    (disk,) = [api.VBD.get_VDI(vbd) for vbd in api.VM.get_VBDs(copy)]
    assert (api.VDI.get_SR(disk), api.VM.get_name_label(copy), content(disk_file(server, api, disk))) == (other, "copied", data)


def test_a_cd_is_inserted_and_ejected(api: Any, vm: str, library: str, make_vdi: Callable[..., str]) -> None:
    (iso,) = api.SR.get_VDIs(library)
    assert (api.VDI.get_location(iso), api.VDI.get_read_only(iso)) == ("debian 12.iso", True)
    empty = DEVICE | {"VM": vm, "VDI": NULL, "userdevice": "3", "empty": True}
    assert error(api.VBD.create, empty | {"mode": "RW"}) == ["VBD_CDS_MUST_BE_READONLY"]
    assert error(api.VBD.create, empty | {"type": "Disk"})[0] == "VBD_NOT_REMOVABLE_MEDIA"
    vbd = api.VBD.create(empty)
    assert error(api.VBD.eject, vbd) == ["VBD_IS_EMPTY", vbd]
    api.VBD.insert(vbd, iso)
    assert error(api.VBD.insert, vbd, iso) == ["VBD_NOT_EMPTY", vbd]
    api.VM.start(vm, False, False)
    assert api.VBD.get_currently_attached(vbd)
    api.VM.hard_shutdown(vm)
    api.VBD.eject(vbd)
    assert api.VBD.get_VDI(vbd) == NULL
    disk = {"SR": library, "virtual_size": "1", "type": "user", "sharable": False, "read_only": False, "other_config": {}}
    assert error(api.VDI.create, disk) == ["SR_OPERATION_NOT_SUPPORTED", library]


def test_a_network_comes_and_goes(api: Any) -> None:
    network = api.network.create({"name_label": "new", "other_config": {}})
    assert api.network.get_bridge(network).startswith("xapi")
    api.network.destroy(network)
    assert error(api.network.get_uuid, network) == ["HANDLE_INVALID", "network", network]
    (used,) = [each for each in api.network.get_all() if api.network.get_PIFs(each)]
    assert error(api.network.destroy, used) == ["NETWORK_CONTAINS_PIF", *api.network.get_PIFs(used)]


def test_an_sr_is_as_large_as_it_was_made(api: Any) -> None:
    sr = api.SR.create(api.host.get_all()[0], {"location": "/small"}, "16384", "small", "", "file", "", True, {})
    disk = {"SR": sr, "virtual_size": str(64 * MIB), "type": "user", "sharable": False, "read_only": False, "other_config": {}}
    for _dummy in range(4):
        api.VDI.create(disk)
        if int(api.SR.get_physical_utilisation(sr)) >= 16384:
            break
    assert error(api.VDI.create, disk)[0] == "SR_BACKEND_FAILURE_44"
    assert int(api.SR.get_virtual_allocation(sr)) == 64 * MIB * len(api.SR.get_VDIs(sr))


def test_sessions_tasks_and_events_are_not_asynchronous(server: Server, session: Any) -> None:
    for method in ("session.logout", "task.create", "event.get_current_id"):
        params = [session.handle, "a", "b"] if method == "task.create" else [session.handle]
        assert server.json(f"Async.{method}", *params)["error"]["message"] == "Fault"
    assert "result" in server.json("host.get_all", session.handle)
