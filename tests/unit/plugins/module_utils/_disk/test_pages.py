# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The records that a Xen host takes: whole pages, each once, of what is not zeros, and the sum that tells two disks apart."""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.xenstack.image_services.plugins.module_utils._core.errors import ImageServicesError
from ansible_collections.xenstack.image_services.plugins.module_utils._disk import pages as module
from ansible_collections.xenstack.image_services.plugins.module_utils._disk.disk import RawDisk
from ansible_collections.xenstack.image_services.plugins.module_utils._disk.pages import MAX_RECORD, PAGE, PageSum, records, whole_pages
from ansible_collections.xenstack.image_services.plugins.module_utils._disk.vhd.tarball import VhdTarball
from ansible_collections.xenstack.image_services.plugins.module_utils._disk.vhd.writer import VhdWriter
from ansible_collections.xenstack.image_services.tests.support.disks import (
    GIB,
    MIB,
    Writes,
    content,
    disks,
    expected,
    qemu_img,
    refused,
    write_raw,
    write_sparse,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

Block = tuple[int, bytes]


class Given:
    """A disk of given blocks."""

    label = "given"

    def __init__(self, size: int, blocks: list[Block]) -> None:
        self.virtual_size, self._blocks = size, blocks

    def blocks(self) -> Iterator[Block]:
        return iter(self._blocks)


def parsed(stream: Iterator[bytes]) -> list[Block]:
    """As the host's tool reads them."""
    data, found = b"".join(stream), []
    while True:
        offset, length = struct.unpack_from("<QI", data)
        if not length:
            assert offset == 0
            assert len(data) == 12
            return found
        found.append((offset, data[12 : 12 + length]))
        assert len(found[-1][1]) == length
        data = data[12 + length :]


def summing(total: PageSum, pages: Iterator[Block]) -> Iterator[Block]:
    for page in pages:
        total.add(*page)
        yield page


def summed(disk: Given, scattered: bool = False) -> str:
    total = PageSum()
    for page in whole_pages(disk, scattered):
        total.add(*page)
    return str(total)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(disk=disks())
def test_records_of_a_raw_disk_hold_it_bit_for_bit(disk: tuple[int, Writes], tmp_path: Path) -> None:
    size, writes = disk
    room = -(-size // (2 * MIB)) * 2 * MIB
    with write_raw(tmp_path / "disk.raw", size, writes).open("rb") as stream:
        found = parsed(records(whole_pages(RawDisk(stream, "disk")), room))
    assert content(found, room) == expected(size, writes)
    assert [offset for offset, _data in found] == sorted(offset for offset, _data in found)
    for offset, data in found:
        assert offset % PAGE == len(data) % PAGE == 0
        assert len(data) <= MAX_RECORD
        assert offset // MAX_RECORD == (offset + len(data) - 1) // MAX_RECORD


@st.composite
def scattered(draw: st.DrawFn) -> tuple[bytes, list[Block]]:
    """Sectors of a small disk, some of them zeros, in any order and in pieces of any length."""
    sectors = draw(st.integers(1, 64))
    chooser = random.Random(draw(st.integers(0, 2**32)))
    whole, blocks, at = bytearray(sectors * 512), [], 0
    while at < sectors:
        length = chooser.randint(1, min(20, sectors - at))
        kind = chooser.choice(["hole", "zeros", "data", "data"])
        if kind != "hole":
            data = bytes(length * 512) if kind == "zeros" else chooser.randbytes(length * 512)
            whole[at * 512 : (at + length) * 512] = data
            blocks.append((at * 512, data))
        at += length
    chooser.shuffle(blocks)
    return bytes(whole), blocks


@settings(max_examples=200)
@given(disk=scattered())
def test_parts_of_pages_come_together_whatever_their_order(disk: tuple[bytes, list[Block]]) -> None:
    whole, blocks = disk
    size = -(-len(whole) // PAGE) * PAGE
    found = parsed(records(whole_pages(Given(len(whole), blocks), scattered=True), size))
    rebuilt = bytearray(size)
    for offset, data in found:
        assert offset % PAGE == len(data) % PAGE == 0
        rebuilt[offset : offset + len(data)] = data
    assert rebuilt[: len(whole)] == whole
    assert not any(rebuilt[len(whole) :])
    assert len({page for offset, data in found for page in range(offset, offset + len(data), PAGE)}) == sum(len(data) for _offset, data in found) // PAGE
    # The sum does not depend on the order, nor on how the pieces are cut; it does on every byte.
    assert summed(Given(len(whole), blocks), True) == summed(Given(len(whole), [(0, whole)]))
    changed = bytearray(whole)
    changed[len(whole) // 2] ^= 1
    assert summed(Given(len(whole), [(0, bytes(changed))])) != summed(Given(len(whole), [(0, whole)]))


def test_content_at_another_place_has_another_sum() -> None:
    data = random.Random(1).randbytes(PAGE)
    assert summed(Given(GIB, [(0, data)])) != summed(Given(GIB, [(PAGE, data)]))
    assert summed(Given(GIB, [])) == summed(Given(GIB, [(0, bytes(MIB))]))


def test_zeros_are_not_sent() -> None:
    data = b"x" * (64 * 1024)
    blocks = [(0, bytes(2 * MIB)), (2 * MIB, bytes(MIB) + data + bytes(MIB - len(data)))]
    assert parsed(records(whole_pages(Given(4 * MIB, blocks)), 4 * MIB)) == [(3 * MIB, data)]


def test_padding_beyond_the_end_is_not_sent() -> None:
    assert parsed(records(whole_pages(Given(PAGE + 512, [(PAGE, b"x" * 512)])), PAGE + 512)) == [(PAGE, b"x" * 512)]


def test_pages_in_parts_are_kept_in_bounded_memory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    halves = [(page * PAGE + start, b"x" * 2048) for start in (0, 2048) for page in range(4000)]
    found = dict(parsed(records(whole_pages(Given(4000 * PAGE, halves), True, str(tmp_path)), 4000 * PAGE)))
    assert b"".join(found[offset] for offset in sorted(found)) == b"x" * 4000 * PAGE
    assert not list(tmp_path.iterdir())
    monkeypatch.setattr(module, "_MAX_PARTS", 3999)
    with pytest.raises(ImageServicesError) as excinfo:
        list(whole_pages(Given(4000 * PAGE, halves), True, str(tmp_path)))
    refused(excinfo, "share more than 3999 pages", "qemu-img")


@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(disk=disks(most=64 * MIB))
def test_a_paged_disk_becomes_the_same_vhd_content(disk: tuple[int, Writes], tmp_path: Path) -> None:
    size, writes = disk
    room = -(-size // (2 * MIB)) * 2 * MIB
    total, again = PageSum(), PageSum()
    with write_raw(tmp_path / "disk.raw", size, writes).open("rb") as stream:
        raw = RawDisk(stream, "disk")
        write_sparse(tmp_path / "disk.vhd", VhdWriter(raw, room, blocks=lambda: summing(total, whole_pages(raw))))
    qemu_img("convert", "-f", "vpc", "-O", "raw", tmp_path / "disk.vhd", tmp_path / "back.raw")
    with (tmp_path / "back.raw").open("rb") as stream:
        back = RawDisk(stream, "back")
        assert back.virtual_size == room
        assert content(summing(again, whole_pages(back)), room) == expected(size, writes)
    assert str(again) == str(total)


def test_a_tarball_says_whether_its_pages_come_apart(tmp_path: Path) -> None:
    from ansible_collections.xenstack.image_services.tests.support.disks import build_vhd, tarball_of

    def tarball(*members: bytes) -> VhdTarball:
        packed = tarball_of((f"{number}.vhd", data) for number, data in enumerate(members))
        return VhdTarball([packed], "tarball", str(tmp_path))

    alone = tarball(build_vhd(4 * MIB, {0: {3: b"alone"}}))
    leaf = build_vhd(4 * MIB, {0: {3: b"leaf"}}, kind=4, uuid=b"L" * 16, parent=b"B" * 16)
    chain = tarball(leaf, build_vhd(4 * MIB, {0: {2: b"base", 3: b"hidden"}}, uuid=b"B" * 16))
    assert not alone.scattered
    assert chain.scattered
    (found,) = parsed(records(whole_pages(chain, chain.scattered), 4 * MIB))
    assert found == (0, bytes(1024) + b"base".ljust(512, b"\0") + b"leaf".ljust(512, b"\0") + bytes(2048))
    alone.close()
