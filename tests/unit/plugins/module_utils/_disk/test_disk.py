# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Raw disks without their holes, and the parts of disks: joined, cut, without zeros."""

from __future__ import annotations

import io
import os
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from ansible_collections.xenstack.image_services.plugins.module_utils._core.errors import ImageServicesError
from ansible_collections.xenstack.image_services.plugins.module_utils._disk.disk import RawDisk, RawStream
from ansible_collections.xenstack.image_services.plugins.module_utils._disk.extents import is_zero, joined, merged, pieces, without_zeros
from ansible_collections.xenstack.image_services.tests.support.disks import GIB, MIB, Writes, content, cut, disks, expected, refused, write_raw
from hypothesis import given, settings
from hypothesis import strategies as st


@settings(max_examples=40)
@given(disks())
def test_a_sparse_disk_is_read_without_its_holes(disk: tuple[int, Writes]) -> None:
    size, writes = disk
    with TemporaryDirectory() as directory, write_raw(Path(directory, "raw"), size, writes).open("rb") as stream:
        raw = RawDisk(stream, "disk")
        assert raw.virtual_size == size
        assert sum(length for _offset, length in raw.extents()) <= sum(len(data) + 2 * 65536 for _offset, data in writes)
        assert content(raw.blocks(), size) == expected(size, writes)
        assert content(joined(without_zeros(raw.blocks())), size) == expected(size, writes)


def test_a_file_that_tells_no_holes_is_read_whole() -> None:
    assert list(RawDisk(io.BytesIO(b"ab" * MIB), "disk").extents()) == [(0, 2 * MIB)]
    assert list(RawDisk(io.BytesIO(b""), "disk").blocks()) == []


def test_a_disk_that_becomes_shorter_is_told(tmp_path: Path) -> None:
    path = write_raw(tmp_path / "raw", 4 * MIB, [(0, b"x" * 4 * MIB)])
    with path.open("rb") as stream:
        blocks = RawDisk(stream, "disk").blocks()
        next(blocks)
        os.truncate(path, 2 * MIB - 10)
        with pytest.raises(ImageServicesError) as excinfo:
            list(blocks)
    refused(excinfo, "became shorter")


@pytest.mark.parametrize("size", [0, 1, 5 * MIB + 7])
def test_a_raw_stream_is_as_long_as_was_told(size: int) -> None:
    data = (b"0123456789" * MIB)[:size]
    stream = RawStream(cut(data), "disk", size)
    assert content(stream.blocks(), max(size, 1)) == expected(size, [(0, data)])
    assert sum(length for _offset, length in stream.extents()) == size
    for wrong, words in ((size + 1, "cut off"), (size - 1, "longer than")):
        if wrong >= 0:
            with pytest.raises(ImageServicesError) as excinfo:
                list(RawStream(cut(data), "disk", wrong).blocks())
            refused(excinfo, words)
    if size:
        with pytest.raises(ImageServicesError) as excinfo:
            list(stream.blocks())
        refused(excinfo, "read already")


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    with (tmp_path / "raw").open("wb") as stream:
        stream.truncate(MIB)
        stream.write(b"x")
        stream.flush()
        with pytest.raises(ImageServicesError) as excinfo:
            list(RawDisk(stream, "disk").blocks())
    refused(excinfo, "raw disk 'disk'")


@given(st.lists(st.tuples(st.integers(0, 40), st.binary(min_size=1, max_size=30)), max_size=8), st.integers(1, 16), st.integers(1, 64))
def test_parts_keep_the_content(gaps: list[tuple[int, bytes]], grain: int, most: int) -> None:
    blocks, end = [], 0
    for gap, data in gaps:
        blocks.append((end + gap, data.replace(b"\1", b"\0")))
        end += gap + len(data)
    whole = content(blocks, max(end, 1))
    assert content(without_zeros(blocks, grain), max(end, 1)) == whole
    for offset, data in without_zeros(blocks, grain):
        assert all(any(data[start - offset : start - offset + length]) for start, length in pieces(offset, len(data), grain))
    together = list(joined(blocks, most))
    assert content(together, max(end, 1)) == whole
    assert all(offset // most == (offset + len(data) - 1) // most for offset, data in together)
    assert all(offset + len(data) != following or following % most == 0 for (offset, data), (following, _next) in pairwise(together))


def test_extents_that_touch_are_one() -> None:
    assert list(merged([(0, 5), (5, 5), (11, 1), (12, 3), (20, 0), (30, 1)])) == [(0, 10), (11, 4), (30, 1)]
    assert list(merged([])) == []
    assert list(pieces(3, 10, 4)) == [(3, 1), (4, 4), (8, 4), (12, 1)]


def test_zeros_are_told_from_data() -> None:
    zeros = bytes(5 * MIB)
    assert is_zero(zeros)
    assert is_zero(b"")
    for at in (0, 2 * MIB, 5 * MIB - 1):
        assert not is_zero(zeros[:at] + b"\1" + zeros[at + 1 :])


def test_only_the_grain_with_data_is_left_of_a_large_disk(tmp_path: Path) -> None:
    with write_raw(tmp_path / "raw", 3072 * GIB, [(GIB, b"x")]).open("rb") as stream:
        assert sum(len(data) for _offset, data in without_zeros(RawDisk(stream, "disk").blocks(), 512)) == 512
