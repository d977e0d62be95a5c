# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The VHDs that we write: bit for bit the disk, of the length that was told, and as Xen's tools and qemu-img take them."""

from __future__ import annotations

import io
import json
import struct
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import UUID

import pytest
import pyvhdi
from ansible_collections.xenstack.image_services.plugins.module_utils._core.errors import ImageServicesError
from ansible_collections.xenstack.image_services.plugins.module_utils._disk.disk import RawDisk
from ansible_collections.xenstack.image_services.plugins.module_utils._disk.vhd.format import geometry
from ansible_collections.xenstack.image_services.plugins.module_utils._disk.vhd.reader import VhdFile, VhdStream
from ansible_collections.xenstack.image_services.plugins.module_utils._disk.vhd.writer import VhdWriter
from ansible_collections.xenstack.image_services.tests.support.disks import (
    GIB,
    MIB,
    Writes,
    build_vhd,
    content,
    disks,
    expected,
    qemu_img,
    refused,
    write_raw,
    write_sparse,
)
from hypothesis import example, given, settings

LARGEST = 2040 * GIB


def written(directory: Path, size: int, writes: Writes) -> tuple[Path, Path]:
    """A raw disk, and the VHD that the writer makes of it."""
    raw = write_raw(directory / "disk.raw", size, writes)
    with raw.open("rb") as stream:
        writer = VhdWriter(RawDisk(stream, "disk"))
        path = write_sparse(directory / "disk.vhd", writer)
        assert path.stat().st_size == len(writer)
    return raw, path


def in_pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as stream:
        while piece := stream.read(100_003):
            yield piece


@settings(max_examples=40)
@given(disks(most=LARGEST))
@example((LARGEST, [(0, b"first"), (LARGEST - 5, b"last!")]))
@example((MIB, []))
def test_what_is_written_is_read_again(disk: tuple[int, Writes]) -> None:
    size, writes = disk
    with TemporaryDirectory() as directory:
        _raw, path = written(Path(directory), size, writes)
        with path.open("rb") as stream:
            found = VhdFile(stream, "disk")
            assert found.virtual_size == size
            assert content(found.blocks(), size) == expected(size, writes)
        streamed = VhdStream(in_pieces(path), "disk", path.stat().st_size)
        assert (streamed.virtual_size, streamed.ordered, streamed.parent) == (size, True, False)
        assert content(streamed.blocks(), size) == expected(size, writes)


@settings(max_examples=12)
@given(disks(most=LARGEST, most_writes=3))
@example((LARGEST, [(0, b"first"), (LARGEST - 5, b"last!")]))
def test_qemu_img_reads_the_same_disk(disk: tuple[int, Writes]) -> None:
    with TemporaryDirectory() as directory:
        raw, path = written(Path(directory), *disk)
        assert json.loads(qemu_img("info", "--output=json", "-f", "vpc", path))["virtual-size"] == disk[0]
        assert "identical" in qemu_img("compare", "-f", "raw", "-F", "vpc", raw, path)


@settings(max_examples=20)
@given(disks(most=LARGEST, most_writes=3))
@example((LARGEST, [(0, b"first"), (LARGEST - 5, b"last!")]))
def test_libvhdi_reads_the_same_disk(disk: tuple[int, Writes]) -> None:
    size, writes = disk
    with TemporaryDirectory() as directory:
        _raw, path = written(Path(directory), size, writes)
        judge = pyvhdi.file()
        judge.open(str(path))
        assert (judge.get_media_size(), judge.get_disk_type()) == (size, 3)
        wanted = expected(size, writes)
        for start in [*wanted, *(max(0, start - 4096) for start in wanted), 0, (size - 1) // 4096 * 4096]:
            length = min(4096, size - start)
            assert judge.read_buffer_at_offset(length, start) == wanted.get(start, bytes(4096))[:length]
        judge.close()


def test_it_is_made_as_dom0_checks_it(tmp_path: Path) -> None:
    size = 200 * MIB + 512
    _raw, path = written(tmp_path, size, [(5 * MIB, b"x"), (199 * MIB, b"y" * MIB)])
    data = path.read_bytes()
    footer = data[:512]
    assert data[-512:] == footer
    cookie, features, version, data_offset, stamp, creator, by, _host, original, current, cylinders, heads, sectors, kind = struct.unpack_from(
        ">8sIIQI4sIIQQHBBI", footer
    )
    assert (cookie, features, version, data_offset, creator, by, original, current, kind) == (
        b"conectix",
        2,
        0x10000,
        512,
        b"tap\0",
        0x10003,
        size,
        size,
        3,
    )
    assert 0 <= time.time() - 946684800 - stamp < 600
    assert (cylinders, heads, sectors) == geometry(size)
    assert footer[84:] == bytes(428)
    cookie, following, table, version, entries, block_size = struct.unpack_from(">8sQQIII", data, 512)
    assert (cookie, following, table, version, entries, block_size) == (b"cxsparse", 2**64 - 1, 1536, 0x10000, 101, 2 * MIB)
    assert data[512 + 40 : 1536] == bytes(984)
    for part, at in ((footer, 64), (data[512:1536], 36)):
        assert struct.unpack_from(">I", part, at)[0] == ~(sum(part) - sum(part[at : at + 4])) & 0xFFFFFFFF
    bat = struct.unpack_from(">101I", data, 1536)
    used = [index for index, sector in enumerate(bat) if sector != 0xFFFFFFFF]
    assert used == [2, 99]
    assert data[1536 + 404 : 2048] == b"\xff" * 108
    assert all((sector + 1) * 512 % 4096 == 0 for sector in bat if sector != 0xFFFFFFFF), "data is aligned as vhd-util aligns it"
    cookie, place, length, version, checksum, marker = struct.unpack_from(">8sQIIIB", data, 2048)
    assert (cookie, place, length, version, marker) == (b"tdbatmap", 2560, 1, 0x10002, 0)
    batmap = data[2560:3072]
    assert checksum == ~sum(batmap) & 0xFFFFFFFF
    assert [index for index in range(4096) if batmap[index // 8] << index % 8 & 0x80] == used
    for index in used:
        assert data[bat[index] * 512 : bat[index] * 512 + 512] == b"\xff" * 512


@pytest.mark.parametrize("size", [MIB, 5 * MIB + 512, 504 * MIB, 8 * GIB, 127 * GIB, 128 * GIB, LARGEST], ids=str)
def test_the_geometry_is_never_larger_than_the_disk(size: int) -> None:
    cylinders, heads, sectors = geometry(size)
    assert 0 < cylinders * heads * sectors * 512 <= size
    assert cylinders <= 65535
    assert heads <= 16
    assert sectors <= 255


def test_the_vdi_may_be_larger_than_the_disk() -> None:
    disk = RawDisk(io.BytesIO(b"z" * 700), "disk")
    path = io.BytesIO(b"".join(VhdWriter(disk, virtual_size=4 * MIB)))
    found = VhdFile(path, "disk")
    assert found.virtual_size == 4 * MIB
    assert content(found.blocks(), 4 * MIB) == expected(700, [(0, b"z" * 700)])
    assert VhdWriter(disk).virtual_size == 1024


def test_a_differencing_vhd_hides_of_its_parent_what_it_gives(tmp_path: Path) -> None:
    size = 8 * MIB
    base = build_vhd(size, {index: {page * 8 + sector: b"base" for page in (0, 5, 511) for sector in range(8)} for index in (0, 1, 3)}, uuid=b"P" * 16)
    delta = build_vhd(size, {index: {page * 8 + sector: b"new" * (page != 5) for page in (5, 7, 511) for sector in range(8)} for index in (3, 2, 0)}, kind=4)
    again = b"".join(VhdWriter(VhdStream([delta], "delta"), uuid=UUID(bytes=b"A" * 16), parent=UUID(bytes=b"P" * 16)))
    assert again[2560:3072] == bytes(512), "no block is marked as whole"
    found, first = VhdFile(io.BytesIO(again), "again"), VhdFile(io.BytesIO(delta), "delta")
    assert found.parent
    assert found.header.parent.bytes == b"P" * 16
    assert list(found.blocks()) == list(first.blocks()), "zeros that were written are there too"
    judges = []
    for name, data in (("delta", again), ("base", base.replace(b"\xee" * 512, bytes(512)))):
        (tmp_path / name).write_bytes(data)
        judges.append(pyvhdi.file())
        judges[-1].open(str(tmp_path / name))
    assert UUID(judges[0].get_parent_identifier()).bytes == b"P" * 16
    judges[0].set_parent(judges[1])
    data = judges[0].read_buffer_at_offset(size, 0)
    for judge in judges:
        judge.close()
    assert data[:3] == b"bas"
    assert data[5 * 4096 : 6 * 4096] == bytes(4096)
    assert [data[index * 2 * MIB + 511 * 4096 :][:4].rstrip(b"\0") for index in range(4)] == [b"new", b"base", b"new", b"new"]


def test_a_difference_of_half_a_sector_is_refused() -> None:
    with pytest.raises(ImageServicesError) as excinfo:
        list(VhdWriter(RawDisk(io.BytesIO(b"z" * 700), "disk"), parent=UUID(int=1)))
    refused(excinfo, "not whole sectors")


def test_two_readings_of_a_writer_are_the_same() -> None:
    writer = VhdWriter(RawDisk(io.BytesIO(b"z" * 3 * MIB), "disk"))
    assert b"".join(writer) == b"".join(writer)


def test_a_disk_above_2040_gib_is_refused_with_the_way_out(tmp_path: Path) -> None:
    with write_raw(tmp_path / "disk", LARGEST + 512, []).open("rb") as stream, pytest.raises(ImageServicesError) as excinfo:
        VhdWriter(RawDisk(stream, "large"))
    refused(excinfo, "'large'", "2040 GiB at most", "raw or qcow2")


def test_a_stream_whose_blocks_come_in_any_order_is_written_in_that_order() -> None:
    vhd = build_vhd(8 * MIB, {3: {0: b"three"}, 0: {4095: b"zero"}, 2: {}})
    stream = VhdStream([vhd], "disk")
    assert not stream.ordered
    again = b"".join(VhdWriter(stream))
    writes = [(6 * MIB, b"three"), (4095 * 512, b"zero")]
    assert content(VhdStream([again], "disk").blocks(), 8 * MIB) == expected(8 * MIB, writes)


def test_small_blocks_that_come_apart_are_refused() -> None:
    vhd = build_vhd(8 * MIB, {0: {0: b"a"}, 8: {0: b"b"}, 1: {0: b"c"}}, block_size=MIB // 2)
    with pytest.raises(ImageServicesError) as excinfo:
        VhdWriter(VhdStream([vhd], "disk"))
    refused(excinfo, "come apart", "Give the disk as a file")


def test_a_disk_that_gains_data_while_it_is_read_is_refused(tmp_path: Path) -> None:
    path = write_raw(tmp_path / "disk", 64 * MIB, [(0, b"first")])
    with path.open("r+b") as stream:
        writer = VhdWriter(RawDisk(stream, "disk"))
        stream.seek(40 * MIB)
        stream.write(b"later")
        stream.flush()
        with pytest.raises(ImageServicesError) as excinfo:
            list(writer)
    refused(excinfo, "announced none")


def test_the_largest_disk_takes_little_memory(tmp_path: Path) -> None:
    with write_raw(tmp_path / "disk", LARGEST, [(number * 40 * GIB, b"x") for number in range(50)]).open("rb") as stream:
        tracemalloc.start()
        try:
            writer = VhdWriter(RawDisk(stream, "disk"))
            assert sum(map(len, writer)) == len(writer)
            assert tracemalloc.get_traced_memory()[1] < 32 * MIB
        finally:
            tracemalloc.stop()
