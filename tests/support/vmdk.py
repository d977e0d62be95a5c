# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""VMDKs built field by field, as VMware and qemu write them and as nobody should. They share no code with what is tested."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field

SECTOR = 512
AT_END = 2**64 - 1
WHOLE = "ffffffff"


def description(kind: str, sectors: int, *, parent: str = WHOLE, hint: str = "", extents: str | None = None) -> bytes:
    lines = ["# Disk DescriptorFile", "version=1", "CID=7e3f1a2b", f"parentCID={parent}", f'createType="{kind}"']
    lines += [f'parentFileNameHint="{hint}"'] if hint else []
    lines += [f'RW {sectors} SPARSE "disk.vmdk"'] if extents is None else [extents]
    return "\n".join([*lines, 'ddb.adapterType = "lsilogic"', ""]).encode()


def padded(data: bytes, unit: int = SECTOR) -> bytes:
    return data + bytes(-len(data) % unit)


def header(capacity: int, grain: int, directory: int, overhead: int, *, flags: int, packed: bool, **fields: int) -> bytes:
    given = {"version": 3 if packed else 1, "description": 1, "length": 20, "entries": 512, "redundant": 0, **fields}
    front = struct.pack(
        "<4sII4QI3Q",
        b"KDMV",
        given["version"],
        flags,
        capacity,
        grain,
        given["description"],
        given["length"],
        given["entries"],
        given["redundant"],
        directory,
        overhead,
    )
    return (front + b"\0\n \r\n" + struct.pack("<H", int(packed))).ljust(SECTOR, b"\0")


@dataclass
class Built:
    """A disk of ``capacity`` sectors with the grains given by their number; a value of None is a zeroed one."""

    capacity: int
    grains: Mapping[int, bytes | None]
    grain: int = 128
    fields: Mapping[str, int] = field(default_factory=dict)
    text: bytes | None = None
    kind: str = ""

    def _text(self, kind: str) -> bytes:
        return padded(self.text if self.text is not None else description(self.kind or kind, self.capacity), SECTOR).ljust(20 * SECTOR, b"\0")

    def _tables(self) -> int:
        return -(-self.capacity // (self.grain * 512))

    def sparse(self, redundant: bool = True) -> bytes:
        """As a hypervisor writes it: all tables in front, grains in the order given, aligned."""
        tables = self._tables()
        directory_sectors = -(-tables * 4 // SECTOR)
        directory = 21 + (directory_sectors + 4 * tables if redundant else 0)
        first = directory + directory_sectors
        begin = -(-(first + 4 * tables) // self.grain) * self.grain
        entries, body = [0] * (tables * 512), b""
        for number, data in self.grains.items():
            entries[number] = 1 if data is None else begin + len(body) // SECTOR
            body += b"" if data is None else data.ljust(self.grain * SECTOR, b"\0")
        flags = 1 | (2 if redundant else 0) | (4 if None in self.grains.values() else 0)
        fields = {"redundant": 21 if redundant else 0, **self.fields}
        made = header(self.capacity, self.grain, directory, begin, flags=flags, packed=False, **fields) + self._text("monolithicSparse")
        packed = struct.pack(f"<{len(entries)}I", *entries)
        for at in ([21 + directory_sectors] if redundant else []) + [first]:
            made += padded(struct.pack(f"<{tables}I", *range(at, at + 4 * tables, 4))) + packed
        return made.ljust(begin * SECTOR, b"\0") + body

    def stream(self, *, footer: bool = True, level: int = 6) -> bytes:
        """As VMware writes it for streaming: compressed grains, each table behind its grains, the directory and a footer at the end."""
        flags = 1 | 1 << 16 | 1 << 17 | (4 if None in self.grains.values() else 0)
        begin = header(self.capacity, self.grain, AT_END, 128, flags=flags, packed=True, **self.fields)
        made = bytearray((begin + self._text("streamOptimized")).ljust(128 * SECTOR, b"\0"))
        places = []
        for table in range(self._tables()):
            entries = [0] * 512
            for number, data in self.grains.items():
                if number // 512 != table:
                    continue
                entries[number % 512] = 1 if data is None else len(made) // SECTOR
                if data is not None:
                    content = zlib.compress(data.ljust(self.grain * SECTOR, b"\0"), level)
                    made += padded(struct.pack("<QI", number * self.grain, len(content)) + content)
            if any(entries):
                places.append(len(made) // SECTOR + 1)
                made += marker(4, 1) + struct.pack("<512I", *entries)
            else:
                places.append(0)
        directory = padded(struct.pack(f"<{len(places)}I", *places))
        made += marker(len(directory) // SECTOR, 2)
        at = len(made) // SECTOR
        made += directory
        if footer:
            made += marker(1, 3) + header(self.capacity, self.grain, at, 128, flags=flags, packed=True, **self.fields) + bytes(SECTOR)
        return bytes(made)


def marker(value: int, kind: int) -> bytes:
    return struct.pack("<QII", value, 0, kind).ljust(SECTOR, b"\0")


def cowd(hint: bytes) -> bytes:
    """The sparse extent of an ESX host, with a parent."""
    return struct.pack("<4s7I", b"COWD", 1, 3, 8192, 1, 4, 1, 100).ljust(1024, b"\0") + hint.ljust(1024, b"\0") + bytes(4096)


def sesparse() -> bytes:
    return struct.pack("<QQQQQ", 0xCAFEBABE, 0x200000001, 8192, 8, 64).ljust(4096, b"\0")
