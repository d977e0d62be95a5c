# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Formats are told by their bytes; nothing that the bytes say may break the reader."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from ansible_collections.xenstack.image_services.plugins.module_utils._image.formats import HEAD_SIZE, TAIL_SIZE, guess, mismatch, sniff
from hypothesis import given
from hypothesis import strategies as st

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
        (b"plain text", None),
    ],
)
def test_other_marks_are_recognised(head: bytes, expected: str | None) -> None:
    assert sniff(head) == expected


@given(st.binary(max_size=1024), st.binary(max_size=TAIL_SIZE))
def test_no_bytes_break_the_reader(head: bytes, tail: bytes) -> None:
    found = sniff(head, tail)
    assert mismatch(guess(found), "bare", found) is None or guess(found) == "raw"


@pytest.mark.parametrize(
    ("disk_format", "container_format", "found", "refused"),
    [
        ("qcow2", "bare", None, "no format that carries a mark"),
        ("qcow2", "bare", "vmdk", "the data is vmdk"),
        ("raw", "bare", "qcow2", "the data is qcow2"),
        ("qcow2", "bare", "xz", "compressed with xz"),
        ("raw", "bare", "iso", None),
        ("raw", "bare", None, None),
        ("vhd", "bare", "tar", None),
        ("vhd", "ovf", "gzip", None),
        ("qcow2", "compressed", "gzip", None),
        ("aki", "aki", None, None),
    ],
)
def test_a_declaration_that_the_bytes_contradict_is_refused(disk_format: str, container_format: str, found: str | None, refused: str | None) -> None:
    cause = mismatch(disk_format, container_format, found)
    assert cause is None if refused is None else refused in str(cause)
