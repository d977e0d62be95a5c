# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The qcow2 images that we write: sound to qemu-img, bit for bit the disk, and laid out so that a pool takes them as a stream."""

from __future__ import annotations

import json
import struct
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from ansible_collections.xenstack.image_services.plugins.module_utils._core.errors import ImageServicesError
from ansible_collections.xenstack.image_services.plugins.module_utils._disk.disk import RawDisk
from ansible_collections.xenstack.image_services.plugins.module_utils._disk.qcow2 import Qcow2File
from ansible_collections.xenstack.image_services.plugins.module_utils._disk.qcow2_writer import Qcow2Writer
from ansible_collections.xenstack.image_services.plugins.module_utils._disk.vhd.reader import VhdStream
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

CLUSTER = 65536


def written(directory: Path, size: int, writes: Writes) -> tuple[Path, Path]:
    raw = write_raw(directory / "disk.raw", size, writes)
    with raw.open("rb") as stream:
        writer = Qcow2Writer(RawDisk(stream, "disk"))
        path = write_sparse(directory / "disk.qcow2", writer)
        assert path.stat().st_size == len(writer) == writer.size
    return raw, path


@settings(max_examples=40)
@given(disks())
@example((3072 * GIB, [(0, b"first"), (3072 * GIB - 5, b"last!")]))
@example((MIB, []))
@example((MIB + 512, [(MIB, b"x" * 512)]))
def test_what_is_written_is_read_again(disk: tuple[int, Writes]) -> None:
    size, writes = disk
    with TemporaryDirectory() as directory:
        _raw, path = written(Path(directory), size, writes)
        with path.open("rb") as stream:
            found = Qcow2File(stream, "disk")
            assert found.virtual_size == size
            assert content(found.blocks(), size) == expected(size, writes)


@settings(max_examples=12)
@given(disks(most_writes=3))
@example((3072 * GIB, [(0, b"first"), (3072 * GIB - 5, b"last!")]))
@example((MIB + 512, [(MIB, b"x" * 512)]))
def test_qemu_img_finds_it_sound_and_the_same(disk: tuple[int, Writes]) -> None:
    with TemporaryDirectory() as directory:
        raw, path = written(Path(directory), *disk)
        found = json.loads(qemu_img("check", "--output=json", "-f", "qcow2", path))
        assert (found["check-errors"], found.get("leaks", 0), found.get("corruptions", 0)) == (0, 0, 0)
        assert json.loads(qemu_img("info", "--output=json", path))["virtual-size"] == disk[0]
        assert "identical" in qemu_img("compare", "-f", "raw", "-F", "qcow2", raw, path)


def test_all_tables_come_before_all_data_in_ascending_order(tmp_path: Path) -> None:
    """What the receiver of a pool asks for; 512 MiB is what one table covers."""
    size = 3 * GIB
    _raw, path = written(tmp_path, size, [(5 * MIB, b"a" * MIB), (600 * MIB, b"b"), (2 * GIB + 1, b"c" * 200_000), (size - 1, b"d")])
    data = path.read_bytes()
    entries, table = struct.unpack_from(">IQ", data, 36)
    first = [entry & ~(1 << 63) for entry in struct.unpack_from(f">{entries}Q", data, table)]
    tables = [place for place in first if place]
    second = [entry & ~(1 << 63) for place in tables for entry in struct.unpack_from(f">{CLUSTER // 8}Q", data, place)]
    places = [place for place in second if place]
    assert len(tables) == 4
    assert tables == list(range(tables[0], tables[0] + 4 * CLUSTER, CLUSTER))
    assert places == list(range(tables[-1] + CLUSTER, len(data), CLUSTER))
    assert len(places) == 16 + 1 + 4 + 1


def test_it_can_be_read_twice_and_needs_little_memory(tmp_path: Path) -> None:
    raw = write_raw(tmp_path / "disk.raw", 200 * GIB, [(number * GIB, b"x" * 3 * MIB) for number in range(0, 200, 10)])
    with raw.open("rb") as stream:
        tracemalloc.start()
        writer = Qcow2Writer(RawDisk(stream, "disk"))
        assert sum(map(len, writer)) == len(writer)
        assert tracemalloc.get_traced_memory()[1] < 24 * MIB
        tracemalloc.stop()
        assert next(iter(writer))[:4] == b"QFI\xfb"


class Disorder:
    label, virtual_size, ordered = "disk", 4 * MIB, True

    def extents(self) -> Iterator[tuple[int, int]]:
        yield 0, MIB

    def blocks(self) -> Iterator[tuple[int, bytes]]:
        yield 0, b"x" * MIB
        yield 2 * MIB, b"y" * 512


def test_data_that_no_table_announced_is_refused() -> None:
    with pytest.raises(ImageServicesError) as excinfo:
        sum(map(len, Qcow2Writer(Disorder())))
    refused(excinfo, "qcow2", str(2 * MIB))


def test_a_disk_that_comes_in_another_order_is_refused() -> None:
    data = build_vhd(4 * MIB, {1: {0: b"b"}, 0: {0: b"a"}})
    with pytest.raises(ImageServicesError) as excinfo:
        Qcow2Writer(VhdStream([data], "disk"))
    refused(excinfo, "order")
