# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What xen_vdi_info tells of disks, their snapshots, and who uses them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.xenstack.image_services.plugins.module_utils._core.runner import carry_out
from ansible_collections.xenstack.image_services.plugins.module_utils._xapi.listing import SrInfoJob, VdiInfoJob
from ansible_collections.xenstack.image_services.tests.support.modules import run_module
from ansible_collections.xenstack.image_services.tests.support.xapi import MIB, PoolUnderTest

NAMES = "name sr type tags other_config query".split()


def vdis(pool: PoolUnderTest, **options: Any) -> list[dict[str, Any]]:
    with pool.nothing_left():
        return list(carry_out(VdiInfoJob({**dict.fromkeys(NAMES), **pool.params(), "snapshots": True, **options}), False)["vdis"])


@pytest.fixture
def disk(pool: PoolUnderTest) -> Iterator[str]:
    """A disk with a snapshot, in use by a VM that runs."""
    api = pool.api
    (sr,) = api.SR.get_by_name_label("Local storage")
    made = {"SR": sr, "name_label": "listed", "name_description": "of a test", "virtual_size": str(8 * MIB), "type": "user", "sharable": False}
    vdi = api.VDI.create(made | {"read_only": False, "other_config": {"by": "test"}, "tags": ["b", "a"]})
    api.VDI.snapshot(vdi, {})
    (template,) = api.VM.get_by_name_label("Other install media")
    vm = api.VM.clone(template, "user of a disk")
    api.VM.provision(vm)
    fields = {"VM": vm, "VDI": vdi, "userdevice": "0", "bootable": True, "mode": "RW", "type": "Disk", "empty": False}
    api.VBD.create(fields | {"other_config": {}, "qos_algorithm_type": "", "qos_algorithm_params": {}})
    api.VM.start(vm, False, False)
    yield api.VDI.get_uuid(vdi)
    api.VM.hard_shutdown(vm)
    api.VM.destroy(vm)
    for each in (*api.VDI.get_snapshots(vdi), vdi):
        api.VDI.destroy(each)


def test_a_disk_is_told_with_its_snapshots_and_users(pool: PoolUnderTest, disk: str) -> None:
    (told,) = vdis(pool, name="listed", snapshots=False)
    (snapshot,) = (each for each in vdis(pool, name="listed") if each["is_snapshot"])
    assert (told["uuid"], told["sr_name"], told["description"], told["type"]) == (disk, "Local storage", "of a test", "user")
    assert (told["virtual_size"], told["tags"], told["other_config"]) == (8 * MIB, ["a", "b"], {"by": "test"})
    assert 0 < told["physical_utilisation"] < 8 * MIB
    assert (told["snapshots"], told["snapshot_of"], told["snapshot_time"], told["parent"]) == ([snapshot["uuid"]], None, None, None)
    assert (snapshot["snapshot_of"], snapshot["snapshots"], snapshot["vbds"]) == (disk, [], [])
    assert snapshot["snapshot_time"].endswith("Z")
    (use,) = told["vbds"]
    assert (use["vm_name"], use["userdevice"], use["mode"], use["bootable"], use["attached"]) == ("user of a disk", "0", "RW", True, True)


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ({"name": "listed", "sr": "Local storage"}, 2),
        ({"name": "listed", "sr": "nowhere"}, 0),
        ({"tags": ["a"]}, 2),
        ({"tags": ["a", "c"]}, 0),
        ({"other_config": {"by": "test"}, "snapshots": False}, 1),
        ({"other_config": {"by": "somebody"}}, 0),
    ],
)
def test_filters_are_all_to_fit(pool: PoolUnderTest, disk: str, options: dict[str, Any], found: int) -> None:
    assert len(vdis(pool, **options)) == found


def test_a_uuid_is_as_good_as_a_name(pool: PoolUnderTest, disk: str) -> None:
    (told,) = vdis(pool, name=disk.upper())
    assert told["uuid"] == disk
    assert vdis(pool, name=disk, sr=told["sr"], query="[].name") == ["listed"]
    assert run_module("xen_vdi_info", pool.options(uuid=disk)).succeeded()["vdis"] == [told]


def test_an_sr_counts_its_disks(pool: PoolUnderTest, disk: str) -> None:
    told = carry_out(SrInfoJob({**dict.fromkeys(NAMES), **pool.params(), "name": "Local storage"}), False)
    (sr,) = told["srs"]
    assert sr["vdis"] == 2
    assert sr["virtual_allocation"] == 16 * MIB
    assert sr["free"] == sr["physical_size"] - sr["physical_utilisation"]
    assert told["pool"]["default_sr"] == sr["uuid"]
