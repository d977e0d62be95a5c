# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a VHD is one that Xen's own tools take: judged by the real vhd-util where one is on the path, and field by field always."""

from __future__ import annotations

import shutil
import struct
import subprocess
from pathlib import Path

MIB = 1 << 20
BLOCK = 2 * MIB


def tool() -> str | None:
    """The real vhd-util, of a Dom0 or built from its public source."""
    return shutil.which("vhd-util")


def header() -> str:
    found = tool()
    return f"VHDs are judged by {found}" if found else "VHDs are judged without vhd-util: none is on the path, so that only their fields are compared"


def vhd_util(*arguments: object, folder: Path | None = None) -> tuple[int, str]:
    program = tool()
    assert program
    done = subprocess.run([program, *map(str, arguments)], cwd=folder, capture_output=True, text=True, check=False)
    return done.returncode, " ".join((done.stdout + done.stderr).split())


def summed(data: bytes, at: int) -> bool:
    return struct.unpack(">I", data[at : at + 4])[0] == ~sum(data[:at] + bytes(4) + data[at + 4 :]) & 0xFFFFFFFF


def largest_geometry(sectors: int) -> tuple[int, int, int]:
    """The one of the specification's candidates, in its order, whose cylinders are few enough."""
    sectors = min(sectors, 65535 * 16 * 255)
    if sectors >= 65535 * 16 * 63:
        return sectors // 255 // 16, 16, 255
    heads = max(4, -(-(sectors // 17) // 1024))
    if heads <= 16 and sectors // 17 < heads * 1024:
        return sectors // 17 // heads, heads, 17
    if sectors // 31 < 16 * 1024:
        return sectors // 31 // 16, 16, 31
    return sectors // 63 // 16, 16, 63


def check_own(path: Path, size: int, parents: tuple[Path, ...] = ()) -> None:
    """It is as Xen itself would have written it, of exactly this size; with its parents, a chain."""
    with path.open("rb") as stream:
        head = stream.read(1536)
        footer, head = head[:512], head[512:]
        stream.seek(-512, 2)
        length = stream.tell() + 512
        assert stream.read() == footer
        fields = struct.unpack_from(">8sIIQI4sI4sQQHBBI", footer)
        assert fields[:4] == (b"conectix", 2, 0x10000, 512)
        assert fields[5:7] == (b"tap\0", 0x10003)
        assert (fields[9], fields[10:13]) == (size, largest_geometry(size // 512))
        assert summed(footer, 64)
        assert summed(head, 36)
        table, entries, block = struct.unpack_from(">QxxxxII", head, 16)
        assert (table, entries, block) == (1536, -(-size // BLOCK), BLOCK)
        stream.seek(table)
        places = struct.unpack(f">{entries}I", stream.read(4 * entries))
        at = table + -(-4 * entries // 512) * 512
        stream.seek(at)
        cookie, offset, sectors, version, total = struct.unpack(">8sQIII", stream.read(28))
        assert (cookie, offset, version) == (b"tdbatmap", at + 512, 0x10002)
        stream.seek(offset)
        assert total == ~sum(stream.read(sectors * 512)) & 0xFFFFFFFF
        last = offset + sectors * 512
        for place in sorted(place * 512 for place in places if place != 0xFFFFFFFF):
            assert place >= last
            last = place + 512 + BLOCK
        assert last <= length - 512
    if tool():
        for each in (*parents[::-1], path):
            assert vhd_util("check", "-n", each) == (0, f"{each} is valid")
        assert vhd_util("query", "-n", path, "-v") == (0, str(size // MIB))
        if parents:
            assert vhd_util("check", "-n", path, "-p")[0] == 0
            assert vhd_util("query", "-n", path, "-p") == (0, str(parents[0]))


def check_grows(path: Path, folder: Path, wanted: int) -> None:
    """The host's own tool grows a copy of it to exactly that many bytes. Without the tool, check_own has said all that it looks at."""
    if tool():
        copy = folder / f"grown-{path.name}"
        shutil.copyfile(path, copy)
        assert vhd_util("resize", "-n", copy, "-s", wanted // MIB, "-j", folder / "journal")[0] == 0
        assert vhd_util("query", "-n", copy, "-v") == (0, str(wanted // MIB))
        assert vhd_util("check", "-n", copy)[0] == 0
        copy.unlink()
