# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of VHD files before a pool gets them, and tarballs of VHD files."""

from __future__ import annotations

import gzip
import io
import re
import struct
import tarfile
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

SECTOR = 512
HEADERS = 4 << 20
FIXED, DYNAMIC, DIFFERENCING = 2, 3, 4
MAX_FILES = 30
MEMBER = re.compile(r"(?:\./)?([0-9]{1,3}|snap|image|base)\.vhd")
OLD_NAMES = ("snap", "image", "base")
NONE = uuid.UUID(int=0)


class Invalid(ValueError):
    """The pool cannot use the image; the text says why."""


@dataclass(frozen=True)
class Vhd:
    kind: int
    size: int
    identity: uuid.UUID
    parent: uuid.UUID = NONE


def checksum(block: bytes, at: int) -> int:
    return ~(sum(block) - sum(block[at : at + 4])) & 0xFFFFFFFF


def read_footer(block: bytes) -> tuple[Vhd, int]:
    """The footer, and the offset of the header of a dynamic disk."""
    if len(block) != SECTOR or block[:8] != b"conectix":
        raise Invalid("it is not a VHD")
    if struct.unpack_from(">I", block, 64)[0] != checksum(block, 64):
        raise Invalid("the checksum of its footer is wrong")
    offset = struct.unpack_from(">Q", block, 16)[0]
    return Vhd(struct.unpack_from(">I", block, 60)[0], struct.unpack_from(">Q", block, 48)[0], uuid.UUID(bytes=bytes(block[68:84]))), offset


def read_head(head: bytes) -> Vhd:
    """Read a dynamic or differencing VHD from its first bytes."""
    found, at = read_footer(head[:SECTOR])
    if found.kind not in (DYNAMIC, DIFFERENCING):
        raise Invalid(f"it is a VHD of type {found.kind}")
    header = head[at : at + 1024]
    if len(header) != 1024 or header[:8] != b"cxsparse":
        raise Invalid("its dynamic header is missing")
    if struct.unpack_from(">I", header, 36)[0] != checksum(header, 36):
        raise Invalid("the checksum of its dynamic header is wrong")
    entries, block = struct.unpack_from(">II", header, 28)
    if block != 1 << 21 or entries * block < found.size:
        raise Invalid("its table of blocks is too small for its size, or its blocks are not of 2 MiB")
    return Vhd(found.kind, found.size, found.identity, uuid.UUID(bytes=bytes(header[40:56])))


class Chunks(io.RawIOBase):
    """Chunks as a file that is read forward, with a peek at its beginning."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self.chunks, self.waiting = iter(chunks), b""

    def peek(self, count: int) -> bytes:
        while len(self.waiting) < count:
            chunk = next(self.chunks, None)
            if chunk is None:
                break
            self.waiting += chunk
        return self.waiting[:count]

    def readable(self) -> bool:
        return True

    def read(self, count: int = -1) -> bytes:
        if count is None or count < 0:
            return b"".join(self.rest())
        self.peek(min(count, 1))
        data, self.waiting = self.waiting[:count], self.waiting[count:]
        return data

    def rest(self) -> Iterator[bytes]:
        if self.waiting:
            data, self.waiting = self.waiting, b""
            yield data
        yield from self.chunks


def unpack(file: Chunks, directory: Path, limit: int) -> list[Path]:
    """Unpack the VHDs of a tarball, leaf first; each may be as large as a full disk of ``limit`` bytes."""
    found: dict[str, Path] = {}
    try:
        with tarfile.open(fileobj=file, mode="r|*", bufsize=1 << 20) as archive:
            for member in archive:
                name = MEMBER.fullmatch(member.name)
                if not name:
                    continue
                if not member.isreg() or name[1] in found or len(found) == MAX_FILES:
                    raise Invalid(f"its tarball holds {member.name} more than once or not as a regular file, or holds too many files")
                if member.size > limit + limit // 1000 + HEADERS + limit // 1024:
                    raise Invalid(f"{member.name} is larger than the volume")
                content = archive.extractfile(member)
                assert content is not None
                path = found[name[1]] = directory / f"{len(found)}.part"
                with content, path.open("xb") as target:
                    while data := content.read(1 << 20):
                        target.write(data)
    except (tarfile.TarError, EOFError, OSError, ValueError) as exc:
        if isinstance(exc, Invalid) or getattr(exc, "errno", None):
            raise
        raise Invalid(f"its tarball is broken ({exc})") from exc
    names = [name for name in OLD_NAMES if name in found] if set(found) & set(OLD_NAMES) else sorted(found, key=int)
    if not names or len(names) != len(found) or (names[0] not in OLD_NAMES and [int(name) for name in names] != list(range(len(names)))):
        raise Invalid("its tarball holds no VHDs, or their numbers have a gap")
    return [found[name] for name in names]


def check_chain(paths: list[Path]) -> int:
    """Check that each disk is the child of the next, and return the size of the disk."""
    disks = []
    for path in paths:
        with path.open("rb") as file:
            disks.append(read_head(file.read(HEADERS)))
    for at, disk in enumerate(disks):
        last = at == len(disks) - 1
        if disk.kind != (DYNAMIC if last else DIFFERENCING) or (not last and disk.parent != disks[at + 1].identity):
            raise Invalid(f"disk {at} of its tarball is not the child of the next one")
    return max(disk.size for disk in disks)


def pack(path: Path, target: BinaryIO) -> None:
    """Write one VHD as a tarball in the form that hosts read."""
    with (
        gzip.GzipFile(fileobj=target, mode="wb", compresslevel=1) as packed,
        tarfile.open(fileobj=packed, mode="w|", format=tarfile.GNU_FORMAT) as archive,
        path.open("rb") as file,
    ):
        member = tarfile.TarInfo("0.vhd")
        member.size, member.mode = path.stat().st_size, 0o600
        archive.addfile(member, file)


def trusted(block: bytes) -> bytes:
    """The footer with a creator for which qemu-img uses the exact size; for that of XAPI it rounds the disk down."""
    if block[:8] != b"conectix" or block[28:32] != b"caml":
        return block
    changed = block[:28] + b"win " + block[32:64] + bytes(4) + block[68:]
    return changed[:64] + struct.pack(">I", checksum(changed, 64)) + changed[68:]


def with_trusted_footers(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """A VHD stream with trusted footers at both ends."""
    waiting, first = b"", True
    for chunk in chunks:
        waiting += chunk
        if first and len(waiting) >= SECTOR:
            waiting, first = trusted(waiting[:SECTOR]) + waiting[SECTOR:], False
        if len(waiting) > 2 * SECTOR:
            yield waiting[:-SECTOR]
            waiting = waiting[-SECTOR:]
    yield waiting[:-SECTOR] + trusted(waiting[-SECTOR:])
