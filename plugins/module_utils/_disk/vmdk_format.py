# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""What a VMDK says of itself: its header, its description, its grains. Source: VMware's virtual disk format 5.0.

Only VMDKs that hold all of their data themselves are read. Nothing that an image names is ever opened; descriptions are looked at so that half of a disk
is not taken for a disk.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass

from .._core.errors import ImageServicesError

SECTOR = 512
# Entries of a grain table.
ENTRIES = 512
TABLE_SECTORS = ENTRIES * 4 // SECTOR
GD_AT_END = (1 << 64) - 1
# What the largest disks of Xen pools have (16 TiB as qcow2).
MAX_SECTORS = 16 * 1024**4 // SECTOR
LEAST_GRAIN, MAX_GRAIN = 16, 4096
MAX_DESCRIPTION = 2048
# Some readers look for the parent here, wherever the header says that the description is.
FIXED_PLACE = (1, 21)
EOS, TABLE, DIRECTORY, FOOTER = range(4)
MARKER = struct.Struct("<QII")
GRAIN_HEAD = struct.Struct("<QI")

_HEADER = struct.Struct("<4sIIQQQQIQQQ")
_END = struct.Struct("<B4sH")
_NEW_LINES, _REDUNDANT, _ZEROED, _PACKED, _MARKERS = 1, 2, 4, 1 << 16, 1 << 17
_OTHER_MAGIC = {
    b"COWD": "it is of a kind that only ESX hosts use (COWD)",
    b"\xbe\xba\xfe\xca": "it is of a kind that only ESX hosts use (SESparse)",
    b"# Di": "it is only a description of a disk whose data is in other files",
}
_WHOLE = frozenset({"monolithicsparse", "streamoptimized"})
_PART = "it does not describe the disk that it holds, as a part of a larger disk does not"
CONVERT = "Ask its owner for one image that holds the complete disk"
AGAIN = "Export it again where it was created"

Broken = Callable[..., ImageServicesError]


@dataclass(frozen=True)
class Header:
    """Places and lengths are in sectors. ``directory`` is GD_AT_END where a footer tells the place; ``compressed`` grains have markers."""

    capacity: int
    grain: int
    description: int
    description_length: int
    redundant: int
    directory: int
    overhead: int
    compressed: bool
    zeroed: bool

    @property
    def grain_size(self) -> int:
        return self.grain * SECTOR

    @property
    def virtual_size(self) -> int:
        return self.capacity * SECTOR

    @property
    def tables(self) -> int:
        """How many grain tables the disk has place for, which is the number of entries in its directory."""
        return -(-self.capacity // (self.grain * ENTRIES))

    @property
    def directory_sectors(self) -> int:
        return -(-self.tables * 4 // SECTOR)


def check_standalone(head: bytes, broken: Broken) -> None:
    """Of the first bytes alone: whether they describe a disk that holds its data itself. A description that is behind them is not judged."""
    if head[:4] != b"KDMV":
        raise broken(_OTHER_MAGIC.get(head[:4], "it does not begin as a VMDK does"), CONVERT)
    if len(head) < SECTOR:
        raise broken(f"it ends after {len(head)} bytes, in its header: it is cut off")
    description, length = _HEADER.unpack_from(head)[5:7]
    if not description or not length:
        raise broken(_PART, CONVERT)
    start, end = (sector * SECTOR for sector in FIXED_PLACE)
    if (description + length) * SECTOR <= len(head):
        check_description(head[description * SECTOR : (description + length) * SECTOR], head[start:end], broken)


def parse_header(data: bytes, broken: Broken) -> Header:
    """Of a header or a footer; whatever it claims is compared with what can be before anything else is read."""
    if data[:4] != b"KDMV":
        raise broken(_OTHER_MAGIC.get(data[:4], "it does not begin as a VMDK does"), CONVERT)
    if len(data) < SECTOR:
        raise broken(f"it ends after {len(data)} bytes, in its header: it is cut off")
    fields = _HEADER.unpack(data[: _HEADER.size])
    version, flags, capacity, grain, description, length, entries, redundant, directory, overhead = fields[1:]
    _unclean, marks, method = _END.unpack(data[_HEADER.size : _HEADER.size + _END.size])
    if not 1 <= version <= 3:
        raise broken(f"it is of version {version}; 1 to 3 are read", AGAIN)
    if flags & ~(_NEW_LINES | _REDUNDANT | _ZEROED | _PACKED | _MARKERS):
        raise broken(f"it uses unknown features (flags {flags:#x})", AGAIN)
    if flags & _NEW_LINES and marks != b"\n \r\n":
        raise broken("its line ends were changed, as by a transfer as text", "Get it again, as binary data")
    if method > 1 or bool(flags & _PACKED) != bool(method) or bool(flags & _MARKERS) != bool(method):
        raise broken(f"its flags ({flags:#x}) and its compression ({method}) contradict each other", AGAIN)
    if not 1 <= capacity <= MAX_SECTORS:
        raise broken(f"it gives a size of {capacity * SECTOR} bytes; 512 to {MAX_SECTORS * SECTOR} are read", AGAIN)
    if grain & (grain - 1) or not LEAST_GRAIN <= grain <= MAX_GRAIN:
        raise broken(f"its grains are of {grain} sectors; powers of two from {LEAST_GRAIN} to {MAX_GRAIN} are read", AGAIN)
    if entries != ENTRIES:
        raise broken(f"its grain tables have {entries} entries; {ENTRIES} is what the format has", AGAIN)
    return Header(capacity, grain, description, length, redundant if flags & _REDUNDANT else 0, directory, overhead, bool(method), bool(flags & _ZEROED))


def check_description_place(header: Header, end: int, broken: Broken) -> None:
    """Whether the description is where one can be; ``end`` is the first sector behind what there is."""
    if not header.description or not header.description_length:
        raise broken(_PART, CONVERT)
    if header.description_length > MAX_DESCRIPTION or header.description + header.description_length > end:
        what = f"{header.description_length} sectors from sector {header.description} on"
        raise broken(f"its header gives its description as {what}, which it does not have", AGAIN)


def check_description(named: bytes, fixed: bytes, broken: Broken) -> None:
    """Of the description that the header names and of what is where others look for one: neither may tell of data elsewhere."""
    text = named.partition(b"\0")[0].decode("utf-8", "replace")
    kind = re.search(r'^\s*createType\s*=\s*"?([^"\n]*)', text, re.MULTILINE | re.IGNORECASE)
    if kind is None:
        raise broken(_PART, CONVERT)
    if kind[1].strip().lower() not in _WHOLE:
        shown = "".join(filter(str.isprintable, kind[1].strip()))[:40]
        raise broken(f"its type '{shown}' keeps data in other files", CONVERT)
    extents = re.findall(r"^\s*(?:RW|RDONLY|NOACCESS)\s+\d+\s+(\w+)", text, re.MULTILINE | re.IGNORECASE)
    if len(extents) > 1 or any(extent.upper() != "SPARSE" for extent in extents):
        raise broken("its description keeps data in other files", CONVERT)
    for part in (named, fixed):
        parents = re.findall(rb"parentCID\s*=\s*\"?([0-9a-f]*)", part, re.IGNORECASE)
        if b"parentfilenamehint" in part.lower() or any(parent.lower().lstrip(b"0") != b"ffffffff" for parent in parents):
            raise broken("it holds only what differs from a parent", CONVERT)
    if re.search(r"^\s*encryption\.", text, re.MULTILINE | re.IGNORECASE):
        raise broken("it is encrypted", "Export it without encryption")


def agree(header: Header, footer: Header, broken: Broken) -> None:
    """Whether header and footer tell of the same disk."""
    same = [(each.capacity, each.grain, each.compressed, each.zeroed) for each in (header, footer)]
    if same[0] != same[1]:
        raise broken("its footer and its header contradict each other")
    if footer.directory == GD_AT_END or not footer.directory:
        raise broken("its footer does not say where its tables are")


def most_packed(header: Header) -> int:
    """Bytes that a compressed grain may take."""
    return 2 * header.grain_size


def inflate(data: bytes, header: Header, offset: int, broken: Broken) -> bytes:
    """The bytes of a compressed grain, as far as the disk goes."""
    wanted = min(header.grain_size, header.virtual_size - offset)
    unpacking = zlib.decompressobj()
    try:
        found = unpacking.decompress(data, header.grain_size + 1)
    except zlib.error as exc:
        raise broken(f"the compressed data of offset {offset} is damaged ({exc})") from exc
    if len(found) > header.grain_size:
        raise broken(f"the compressed data of offset {offset} holds more than the {header.grain_size} bytes of a grain")
    if not unpacking.eof or len(found) < wanted:
        raise broken(f"the compressed data of offset {offset} is cut off")
    return found[:wanted]
