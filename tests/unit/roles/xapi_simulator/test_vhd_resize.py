# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""VDI.resize of the simulated pool does to VHDs what the host's own tool does, which judges it here where it is found."""

from __future__ import annotations

import importlib
import shutil
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.xenstack.image_services.plugins.module_utils._disk.disk import RawDisk
from ansible_collections.xenstack.image_services.plugins.module_utils._disk.vhd.writer import VhdWriter
from ansible_collections.xenstack.image_services.tests.support import vhd_judge
from ansible_collections.xenstack.image_services.tests.support.disks import build_vhd, vhd_footer, write_raw, write_sparse
from ansible_collections.xenstack.image_services.tests.support.xapi import MIB, PACKAGE, Server, disk_file, error

# The size of a VHD of Xen's own, what is asked, and what comes of it.
SEEN = [
    (40 * MIB + 1536, 42 * MIB, 44 * MIB),
    (40 * MIB + 1536, 100 * MIB, 102 * MIB),
    (2048 * MIB + 512, 2050 * MIB, 2052 * MIB),
    (4608, 2 * MIB, 4 * MIB),
    (40 * MIB, 100 * MIB, 100 * MIB),
    (2 * MIB, 4 * MIB, 4 * MIB),
]


def of_xen(folder: Path, size: int) -> Path:
    """As test_vhd_judged shows it to be one of Xen's own."""
    raw = write_raw(folder / "disk.raw", size, [(0, b"the start")])
    with raw.open("rb") as stream:
        return write_sparse(folder / "disk.vhd", VhdWriter(RawDisk(stream, "disk")))


@pytest.fixture
def placed(server: Server, api: Any, sr: str) -> Callable[[bytes], str]:
    """Puts a VHD into the SR as another host would; gives the VDI."""

    def put(data: bytes) -> str:
        ident = str(uuid.uuid4())
        (server.state / "sr-mount" / api.SR.get_uuid(sr) / f"{ident}.vhd").write_bytes(data)
        api.SR.scan(sr)
        return str(api.VDI.get_by_uuid(ident))

    return put


@pytest.mark.parametrize(("size", "asked", "expected"), SEEN)
def test_growth_is_counted_in_blocks_that_are_added(
    server: Server, api: Any, placed: Callable[[bytes], str], tmp_path: Path, size: int, asked: int, expected: int
) -> None:
    path = of_xen(tmp_path, size)
    vdi = placed(path.read_bytes())
    assert int(api.VDI.get_virtual_size(vdi)) == size // MIB * MIB
    api.VDI.resize(vdi, str(asked))
    assert int(api.VDI.get_virtual_size(vdi)) == expected
    assert b"the start" in disk_file(server, api, vdi).read_bytes()
    if vhd_judge.tool():
        assert vhd_judge.vhd_util("resize", "-n", path, "-s", asked // MIB, "-j", tmp_path / "journal")[0] == 0
        assert vhd_judge.vhd_util("query", "-n", path, "-v") == (0, str(expected // MIB))
    api.VDI.destroy(vdi)


@pytest.mark.parametrize("creator", [b"caml", b"qemu", b"win ", b"vpc "])
def test_vhds_of_other_creators_do_not_grow(api: Any, placed: Callable[[bytes], str], tmp_path: Path, creator: bytes) -> None:
    data = build_vhd(8 * MIB, {0: {0: b"the start"}})
    footer = vhd_footer(8 * MIB, creator=creator)
    vdi = placed(footer + data[512:-512] + footer)
    found = error(api.VDI.resize, vdi, str(20 * MIB))
    assert (found[:2], found[3:]) == (["SR_BACKEND_FAILURE_150", ""], [""])
    assert found[2].endswith("not created by xen; resize not supported")
    assert int(api.VDI.get_virtual_size(vdi)) == 8 * MIB
    if vhd_judge.tool():
        path = tmp_path / "judged.vhd"
        path.write_bytes(footer + data[512:-512] + footer)
        status, said = vhd_judge.vhd_util("resize", "-n", path, "-s", 20, "-j", tmp_path / "journal")
        assert (status, said) == (22, f"{path} not created by xen; resize not supported")
    # What has that size already is none of the tool's business.
    api.VDI.resize(vdi, str(8 * MIB))
    api.VDI.destroy(vdi)


@pytest.fixture(scope="module")
def geometry() -> Iterator[Callable[[int], tuple[int, int, int]]]:
    """The simulator's own."""
    sys.path.insert(0, str(PACKAGE))
    try:
        yield importlib.import_module("xapi_simulator.vhdformat").geometry
    finally:
        sys.path.remove(str(PACKAGE))


def test_the_geometry_is_the_specifications_around_every_edge(geometry: Callable[[int], tuple[int, int, int]]) -> None:
    edges = [17 * 4 * 1024, 17 * 16 * 1024, 31 * 16 * 1024, 63 * 16 * 65535, 255 * 16 * 65535, 2040 << 21]
    for edge in [*edges, *(17 * 1024 * heads for heads in range(4, 18))]:
        for sectors in range(max(1, edge - 70), edge + 70):
            assert geometry(512 * sectors) == vhd_judge.largest_geometry(sectors)


def test_a_disk_of_the_pool_is_one_of_xen(server: Server, api: Any, make_vdi: Callable[..., str], tmp_path: Path) -> None:
    vdi = make_vdi(8 * MIB)
    vhd_judge.check_own(disk_file(server, api, vdi), 8 * MIB)
    api.VDI.resize(vdi, str(20 * MIB))
    path = Path(shutil.copy(disk_file(server, api, vdi), tmp_path))
    vhd_judge.check_own(path, 20 * MIB)
    vhd_judge.check_grows(path, tmp_path, 22 * MIB)
