# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images of all formats that name something else: a file of the host, or an address. Nobody may open it, whatever becomes of the image."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import struct
import tarfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from ansible_collections.xenstack.image_services.tests.support.disks import MIB, build_vhd, qemu_img, summed, tarball_of
from ansible_collections.xenstack.image_services.tests.support.vmdk import AT_END, SECTOR, Built, cowd, description, padded, sesparse

SECRET = b"secret of the host "
SIZE = 4 * MIB
SECTORS = SIZE // SECTOR


@dataclass(frozen=True)
class Hostile:
    """An image as a tenant declares it. ``taken``: what it names is of no matter to its disk, which is read."""

    name: str
    data: bytes
    disk_format: str
    container_format: str = "bare"
    taken: bool = False


def make_decoy(folder: Path) -> Path:
    """What no image may bring anybody to open."""
    path = folder / "decoy"
    path.write_bytes(SECRET.ljust(SIZE, b"."))
    return path


def images(folder: Path, address: str) -> list[Hostile]:
    """More than 40; ``folder`` holds the decoy, ``address`` answers at no port of its own."""
    decoy = str(folder / "decoy")
    found = [*vmdks(decoy, address), *qcow2s(folder, decoy, address), *vhds(decoy), *others(folder, decoy), *tarballs(decoy)]
    names = {each.name: each for each in found}
    hidden, backed = names["vmdk, parent where qemu looks"], names["qcow2, backing file"]
    found += [
        replace(hidden, name="vmdk, hidden parent, gzip", data=gzip.compress(hidden.data), container_format="compressed"),
        replace(hidden, name="vmdk, hidden parent, bzip2", data=bz2.compress(hidden.data), container_format="compressed"),
        replace(backed, name="qcow2, backing file, xz", data=lzma.compress(backed.data), container_format="compressed"),
        replace(backed, name="qcow2, backing file, as raw", disk_format="raw"),
        replace(backed, name="qcow2, backing file, as vhd", disk_format="vhd"),
        replace(hidden, name="vmdk, hidden parent, as qcow2", disk_format="qcow2"),
        Hostile("raw, gzip that names a file", named_gzip(decoy), "raw", "compressed", taken=True),
    ]
    return found


def named_gzip(name: str) -> bytes:
    made = io.BytesIO()
    with gzip.GzipFile(name, "wb", fileobj=made) as packed:
        packed.write(bytes(510) + b"\x55\xaa" + bytes(MIB - 512))
    return made.getvalue()


# vmdk


def sparse(text: bytes, **fields: int) -> bytes:
    return Built(SECTORS, {0: b"x"}, text=text, fields=fields).sparse()


def hidden_parent(hint: str) -> bytes:
    """The header names a description without fault; the one at the place where qemu looks has a parent."""
    bad = description("monolithicSparse", SECTORS, parent="12345678", hint=hint)
    fine = padded(description("monolithicSparse", SECTORS)).ljust(20 * SECTOR, b"\0")
    return sparse(bad, description=512).ljust(512 * SECTOR, b"\0") + fine


def behind(data: bytes, hint: str) -> bytes:
    """A description of one sector, and the parent behind it."""
    return data[: 3 * SECTOR] + f'\nparentFileNameHint="{hint}"\n'.encode().ljust(SECTOR, b"\0") + data[4 * SECTOR :]


def vmdks(decoy: str, address: str) -> Iterator[Hostile]:
    def made(name: str, data: bytes, taken: bool = False) -> Hostile:
        return Hostile(f"vmdk, {name}", data, "vmdk", taken=taken)

    whole = description("monolithicSparse", SECTORS)
    for what, hint in (
        ("parent", decoy),
        ("parent by address", address),
        ("parent by json", json.dumps({"driver": "file", "filename": decoy}).replace('"', "'")),
    ):
        yield made(what, sparse(description("monolithicSparse", SECTORS, parent="12345678", hint=hint)))
    yield made("parent where qemu looks", hidden_parent(decoy))
    yield made("address where qemu looks", hidden_parent(address))
    yield made("parent behind a short description", behind(sparse(whole, length=1), decoy))
    yield made("parent by its number", sparse(description("monolithicSparse", SECTORS, parent="12345678")))
    for kind in ("monolithicFlat", "vmfs", "twoGbMaxExtentSparse", "fullDevice", "custom"):
        line = f'RW {SECTORS} {"SPARSE" if "Sparse" in kind else "FLAT"} "{decoy}" 0'
        text = description(kind, SECTORS, extents=line)
        yield made(f"description of {kind}", text.ljust(1024, b"\n"))
        yield made(f"header, {kind} inside", sparse(text))
    yield made("extent elsewhere", sparse(description("monolithicSparse", SECTORS, extents=f'RW {SECTORS} FLAT "{decoy}" 0')))
    yield made("two extents", sparse(description("monolithicSparse", SECTORS, extents=f'RW 8 SPARSE "x"\nRW 8 SPARSE "{decoy}"')))
    flat = sparse(description("monolithicFlat", SECTORS, extents=f'RW {SECTORS} FLAT "{decoy}" 0'))
    yield made("no size", flat[:12] + bytes(8) + flat[20:])
    yield made("COWD with a parent", cowd(decoy.encode()))
    yield made("SESparse", sesparse())
    yield made("change tracking elsewhere", sparse(whole + f'changeTrackPath="{decoy}"\n'.encode()), taken=True)
    yield made("4 TiB in little", sparse(whole)[:12] + struct.pack("<Q", 2**33) + sparse(whole)[20:])
    yield made("description at 2^63", sparse(whole)[:28] + struct.pack("<Q", 2**63) + sparse(whole)[36:])
    yield made("tables at a footer that is not there", sparse(whole)[:56] + struct.pack("<Q", AT_END) + sparse(whole)[64:])
    yield made("stream with a parent", Built(SECTORS, {0: b"x"}, text=description("streamOptimized", SECTORS, parent="1", hint=decoy)).stream())
    yield made("stream with a parent behind", behind(Built(SECTORS, {0: b"x"}, fields={"length": 1}).stream(), decoy))


# qcow2


def qcow2s(folder: Path, decoy: str, address: str) -> Iterator[Hostile]:
    def made(name: str, data: bytes, taken: bool = False) -> Hostile:
        return Hostile(f"qcow2, {name}", data, "qcow2", taken=taken)

    def backed(data: bytes, name: str) -> bytes:
        return data[:8] + struct.pack(">QI", 1024, len(name)) + data[20:1024] + name.encode() + data[1024 + len(name) :]

    def put(data: bytes, at: int, form: str, value: int) -> bytes:
        return data[:at] + struct.pack(form, value) + data[at + struct.calcsize(form) :]

    paths = {}
    for version in ("0.10", "1.1"):
        paths[version] = folder / f"plain-{version}"
        qemu_img("create", "-q", "-f", "qcow2", "-o", f"compat={version}", paths[version], SIZE)
    old, plain = (paths[version].read_bytes() for version in ("0.10", "1.1"))
    yield made("backing file", backed(plain, decoy))
    yield made("backing file, version 2", backed(old, decoy))
    yield made("backing address", backed(plain, address))
    yield made("backing file by json", backed(plain, f'json:{{"driver":"raw","file":{{"driver":"file","filename":"{decoy}"}}}}'))
    yield made("backing file, relative", backed(plain, "../" * 20 + decoy.lstrip("/")))
    yield made("backing file without a name", put(plain, 8, ">Q", 2**62))
    yield made("data file", put(plain, 72, ">Q", 4)[:104] + struct.pack(">II", 0x44415441, len(decoy)) + decoy.encode() + plain[112 + len(decoy) :])
    yield made("data file by a flag alone", put(plain, 72, ">Q", 4))
    yield made("divided clusters", put(plain, 72, ">Q", 16))
    yield made("unknown feature", put(plain, 72, ">Q", 2**40))
    yield made("table at 2^60", put(plain, 40, ">Q", 2**60))
    yield made("size of 2^63", put(plain, 24, ">Q", 2**63))
    yield made("encrypted", put(plain, 32, ">I", 2))
    yield made("snapshots far away", put(put(plain, 60, ">I", 2**31), 64, ">Q", 2**62), taken=True)


# VHD


def located(data: bytes, name: str, locator: bytes) -> bytes:
    """With a parent's name and a place of it in the header."""
    place = struct.pack(">4sIIIQ", b"W2ru", 512, len(locator), 0, 1536)
    header = (data[512:576] + name.encode("utf-16-be")[:510].ljust(512, b"\0") + place).ljust(1024, b"\0")
    return data[:512] + summed(header, 36) + locator.ljust(512, b"\0") + data[2048:]


def vhds(decoy: str) -> Iterator[Hostile]:
    child = build_vhd(SIZE, {0: {0: b"x"}}, kind=4, parent=b"B" * 16, table=2048)
    whole = build_vhd(SIZE, {0: {0: b"x"}}, table=2048)
    yield Hostile("vhd, parent", located(child, decoy, decoy.encode("utf-16-le")), "vhd")
    yield Hostile("vhd, parent, relative", located(child, "../../decoy", b".\\..\\..\\decoy"), "vhd")
    yield Hostile("vhd, parent by address", located(child, "\\\\127.0.0.1\\x\\y", "\\\\127.0.0.1\\x\\y".encode("utf-16-le")), "vhd")
    yield Hostile("vhd, whole disk that names a parent", located(whole, decoy, decoy.encode("utf-16-le")), "vhd", taken=True)
    far = whole[:512] + summed(whole[512:528] + struct.pack(">Q", 2**60) + whole[536:1536], 36) + whole[1536:]
    yield Hostile("vhd, table at 2^60", far, "vhd")


# Formats that are not read


def others(folder: Path, decoy: str) -> Iterator[Hostile]:
    qed = folder / "backed.qed"
    qemu_img("create", "-q", "-u", "-f", "qed", "-b", decoy, "-F", "raw", qed, SIZE)
    yield Hostile("qed, backing file", qed.read_bytes(), "qcow2")
    for form in ("vhdx", "vdi", "parallels"):
        path = folder / f"plain.{form}"
        qemu_img("create", "-q", "-f", form, path, SIZE)
        data = path.read_bytes()
        yield Hostile(f"{form}, a name inside", data[:2048] + decoy.encode() + data[2048 + len(decoy) :], {"parallels": "ploop"}.get(form, form))
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("../" * 20 + decoy.lstrip("/"), b"overwritten")
    yield Hostile("zip, member outside", packed.getvalue(), "vhd", "ovf")


# Tarballs


def special(kind: bytes, name: str, target: str) -> bytes:
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname = kind, target
    return entry.tobuf(tarfile.PAX_FORMAT)


def tarballs(decoy: str) -> Iterator[Hostile]:
    def made(name: str, data: bytes, container: str = "ovf") -> Hostile:
        return Hostile(f"tarball, {name}", data, "vhd", container)

    whole = build_vhd(SIZE, {0: {0: b"x"}}, uuid=b"B" * 16, table=2048)
    child = located(build_vhd(SIZE, {0: {0: b"x"}}, kind=4, parent=b"B" * 16, table=2048), decoy, decoy.encode("utf-16-le"))
    end = bytes(1024)
    yield made("symbolic link", special(tarfile.SYMTYPE, "0.vhd", decoy) + end)
    yield made("hard link", special(tarfile.LNKTYPE, "0.vhd", decoy) + end)
    yield made("device", special(tarfile.BLKTYPE, "0.vhd", "") + end)
    yield made("pipe", special(tarfile.FIFOTYPE, "0.vhd", "") + end)
    yield made("linked directory", special(tarfile.SYMTYPE, "x", str(Path(decoy).parent)) + tarball_of([("x/decoy", whole)]))
    yield made("absolute", tarball_of([(decoy, whole)], tarfile.GNU_FORMAT))
    yield made("outside", tarball_of([("../" * 20 + decoy.lstrip("/"), whole)]))
    yield made("outside, long name", tarball_of([("a/" * 60 + "../" * 90 + decoy.lstrip("/"), whole)], tarfile.GNU_FORMAT))
    yield made("leaf whose parent is a file of the host", tarball_of([("0.vhd", child)]))
    yield made("leaf whose parent is a link", special(tarfile.SYMTYPE, "1.vhd", decoy) + tarball_of([("0.vhd", child)]))
    yield made("link over a member", tarball_of([("0.vhd", whole)])[: -tarfile.RECORDSIZE] + special(tarfile.SYMTYPE, "0.vhd", decoy) + end)
    ovf = f'<Envelope><References><File ovf:href="{decoy}"/><File ovf:href="file://{decoy}"/></References></Envelope>'.encode()
    yield made("OVF that refers to a file", tarball_of([("disk.ovf", ovf), ("disk.vmdk", hidden_parent(decoy))]), "ova")
    yield made("symbolic link, gzip", gzip.compress(special(tarfile.SYMTYPE, "0.vhd", decoy) + end))
