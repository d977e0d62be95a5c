# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""VHDs of other writers, as files and as streams, and a sentence for each way in which one can be wrong."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from itertools import chain, repeat
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from ansible_collections.xenstack.image_services.plugins.module_utils._core.errors import ImageServicesError
from ansible_collections.xenstack.image_services.plugins.module_utils._disk.vhd.reader import VhdFile, VhdStream, raw_parent
from ansible_collections.xenstack.image_services.tests.support.disks import (
    GIB,
    MIB,
    Writes,
    build_vhd,
    content,
    cut,
    disks,
    expected,
    qemu_img,
    refused,
    summed,
    vhd_footer,
    vhd_header,
    write_raw,
)
from hypothesis import given, settings

PLAIN = build_vhd(6 * MIB, {0: {0: b"zero", 5: b"five"}, 2: {4095: b"last"}})
PLAIN_WRITES = [(0, b"zero"), (5 * 512, b"five"), (6 * MIB - 512, b"last")]


def read_both(data: bytes) -> tuple[dict[int, bytes], dict[int, bytes]]:
    file, stream = VhdFile(io.BytesIO(data), "disk"), VhdStream(cut(data), "disk", len(data))
    assert file.virtual_size == stream.virtual_size
    return content(file.blocks(), file.virtual_size), content(stream.blocks(), stream.virtual_size)


@settings(max_examples=15)
@given(disks(most=GIB, most_writes=3))
def test_what_qemu_img_writes_is_read(disk: tuple[int, Writes]) -> None:
    size, writes = disk
    with TemporaryDirectory() as directory:
        raw, path = write_raw(Path(directory, "raw"), size, writes), Path(directory, "vhd")
        for options in ("subformat=dynamic", "subformat=dynamic,force_size=on", "subformat=fixed,force_size=on", "subformat=fixed"):
            if options.startswith("subformat=fixed") and size > 64 * MIB:
                continue
            qemu_img("convert", "-f", "raw", "-O", "vpc", "-o", options, raw, path)
            with path.open("rb") as stream:
                found = VhdFile(stream, "disk")
                # Without force_size, qemu-img makes the disk as large as the next geometry.
                assert found.virtual_size == size if "force_size" in options else found.virtual_size >= size
                assert content(found.blocks(), found.virtual_size) == expected(size, writes)
                extents = list(found.extents())
                assert extents == sorted(extents)
                assert all(length > 0 for _offset, length in extents)
                stream.seek(0)
                streamed = VhdStream(iter(lambda: stream.read(99_991), b""), "disk", path.stat().st_size)
                assert content(streamed.blocks(), streamed.virtual_size) == expected(size, writes)


def test_the_size_is_the_footers_and_not_the_geometrys() -> None:
    # qemu-img cuts such a disk of Dom0's own export to its geometry, and loses data.
    assert VhdFile(io.BytesIO(PLAIN), "disk").virtual_size == 6 * MIB


@pytest.mark.parametrize("block_size", [MIB // 2, MIB, 2 * MIB, 4 * MIB], ids=str)
@pytest.mark.parametrize("table", [1536, 2048, 8192], ids=str)
def test_blocks_of_any_size_and_place(block_size: int, table: int) -> None:
    size = 12 * MIB + 512
    last = size // block_size
    vhd = build_vhd(size, {last: {0: b"last"}, 0: {0: b"first", block_size // 512 - 1: b"end"}}, block_size=block_size, table=table)
    writes = [(last * block_size, b"last"), (0, b"first"), (block_size - 512, b"end")]
    assert read_both(vhd) == (expected(size, writes), expected(size, writes))


def test_sectors_that_are_not_marked_are_zeros() -> None:
    assert read_both(PLAIN) == (expected(6 * MIB, PLAIN_WRITES),) * 2


def test_a_differencing_vhd_gives_what_it_holds_itself_and_looks_for_no_parent() -> None:
    vhd = bytearray(build_vhd(4 * MIB, {1: {7: b"own"}}, kind=4, parent=b"P" * 16))
    locators = b"W2ku" + struct.pack(">IIIQ", 512, 512, 0, 2**63) + b"MacX" + struct.pack(">IIIQ", 2**31, 2**31, 0, 1)
    vhd[512:1536] = vhd_header(2, parent=b"P" * 16, locators=locators)
    found = VhdFile(io.BytesIO(bytes(vhd)), "disk")
    assert found.parent
    assert found.header.parent.bytes == b"P" * 16
    assert [(offset, data[:3]) for offset, data in found.blocks()] == [(2 * MIB + 7 * 512, b"own")]
    streamed = VhdStream(cut(bytes(vhd)), "disk")
    assert [(offset, data[:3]) for offset, data in streamed.blocks()] == [(2 * MIB + 7 * 512, b"own")]


def test_a_stream_is_read_once() -> None:
    stream = VhdStream([PLAIN], "disk")
    list(stream.blocks())
    with pytest.raises(ImageServicesError) as excinfo:
        list(stream.blocks())
    refused(excinfo, "read already")


def with_table(*sectors: int) -> bytes:
    return PLAIN[:1536] + struct.pack(">3I", *sectors) + PLAIN[1548:]


def with_footer(**fields: int) -> bytes:
    footer = vhd_footer(**{"size": 6 * MIB, **fields})
    return footer + PLAIN[512:-512] + footer


def with_header(**fields: int) -> bytes:
    return PLAIN[:512] + vhd_header(**{"entries": 3, **fields}) + PLAIN[1536:]


def flipped(at: int) -> bytes:
    return PLAIN[:at] + bytes([PLAIN[at] ^ 4]) + PLAIN[at + 1 :]


FIRST = 2048 // 512
WRONG: dict[str, tuple[bytes, str]] = {
    "empty": (b"", ""),
    "one sector": (PLAIN[:512], ""),
    "cut in the header": (PLAIN[:1000], ""),
    "cut in a block": (PLAIN[: 3 * MIB], ""),
    "cut before the footer": (PLAIN[:-512], ""),
    "footer zeroed": (PLAIN[:-512] + bytes(512), "no VHD footer is at its end"),
    "footer damaged": (flipped(len(PLAIN) - 460), "wrong checksum"),
    "footer of another disk": (PLAIN[:-512] + vhd_footer(6 * MIB, uuid=b"B" * 16), "different disks"),
    "first footer damaged": (flipped(41), "wrong checksum"),
    "header damaged": (flipped(600), "wrong checksum"),
    "no header": (PLAIN[:512] + bytes(1024) + PLAIN[1536:], "no dynamic header"),
    "version": (PLAIN[:512] + summed(PLAIN[512:536] + b"\0\2\0\0" + PLAIN[540:1536], 36) + PLAIN[1536:], "unknown version 0x20000"),
    "type": (with_footer(kind=9), "unknown type 9"),
    "size 0": (with_footer(size=0), "size of 0 bytes"),
    "half a sector": (with_footer(size=6 * MIB - 100), "whole sectors"),
    "size lies": (with_footer(size=2**63), "2048 GiB at most"),
    "table too short for the size": (with_footer(size=8 * MIB), "3 entries"),
    "block size 3 MiB": (with_header(block_size=3 * MIB), "power of two"),
    "block size 512": (with_header(block_size=512, entries=2**24), "power of two"),
    "block size 2 GiB": (with_header(block_size=2 * GIB), "power of two"),
    "header beyond the end": (with_footer(data_offset=2**62), "its dynamic header is at"),
    "table beyond the end": (with_header(table=2**62), "its block table is at"),
    "block beyond the end": (with_table(FIRST, 0xFFFFFFFF, 0xFFFFFFF0), "block 2 is at"),
    "block in the tables": (with_table(1, 0xFFFFFFFF, FIRST), "in the tables"),
    "two blocks at one place": (with_table(FIRST, 0xFFFFFFFF, FIRST), "blocks 0 and 2 are in the same place"),
    "overlapping blocks": (with_table(FIRST, 0xFFFFFFFF, FIRST + 4096), "in the place of another"),
    "something follows": (PLAIN + bytes(512), "no VHD footer is at its end"),
}


@pytest.mark.parametrize("way", ["file", "stream", "stream of known length"])
@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_vhd_is_refused_with_the_cause(case: str, way: str) -> None:
    data, words = WRONG[case]
    readers: dict[str, Callable[[], VhdFile | VhdStream]] = {
        "file": lambda: VhdFile(io.BytesIO(data), "disk"),
        "stream": lambda: VhdStream(cut(data), "disk"),
        "stream of known length": lambda: VhdStream(cut(data), "disk", len(data)),
    }
    with pytest.raises(ImageServicesError) as excinfo:
        list(readers[way]().blocks())
    refused(excinfo, "read VHD 'disk'", words)


def test_a_fixed_vhd_whose_size_lies_is_refused() -> None:
    data = b"d" * 1024 + vhd_footer(2048, kind=2, data_offset=2**64 - 1)
    for reader in (lambda: VhdFile(io.BytesIO(data), "disk"), lambda: VhdStream(cut(data), "disk", len(data))):
        with pytest.raises(ImageServicesError) as excinfo:
            list(reader().blocks())  # type: ignore[no-untyped-call]
        refused(excinfo, "1024")


def test_a_stream_that_does_not_end_is_given_up() -> None:
    footer = PLAIN[-512:]
    with pytest.raises(ImageServicesError) as excinfo:
        list(VhdStream(chain([PLAIN], repeat(footer * 2048)), "disk").blocks())
    refused(excinfo, "does not end where a VHD of its size does")


def test_a_length_that_no_vhd_of_its_size_has_is_refused_at_once() -> None:
    with pytest.raises(ImageServicesError) as excinfo:
        VhdStream(cut(PLAIN), "disk", GIB)
    refused(excinfo, "more than a VHD of 6291456 bytes takes")


def test_a_fixed_vhd_of_unknown_length_is_asked_for_as_a_file() -> None:
    with pytest.raises(ImageServicesError) as excinfo:
        VhdStream([b"d" * 1024 + vhd_footer(1024, kind=2)], "disk")
    refused(excinfo, "Give the VHD as a file")


def test_a_stream_whose_tables_come_last_is_asked_for_as_a_file() -> None:
    moved = vhd_footer(6 * MIB, data_offset=1024)
    data = moved + bytes(512) + vhd_header(3, table=512) + bytes(512) + moved
    with pytest.raises(ImageServicesError) as excinfo:
        VhdStream([data], "disk")
    refused(excinfo, "not in the order of a stream", "Give the VHD as a file")


LEFT = {"cut off": PLAIN[:-512], "zeroed": PLAIN[:-512] + bytes(512), "something else": PLAIN + bytes(512), "half of it": PLAIN[:-256]}


@pytest.mark.parametrize("way", ["file", "stream", "stream of known length"])
@pytest.mark.parametrize("case", LEFT)
def test_a_vhd_without_its_footer_at_the_end_is_read_with_a_warning(case: str, way: str) -> None:
    data = LEFT[case]
    readers: dict[str, Callable[[bool], VhdFile | VhdStream]] = {
        "file": lambda lenient: VhdFile(io.BytesIO(data), "disk", lenient),
        "stream": lambda lenient: VhdStream(cut(data), "disk", lenient=lenient),
        "stream of known length": lambda lenient: VhdStream(cut(data), "disk", len(data), lenient),
    }
    found = readers[way](True)
    assert content(found.blocks(), found.virtual_size) == expected(6 * MIB, PLAIN_WRITES)
    (warning,) = found.warnings
    assert "'disk' has no footer at its end" in warning
    with pytest.raises(ImageServicesError):
        list(readers[way](False).blocks())


@pytest.mark.parametrize(
    "case", ["cut in a block", "first footer damaged", "footer damaged", "footer of another disk", "header damaged", "block beyond the end"]
)
def test_more_than_the_missing_footer_is_an_error_all_the_same(case: str) -> None:
    data, words = WRONG[case]
    for found in (lambda: VhdFile(io.BytesIO(data), "disk", lenient=True), lambda: VhdStream(cut(data), "disk", len(data), lenient=True)):
        with pytest.raises(ImageServicesError) as excinfo:
            list(found().blocks())  # type: ignore[no-untyped-call]
        refused(excinfo, "read VHD 'disk'", words)


def test_a_whole_vhd_has_no_warning() -> None:
    for found in (VhdFile(io.BytesIO(PLAIN), "disk", lenient=True), VhdStream(cut(PLAIN), "disk", lenient=True)):
        list(found.blocks())
        assert found.warnings == []


def test_a_raw_parent_is_told_from_a_vhd() -> None:
    over_raw, over_vhd = (build_vhd(4 * MIB, {}, kind=4, parent=parent) for parent in (bytes(16), b"P" * 16))
    assert raw_parent(VhdStream([over_raw], "disk"))
    assert raw_parent(VhdFile(io.BytesIO(over_raw), "disk"))
    assert not raw_parent(VhdStream([over_vhd], "disk"))
    assert not raw_parent(VhdFile(io.BytesIO(PLAIN), "disk"))
