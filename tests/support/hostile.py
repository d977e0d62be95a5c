# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images that want something else than to be imported."""

from __future__ import annotations

import struct
import tarfile
from collections.abc import Callable
from pathlib import Path

from ansible_collections.xenstack.image_services.tests.support.disks import MIB, build_vhd, qemu_img
from ansible_collections.xenstack.image_services.tests.support.imports import packed, small_raw, tarball, vhd_chain

SIZE = 12 * MIB + 512


def chain_gap(folder: Path) -> Path:
    leaf = build_vhd(4 * MIB, {0: {0: b"x"}}, kind=4, parent=b"B" * 16)
    return tarball(folder / "gap.tar", {"0.vhd": leaf, "2.vhd": build_vhd(4 * MIB, {}, uuid=b"C" * 16)})


def chain_loop(folder: Path) -> Path:
    leaf = build_vhd(4 * MIB, {0: {0: b"x"}}, kind=4, uuid=b"A" * 16, parent=b"A" * 16)
    return tarball(folder / "loop.tar", {"0.vhd": leaf, "1.vhd": leaf})


def links(folder: Path) -> Path:
    with tarfile.open(folder / "links.tar", "w") as tar:
        entry = tarfile.TarInfo("0.vhd")
        entry.type, entry.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(entry)
    return folder / "links.tar"


def outside(folder: Path) -> Path:
    return tarball(folder / "outside.tar", {"../../0.vhd": build_vhd(4 * MIB, {0: {0: b"x"}})})


def truncated(form: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        raw = small_raw(folder, SIZE)
        path = folder / f"cut.{form}"
        qemu_img("convert", "-O", form, raw, path) if form == "qcow2" else path.write_bytes(build_vhd(SIZE, {0: {0: b"x"}, 3: {1: b"y"}}))
        path.write_bytes(path.read_bytes()[: -MIB - 77])
        return path

    return make


def truncated_chain(folder: Path) -> Path:
    path = vhd_chain(folder / "chain.tar", small_raw(folder, SIZE).read_bytes())
    path.write_bytes(path.read_bytes()[: 3 * MIB])
    return packed(path, "gz")


def lying_size(folder: Path) -> Path:
    data = bytearray(build_vhd(4 * MIB, {0: {0: b"x"}}))
    path = folder / "lying.vhd"
    # The block's place lies beyond the end.
    data[1536:1540] = struct.pack(">I", 0x00FFFFFF)
    path.write_bytes(data)
    return path


def cut_gzip(folder: Path) -> Path:
    path = packed(small_raw(folder, SIZE), "gz")
    path.write_bytes(path.read_bytes()[:-500_000])
    return path


def lone_child(folder: Path) -> Path:
    path = folder / "child.vhd"
    path.write_bytes(build_vhd(4 * MIB, {0: {0: b"x"}}, kind=4, parent=b"B" * 16))
    return path


def backed(folder: Path) -> Path:
    base = folder / "base.raw"
    base.write_bytes(b"secret" * 1000)
    qemu_img("create", "-q", "-f", "qcow2", "-b", base, "-F", "raw", folder / "backed.qcow2")
    return folder / "backed.qcow2"


def flat_vmdk(folder: Path) -> Path:
    path = folder / "flat.vmdk"
    path.write_text('# Disk DescriptorFile\nversion=1\ncreateType="monolithicFlat"\nRW 8 FLAT "/etc/passwd" 0\n')
    return path


def hidden_flat_vmdk(folder: Path) -> Path:
    """The header of a sparse one, with a description that names another file."""
    qemu_img("create", "-q", "-f", "vmdk", folder / "good.vmdk", "4M")
    data = (folder / "good.vmdk").read_bytes()
    path = folder / "hidden.vmdk"
    path.write_bytes(data.replace(b'createType="monolithicSparse"', b'createType="monolithicFlat"  '))
    return path
