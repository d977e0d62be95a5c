# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""VMDKs as qemu-img, VMware and ill will write them. What is accepted is read as qemu-img reads it."""

from __future__ import annotations

import io
import random
import resource
import struct
import subprocess
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.xenstack.image_services.plugins.module_utils._core.errors import ImageServicesError
from ansible_collections.xenstack.image_services.plugins.module_utils._disk.disk import RawDisk
from ansible_collections.xenstack.image_services.plugins.module_utils._disk.vmdk import VmdkFile
from ansible_collections.xenstack.image_services.plugins.module_utils._disk.vmdk_stream import VmdkStream, is_streamable
from ansible_collections.xenstack.image_services.tests.support.disks import (
    GIB,
    MIB,
    Writes,
    content,
    cut,
    disks,
    expected,
    qemu_img,
    refused,
    write_raw,
)
from ansible_collections.xenstack.image_services.tests.support.vmdk import SECTOR, Built, cowd, description, marker, sesparse
from hypothesis import HealthCheck, given, settings

SIZE = 8 * MIB
NOISE = random.Random(5)
ONE, TWO = NOISE.randbytes(64 * 1024), NOISE.randbytes(64 * 1024)


def read_file(data: bytes) -> tuple[int, dict[int, bytes]]:
    disk = VmdkFile(io.BytesIO(data), "disk.vmdk")
    told = sum(length for _offset, length in disk.extents())
    found = content(disk.blocks(), disk.virtual_size)
    assert told >= sum(map(len, found.values())) // 2
    return disk.virtual_size, found


def read_stream(data: bytes) -> tuple[int, dict[int, bytes]]:
    disk = VmdkStream(cut(data), "disk.vmdk")
    return disk.virtual_size, content(disk.blocks(), disk.virtual_size)


def by_qemu(data: bytes, folder: Path) -> tuple[int, dict[int, bytes]]:
    """As the judge reads it: bytes of our own making, so that it follows nothing."""
    path, raw = folder / "judged.vmdk", folder / "judged.raw"
    path.write_bytes(data)
    qemu_img("convert", "-f", "vmdk", "-O", "raw", path, raw)
    return raw.stat().st_size, content_of(raw)


def content_of(raw: Path) -> dict[int, bytes]:
    with raw.open("rb") as stream:
        disk = RawDisk(stream, "raw")
        return content(disk.blocks(), disk.virtual_size)


@pytest.mark.parametrize("options", ["subformat=monolithicSparse", "subformat=monolithicSparse,compat6", "subformat=streamOptimized"])
@given(disk=disks())
@settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_qemu_img_writes_is_read_as_it_was(tmp_path: Path, options: str, disk: tuple[int, Writes]) -> None:
    """Disks of up to 3 TiB, and sizes that are not multiples of the grain."""
    size, writes = disk
    made = tmp_path / "made.vmdk"
    qemu_img("convert", "-f", "raw", "-O", "vmdk", "-o", options, write_raw(tmp_path / "raw", size, writes), made)
    with made.open("rb") as stream:
        read = VmdkFile(stream, "made")
        assert read.virtual_size == size
        assert content(read.blocks(), size) == expected(size, writes)
    if "stream" in options and made.stat().st_size < 64 * MIB:
        assert read_stream(made.read_bytes()) == (size, expected(size, writes))


def test_zeroed_grains_of_qemu(tmp_path: Path) -> None:
    path = tmp_path / "zeroed.vmdk"
    qemu_img("create", "-q", "-f", "vmdk", "-o", "zeroed_grain=on", path, "4M")
    for command in ("write -P 7 0 256k", "write -z 64k 64k"):
        subprocess.run(["qemu-io", "-f", "vmdk", "-c", command, path], check=True, capture_output=True)
    table = struct.unpack_from("<I", path.read_bytes(), struct.unpack_from("<Q", path.read_bytes(), 56)[0] * SECTOR)[0]
    assert struct.unpack_from("<I", path.read_bytes(), table * SECTOR + 4) == (1,)
    assert read_file(path.read_bytes()) == by_qemu(path.read_bytes(), tmp_path)


@pytest.mark.parametrize("grain", [16, 128, 512, 4096])
@pytest.mark.parametrize("zeroed", [False, True])
@pytest.mark.parametrize("form", ["sparse", "sparse without copies of tables", "stream"])
def test_grains_of_all_sizes(tmp_path: Path, form: str, grain: int, zeroed: bool) -> None:
    """In an order of their own in the file, the last one cut off by the disk's end."""
    capacity = grain * 600 + grain // 2
    grains: dict[int, bytes | None] = {600: ONE[: grain * 256], 3: TWO, 0: ONE, 513: TWO[:5]}
    grains = dict(sorted(grains.items())) if form == "stream" else grains
    grains = {number: data and data[: grain * SECTOR] for number, data in grains.items()} | ({2: None} if zeroed else {})
    built = Built(capacity, grains, grain)
    data = built.stream() if form == "stream" else built.sparse(form == "sparse")
    found = read_file(data)
    assert found == by_qemu(data, tmp_path)
    assert found[0] == capacity * SECTOR
    assert found[1]
    if form == "stream":
        assert is_streamable(data, "x")
        assert read_stream(data) == found


def test_what_is_streamed_by_qemu_needs_no_file(tmp_path: Path) -> None:
    raw = write_raw(tmp_path / "raw", 3 * GIB + 512, [(0, ONE), (GIB, TWO), (3 * GIB, b"end")])
    qemu_img("convert", "-f", "raw", "-O", "vmdk", "-o", "subformat=streamOptimized", raw, tmp_path / "made")
    data = (tmp_path / "made").read_bytes()
    assert is_streamable(data[:65536], "x")
    assert read_stream(data) == read_file(data) == (3 * GIB + 512, content_of(raw))


def test_disks_of_many_tables_are_not_streamed() -> None:
    data = Built(4 * 1024 * GIB // SECTOR + 1, {}).stream()
    assert not is_streamable(data, "x")
    assert read_file(data) == (4 * 1024 * GIB + SECTOR, {})


# Refused

GOOD = Built(SIZE // SECTOR, {0: ONE, 5: TWO})
SPARSE, STREAM = GOOD.sparse(), GOOD.stream()
DATA = 128


def put(data: bytes, at: int, form: str, value: int | bytes) -> bytes:
    made = bytearray(data)
    struct.pack_into(form, made, at, value)
    return bytes(made)


def places(data: bytes) -> tuple[int, int]:
    """Where in the file the directory and the first table are."""
    directory = struct.unpack_from("<Q", data, 56)[0] * SECTOR
    return directory, struct.unpack_from("<I", data, directory)[0] * SECTOR


def of_text(**fields: str) -> bytes:
    kind = fields.pop("kind", "monolithicSparse")
    return Built(SIZE // SECTOR, {0: ONE}, text=description(kind, SIZE // SECTOR, **fields)).sparse()


def hidden_parent() -> bytes:
    """The description that the header names is fine; qemu looks for the parent at its own place."""
    data = Built(
        SIZE // SECTOR, {0: ONE}, fields={"description": 200, "length": 20}, text=description("monolithicSparse", 16384, parent="12345678", hint="/etc/passwd")
    ).sparse()
    fine = Built(SIZE // SECTOR, {}).sparse()[SECTOR : 21 * SECTOR]
    return data[: 200 * SECTOR].ljust(200 * SECTOR, b"\0") + fine + data[220 * SECTOR :].ljust(100 * SECTOR, b"\0")


def short_hidden_parent() -> bytes:
    """Description of one sector, and a hint in the next ones."""
    data = Built(SIZE // SECTOR, {0: ONE}, fields={"length": 1}).sparse()
    return data[: 3 * SECTOR] + b'\nparentFileNameHint="nbd://127.0.0.1:1/x"\n'.ljust(SECTOR, b"\0") + data[4 * SECTOR :]


REFUSED: dict[str, tuple[Callable[[], bytes], str]] = {
    "empty": (lambda: b"KDMV", "in its header"),
    "description of a few bytes": (lambda: b"# Disk DescriptorFile", "only a description"),
    "COWD": (lambda: cowd(b"/etc/passwd"), "COWD"),
    "SESparse": (sesparse, "SESparse"),
    "description alone": (lambda: description("monolithicFlat", 8, extents='RW 8 FLAT "/etc/passwd" 0').ljust(SECTOR), "only a description"),
    "parent": (lambda: of_text(parent="12345678", hint="/etc/passwd"), "differs from a parent"),
    "parent by its number alone": (lambda: of_text(parent="12345678"), "differs from a parent"),
    "parent by its name alone": (lambda: of_text(hint="json:{}"), "differs from a parent"),
    "parent at the place of qemu": (hidden_parent, "differs from a parent"),
    "parent behind a short description": (short_hidden_parent, "differs from a parent"),
    "flat type": (lambda: of_text(kind="monolithicFlat"), "'monolithicFlat' keeps data in other files"),
    "extent of another file": (lambda: of_text(extents='RW 8 FLAT "/etc/passwd" 0'), "keeps data in other files"),
    "two extents": (lambda: of_text(extents='RW 8 SPARSE "a"\nRW 8 SPARSE "b"'), "keeps data in other files"),
    "encrypted": (lambda: of_text(extents='encryption.keySafe = "x"'), "is encrypted"),
    "no description": (lambda: put(SPARSE, 28, "<Q", 0), "does not describe the disk"),
    "description at 2^63": (lambda: put(SPARSE, 28, "<Q", 2**63), "which it does not have"),
    "description at 2^36": (lambda: put(SPARSE, 28, "<Q", 2**36), "which it does not have"),
    "description of 2^40 sectors": (lambda: put(SPARSE, 36, "<Q", 2**40), "which it does not have"),
    "no size": (lambda: put(SPARSE, 12, "<Q", 0), "gives a size of 0 bytes"),
    "17 TiB": (lambda: put(SPARSE, 12, "<Q", 17 * 2**31), "gives a size of"),
    "size of 2^63": (lambda: put(SPARSE, 12, "<Q", 2**63), "gives a size of"),
    "4 TiB in little": (lambda: put(SPARSE, 12, "<Q", 2**33), "beyond its end"),
    "grains of nothing": (lambda: put(SPARSE, 20, "<Q", 0), "grains are of 0 sectors"),
    "grains of 8 sectors": (lambda: put(SPARSE, 20, "<Q", 8), "grains are of 8 sectors"),
    "grains of 1 GiB": (lambda: put(SPARSE, 20, "<Q", 2**21), "powers of two"),
    "odd grains": (lambda: put(SPARSE, 20, "<Q", 129), "powers of two"),
    "tables of 511": (lambda: put(SPARSE, 44, "<I", 511), "511 entries"),
    "directory at 2^55": (lambda: put(SPARSE, 56, "<Q", 2**55), "beyond its end"),
    "directory nowhere": (lambda: put(SPARSE, 56, "<Q", 0), "where its tables are"),
    "directory in the header": (lambda: put(SPARSE, 56, "<Q", 1), "something else is already"),
    "copy of the directory at 2^63": (lambda: put(SPARSE, 48, "<Q", 2**63), "beyond its end"),
    "version 4": (lambda: put(SPARSE, 4, "<I", 4), "version 4"),
    "unknown flags": (lambda: put(SPARSE, 8, "<I", 0x80000003), "unknown features"),
    "compressed by its flags alone": (lambda: put(SPARSE, 8, "<I", 0x30001), "contradict"),
    "compressed by its method alone": (lambda: put(SPARSE, 77, "<H", 1), "contradict"),
    "unknown method": (lambda: put(SPARSE, 77, "<H", 9), "contradict"),
    "transferred as text": (lambda: put(SPARSE, 73, "<4s", b"\n \n\n"), "line ends"),
    "table outside": (lambda: put(SPARSE, places(SPARSE)[0], "<I", 2**32 - 1), "beyond its end"),
    "table in the description": (lambda: put(SPARSE, places(SPARSE)[0], "<I", 2), "something else is already"),
    "grain outside": (lambda: put(SPARSE, places(SPARSE)[1], "<I", 2**31), "beyond its end"),
    "grain in the tables": (lambda: put(SPARSE, places(SPARSE)[1], "<I", places(SPARSE)[0] // SECTOR), "something else is already"),
    "grain twice": (lambda: put(SPARSE, places(SPARSE)[1] + 4, "<I", DATA), "something else is already"),
    "grain half over another": (lambda: put(SPARSE, places(SPARSE)[1] + 4, "<I", DATA + 1), "something else is already"),
    "grain in the header": (lambda: put(SPARSE, places(SPARSE)[1] + 4, "<I", 1), "something else is already"),
    "cut off": (lambda: SPARSE[:-SECTOR], "beyond its end"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_sparse_ones(name: str) -> None:
    make, words = REFUSED[name]
    data, began = make(), time.process_time()
    with pytest.raises(ImageServicesError) as excinfo:
        read_file(data)
    refused(excinfo, words)
    assert time.process_time() - began < 1


def test_the_builder_makes_what_is_read() -> None:
    assert read_file(SPARSE) == read_file(STREAM) == read_stream(STREAM)


def grain_of(content_: bytes, sector: int = 0, size: int | None = None) -> bytes:
    packed = zlib.compress(content_)
    return (struct.pack("<QI", sector, len(packed) if size is None else size) + packed).ljust(SECTOR, b"\0")


def with_grain(grain: bytes) -> bytes:
    """A stream whose only grain lies in one sector, with that sector replaced."""
    data = Built(SIZE // SECTOR, {0: b"x"}).stream()
    assert len(grain) == SECTOR
    return data[: 128 * SECTOR] + grain + data[129 * SECTOR :]


STREAMS: dict[str, tuple[Callable[[], bytes], str]] = {
    "cut off": (lambda: STREAM[: -3 * SECTOR], "cut off"),
    "cut off in a grain": (lambda: STREAM[: 130 * SECTOR], "cut off"),
    "footer of another size": (lambda: put(STREAM, len(STREAM) - 2 * SECTOR + 12, "<Q", 1), "contradict each other"),
    "footer that tells no place": (lambda: put(STREAM, len(STREAM) - 2 * SECTOR + 56, "<Q", 2**64 - 1), "does not say where"),
    "directory of the footer outside": (lambda: put(STREAM, len(STREAM) - 2 * SECTOR + 56, "<Q", 2**40), ""),
    "something behind the end": (lambda: STREAM + b"x" * SECTOR, ""),
    "grain that inflates beyond itself": (lambda: with_grain(grain_of(bytes(64 * 1024 + 1))), "more than the 65536 bytes"),
    "bomb": (lambda: with_grain(grain_of(bytes(400_000))), "more than the 65536 bytes"),
    "grain that is too short": (lambda: with_grain(grain_of(b"x")), "cut off"),
    "no deflate": (lambda: with_grain(struct.pack("<QI", 0, 99).ljust(SECTOR, b"z")), "damaged"),
    "grain of 4 GiB": (lambda: with_grain(grain_of(bytes(65536), size=2**32 - 1)), ""),
    "grain of elsewhere": (lambda: with_grain(grain_of(bytes(65536), sector=128)), ""),
    "grain beyond the disk": (lambda: with_grain(grain_of(bytes(65536), sector=2**40)), ""),
    "parent": (lambda: Built(SIZE // SECTOR, {}, text=description("streamOptimized", 1, parent="1", hint="/etc/passwd")).stream(), "differs from a parent"),
    "table of other places": (lambda: put(STREAM, STREAM.index(marker(4, 1)) + SECTOR, "<I", 129), ""),
    "4 EiB": (lambda: put(STREAM, 12, "<Q", 2**53), "gives a size of"),
    "data at 2^50": (lambda: put(STREAM, 64, "<Q", 2**50), None),
}


@pytest.mark.parametrize("name", STREAMS)
@pytest.mark.parametrize("way", [read_file, read_stream])
def test_refused_streams(name: str, way: Callable[[bytes], object]) -> None:
    make, words = STREAMS[name]
    if words is None and way is read_file:
        # A file has no need of what only a stream goes by.
        assert way(make()) == way(STREAM)
        return
    before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    with pytest.raises(ImageServicesError) as excinfo:
        way(make())
    refused(excinfo, "behind all that can be before it" if words is None else words)
    assert time.process_time() - began < 1
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 * 1024


def test_a_grain_that_comes_twice_is_refused() -> None:
    data = Built(SIZE // SECTOR, {0: b"x", 1: b"y"}).stream()
    with pytest.raises(ImageServicesError, match="twice"):
        read_stream(data[: 129 * SECTOR] + data[128 * SECTOR : 129 * SECTOR] + data[130 * SECTOR :])


def test_a_grain_that_no_table_knows_is_refused() -> None:
    data = Built(SIZE // SECTOR, {0: b"x", 1: b"y"}).stream()
    at = data.rindex(struct.pack("<II", 128, 129))
    with pytest.raises(ImageServicesError, match="tells of other data"):
        read_stream(put(data, at + 4, "<I", 0))


def test_a_tiny_file_of_a_large_disk_takes_no_time(tmp_path: Path) -> None:
    data = put(put(SPARSE, 20, "<Q", 4096), 12, "<Q", 2**33)
    # A directory of 16 KiB that is all zeros, in a file of 74 kB.
    made = put(put(data[: 21 * SECTOR] + bytes(64_000), 56, "<Q", 21), 48, "<Q", 70)
    began = time.process_time()
    assert read_file(made) == (4 * 1024 * GIB, {})
    assert time.process_time() - began < 1
