# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""What the first and last bytes of an image say it is, and whether that fits what is declared: the one table of marks for Glance and for Xen.

Sources: qemu's docs/interop (qcow2, parallels), the VHD and VHDX specifications, VMware's virtual disk format 5.0, ECMA-119 for ISO 9660,
the UEFI specification for GPT, and the formats' own documents for the other marks.
"""

from __future__ import annotations

import codecs
import re

# Past the superblock of btrfs, which lies furthest behind of all marks.
HEAD_SIZE = 80 * 1024
TAIL_SIZE = 512
RAW = "raw"

_ISO_MAGIC_OFFSETS = (0x8001, 0x8801, 0x9001)
# Formats of disks. Names are what messages say.
_DISKS: tuple[tuple[int, bytes, str], ...] = (
    (0, b"QFI\xfb\x00\x00\x00\x01", "qcow1"),
    (0, b"QFI\xfb", "qcow2"),
    (0, b"QED\x00", "qed"),
    (0, b"KDMV", "vmdk"),
    (0, b"# Disk DescriptorFile", "vmdk"),
    (0, b"COWD", "a COWD disk of VMware"),
    (0, b"\xbe\xba\xfe\xca\x00\x00\x00\x00", "an SESparse disk of VMware"),
    (0, b"vhdxfile", "vhdx"),
    (0, b"conectix", "vhd"),
    (64, b"\x7f\x10\xda\xbe", "vdi"),
    (0, b"WithoutFreeSpace", "ploop"),
    (0, b"WithouFreSpacExt", "ploop"),
    (0, b"Bochs Virtual HD Image", "a disk of Bochs"),
    (0, b"EVF\x09\x0d\x0a\xff\x00", "a forensic image (EWF)"),
)
# What is no disk, whatever follows.
_OTHERS: tuple[tuple[int, bytes, str], ...] = (
    # Two bytes alone are in one of 65,536 disks: the byte of the method is part of the mark.
    (0, b"\x1f\x8b\x08", "gzip"),
    (0, b"\xfd7zXZ\x00", "xz"),
    (0, b"\x28\xb5\x2f\xfd", "zstd"),
    (0, b"BZh", "bzip2"),
    (0, b"\x04\x22\x4d\x18", "lz4 data"),
    (0, b"\x02\x21\x4c\x18", "lz4 data"),
    (0, b"\x89LZO\x00\x0d\x0a\x1a\x0a", "lzop data"),
    (0, b"LZIP", "lzip data"),
    *((0, b"\x1f\x9d" + bytes([0x80 | bits]), "data of compress (.Z)") for bits in range(9, 17)),
    (0, b"PK\x03\x04", "a zip archive"),
    (0, b"PK\x05\x06", "a zip archive"),
    (0, b"PK\x07\x08", "a zip archive"),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (0, b"Rar!\x1a\x07", "a rar archive"),
    (0, b"MSCF\x00\x00\x00\x00", "a cab archive"),
    (0, b"MSWIM\x00\x00\x00", "a WIM image"),
    (0, b"xar!", "a xar archive"),
    (0, b"!<arch>\n", "an ar archive or Debian package"),
    (0, b"\xed\xab\xee\xdb", "an RPM package"),
    (0, b"070701", "a cpio archive"),
    (0, b"070702", "a cpio archive"),
    (0, b"070707", "a cpio archive"),
    (0, b"LUKS\xba\xbe", "a LUKS volume"),
    (0, b"SKUL\xba\xbe", "a LUKS volume"),
    (0, b"hsqs", "a squashfs file system"),
    (0, b"sqsh", "a squashfs file system"),
    (0, b"\x45\x3d\xcd\x28", "a cramfs file system"),
    (0, b"\x28\xcd\x3d\x45", "a cramfs file system"),
    (0, b"-rom1fs-", "a romfs file system"),
    (0, b"\x7fELF", "an ELF program or kernel"),
    (0x202, b"HdrS", "a Linux kernel"),
    (0x38, b"ARM\x64", "a Linux kernel"),
    (0, b"SQLite format 3\x00", "an SQLite database"),
)
# What people download, or are sent, in place of an image.
_DOCUMENTS: tuple[tuple[int, bytes, str], ...] = (
    (0, b"%PDF-", "a PDF document"),
    (0, b"\x89PNG\x0d\x0a\x1a\x0a", "a picture"),
    (0, b"\xff\xd8\xff", "a picture"),
    (0, b"GIF8", "a picture"),
)
# Partition tables, file systems and volumes: what a raw disk begins with.
_RAW_DISKS: tuple[tuple[int, bytes], ...] = (
    *((sector, b"EFI PART") for sector in (512, 1024, 2048, 4096)),
    (510, b"\x55\xaa"),
    (3, b"NTFS    "),
    (3, b"EXFAT   "),
    (3, b"-FVE-FS-"),
    (54, b"FAT1"),
    (82, b"FAT32   "),
    (0, b"XFSB"),
    (0x10040, b"_BHRfS_M"),
    (0x10034, b"ReIsEr"),
    (0x8000, b"JFS1"),
    (0x400, b"\x10\x20\xf5\xf2"),
    (0x400, b"\xe2\xe1\xf5\xe0"),
    (0x400, b"H+\x00\x04"),
    (0x400, b"HX\x00\x05"),
    (0x20, b"NXSB"),
    (0x10000, b"\x01\x16\x19\x70\x00\x00\x00\x01"),
    (0x200, b"\x57\x45\x56\x82"),
    (0x200, b"PM\x00\x00"),
    (0x255C, b"\x19\x01\x54\x19"),
    (0x1055C, b"\x19\x01\x54\x19"),
    (0x1000, b"\xfc\x4e\x2b\xa9"),
    (0, b"\xfc\x4e\x2b\xa9"),
    (0x20, b"ORCLDISK"),
    *((offset, b"NSR0") for offset in (0x8001, 0x8801, 0x9001)),
    *((sector, b"LABELONE") for sector in (0, 512, 1024, 1536)),
    *((page - 10, mark) for page in (4096, 8192, 16384, 65536) for mark in (b"SWAPSPACE2", b"SWAP-SPACE")),
)
_WEB_PAGE = re.compile(rb"(\xef\xbb\xbf)?\s*<(!doctype|html|head|body|title|\?xml|!--|script)", re.IGNORECASE)
_CONTROLS = tuple(bytes([code]) for code in range(0x20) if bytes([code]) not in b"\t\n\r\f") + (b"\x7f",)
# No mark is behind this many of the first bytes.
MARKS_END = 0x10048
COMPRESSIONS = frozenset({"gzip", "xz", "zstd", "bzip2"})
_TEXTS = frozenset({"a JSON document", "a text file"})
DOCUMENTS = frozenset({"a web page", "an XML document", *_TEXTS, *(name for _offset, _mark, name in _DOCUMENTS)})
TARBALLS = frozenset({"tar", "an OVA (tar with an .ovf)", "an XVA (tar with ova.xml)"})
# Formats whose bytes must carry their own mark, under the names that disk_format has for them.
_RECOGNISED = frozenset({"qcow2", "vmdk", "vhdx", "vhd", "vdi", "iso", "ploop"})
# Kernels, ramdisks and file systems of old, which may begin in any way.
_ANYTHING = frozenset({"aki", "ari", "ami"})
# What boot loaders and kernels decompress themselves.
_BOOT_FILES = frozenset({"aki", "ari"})
# Who reads these as a disk takes them apart, or follows what they name: never raw, whatever is declared.
_NEVER_RAW = _RECOGNISED - {"iso"}
_CLAIMS = frozenset({"qcow2", "vmdk", "vhd", "vhdx", "vdi", "iso", RAW})


def sniff(head: bytes, tail: bytes = b"") -> str | None:
    """What the bytes show: a format, RAW for what a raw disk begins with, or None where nothing is recognised.

    ``head`` is the first HEAD_SIZE bytes (or all there are), ``tail`` the last TAIL_SIZE: a fixed VHD has its only mark there.
    """
    name = _marked(head, _DISKS)
    if name is not None:
        return name
    if tail[:8] == b"conectix":
        return "vhd"
    if any(head[offset : offset + 5] == b"CD001" for offset in _ISO_MAGIC_OFFSETS):
        return "iso"
    return _marked(head, _OTHERS) or _tarball(head) or _raw(head) or _marked(head, _DOCUMENTS) or _text(head)


def fixed_vhd(head: bytes, tail: bytes) -> bool:
    """Whether the bytes are a VHD that has its mark at its end alone."""
    return sniff(head, tail) == "vhd" and not head.startswith(b"conectix")


def mismatch(disk_format: str | None, container_format: str, found: str | None, name: str | None = None) -> str | None:
    """Why the bytes cannot be what is declared, or None where they can; ``disk_format`` is None where nothing is declared, ``name`` a file's."""
    if found in DOCUMENTS and disk_format != RAW and not (disk_format in _ANYTHING and found in _TEXTS):
        return f"the data is {found}"
    if container_format in ("compressed", "docker", "ovf", "ova"):
        return None
    if container_format == "bare" and found in COMPRESSIONS and disk_format not in _BOOT_FILES:
        return f"the data is compressed with {found}, and container_format is 'bare'"
    if disk_format is None:
        return undeclared(found, name)
    if disk_format in _RECOGNISED and found != disk_format:
        if disk_format == "vhd" and found == "tar":
            return None
        return f"disk_format is '{disk_format}', but the data is {described(found)}"
    if disk_format == RAW and found in _NEVER_RAW:
        return f"disk_format is 'raw', but the data is {found}"
    return None


def undeclared(found: str | None, name: str | None = None) -> str | None:
    """Why bytes of no declared format are taken for no disk, or None where they show what they are and the name does not contradict."""
    claimed = claim(name)
    if claimed is not None and claimed != found:
        return f"its name ends with .{claimed}, and the data is {described(found)}"
    if found is None:
        return "nothing in the data tells what it is: it has no partition table, no boot sector, no file system and no image format that is known here"
    return None if found == RAW or found in _RECOGNISED else f"the data is {found}"


def claim(name: str | None) -> str | None:
    """The format that a file's name claims, below the suffix of a compression."""
    plain = re.sub(r"\.(gz|xz|zst|bz2)$", "", (name or "").lower())
    suffix = plain.rpartition(".")[2] if "." in plain else ""
    return suffix if suffix in _CLAIMS else None


def described(found: str | None) -> str:
    if found == RAW:
        return "a raw disk"
    return found if found is not None else "in no format that is known here"


def detected(found: str | None) -> str | None:
    """The disk_format to declare for bytes where the task names none; None where they do not tell."""
    return found if found == RAW or found in _RECOGNISED else None


def _marked(head: bytes, marks: tuple[tuple[int, bytes, str], ...]) -> str | None:
    return next((name for offset, mark, name in marks if head.startswith(mark, offset)), None)


def _raw(head: bytes) -> str | None:
    if any(head.startswith(mark, offset) for offset, mark in _RAW_DISKS):
        return RAW
    # The mark of ext2, ext3 and ext4 has two bytes, so the sizes beside it are looked at as well.
    ext = head[0x400:0x500]
    if ext[56:58] == b"\x53\xef" and any(ext[:8]) and int.from_bytes(ext[24:28], "little") <= 6 and int.from_bytes(ext[76:80], "little") <= 1:
        return RAW
    # lzma of old has no mark but its usual settings: a size of the dictionary that is a power of two, and a length or none.
    if head[:3] == b"\x5d\x00\x00" and len(head) > 13:
        dictionary, length = int.from_bytes(head[1:5], "little"), int.from_bytes(head[5:13], "little")
        if dictionary & (dictionary - 1) == 0 and dictionary and (length < 2**48 or length == 2**64 - 1):
            return "lzma data"
    return None


def _tarball(head: bytes) -> str | None:
    if len(head) < 512:
        return "tar" if head[257:262] == b"ustar" else None
    summed = sum(head[:148]) + 8 * 32 + sum(head[156:512])
    digits = head[148:156].strip(b" \0")
    header = bool(digits) and not digits.strip(b"01234567") and int(digits, 8) == summed
    if not header and head[257:262] != b"ustar":
        return None
    name = head[:100].partition(b"\0")[0]
    if name == b"ova.xml":
        return "an XVA (tar with ova.xml)"
    return "an OVA (tar with an .ovf)" if name.lower().endswith(b".ovf") else "tar"


def _text(head: bytes) -> str | None:
    found = _WEB_PAGE.match(head)
    if found is not None:
        return "an XML document" if found[2].lower() == b"?xml" and b"<html" not in head[:1024].lower() else "a web page"
    beginning = head[:512]
    if not beginning.strip() or any(beginning.find(control) >= 0 for control in _CONTROLS):
        return None
    try:
        # The last character may be cut.
        codecs.getincrementaldecoder("utf-8")().decode(beginning)
    except UnicodeDecodeError:
        return None
    return "a JSON document" if beginning.lstrip()[:1] in (b"{", b"[") else "a text file"
