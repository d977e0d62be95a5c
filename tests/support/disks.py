# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Disks for the tests of image formats: raw ones in sparse files, VHDs built field by field, and what a reader makes of them.

The VHDs here share no code with what is tested, so that one mistake cannot hide in both.
"""

from __future__ import annotations

import io
import random
import shutil
import struct
import subprocess
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from hypothesis import strategies as st

MIB = 1024 * 1024
GIB = 1024 * MIB
GRAIN = 4096
Writes = list[tuple[int, bytes]]


def qemu_img(*arguments: object) -> str:
    program = shutil.which("qemu-img")
    assert program, "qemu-img is missing: install the package qemu-utils"
    done = subprocess.run([program, *map(str, arguments)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"qemu-img {arguments[0]}: {done.stdout}{done.stderr}"
    return done.stdout


def qemu_io(path: Path, command: str) -> None:
    program = shutil.which("qemu-io")
    assert program, "qemu-io is missing: install the package qemu-utils"
    subprocess.run([program, "-f", "qcow2", "-c", command, path], capture_output=True, check=True)


@st.composite
def disks(draw: st.DrawFn, most: int = 3 * 1024 * GIB, most_writes: int = 5) -> tuple[int, Writes]:
    """The size of a disk, odd numbers of sectors included, and what is written where."""
    size = 512 * draw(st.one_of(st.integers(MIB // 512, 8 * MIB // 512), st.integers(MIB // 512, most // 512)))
    writes = []
    for _number in range(draw(st.integers(0, most_writes))):
        length = min(size, draw(st.sampled_from([1, 511, 512, 4096, 65536, 300_001, 2 * MIB])))
        near = draw(st.sampled_from([0, size - length, draw(st.integers(0, size - length))]))
        offset = min(size - length, near // 512 * 512 if draw(st.booleans()) else near)
        writes.append((offset, random.Random(draw(st.integers(0, 2**32))).randbytes(length)))
    return size, writes


def partitioned(data: bytes) -> bytes:
    """The same bytes as a disk of one partition: without a mark of some kind they are no raw disk to anybody."""
    entry = struct.pack("<B3sB3sII", 0x80, b"\x20\x21\x00", 0x83, b"\xfe\xff\xff", 1, max(1, len(data) // 512 - 1))
    return data[:446] + entry + bytes(48) + b"\x55\xaa" + data[512:]


def write_raw(path: Path, size: int, writes: Writes) -> Path:
    with path.open("wb") as stream:
        stream.truncate(size)
        for offset, data in writes:
            stream.seek(offset)
            stream.write(data)
    return path


def write_sparse(path: Path, blocks: Iterable[bytes]) -> Path:
    with path.open("wb") as stream:
        for block in blocks:
            for start in range(0, len(block), GRAIN):
                part = block[start : start + GRAIN]
                stream.seek(len(part), 1) if not any(part) else stream.write(part)
        stream.truncate()
    return path


def content(blocks: Iterable[tuple[int, bytes]], size: int) -> dict[int, bytes]:
    """What is not zeros, by its place. No byte may be told twice or beyond the end."""
    found: dict[int, bytearray] = {}
    told: list[tuple[int, int]] = []
    for offset, data in blocks:
        assert data
        assert offset >= 0
        assert offset + len(data) <= size
        told.append((offset, offset + len(data)))
        for start in range(offset // GRAIN * GRAIN, offset + len(data), GRAIN):
            begin, end = max(start, offset), min(start + GRAIN, offset + len(data))
            part = data[begin - offset : end - offset]
            if any(part):
                found.setdefault(start, bytearray(GRAIN))[begin - start : end - start] = part
    told.sort()
    assert all(before[1] <= after[0] for before, after in zip(told, told[1:], strict=False)), "told twice"
    return {start: bytes(data) for start, data in found.items()}


def expected(size: int, writes: Writes) -> dict[int, bytes]:
    """What a disk holds after the writes, as content() tells it."""
    found: dict[int, bytearray] = {}
    for offset, data in writes:
        for start in range(offset // GRAIN * GRAIN, offset + len(data), GRAIN):
            begin, end = max(start, offset), min(start + GRAIN, offset + len(data))
            found.setdefault(start, bytearray(GRAIN))[begin - start : end - start] = data[begin - offset : end - offset]
    return {start: bytes(data) for start, data in found.items() if any(data)}


def cut(data: bytes, seed: int = 0, most: int = 70_000) -> Iterator[bytes]:
    """The bytes in pieces of any length, as a connection brings them."""
    chooser, start = random.Random(seed), 0
    while start < len(data):
        end = start + chooser.randint(1, most)
        yield data[start:end]
        start = end


def summed(data: bytes, at: int) -> bytes:
    plain = data[:at] + bytes(4) + data[at + 4 :]
    return plain[:at] + struct.pack(">I", ~sum(plain) & 0xFFFFFFFF) + plain[at + 4 :]


def vhd_footer(size: int, kind: int = 3, uuid: bytes = b"A" * 16, data_offset: int = 512, creator: bytes = b"caml") -> bytes:
    fields = struct.pack(">8sIIQI4sIIQQHBBI", b"conectix", 2, 0x10000, data_offset, 0, creator, 1, 0, size, size, 1, 4, 17, kind)
    return summed((fields + bytes(4) + uuid).ljust(512, b"\0"), 64)


def vhd_header(entries: int, table: int = 1536, block_size: int = 2 * MIB, parent: bytes = bytes(16), locators: bytes = b"") -> bytes:
    fields = struct.pack(">8sQQIII", b"cxsparse", 2**64 - 1, table, 0x10000, entries, block_size)
    return summed(((fields + bytes(4) + parent).ljust(576, b"\0") + locators).ljust(1024, b"\0"), 36)


def build_vhd(
    size: int,
    blocks: dict[int, dict[int, bytes]],
    *,
    kind: int = 3,
    uuid: bytes = b"A" * 16,
    parent: bytes = bytes(16),
    block_size: int = 2 * MIB,
    table: int = 1536,
) -> bytes:
    """A dynamic or differencing VHD whose blocks lie in the order given; of each block, {sector: its bytes}. Other sectors are not marked as written."""
    entries = -(-size // block_size)
    places = [0xFFFFFFFF] * entries
    bitmap_size = -(-block_size // 512 // 8 // 512) * 512
    end = -(-(table + 4 * entries) // 512) * 512
    body = bytearray()
    for index, sectors in blocks.items():
        places[index] = (end + len(body)) // 512
        bitmap, data = bytearray(bitmap_size), bytearray(b"\xee" * block_size)
        for sector, what in sectors.items():
            bitmap[sector // 8] |= 0x80 >> sector % 8
            data[sector * 512 : sector * 512 + 512] = what.ljust(512, b"\0")
        body += bitmap + data
    footer = vhd_footer(size, kind, uuid)
    head = (footer + vhd_header(entries, table, block_size, parent)).ljust(table, b"\0") + struct.pack(f">{entries}I", *places)
    return head.ljust(end, b"\xff") + bytes(body) + footer


def tarball_of(members: Iterable[tuple[str, bytes]], form: int = tarfile.PAX_FORMAT) -> bytes:
    """Files by their names, in this order; a name may come twice."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=form) as archive:
        for name, data in members:
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return made.getvalue()


def unpack(archive: tarfile.TarFile, directory: Path) -> None:
    """The files of a tarball without folders; the extraction filters of `tarfile` are younger than Debian 12's Python."""
    for entry in archive.getmembers():
        stream = archive.extractfile(entry)
        assert stream is not None
        (directory / Path(entry.name).name).write_bytes(stream.read())


def refused(excinfo: pytest.ExceptionInfo[Exception], *words: str) -> None:
    """The error is a sentence of ours that says why."""
    text = str(excinfo.value)
    assert text.startswith("Cannot "), text
    assert all(word in text for word in words), text
