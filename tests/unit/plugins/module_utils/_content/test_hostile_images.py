# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""No byte of an image makes the readers of the controller open another file or address, as the kernel sees it."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import sys
import threading
from pathlib import Path

import pytest
from ansible_collections.xenstack.image_services.plugins.module_utils._content.image_disk import ImageDisk
from ansible_collections.xenstack.image_services.plugins.module_utils._content.source import FileSource
from ansible_collections.xenstack.image_services.tests.support import hostile_table, traced
from ansible_collections.xenstack.image_services.tests.support.disks import MIB, build_vhd

BEGIN, END = "/hostile images begin", "/hostile images end"
# What names nothing else: these the user may convert.
CONVERTIBLE = {"qcow2, divided clusters", "qcow2, unknown feature", "qcow2, encrypted"}
# Each image as a file, and as a stream from elsewhere; then all of what it gives is read.
READ = f"""
import json, os, sys
from ansible_collections.xenstack.image_services.plugins.module_utils._core.errors import ImageServicesError
from ansible_collections.xenstack.image_services.plugins.module_utils._content.image_disk import ImageDisk
from ansible_collections.xenstack.image_services.plugins.module_utils._content.source import FileSource

class Stream:
    def __init__(self, path):
        self.file, self.label, self.size, self.fingerprint = FileSource(path), path, os.stat(path).st_size, None
    def head(self):
        return self.file.head()
    def tail(self):
        return b""
    def blocks(self):
        return self.file.blocks()
    def digests(self, algorithms):
        return self.file.digests(algorithms)

def read(source, disk_format, container_format, spool):
    try:
        with ImageDisk(source, disk_format, container_format, spool_dir=spool) as image:
            return sum(b"secret of the host" in data for _offset, data in image.disk.blocks())
    except ImageServicesError as exc:
        return str(exc)

def all_of(batch):
    return [[read(make(path), form, container, spool) for make in (FileSource, Stream)] for path, form, container, spool in batch]

batch = json.load(open(sys.argv[1]))
# What is imported late is imported now.
all_of(batch[:1] + batch[-10:])
try:
    open({BEGIN!r})
except OSError:
    pass
results = all_of(batch)
try:
    open({END!r})
except OSError:
    pass
json.dump(results, open(sys.argv[2], "w"))
"""


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[hostile_table.Hostile]]:
    folder = tmp_path_factory.mktemp("hostile")
    hostile_table.make_decoy(folder)
    return folder, hostile_table.images(folder, "nbd://127.0.0.1:1/x")


def test_no_image_makes_the_readers_open_another_file(table: tuple[Path, list[hostile_table.Hostile]], tmp_path: Path) -> None:
    folder, images = table
    assert len({image.name for image in images}) == len(images) >= 60
    spool, held = tmp_path / "spool", tmp_path / "images"
    spool.mkdir()
    held.mkdir()
    batch = []
    for number, image in enumerate(images):
        path = held / str(number)
        path.write_bytes(image.data)
        batch.append([str(path), image.disk_format, image.container_format, str(spool)])
    (tmp_path / "batch").write_text(json.dumps(batch))
    found = traced.opened(["-c", READ, str(tmp_path / "batch"), str(tmp_path / "results")], variables={"PYTHONPATH": os.pathsep.join(sys.path)})
    found = found[found.index(BEGIN) + 1 : found.index(END)]
    assert {path for path, *_rest in batch} <= set(found)
    # Nothing but the images themselves, and files without names for what has to be read at any place.
    assert not [path for path in found if Path(path).parent != held and spool not in (Path(path), Path(path).parent)]
    results = json.loads((tmp_path / "results").read_text())
    for image, both in zip(images, results, strict=True):
        for result in both:
            if image.taken:
                assert result == 0, (image.name, result)
            else:
                assert str(result).startswith("Cannot "), (image.name, result)
                assert "secret of the host" not in str(result), image.name
                # To follow the advice must not be what the image wanted.
                assert image.name in CONVERTIBLE or "qemu-img convert" not in str(result), (image.name, result)
    assert not list(spool.iterdir())
    assert (folder / "decoy").read_bytes().startswith(hostile_table.SECRET)


def test_the_trace_sees_what_qemu_img_opens(table: tuple[Path, list[hostile_table.Hostile]], tmp_path: Path) -> None:
    """As it was called until now: the parent that is hidden from a check of the description is read."""
    folder, images = table
    by_name = {image.name: image for image in images}
    qemu_img = shutil.which("qemu-img")
    assert qemu_img, "qemu-img is missing: install the package qemu-utils"
    for number, (name, form) in enumerate((("vmdk, parent where qemu looks", "vmdk"), ("qcow2, backing file", "qcow2"))):
        path = tmp_path / str(number)
        path.write_bytes(by_name[name].data)
        found = traced.opened([qemu_img, "convert", "-f", form, "-O", "raw", str(path), str(tmp_path / "out")], python=False)
        assert str(folder / "decoy") in found
    path = tmp_path / "address"
    path.write_bytes(by_name["vmdk, address where qemu looks"].data)
    found = traced.opened([qemu_img, "convert", "-f", "vmdk", "-O", "raw", str(path), str(tmp_path / "out")], python=False)
    assert [call for call in found if call.startswith("connect ") and "127.0.0.1" in call]


def test_a_body_that_nobody_reads_to_its_end_is_closed(tmp_path: Path) -> None:
    """A thread hashes it; left to the garbage collector, its end could wait for itself."""
    path = tmp_path / "disk.vhd.gz"
    path.write_bytes(gzip.compress(build_vhd(8 * MIB, {0: {0: b"x"}, 3: {0: b"y"}})))
    before = set(threading.enumerate())
    image = ImageDisk(FileSource(str(path)), "vhd", "compressed")
    with image:
        next(iter(image.disk.blocks()))
        [hashing] = set(threading.enumerate()) - before
    # Nothing waits for its end, so it may come a moment later.
    hashing.join(30)
    assert not hashing.is_alive()
