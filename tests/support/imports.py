# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images of every format, made by others than the collection where there are others, and imports of them in this process."""

from __future__ import annotations

import bz2
import gzip
import lzma
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ansible_collections.xenstack.image_services.plugins.module_utils._core.runner import carry_out
from ansible_collections.xenstack.image_services.plugins.module_utils._disk.decoders import zstd
from ansible_collections.xenstack.image_services.plugins.module_utils._vdis.import_job import ImportJob
from ansible_collections.xenstack.image_services.plugins.modules.xen_vdi_import import create_import_argspec
from ansible_collections.xenstack.image_services.tests.support.disks import MIB, build_vhd, partitioned, qemu_img, tarball_of, write_raw
from ansible_collections.xenstack.image_services.tests.support.xapi import PoolUnderTest, content, disk_file

NAME = "test image"
COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "gz": gzip.compress,
    "xz": lambda data: lzma.compress(data, preset=0),
    "bz2": bz2.compress,
    "zst": zstd.compress,
}


def parameters(pool: PoolUnderTest, **options: Any) -> dict[str, Any]:
    """What a module has of these options."""
    defaults = {name: option.get("default") for name, option in create_import_argspec().options.items()}
    return {**defaults, "username": "root", "glance": None, **pool.options(name=NAME, timeout=20), **options}


def imported(pool: PoolUnderTest, check: bool = False, **options: Any) -> dict[str, Any]:
    """The result of xen_vdi_import, in this process."""
    params = parameters(pool, **options)
    return carry_out(ImportJob(params), check)


def disks_of(pool: PoolUnderTest, name: str = NAME) -> list[str]:
    return list(pool.api.VDI.get_by_name_label(name))


def stored(pool: PoolUnderTest, name: str = NAME) -> bytes:
    """What the one VDI of a name holds, as qemu-img reads the file of the SR."""
    (vdi,) = disks_of(pool, name)
    return content(disk_file(pool.server, pool.api, vdi))


def clear(pool: PoolUnderTest) -> None:
    """Remove what tests have left, with the machines that use it."""
    api = pool.api
    for vdi, record in api.VDI.get_all_records().items():
        if record["name_label"].startswith(NAME):
            for vbd in record["VBDs"]:
                machine = api.VBD.get_VM(vbd)
                if api.VM.get_power_state(machine) != "Halted":
                    api.VM.hard_shutdown(machine)
                api.VM.destroy(machine)
            api.VDI.destroy(vdi)


def machine_with(pool: PoolUnderTest, vdi: str) -> str:
    """A halted VM with a disk."""
    api = pool.api
    (template,) = api.VM.get_by_name_label("Other install media")
    machine = api.VM.clone(template, NAME)
    api.VM.set_is_a_template(machine, False)
    given = {"VM": machine, "VDI": vdi, "userdevice": "0", "bootable": True, "mode": "RW", "type": "Disk", "unpluggable": True, "empty": False}
    api.VBD.create({**given, "other_config": {}, "qos_algorithm_type": "", "qos_algorithm_params": {}})
    return str(machine)


def tarball(path: Path, members: dict[str, bytes]) -> Path:
    path.write_bytes(tarball_of(members.items()))
    return path


def packed(path: Path, how: str) -> Path:
    """The file, compressed."""
    target = path.with_name(f"{path.name}.{how}")
    target.write_bytes(COMPRESS[how](path.read_bytes()))
    return target


def vhd_chain(path: Path, whole: bytes) -> Path:
    """A tarball of three VHDs that together are the disk, whose sectors are in all three in turn; parents hold lies where a child hides them."""
    sectors = [whole[start : start + 512] for start in range(0, len(whole), 512)]
    members: list[dict[int, dict[int, bytes]]] = [{}, {}, {}]
    for number, data in enumerate(sectors):
        if any(data):
            owner = number % 3
            for member in range(owner, 3):
                members[member].setdefault(number // 4096, {})[number % 4096] = data if member == owner else b"hidden" * 80
    made = {}
    for number, blocks in enumerate(members):
        ident, parent = bytes([65 + number]) * 16, bytes([66 + number]) * 16
        last = number == 2
        made[f"{number}.vhd"] = build_vhd(len(whole), blocks, kind=3 if last else 4, uuid=ident, parent=bytes(16) if last else parent)
    return tarball(path, made)


def images_of(raw: Path) -> dict[str, Path]:
    """The raw disk in every format that is read."""
    folder = raw.parent
    whole = raw.read_bytes()

    def converted(name: str, form: str, *options: str) -> Path:
        qemu_img("convert", "-f", "raw", "-O", form, *options, raw, folder / name)
        return folder / name

    blocks: dict[int, dict[int, bytes]] = {}
    for start in range(0, len(whole), 512):
        if any(whole[start : start + 512]):
            blocks.setdefault(start // (2 * MIB), {})[start % (2 * MIB) // 512] = whole[start : start + 512]
    (folder / "disk.vhd").write_bytes(build_vhd(len(whole), blocks))
    (folder / "descending.vhd").write_bytes(build_vhd(len(whole), dict(reversed(blocks.items()))))
    made = {
        "raw": raw,
        "vhd": folder / "disk.vhd",
        "vhd-descending": folder / "descending.vhd",
        "vhd-fixed": converted("fixed.vhd", "vpc", "-o", "subformat=fixed,force_size=on"),
        "vhd-qemu": converted("qemu.vhd", "vpc", "-o", "force_size=on"),
        "qcow2": converted("disk.qcow2", "qcow2"),
        "qcow2-old": converted("old.qcow2", "qcow2", "-o", "compat=0.10,cluster_size=4096"),
        "qcow2-compressed": converted("compressed.qcow2", "qcow2", "-c"),
        "vmdk": converted("disk.vmdk", "vmdk"),
        "vmdk-stream": converted("stream.vmdk", "vmdk", "-o", "subformat=streamOptimized"),
        "tarball": tarball(folder / "disk.tar", {"0.vhd": (folder / "disk.vhd").read_bytes()}),
        "chain": vhd_chain(folder / "chain.tar", whole),
    }
    for name, how in (("raw", "xz"), ("raw", "zst"), ("vhd", "bz2"), ("qcow2", "gz"), ("chain", "gz"), ("vhd-descending", "gz")):
        made[f"{name}.{how}"] = packed(made[name], how)
    return made


def small_raw(folder: Path, size: int, seed: int = 4) -> Path:
    """Data at both ends and in the middle, across every boundary there is, and long holes."""
    import random

    data = random.Random(seed).randbytes
    writes = [(0, data(MIB + 512)), (5 * MIB + 511, data(300_001)), (size // 2, data(4096)), (size - 1000, data(1000))]
    path = write_raw(folder / f"disk-{seed}.raw", size, writes)
    with path.open("r+b") as stream:
        beginning = partitioned(stream.read(512))
        stream.seek(0)
        stream.write(beginning)
    return path
