# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The VHDs and tarballs that the modules write, judged as those of Xen: checked, grown and coalesced by the real vhd-util where it is found."""

from __future__ import annotations

import gzip
import io
import tarfile
from pathlib import Path
from uuid import uuid4

import pytest
from ansible_collections.xenstack.image_services.plugins.module_utils._disk.disk import RawDisk
from ansible_collections.xenstack.image_services.plugins.module_utils._disk.vhd.tarball_writer import VhdTarWriter
from ansible_collections.xenstack.image_services.plugins.module_utils._disk.vhd.writer import VhdWriter
from ansible_collections.xenstack.image_services.tests.support.disks import GIB, MIB, unpack, write_raw, write_sparse
from ansible_collections.xenstack.image_services.tests.support.sweep import sample
from ansible_collections.xenstack.image_services.tests.support.vhd_judge import check_grows, check_own, tool, vhd_util

SIZES = [2 * MIB, 8 * MIB, 34 * MIB, 64 * MIB, 504 * MIB, 2 * GIB, 8 * GIB, 128 * GIB, 1024 * GIB, 2030 * GIB]
ODD = [512, 4608, MIB, 40 * MIB + 1536, 2 * GIB + 512]


def written(folder: Path, size: int) -> Path:
    raw = write_raw(folder / "disk.raw", size, [(0, b"the start"), (size - 512, b"the end".ljust(512, b"."))])
    with raw.open("rb") as stream:
        return write_sparse(folder / "disk.vhd", VhdWriter(RawDisk(stream, "disk")))


@pytest.mark.parametrize("size", sample(SIZES, 4, "test_vhd_judged"))
def test_a_vhd_is_as_xen_writes_it_and_grows(tmp_path: Path, size: int) -> None:
    path = written(tmp_path, size)
    check_own(path, size)
    check_grows(path, tmp_path, size + 10 * MIB)


@pytest.mark.parametrize("size", ODD)
def test_a_vhd_of_an_odd_size_is_as_xen_writes_it(tmp_path: Path, size: int) -> None:
    check_own(written(tmp_path, size), size)


def test_the_vhd_in_a_tarball_is_one(tmp_path: Path) -> None:
    raw = write_raw(tmp_path / "disk.raw", 8 * MIB, [(0, b"the start"), (5 * MIB, b"more" * 1000)])
    with raw.open("rb") as stream:
        data = gzip.decompress(b"".join(VhdTarWriter(VhdWriter(RawDisk(stream, "disk")), 1)))
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        unpack(archive, tmp_path)
    check_own(tmp_path / "0.vhd", 8 * MIB)
    check_grows(tmp_path / "0.vhd", tmp_path, 100 * MIB)


@pytest.mark.parametrize("renamed", [False, True])
def test_a_child_is_coalesced_into_its_parent(tmp_path: Path, renamed: bool) -> None:
    """It finds the parent by its id as the file's name, or by the name that vhd-util gives it."""
    size, ident = 8 * MIB, uuid4()
    parent, child = tmp_path / ("base.vhd" if renamed else f"{ident}.vhd"), tmp_path / "child.vhd"
    base, changed = tmp_path / "base.raw", tmp_path / "child.raw"
    write_raw(base, size, [(0, b"below"), (5 * MIB, b"stays")])
    write_raw(changed, size, [(0, b"above")])
    with base.open("rb") as stream:
        write_sparse(parent, VhdWriter(RawDisk(stream, "base"), uuid=ident))
    with changed.open("rb") as stream:
        write_sparse(child, VhdWriter(RawDisk(stream, "child"), parent=ident))
    if tool() and renamed:
        assert vhd_util("modify", "-n", child, "-p", parent)[0] == 0
    if renamed:
        check_own(parent, size)
    else:
        check_own(child, size, (parent,))
    if tool():
        assert vhd_util("coalesce", "-n", child)[0] == 0
        assert vhd_util("check", "-n", parent)[0] == 0
        found = parent.read_bytes()
        assert b"above" in found
        assert b"below" not in found
        assert b"stays" in found
