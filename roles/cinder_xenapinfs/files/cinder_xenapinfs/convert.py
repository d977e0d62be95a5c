# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Conversion of formats by qemu-img, which opens one file and no other, since a tenant may have written the content.

The format is always the declared one, never guessed; qemu-img gets no parent; and the two fields by which a format sends qemu-img to another file (the
data file of qcow2, the description of vmdk) are checked where qemu-img reads them. Run time, memory and output size are limited.
"""

from __future__ import annotations

import json
import re
import struct
import zlib
from collections.abc import Iterable
from typing import Any

from cinder import exception
from oslo_concurrency import processutils
from oslo_config import cfg
from oslo_utils import units

from .vhd import Invalid

SECTOR = 512
# The names that qemu-img has for the formats of Glance, and the formats that can have parents.
DRIVERS = {"qcow2": "qcow2", "vmdk": "vmdk", "vdi": "vdi", "vhdx": "vhdx", "qed": "qed", "ploop": "parallels", "raw": "raw", "iso": "raw"}
WITH_PARENTS = frozenset({"qcow2", "vmdk", "qed"})
WRITTEN = {"qcow2": "qcow2", "vmdk": "vmdk", "vdi": "vdi", "vhdx": "vhdx", "vhd": "vpc"}
MEMORY = 4 * units.Gi
# Seconds of processor time and of elapsed time: a base, and an addition for each GiB of the volume.
CPU, CPU_PER_GIB = 60, 20
WALL, WALL_PER_GIB = 600, 300
VMDK_COMPLETE = re.compile(rb"^\s*createType\s*=\s*\"?(monolithicSparse|streamOptimized)\"?\s*$", re.MULTILINE | re.IGNORECASE)
VMDK_PARENT = re.compile(rb"parentFileNameHint|parentCID\s*=\s*\"?(?!ffffffff)", re.IGNORECASE)


def to_raw(path: str, kind: str, target: str, size: int) -> None:
    """Convert the disk of an image to a sparse raw file of at most ``size`` bytes."""
    if kind not in DRIVERS:
        raise Invalid(f"its disk_format is '{kind}', and {', '.join(DRIVERS)} are read")
    check(path, kind)
    told = json.loads(qemu_img("info", "--output=json", source(path, kind), gib=1))
    if told.get("backing-filename"):
        raise Invalid("it holds only what differs from another image")
    if int(told["virtual-size"]) > size:
        raise Invalid(f"its disk of {told['virtual-size']} bytes does not fit into the volume of {size} bytes")
    qemu_img("convert", "-O", "raw", source(path, kind), target, gib=size // units.Gi, written=size)


def from_raw(path: str, target: str, kind: str, size: int) -> None:
    """Convert a raw disk to an image. A guest can have written the header of any format into the disk, so it is read as raw."""
    if kind not in WRITTEN:
        raise Invalid(f"its disk_format is '{kind}', and {', '.join(sorted(WRITTEN))} are written")
    compressed = ["-c"] if kind == "qcow2" and cfg.CONF.image_compress_on_upload else []
    qemu_img("convert", "-O", WRITTEN[kind], *compressed, source(path, "raw"), target, gib=size // units.Gi, written=2 * size + units.Gi)


def source(path: str, kind: str) -> str:
    """The json: description of an image for qemu-img: one file, read in the declared format."""
    given: dict[str, Any] = {"driver": DRIVERS[kind], "file": {"driver": "file", "filename": path}}
    if kind in WITH_PARENTS:
        given["backing"] = None
    return f"json:{json.dumps(given)}"


def check(path: str, kind: str) -> None:
    """Refuse images whose data qemu-img would read from another file, by the same bytes that qemu-img reads."""
    with open(path, "rb") as file:
        head = file.read(21 * SECTOR)
    if kind == "qcow2":
        if head[:4] != b"QFI\xfb" or len(head) < 104:
            raise Invalid("it has no qcow2 header")
        if struct.unpack_from(">Q", head, 72)[0] & 4:
            raise Invalid("its data is in another file")
    elif kind == "vmdk":
        if head[:4] != b"KDMV" or len(head) < SECTOR or not struct.unpack_from("<Q", head, 12)[0]:
            raise Invalid("it is only a description of a disk whose data is in other files")
        if VMDK_PARENT.search(head, SECTOR):
            raise Invalid("it holds only what differs from a parent")
        if not VMDK_COMPLETE.search(head, SECTOR):
            raise Invalid("its type keeps data in other files")


def unpack(chunks: Iterable[bytes], path: str, size: int) -> int:
    """Decompress a gzip stream into a file, and return its size. An image may exceed the volume only by the size of its tables."""
    if not cfg.CONF.allow_compression_on_image_upload:
        raise Invalid("its container_format is 'compressed', and allow_compression_on_image_upload is off")
    limit, written = size + size // 16 + 64 * units.Mi, 0
    unpacking = zlib.decompressobj(wbits=31)
    try:
        with open(path, "wb") as file:
            for chunk in chunks:
                data = bytes(chunk)
                while data and not unpacking.eof:
                    written += file.write(unpacking.decompress(data, units.Mi))
                    data = unpacking.unconsumed_tail
                    if written > limit:
                        raise Invalid(f"it holds more than {limit} bytes, which is more than the volume")
            if not unpacking.eof:
                raise Invalid("its gzip data is truncated")
    except zlib.error as exc:
        raise Invalid(f"its gzip data is broken ({exc})") from exc
    return written


def pack(path: str, target: str) -> None:
    packing = zlib.compressobj(1, wbits=31)
    with open(path, "rb") as file, open(target, "wb") as packed:
        while data := file.read(units.Mi):
            packed.write(packing.compress(data))
        packed.write(packing.flush())


def qemu_img(command: str, *arguments: str, gib: int, written: int | None = None) -> str:
    limits = processutils.ProcessLimits(cpu_time=CPU + CPU_PER_GIB * gib, address_space=MEMORY, file_size=written)
    started = ["env", "LC_ALL=C", "timeout", "--kill-after=10", str(WALL + WALL_PER_GIB * gib), "qemu-img", command]
    try:
        return str(processutils.execute(*started, *arguments, prlimit=limits)[0])
    except processutils.ProcessExecutionError as exc:
        text = " ".join((exc.stderr or "").split())
        if "No space left" in text:
            raise exception.ImageTooBig(image_id="", reason=f"no space is left in {cfg.CONF.image_conversion_dir}") from exc
        raise Invalid(f"qemu-img cannot {command} it: {hidden(text, *arguments) or f'exit code {exc.exit_code}'}") from exc


def hidden(text: str, *arguments: str) -> str:
    """A message of qemu-img without the paths of this host."""
    for argument in arguments:
        text = text.replace(argument, "it")
    return re.sub(r"'?/\S+'?", "it", text)[-300:]
