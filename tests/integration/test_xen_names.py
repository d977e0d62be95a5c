# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What stands in a pool by somebody else's hand survives every task that does not name it by its uuid."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.xenstack.image_services.tests.support.modules import run_module
from ansible_collections.xenstack.image_services.tests.support.xapi import MIB, PoolUnderTest

NAME = "somebody's disk"


def disk(pool: PoolUnderTest, name: str = NAME, **fields: Any) -> str:
    sr = pool.api.pool.get_default_SR(pool.api.pool.get_all()[0])
    record = {
        "name_label": name,
        "name_description": "",
        "SR": sr,
        "virtual_size": str(4 * MIB),
        "type": "user",
        "sharable": False,
        "read_only": False,
        "other_config": {},
        "xenstore_data": {},
        "sm_config": {},
        "tags": [],
    }
    return str(pool.api.VDI.create({**record, **fields}))


@pytest.fixture
def made(pool: PoolUnderTest) -> Iterator[list[str]]:
    """References of VDIs that are removed afterwards, as far as they are there."""
    refs: list[str] = []
    with pool.nothing_left():
        yield refs
        there = set(pool.api.VDI.get_all())
        for ref in refs:
            if ref in there:
                pool.api.VDI.destroy(ref)


def test_no_name_removes_no_disk(pool: PoolUnderTest, made: list[str]) -> None:
    made.append(disk(pool, ""))
    for name in ("", " ", None, "None"):
        refused = run_module("xen_vdi_import", pool.options(name=name, state="absent"))
        assert refused.sentence().startswith("Cannot use option 'name': it is")
    assert pool.api.VDI.get_name_label(made[0]) == ""
    # Nor does it become what a copy without a name would replace.
    uuid = pool.api.VDI.get_uuid(made[0])
    refused = run_module("xen_vdi_copy", pool.options(vdi=uuid, sr=pool.api.SR.get_uuid(pool.api.VDI.get_SR(made[0]))))
    assert refused.sentence() == f"Cannot copy VDI '{uuid}': it has no name that the copy could have. Give name."


def test_somebody_elses_disk_is_removed_by_its_uuid_alone(pool: PoolUnderTest, made: list[str], tmp_path: Path) -> None:
    made.append(disk(pool))
    uuid = pool.api.VDI.get_uuid(made[0])
    data = tmp_path / "data.raw"
    data.write_bytes(b"\1" * MIB)
    for options in ({"state": "absent"}, {"src": str(data), "disk_format": "raw", "on_replace": "delete"}):
        for check in (True, False):
            refused = run_module("xen_vdi_import", pool.options(name=NAME, **options), check=check)
            assert f"this collection has not created it (VDI {uuid})" in refused.sentence()
            assert refused.values["error"]["code"] == "not_ours"
    assert run_module("xen_vdi_import", pool.options(name=uuid, state="absent")).succeeded()["changed"]
    assert made[0] not in pool.api.VDI.get_all()


def test_a_name_means_no_snapshot_and_no_other_kind_of_vdi(pool: PoolUnderTest, made: list[str], tmp_path: Path) -> None:
    origin = disk(pool, other_config={"image_services_digest": "sha256:aa"})
    made.extend([pool.api.VDI.snapshot(origin, {}), disk(pool, type="system", other_config={"image_services_digest": "sha256:aa"})])
    pool.api.VDI.destroy(origin)
    uuids = sorted(pool.api.VDI.get_uuid(each) for each in made)
    assert not run_module("xen_vdi_import", pool.options(name=NAME, state="absent")).succeeded()["changed"]
    sr = pool.api.SR.get_uuid(pool.api.VDI.get_SR(made[0]))
    for name, options in (
        ("xen_vdi_copy", {"vdi": NAME, "sr": sr}),
        ("xen_vdi_export", {"vdi": NAME, "dest": str(tmp_path / "out.vhd")}),
        ("xen_vm", {"name": "no such vm", "boot_disk": NAME}),
    ):
        sentence = run_module(name, pool.options(**options)).sentence()
        assert "this name is not taken for what has it" in sentence
        assert all(uuid in sentence for uuid in uuids)
    for uuid in uuids:
        assert "Give the name or uuid of a disk." in run_module("xen_vdi_import", pool.options(name=uuid, state="absent")).sentence()
    assert set(made) <= set(pool.api.VDI.get_all())
