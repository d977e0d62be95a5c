# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is taken and what is refused of a local file before the cloud is asked anything."""

from __future__ import annotations

import bz2
import gzip
import lzma
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.xenstack.image_services.plugins.module_utils._core.errors import ImageServicesError
from ansible_collections.xenstack.image_services.plugins.module_utils._images.options import create_image_argspec
from ansible_collections.xenstack.image_services.plugins.module_utils._images.source import open_source
from ansible_collections.xenstack.image_services.tests.support.disks import MIB, partitioned, qemu_img
from ansible_collections.xenstack.image_services.tests.support.vmdk import SECTOR, Built, description

WHOLE = "Ask its owner for one image that holds the complete disk."
Make = Callable[[Path], bytes]


def created(form: str, *options: str, part: str = "disk.vmdk") -> Make:
    """What qemu-img creates; ``part`` is the file that is given to the module, where a disk has several."""

    def make(folder: Path) -> bytes:
        (folder / "base").write_bytes(partitioned(bytes(MIB)))
        qemu_img("create", "-q", "-f", form, *(option.format(folder=folder) for option in options), folder / "disk.vmdk", MIB)
        return (folder / part).read_bytes()

    return make


def put(make: Make, at: int, layout: str, value: int) -> Make:
    def changed(folder: Path) -> bytes:
        data, field = make(folder), struct.pack(layout, value)
        return data[:at] + field + data[at + len(field) :]

    return changed


def fixed(data: bytes) -> Make:
    return lambda folder: data


def vmdk(kind: str = "monolithicSparse", fields: dict[str, int] | None = None, **text: Any) -> Make:
    return fixed(Built(MIB // SECTOR, {0: b"x"}, text=description(kind, MIB // SECTOR, **text), fields=fields or {}).sparse())


QCOW2, OLD = created("qcow2"), created("qcow2", "-o", "compat=0.10")
BACKED = created("qcow2", "-b", "{folder}/base", "-F", "raw")
CPIO = b"070701" + b"0" * 104 + b"x" * 3000
KERNEL = bytes(510) + b"\x55\xaa" + bytes(2) + b"HdrS" + bytes(3000)
ZSTD = b"\x28\xb5\x2f\xfd" + bytes(3000)

# What, its bytes, disk_format, container_format, what the refusal says (None: it is taken) and what it ends with.
FORMATS: list[tuple[str, Make, str | None, str | None, str | None, str]] = [
    ("qcow2", QCOW2, None, None, None, ""),
    ("qcow2 of version 2", OLD, "qcow2", "bare", None, ""),
    ("qcow2 with a backing file", BACKED, None, None, "is qcow2, and it holds only what differs from a backing file", WHOLE),
    ("qcow2 with a backing file, declared", BACKED, "qcow2", "bare", "it holds only what differs from a backing file", WHOLE),
    ("qcow2 with a backing file, as raw", BACKED, "raw", None, "it holds only what differs from a backing file", WHOLE),
    ("qcow2 with a backing file, as vmdk", BACKED, "vmdk", None, "it holds only what differs from a backing file", WHOLE),
    ("qcow2 with the name of a backing file far away", put(OLD, 8, ">Q", 2**62), None, None, "from a backing file", WHOLE),
    ("qcow2 with a data file", created("qcow2", "-o", "data_file={folder}/other"), None, None, "its data is in another file", WHOLE),
    ("qcow2 with a data file by its flag alone", put(QCOW2, 72, ">Q", 4), None, None, "its data is in another file", WHOLE),
    ("qcow2 of divided clusters", created("qcow2", "-o", "extended_l2=on"), None, None, "extended_l2", "qemu-img convert -O qcow2 -o extended_l2=off."),
    ("qcow2 of unknown features", put(QCOW2, 72, ">Q", 2**40), "qcow2", None, "unknown features (0x10000000000)", "-o compat=1.1."),
    ("qcow2 with a repair to do", put(QCOW2, 72, ">Q", 1), "qcow2", None, None, ""),
    ("qcow2 of version 4", put(QCOW2, 4, ">I", 4), "qcow2", None, "it is of version 4", "Ask its owner for one of version 3."),
    ("qcow2 with a backing file in a tarball's place", BACKED, "qcow2", "ovf", None, ""),
    ("qcow1", created("qcow"), None, None, "is qcow1, and no service takes images of that format", "Convert it with: qemu-img convert -O qcow2."),
    ("qcow1 as qcow2", created("qcow"), "qcow2", None, "is qcow1, and no service takes", "Convert it with: qemu-img convert -O qcow2."),
    ("qcow1 as raw", created("qcow"), "raw", None, "is qcow1, and no service takes", "Convert it with: qemu-img convert -O qcow2."),
    ("qcow1 with a backing file", created("qcow", "-b", "{folder}/base", "-F", "raw"), None, None, "is qcow1", WHOLE),
    ("qed", created("qed"), "qcow2", None, "is qed, and no service takes images of that format", "Convert it with: qemu-img convert -O qcow2."),
    ("qed as raw", created("qed"), "raw", None, "is qed, and no service takes", "Convert it with: qemu-img convert -O qcow2."),
    ("qed with a backing file", created("qed", "-b", "{folder}/base", "-F", "raw"), None, None, "is qed", WHOLE),
    ("vmdk", created("vmdk"), None, None, None, ""),
    ("vmdk for streaming", created("vmdk", "-o", "subformat=streamOptimized"), "vmdk", "bare", None, ""),
    ("flat vmdk, its description", created("vmdk", "-o", "subformat=monolithicFlat"), None, None, "only a description of a disk whose data is in", WHOLE),
    ("flat vmdk, its data", created("vmdk", "-o", "subformat=monolithicFlat", part="disk-flat.vmdk"), "vmdk", None, "the data is in no format", "first."),
    ("flat vmdk in a header", vmdk("monolithicFlat"), "vmdk", None, "its type 'monolithicFlat' keeps data in other files", WHOLE),
    ("vmdk of ESX hosts", vmdk("vmfs"), None, None, "its type 'vmfs' keeps data in other files", WHOLE),
    ("divided vmdk, its description", created("vmdk", "-o", "subformat=twoGbMaxExtentSparse"), "vmdk", None, "only a description", WHOLE),
    ("divided vmdk, its first part", created("vmdk", "-o", "subformat=twoGbMaxExtentSparse", part="disk-s001.vmdk"), None, None, "part of a larger", WHOLE),
    ("vmdk without a description", vmdk(fields={"description": 0}), "vmdk", None, "as a part of a larger disk does not", WHOLE),
    ("vmdk of two extents", vmdk(extents='RW 8 SPARSE "a"\nRW 8 SPARSE "b"'), None, None, "its description keeps data in other files", WHOLE),
    ("vmdk with a parent", vmdk(parent="12345678", hint="base.vmdk"), None, None, "it holds only what differs from a parent", WHOLE),
    ("vmdk with a parent, as raw", vmdk(parent="12345678"), "raw", None, "it holds only what differs from a parent", WHOLE),
    ("vmdk that is cut off", fixed(b"KDMV" + bytes(100)), "vmdk", None, "in its header: it is cut off", "run the task again."),
    ("vhdx", created("vhdx"), None, None, None, ""),
    ("vhdx, declared", created("vhdx"), "vhdx", "bare", None, ""),
    ("vdi", created("vdi"), None, None, None, ""),
    ("vhd", created("vpc"), "vhd", None, None, ""),
    ("initrd, gzip", fixed(gzip.compress(CPIO)), "ari", "bare", None, ""),
    ("initrd, gzip, without a container", fixed(gzip.compress(CPIO)), "ari", None, None, ""),
    ("initrd, gzip, in its own container", fixed(gzip.compress(CPIO)), "ari", "ari", None, ""),
    ("initrd, xz", fixed(lzma.compress(CPIO)), "ari", "bare", None, ""),
    ("initrd, zstd", fixed(ZSTD), "ari", "bare", None, ""),
    ("initrd, bzip2", fixed(bz2.compress(CPIO)), "ari", "bare", None, ""),
    ("initrd, cpio", fixed(CPIO), "ari", "bare", None, ""),
    ("kernel, gzip", fixed(gzip.compress(KERNEL)), "aki", "bare", None, ""),
    ("kernel, gzip, in its own container", fixed(gzip.compress(KERNEL)), "aki", "aki", None, ""),
    ("kernel", fixed(KERNEL), "aki", "aki", None, ""),
    ("file system, gzip", fixed(gzip.compress(CPIO)), "ami", "bare", "compressed with gzip, and container_format is 'bare'", "takes such data."),
    ("disk, gzip", fixed(gzip.compress(CPIO)), "qcow2", "bare", "compressed with gzip, and container_format is 'bare'", "takes such data."),
    ("disk, gzip, undeclared", fixed(gzip.compress(CPIO)), None, None, "compressed with gzip, and container_format is 'bare'", "takes such data."),
    ("kernel that is a web page", fixed(b"<!DOCTYPE html><title>Log in</title>" * 20), "aki", "aki", "the data is a web page", "convert it first."),
]


@pytest.mark.parametrize(("make", "disk_format", "container_format", "words", "advice"), [row[1:] for row in FORMATS], ids=[row[0] for row in FORMATS])
def test_formats(tmp_path: Path, make: Make, disk_format: str | None, container_format: str | None, words: str | None, advice: str) -> None:
    path = tmp_path / "source"
    path.write_bytes(make(tmp_path))
    params = {name: option.get("default") for name, option in create_image_argspec().options.items()}
    params.update(src=str(path), disk_format=disk_format, container_format=container_format)
    if words is None:
        assert open_source("debian", params)[0] is not None
        return
    with pytest.raises(ImageServicesError) as caught:
        open_source("debian", params)
    text = str(caught.value)
    assert text.startswith("Cannot upload image 'debian': ")
    assert words in text
    assert text.endswith(advice)
