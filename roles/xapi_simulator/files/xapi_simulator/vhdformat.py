# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The structures of a VHD: footer, header, table of blocks."""

from __future__ import annotations

import struct
import time
import uuid
from typing import BinaryIO

SECTOR = 512
BLOCK = 2 << 20
UNUSED = 0xFFFFFFFF
EPOCH = 946684800  # 2000-01-01
LIMIT = 2040 << 30
LARGEST_GEOMETRY = 65535 * 16 * 255
DYNAMIC, DIFFERENCING = 3, 4
FOOTER = struct.Struct(">8sIIQI4sIIQQHBBII16sBB426x")
HEADER = struct.Struct(">8sQQIIII16sII512s192s256x")
CHECKSUM_AT = {FOOTER.size: 64, HEADER.size: 36}


class Invalid(Exception):
    """A VHD that the reader does not take; the text is for the log of the host."""


def checksum(data: bytes) -> int:
    """Of the structure with its own checksum taken as zero."""
    at = CHECKSUM_AT.get(len(data))
    total = sum(data) - (sum(data[at : at + 4]) if at is not None else 0)
    return ~total & 0xFFFFFFFF


def sealed(data: bytes) -> bytes:
    at = CHECKSUM_AT[len(data)]
    return data[:at] + struct.pack(">I", checksum(data)) + data[at + 4 :]


def geometry(size: int) -> tuple[int, int, int]:
    """Cylinders, heads and sectors per track as the specification's appendix chooses them: the first layout in which 1024 cylinders are enough."""
    total = min(size // SECTOR, LARGEST_GEOMETRY)
    if total >= 65535 * 16 * 63:
        return total // (16 * 255), 16, 255
    tracks = total // 17
    narrow = max(4, -(-tracks // 1024))
    if narrow <= 16 and tracks < 1024 * narrow:
        return tracks // narrow, narrow, 17
    per_track = 31 if total // 31 < 1024 * 16 else 63
    return total // per_track // 16, 16, per_track


def footer(size: int, identity: str, kind: int = DYNAMIC, creator: bytes = b"tap\0", creator_version: int = 0x00010003) -> bytes:
    cylinders, heads, per_track = geometry(size)
    stamp = int(time.time()) - EPOCH
    fields = (b"conectix", 2, 0x00010000, 512, stamp, creator, creator_version, 0, size, size, cylinders, heads, per_track)
    return sealed(FOOTER.pack(*fields, kind, 0, uuid.UUID(identity).bytes, 0, 0))


def header(entries: int, table: int, parent: str | None = None) -> bytes:
    ancestor = uuid.UUID(parent).bytes if parent else bytes(16)
    return sealed(HEADER.pack(b"cxsparse", 0xFFFFFFFFFFFFFFFF, table, 0x00010000, entries, BLOCK, 0, ancestor, 0, 0, b"", b""))


def verify(data: bytes) -> None:
    at = CHECKSUM_AT[len(data)]
    stored = struct.unpack_from(">I", data, at)[0]
    if stored != checksum(data):
        raise Invalid(f"Invalid checksum. Expected {checksum(data):08x} got {stored:08x}")


def read_footer(data: bytes) -> tuple[int, int, int]:
    """Offset of the header, virtual size and type. The creator, the features and the geometry are not looked at."""
    if data[:8] != b"conectix":
        raise Invalid(f"Unsupported footer cookie: expected conectix, got {data[:8]!r}")
    fields = FOOTER.unpack(data)
    if fields[2] != 0x00010000:
        raise Invalid(f"Unsupported footer version: expected 10000, got {fields[2]:x}")
    verify(data)
    kind = fields[13]
    if kind not in (0, 2, DYNAMIC, DIFFERENCING):
        raise Invalid("Vhd_format.F.Disk_type.Unknown(_)")
    return fields[3], fields[9], kind


def creator(data: bytes) -> bytes:
    """The application that wrote the footer; host tools look at no more than the first three letters of their own."""
    return data[28:32]


def read_header(data: bytes) -> tuple[int, int, int]:
    """Offset of the table, its entries, and the size of a block."""
    if data[:8] != b"cxsparse":
        raise Invalid(f"Expected cookie cxsparse, got {data[:8]!r}")
    fields = HEADER.unpack(data)
    if fields[3] != 0x00010000:
        raise Invalid(f"Expected header_version 10000, got {fields[3]:x}")
    verify(data)
    block = fields[5]
    if block < SECTOR or block & (block - 1):
        raise Invalid(f"block_size is not a power of 2: {block:x}")
    return fields[2], fields[4], block


def up(value: int, step: int) -> int:
    return -(-value // step) * step


def bitmap_size(block: int) -> int:
    return up(block // SECTOR // 8, SECTOR)


def parent_name(file: BinaryIO, header: bytes) -> str:
    """The name of the parent's file as the first locator tells it."""
    code, dummy, length, dummy, offset = struct.unpack_from(">4sIIIQ", header, 576)
    if code != b"MacX" or not 0 < length < 4096:
        raise Invalid("no way to the parent")
    file.seek(offset)
    return file.read(length).decode("utf-8", "replace").removeprefix("file://")
