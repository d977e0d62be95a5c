# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Copies inside a pool: what goes wrong leaves nothing, and the next run succeeds."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.xenstack.image_services.plugins.module_utils._core.errors import ImageServicesError
from ansible_collections.xenstack.image_services.plugins.module_utils._core.runner import carry_out
from ansible_collections.xenstack.image_services.plugins.module_utils._vdis.copy_job import CopyJob
from ansible_collections.xenstack.image_services.plugins.module_utils._vdis.copy_plan import COPIED_FROM
from ansible_collections.xenstack.image_services.plugins.module_utils._vdis.import_plan import DIGEST, INCOMING
from ansible_collections.xenstack.image_services.tests.support.disks import partitioned
from ansible_collections.xenstack.image_services.tests.support.modules import Result, run_module
from ansible_collections.xenstack.image_services.tests.support.xapi import MIB, PoolUnderTest, content, disk_file

CALLS = ("VDI.create", "VDI.copy", "VDI.set_name_label", "VDI.set_other_config")


@pytest.fixture
def source(pool: PoolUnderTest, tmp_path: Path) -> Iterator[str]:
    """An imported disk in the default SR, and a second SR named «second»."""
    data = tmp_path / "data.raw"
    data.write_bytes(partitioned(os.urandom(3 * MIB).ljust(4 * MIB, b"\0")))
    imported = run_module("xen_vdi_import", pool.options(name="copied", src=str(data))).succeeded()["vdi"]["uuid"]
    sr = pool.api.SR.create(pool.api.host.get_all()[0], {"location": "/copies"}, "0", "second", "", "file", "", True, {})
    yield imported
    pool.clear_faults()
    for vdi in [*pool.api.SR.get_VDIs(sr), pool.api.VDI.get_by_uuid(imported)]:
        pool.api.VDI.destroy(vdi)
    for pbd in pool.api.SR.get_PBDs(sr):
        pool.api.PBD.unplug(pbd)
    pool.api.SR.destroy(sr)


def copy(pool: PoolUnderTest, vdi: str, on_replace: str = "keep") -> dict[str, Any]:
    params = {"name": None, "source_sr": None, "on_replace": on_replace, "username": "root", "validate_certs": True, **pool.options(vdi=vdi, sr="second")}
    return carry_out(CopyJob(params), False)


def test_a_copy_that_fails_is_removed_and_the_next_one_is_whole(pool: PoolUnderTest, source: str) -> None:
    for method in CALLS:
        pool.fault(kind="fail_call", method=method, error=["SR_BACKEND_FAILURE_47", "", "no such luck", ""])
        with pool.nothing_left(), pytest.raises(ImageServicesError, match=r"^Cannot copy VDI 'copied': .*no such luck"):
            copy(pool, source)
        assert pool.clear_faults() == [], method
    for after in range(0, 20, 2):
        with pool.nothing_left("VDI"):
            before = pool.census()["VDI"]
            pool.fault(kind="session_lost", after=after)
            try:
                made = [pool.api.VDI.get_by_uuid(copy(pool, source)["vdi"]["uuid"])]
            except ImageServicesError:
                made = []
            pool.clear_faults()
            assert pool.census()["VDI"] == before | set(made)
            for vdi in made:
                pool.api.VDI.destroy(vdi)
    done = copy(pool, source)
    original, twin = (disk_file(pool.server, pool.api, pool.api.VDI.get_by_uuid(each)) for each in (source, done["vdi"]["uuid"]))
    assert content(original) == content(twin)
    assert not copy(pool, source)["changed"]


@pytest.mark.parametrize("on_replace", ["keep", "delete"])
def test_a_replacement_that_is_interrupted_anywhere_is_finished_by_the_next_run(pool: PoolUnderTest, source: str, on_replace: str) -> None:
    """The name always leads to a whole disk: to the old one, or to the new one."""
    sr = pool.api.SR.get_by_name_label("second")[0]
    seen = set()
    for after in (3, *range(9, 21)):
        old = copy(pool, source)["vdi"]["uuid"]
        pool.api.VDI.remove_from_other_config(pool.api.VDI.get_by_uuid(source), DIGEST)
        pool.api.VDI.add_to_other_config(pool.api.VDI.get_by_uuid(source), DIGEST, f"sha256:{after:064}")
        pool.fault(kind="session_lost", after=after, times=0)
        with contextlib.suppress(ImageServicesError):
            copy(pool, source, on_replace=on_replace)
        pool.clear_faults()
        left = {record["uuid"]: record for record in pool.api.VDI.get_all_records().values() if record["SR"] == sr}
        named = {uuid for uuid, record in left.items() if record["name_label"] == "copied" and INCOMING not in record["other_config"]}
        assert named, "a name never leads nowhere"
        assert old in left or on_replace == "delete"
        new = copy(pool, source, on_replace=on_replace)["vdi"]["uuid"]
        left = {record["uuid"]: record["name_label"] for record in pool.api.VDI.get_all_records().values() if record["SR"] == sr}
        assert left == ({new: "copied", old: f"copied-{old[:8]}"} if on_replace == "keep" else {new: "copied"})
        seen.add(frozenset(named) == {old})
        assert not copy(pool, source, on_replace=on_replace)["changed"]
        for uuid in left:
            pool.api.VDI.destroy(pool.api.VDI.get_by_uuid(uuid))
    assert seen == {True, False}, "runs were interrupted before and after the copy was complete"


def test_a_disk_that_a_vm_writes_to_is_refused(pool: PoolUnderTest, source: str) -> None:
    run_module("xen_vm", pool.options(name="writer", boot_disk=source, state="running")).succeeded()
    with pool.nothing_left():
        sentence = run_module("xen_vdi_copy", pool.options(vdi=source, sr="second")).sentence()
    run_module("xen_vm", pool.options(name="writer", state="absent")).succeeded()
    assert sentence.startswith("Cannot copy VDI 'copied': the disk is in use. Detach it")


def test_what_is_not_there_is_named(pool: PoolUnderTest, source: str) -> None:
    assert run_module("xen_vdi_copy", pool.options(vdi="none", sr="second")).sentence() == (
        "Cannot copy VDI 'none': the pool has none of this name or uuid. Check the name."
    )
    assert "Cannot copy into SR 'none'" in run_module("xen_vdi_copy", pool.options(vdi=source, sr="none")).sentence()


def test_a_name_means_the_source_beside_its_copies(pool: PoolUnderTest, source: str) -> None:
    """The copies have the same name, and a second run is the task as it was written."""

    def named(**options: str) -> Result:
        return run_module("xen_vdi_copy", pool.options(vdi="copied", sr="second", **options))

    default = pool.api.SR.get_record(pool.api.VDI.get_SR(pool.api.VDI.get_by_uuid(source)))
    first = named().succeeded()
    assert (first["changed"], first["vdi"]["other_config"][COPIED_FROM]) == (True, source)
    for options in ({}, {"source_sr": default["uuid"]}, {"source_sr": default["name_label"]}, {"source_sr": "second"}):
        again = named(**options).succeeded()
        assert (again["changed"], again["vdi"]["uuid"]) == (False, first["vdi"]["uuid"]), options
    copy_of_it = pool.api.VDI.get_by_uuid(first["vdi"]["uuid"])
    pool.api.VDI.remove_from_other_config(copy_of_it, COPIED_FROM)
    assert named().sentence() == (f"Cannot copy VDI 'copied': 2 have this name: {', '.join(sorted([source, first['vdi']['uuid']]))}. Give one of the uuids.")
    assert not named(source_sr=default["uuid"]).succeeded()["changed"]
    assert run_module("xen_vdi_copy", pool.options(vdi=source, source_sr="second", sr="second")).sentence() == (
        f"Cannot copy VDI '{source}': it is in SR {default['name_label']} ({default['uuid']}). Give that one as source_sr, or leave source_sr out."
    )
