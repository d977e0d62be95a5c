# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""What a disk image's first bytes say it is, and whether that fits what was declared.

Sources: qemu's docs/interop (qcow2, parallels), the VHD and VHDX specifications, VMware's virtual disk format 5.0,
ECMA-119 for ISO 9660, and the magic numbers of gzip, xz, zstandard, bzip2 and LUKS.
"""

from __future__ import annotations

HEAD_SIZE = 64 * 1024
TAIL_SIZE = 512

_ISO_MAGIC_OFFSETS = (0x8001, 0x8801, 0x9001)
_MAGIC: tuple[tuple[int, bytes, str], ...] = (
    (0, b"QFI\xfb", "qcow2"),
    (0, b"QED\x00", "qed"),
    (0, b"KDMV", "vmdk"),
    (0, b"# Disk DescriptorFile", "vmdk"),
    (0, b"vhdxfile", "vhdx"),
    (0, b"conectix", "vhd"),
    (64, b"\x7f\x10\xda\xbe", "vdi"),
    (0, b"WithoutFreeSpace", "ploop"),
    (0, b"WithouFreSpacExt", "ploop"),
    (0, b"LUKS\xba\xbe", "luks"),
    (0, b"\x1f\x8b", "gzip"),
    (0, b"\xfd7zXZ\x00", "xz"),
    (0, b"\x28\xb5\x2f\xfd", "zstd"),
    (0, b"BZh", "bzip2"),
)
# No mark lies behind this many of the first bytes.
MARKS_END = max(_ISO_MAGIC_OFFSETS) + 5
COMPRESSIONS = frozenset({"gzip", "xz", "zstd", "bzip2"})
# Formats whose bytes must carry their own magic; a raw disk has none, and kernels and ramdisks are anything.
_RECOGNISED = frozenset({"qcow2", "vmdk", "vhdx", "vhd", "vdi", "iso", "ploop"})


def sniff(head: bytes, tail: bytes = b"") -> str | None:
    """The format that the bytes show, or None: raw disks, kernels and archives show none.

    ``head`` is the first HEAD_SIZE bytes (or all there are), ``tail`` the last TAIL_SIZE: a fixed VHD has its only mark there.
    """
    for offset, magic, name in _MAGIC:
        if head[offset : offset + len(magic)] == magic:
            return name
    if any(head[offset : offset + 5] == b"CD001" for offset in _ISO_MAGIC_OFFSETS):
        return "iso"
    if tail[:8] == b"conectix":
        return "vhd"
    if head[257:262] == b"ustar":
        return "tar"
    return None


def mismatch(disk_format: str, container_format: str, found: str | None) -> str | None:
    """Why the bytes cannot be what was declared, or None where they can."""
    if container_format in ("compressed", "docker", "ovf", "ova"):
        return None
    if container_format == "bare" and found in COMPRESSIONS:
        return f"the data is compressed with {found}, and container_format is 'bare'"
    if disk_format in _RECOGNISED and found != disk_format:
        if disk_format == "vhd" and found == "tar":
            return None
        return f"disk_format is '{disk_format}', but the data is {_described(found)}"
    if disk_format == "raw" and found in _RECOGNISED - {"iso"}:
        return f"disk_format is 'raw', but the data is {found}"
    return None


def guess(found: str | None) -> str:
    """The disk_format to declare for bytes where the task names none."""
    return found if found in _RECOGNISED else "raw"


def _described(found: str | None) -> str:
    return found if found is not None else "in no format that carries a mark (a raw disk?)"
