# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""qcow2 images as qemu-img writes them, whatever its options, and a sentence for each that is not read."""

from __future__ import annotations

import io
import struct
import tracemalloc
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from ansible_collections.xenstack.image_services.plugins.module_utils._core.errors import ImageServicesError
from ansible_collections.xenstack.image_services.plugins.module_utils._disk import decoders
from ansible_collections.xenstack.image_services.plugins.module_utils._disk.qcow2 import Qcow2File
from ansible_collections.xenstack.image_services.tests.support.disks import GIB, MIB, Writes, content, disks, expected, qemu_img, qemu_io, refused, write_raw
from hypothesis import given, settings

SIZE = 5 * MIB + 512
WRITES: Writes = [(0, b"boot" * 128), (100_000, bytes(range(256)) * 4000), (4 * MIB - 100, b"over the edge" * 20), (SIZE - 3, b"end")]


def read(path: Path) -> tuple[int, dict[int, bytes]]:
    with path.open("rb") as stream:
        image = Qcow2File(stream, "disk")
        extents = list(image.extents())
        found = content(image.blocks(), image.virtual_size)
    ends = [0, *(sum(extent) for extent in extents)]
    assert all(end <= offset for end, (offset, _length) in zip(ends, extents, strict=False)), "extents ascend"
    assert all(any(offset <= start < offset + length or start <= offset < start + 4096 for offset, length in extents) for start in found)
    return image.virtual_size, found


@pytest.mark.parametrize("compression", [None, "zlib", "zstd"])
@pytest.mark.parametrize("cluster", [512 << shift for shift in range(13)], ids=str)
def test_every_cluster_size_and_compression(tmp_path: Path, cluster: int, compression: str | None) -> None:
    raw = write_raw(tmp_path / "raw", SIZE, WRITES)
    options = f"cluster_size={cluster}" + (f",compression_type={compression}" if compression else "")
    qemu_img("convert", "-f", "raw", "-O", "qcow2", "-o", options, *(["-c"] if compression else []), raw, tmp_path / "qcow2")
    assert read(tmp_path / "qcow2") == (SIZE, expected(SIZE, WRITES))


@pytest.mark.parametrize(
    "options",
    [
        "compat=0.10",
        "compat=1.1,lazy_refcounts=on",
        "refcount_bits=1",
        "preallocation=metadata",
        "preallocation=falloc",
        "preallocation=full",
        "compat=0.10,cluster_size=4096",
    ],
)
def test_other_ways_to_make_an_image(tmp_path: Path, options: str) -> None:
    raw = write_raw(tmp_path / "raw", SIZE, WRITES)
    qemu_img("convert", "-f", "raw", "-O", "qcow2", "-o", options, raw, tmp_path / "qcow2")
    assert read(tmp_path / "qcow2") == (SIZE, expected(SIZE, WRITES))


@settings(max_examples=12)
@given(disks(most_writes=3))
def test_disks_of_any_size(disk: tuple[int, Writes]) -> None:
    with TemporaryDirectory() as directory:
        raw, path = write_raw(Path(directory, "raw"), *disk), Path(directory, "qcow2")
        qemu_img("convert", "-f", "raw", "-O", "qcow2", raw, path)
        assert read(path) == (disk[0], expected(*disk))


def test_the_disk_as_it_is_now_is_read(tmp_path: Path) -> None:
    raw, path = write_raw(tmp_path / "raw", SIZE, WRITES), tmp_path / "qcow2"
    qemu_img("convert", "-f", "raw", "-O", "qcow2", raw, path)
    qemu_img("snapshot", "-c", "before", path)
    # Clusters that are marked as zeros: with a place in the file, and without one.
    qemu_io(path, "write -z 128k 128k")
    assert read(path) == (SIZE, expected(SIZE, [*WRITES, (128 * 1024, bytes(128 * 1024))]))
    newer = write_raw(tmp_path / "newer", SIZE, [(MIB, b"newer")])
    qemu_img("convert", "-n", "-f", "raw", "-O", "qcow2", newer, path)
    assert read(path) == (SIZE, expected(SIZE, [(MIB, b"newer")]))


def test_a_large_disk_takes_little_memory(tmp_path: Path) -> None:
    raw, path = write_raw(tmp_path / "raw", 3072 * GIB, [(number * 300 * GIB, b"x" * 3 * MIB) for number in range(10)]), tmp_path / "qcow2"
    qemu_img("convert", "-f", "raw", "-O", "qcow2", raw, path)
    with path.open("rb") as stream:
        tracemalloc.start()
        try:
            assert sum(len(data) for _offset, data in Qcow2File(stream, "disk").blocks()) >= 30 * MIB
            assert tracemalloc.get_traced_memory()[1] < 16 * MIB
        finally:
            tracemalloc.stop()


@pytest.mark.parametrize(
    ("arguments", "words", "advice"),
    [
        (["-b", "base", "-F", "raw"], "backing file", "Ask its owner"),
        (["-o", "encrypt.format=aes,encrypt.key-secret=s", "--object", "secret,id=s,data=x"], "encrypted", "qemu-img convert"),
        (["-o", "data_file=other"], "in another file", "Ask its owner"),
        (["-o", "extended_l2=on"], "extended_l2", "qemu-img convert"),
    ],
    ids=["backing file", "encryption", "data file", "extended_l2"],
)
def test_what_is_not_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], words: str, advice: str) -> None:
    """To convert what names another file would read that file, so nobody is told to."""
    monkeypatch.chdir(tmp_path)
    write_raw(tmp_path / "base", MIB, [])
    qemu_img("create", "-q", "-f", "qcow2", *arguments, "disk", "1M")
    with pytest.raises(ImageServicesError) as excinfo:
        read(tmp_path / "disk")
    refused(excinfo, "qcow2 image 'disk'", words, advice)


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    directory = tmp_path_factory.mktemp("qcow2")
    raw = write_raw(directory / "raw", MIB, [(0, b"a" * 200_000)])
    qemu_img("convert", "-f", "raw", "-O", "qcow2", raw, directory / "qcow2")
    return (directory / "qcow2").read_bytes()


def put(data: bytes, at: int, layout: str, value: int) -> bytes:
    field = struct.pack(layout, value)
    return data[:at] + field + data[at + len(field) :]


def first_table(data: bytes) -> int:
    return int(struct.unpack_from(">Q", data, 40)[0])


def second_table(data: bytes) -> int:
    return int(struct.unpack_from(">Q", data, first_table(data))[0]) & 0x00FFFFFFFFFFFE00


@pytest.mark.parametrize(
    ("at", "layout", "value", "words"),
    [
        (0, ">I", 0, "does not begin as"),
        (4, ">I", 4, "version 4"),
        (20, ">I", 40, "2^40"),
        (20, ">I", 8, "2^8"),
        (24, ">Q", 1 << 63, "size of"),
        (24, ">Q", 1 << 50, "size of"),
        (36, ">I", 0xFFFFFFFF, "table of 4294967295"),
        (40, ">Q", 1 << 40, "beyond its end"),
        (40, ">Q", 1000, "between its clusters"),
        (72, ">Q", 1 << 40, "unknown features"),
        (72, ">Q", 2, "corrupt"),
        (72, ">Q", 8, "compression 0"),
        (100, ">I", 1 << 30, "its own length"),
    ],
)
def test_a_wrong_header_is_refused_with_the_cause(image: bytes, at: int, layout: str, value: int, words: str) -> None:
    with pytest.raises(ImageServicesError) as excinfo:
        Qcow2File(io.BytesIO(put(image, at, layout, value)), "disk")
    refused(excinfo, words)


@pytest.mark.parametrize(
    ("value", "words"),
    [(1 << 45, "beyond its end"), (0x200, "between two clusters"), (1 << 62 | 1 << 50, "beyond its end"), (1 << 62 | 0x10003, "compressed data")],
    ids=["beyond", "between", "compressed beyond", "compressed nothing"],
)
def test_a_wrong_table_is_refused_with_the_cause(image: bytes, value: int, words: str) -> None:
    with pytest.raises(ImageServicesError) as excinfo:
        list(Qcow2File(io.BytesIO(put(image, second_table(image), ">Q", value)), "disk").blocks())
    refused(excinfo, words)


def test_a_table_that_refers_to_one_place_for_ever_is_refused(image: bytes) -> None:
    entry = image[first_table(image) : first_table(image) + 8]
    large = put(put(image, 24, ">Q", 8192 * 512 * MIB), 36, ">I", 8192)
    large = large[: first_table(image)] + entry * 8192 + large[first_table(image) + 65536 :]
    with pytest.raises(ImageServicesError) as excinfo:
        list(Qcow2File(io.BytesIO(large), "disk").extents())
    refused(excinfo, "again and again")


def test_a_cut_image_is_refused(image: bytes) -> None:
    for length in (0, 50, 80, 66_000, len(image) // 2, len(image) - 65536 - 1):
        with pytest.raises(ImageServicesError) as excinfo:
            list(Qcow2File(io.BytesIO(image[:length]), "disk").blocks())
        refused(excinfo, "cut off")


def test_the_library_for_zstd_is_asked_for_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    raw = write_raw(tmp_path / "raw", MIB, [(0, b"a" * MIB)])
    qemu_img("convert", "-c", "-f", "raw", "-O", "qcow2", "-o", "compression_type=zstd", raw, tmp_path / "qcow2")
    monkeypatch.setattr(decoders, "ZSTD_IMPORT_ERROR", "no such module")
    with pytest.raises(ImageServicesError, match="backports.zstd"):
        read(tmp_path / "qcow2")
