# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Formats are told by their bytes; nothing that the bytes say may break the reader."""

from __future__ import annotations

import lzma
import random
import shutil
import struct
import subprocess
from pathlib import Path

import pytest
from ansible_collections.xenstack.image_services.plugins.module_utils._disk.formats import (
    HEAD_SIZE,
    RAW,
    TAIL_SIZE,
    claim,
    detected,
    fixed_vhd,
    mismatch,
    sniff,
    undeclared,
)
from ansible_collections.xenstack.image_services.plugins.module_utils._disk.vhd.format import fixed_disk_size
from ansible_collections.xenstack.image_services.tests.support.disks import MIB, partitioned, tarball_of, vhd_footer
from hypothesis import given, settings
from hypothesis import strategies as st


def at(offset: int, mark: bytes, data: bytes = b"") -> bytes:
    """The mark at its place, in what is zeros else."""
    padded = data.ljust(offset + len(mark) + 512, b"\0")
    return padded[:offset] + mark + padded[offset + len(mark) :]


def v7_tarball(name: str) -> bytes:
    """A header as tar wrote it before POSIX, without a mark."""
    fields = name.encode().ljust(100, b"\0") + b"0000644\0" + b"0000000\0" * 2 + b"00000001000\0" + b"00000000000\0"
    header = (fields + b" " * 8).ljust(512, b"\0")
    return header[:148] + b"%06o\0 " % sum(header) + header[156:] + bytes(512)


# qemu-img's name of a format, the options that make it, and what we call it.
MADE_BY_QEMU = [
    ("qcow2", [], "qcow2"),
    ("vmdk", [], "vmdk"),
    ("vmdk", ["-o", "subformat=streamOptimized"], "vmdk"),
    ("vhdx", [], "vhdx"),
    ("vpc", [], "vhd"),
    ("vpc", ["-o", "subformat=fixed"], "vhd"),
    ("vdi", [], "vdi"),
    ("parallels", [], "ploop"),
    ("qed", [], "qed"),
    ("raw", [], None),
]


@pytest.mark.parametrize(("qemu_format", "options", "expected"), MADE_BY_QEMU)
def test_images_of_qemu_img_are_recognised(tmp_path: Path, qemu_format: str, options: list[str], expected: str | None) -> None:
    qemu_img = shutil.which("qemu-img")
    assert qemu_img, "qemu-img is missing: install the package qemu-utils"
    path = tmp_path / "disk"
    subprocess.run([qemu_img, "create", "-q", "-f", qemu_format, *options, str(path), "8M"], check=True, capture_output=True)
    data = path.read_bytes()
    assert sniff(data[:HEAD_SIZE], data[-TAIL_SIZE:]) == expected


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (b"\x1f\x8b\x08", "gzip"),
        (b"\xfd7zXZ\x00", "xz"),
        (b"\x28\xb5\x2f\xfd", "zstd"),
        (b"BZh9", "bzip2"),
        (b"\0" * 0x8001 + b"CD001", "iso"),
        (b"\0" * 257 + b"ustar", "tar"),
        (b"", None),
    ],
)
def test_other_marks_are_recognised(head: bytes, expected: str | None) -> None:
    assert sniff(head) == expected


@pytest.mark.parametrize("head", [b"\x1f\x8b\x00", b"\x1f\x8b\xff", b"\x1f\x9d\x00", b"\x1f\x9d\xff", b"BZ", b"\xff\xd8\x00"])
def test_two_bytes_of_a_mark_are_no_mark(head: bytes) -> None:
    """One raw disk among 65,536 that begin with noise has them."""
    assert sniff(head + b"\xfe" * 600) is None


# Beginnings by the tools and documents of each format, and what is to be recognised.
OTHERS = {
    "a zip archive": [b"PK\x03\x04\x14", b"PK\x05\x06" + bytes(18)],
    "a 7z archive": [b"7z\xbc\xaf\x27\x1c\x00\x04"],
    "a rar archive": [b"Rar!\x1a\x07\x00", b"Rar!\x1a\x07\x01\x00"],
    "lz4 data": [b"\x04\x22\x4d\x18\x64", b"\x02\x21\x4c\x18"],
    "lzma data": [lzma.compress(b"disk" * 5000, format=lzma.FORMAT_ALONE)],
    "lzop data": [b"\x89LZO\x00\x0d\x0a\x1a\x0a\x10\x40"],
    "lzip data": [b"LZIP\x01"],
    "a cpio archive": [b"070701" + b"0" * 104],
    "a COWD disk of VMware": [b"COWD\x01\x00\x00\x00"],
    "an SESparse disk of VMware": [struct.pack("<QQ", 0xCAFEBABE, 0x200000001)],
    "an OVA (tar with an .ovf)": [tarball_of([("appliance.ovf", b"<Envelope/>"), ("disk.vmdk", b"KDMV")])],
    "an XVA (tar with ova.xml)": [tarball_of([("ova.xml", b"<value/>"), ("Ref:1/00000000", bytes(512))]), v7_tarball("ova.xml")],
    "tar": [tarball_of([("0.vhd", bytes(512))]), v7_tarball("0.vhd")],
    "a squashfs file system": [b"hsqs" + bytes(92)],
    "a cramfs file system": [struct.pack("<I", 0x28CD3D45)],
    "a romfs file system": [b"-rom1fs-"],
    "a LUKS volume": [b"LUKS\xba\xbe\x00\x02"],
    "a web page": [b"<!DOCTYPE html><title>Log in</title>", b"\n\n  <html>", b"\xef\xbb\xbf<HTML>", b"<?xml version='1.0'?><html xmlns='x'>"],
    "an XML document": [b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>"],
    "a JSON document": [b'{"error": "unauthorized"}', b" [1, 2]"],
    "a text file": [b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "nicht erlaubt: ä".encode() * 40, b"#!/bin/sh\n"],
    "a PDF document": [b"%PDF-1.7"],
    "an ELF program or kernel": [b"\x7fELF\x02\x01"],
    "a Linux kernel": [at(0x202, b"HdrS", at(510, b"\x55\xaa"))],
    "qcow1": [b"QFI\xfb\x00\x00\x00\x01" + bytes(40)],
    "qed": [b"QED\x00"],
    "vhdx": [b"vhdxfile"],
    "vdi": [at(64, b"\x7f\x10\xda\xbe")],
    "ploop": [b"WithoutFreeSpace"],
    "an RPM package": [b"\xed\xab\xee\xdb"],
    "a WIM image": [b"MSWIM\0\0\0"],
}
RAW_DISKS = {
    "mbr": partitioned(bytes(4096)),
    "gpt": at(512, b"EFI PART"),
    "gpt of 4 KiB sectors": at(4096, b"EFI PART"),
    "ext4": at(0x400, struct.pack("<6I", 128, 512, 25, 400, 117, 1) + struct.pack("<I", 0) + bytes(28) + b"\x53\xef" + bytes(18) + struct.pack("<I", 1)),
    "xfs": b"XFSB\0\0\x10\0",
    "btrfs": at(0x10040, b"_BHRfS_M"),
    "ntfs": b"\xeb\x52\x90NTFS    ",
    "fat16": at(54, b"FAT16   "),
    "fat32": at(82, b"FAT32   "),
    "swap": at(4086, b"SWAPSPACE2"),
    "lvm": at(512, b"LABELONE"),
    "udf": at(0x9001, b"NSR02"),
    "hfs+": at(0x400, b"H+\0\4"),
    "raid": at(4096, b"\xfc\x4e\x2b\xa9"),
}


@pytest.mark.parametrize("name", OTHERS)
def test_what_is_no_disk_is_named_and_only_taken_where_it_is_declared_raw(name: str) -> None:
    for head in OTHERS[name]:
        assert sniff(head.ljust(600, b"\0") if name == "tar" else head) == name
        if detected(name) is None:
            assert str(mismatch(None, "bare", name)) == f"the data is {name}"
            assert mismatch("raw", "bare", name) is None
        elif name != "iso":
            assert mismatch("raw", "bare", name) == f"disk_format is 'raw', but the data is {name}"
        assert "disk_format is 'qcow2', but" in str(mismatch("qcow2", "bare", name)) or f"the data is {name}" in str(mismatch("qcow2", "bare", name))


@pytest.mark.parametrize("name", RAW_DISKS)
def test_what_a_raw_disk_begins_with_makes_it_one(name: str) -> None:
    assert sniff(RAW_DISKS[name]) == RAW
    assert mismatch(None, "bare", RAW) is None
    assert detected(RAW) == "raw"


@pytest.mark.parametrize("data", [bytes(MIB), b"\xaa" * 4096, random.Random(1).randbytes(100_000), b""], ids=["zeros", "pattern", "random", "nothing"])
def test_what_shows_nothing_is_a_raw_disk_only_where_that_is_declared(data: bytes) -> None:
    assert sniff(data) is None
    assert "it has no partition table" in str(mismatch(None, "bare", None))
    assert mismatch("raw", "bare", None) is None


@pytest.mark.parametrize(
    "command",
    [["mkfs.ext4", "-q", "-F"], ["mkfs.ext2", "-q", "-F", "-b", "1024"], ["mkfs.ext3", "-q", "-F", "-b", "4096"], ["mkswap", "-q"]],
    ids=" ".join,
)
def test_file_systems_of_real_tools_are_recognised(tmp_path: Path, command: list[str]) -> None:
    program = shutil.which(command[0], path="/usr/sbin:/sbin:/usr/bin:/bin")
    assert program, f"{command[0]} is missing: install the packages e2fsprogs and util-linux"
    path = tmp_path / "disk"
    with path.open("wb") as stream:
        stream.truncate(4 * MIB)
    subprocess.run([program, *command[1:], str(path)], check=True, capture_output=True)
    with path.open("rb") as stream:
        assert sniff(stream.read(HEAD_SIZE)) == RAW


def test_a_fixed_vhd_is_told_from_its_end_whatever_its_disk_begins_with() -> None:
    footer = vhd_footer(MIB, kind=2, data_offset=2**64 - 1)
    for head in (bytes(4096), partitioned(bytes(4096)), at(0x8001, b"CD001"), b"XFSB"):
        assert sniff(head, footer) == "vhd"
        assert fixed_vhd(head, footer)
        assert fixed_disk_size(footer) == MIB
    assert not fixed_vhd(vhd_footer(MIB), vhd_footer(MIB))
    assert fixed_disk_size(vhd_footer(MIB)) is None
    assert fixed_disk_size(footer[:100] + b"x" + footer[101:]) is None, "its checksum is wrong"
    assert fixed_disk_size(footer[:-1]) is None


@pytest.mark.parametrize(
    ("name", "found", "refused"),
    [
        ("/srv/debian.qcow2", RAW, "its name ends with .qcow2, and the data is a raw disk"),
        ("debian.qcow2", "a web page", "its name ends with .qcow2, and the data is a web page"),
        ("disk.raw", "qcow2", "its name ends with .raw, and the data is qcow2"),
        ("disk.VMDK.gz", "qcow2", "its name ends with .vmdk"),
        ("cirros.img", "qcow2", None),
        ("disk.raw", RAW, None),
        ("disk.qcow2.xz", "qcow2", None),
        ("disk", RAW, None),
        (None, RAW, None),
    ],
)
def test_a_name_that_contradicts_is_refused_where_nothing_is_declared(name: str | None, found: str, refused: str | None) -> None:
    cause = undeclared(found, name)
    assert cause is None if refused is None else refused in str(cause)
    assert claim("x.img") is None


@settings(max_examples=200)
@given(st.binary(max_size=1024), st.binary(max_size=TAIL_SIZE))
def test_no_bytes_break_the_reader(head: bytes, tail: bytes) -> None:
    found = sniff(head, tail)
    assert (mismatch(None, "bare", found) is None) == (detected(found) is not None)
    fixed_disk_size(tail)


@pytest.mark.parametrize(
    ("disk_format", "container_format", "found", "refused"),
    [
        ("qcow2", "bare", None, "no format that is known here"),
        ("qcow2", "bare", "vmdk", "the data is vmdk"),
        ("raw", "bare", "qcow2", "the data is qcow2"),
        ("qcow2", "bare", "xz", "compressed with xz"),
        ("raw", "bare", "iso", None),
        ("raw", "bare", None, None),
        ("vhd", "bare", "tar", None),
        ("vhd", "ovf", "gzip", None),
        ("qcow2", "compressed", "gzip", None),
        ("aki", "aki", None, None),
        ("aki", "aki", "a Linux kernel", None),
        ("ari", "ari", "gzip", None),
        ("ari", "ari", "a text file", None),
        ("aki", "aki", "a web page", "the data is a web page"),
        ("qcow2", "compressed", "a web page", "the data is a web page"),
        ("raw", "bare", "a web page", None),
        ("raw", "docker", "tar", None),
        ("iso", "bare", RAW, "but the data is a raw disk"),
        (None, "bare", RAW, None),
    ],
)
def test_a_declaration_that_the_bytes_contradict_is_refused(disk_format: str, container_format: str, found: str | None, refused: str | None) -> None:
    cause = mismatch(disk_format, container_format, found)
    assert cause is None if refused is None else refused in str(cause)
