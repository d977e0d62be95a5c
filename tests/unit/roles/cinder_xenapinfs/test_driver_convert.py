# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""No byte of an image, or of a volume that a guest has written, makes qemu-img in cinder-volume open another file."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import traced
import vmdk as builder
from backend import MIB, Backend, ImageService
from cinder import exception
from cinder_xenapinfs import convert, vhd
from oslo_config import cfg
from test_driver_images import image, noise, nothing_spooled
from xapi import PoolUnderTest

SECTORS = 16384


def hinting(decoy: Path) -> bytes:
    """A VMDK whose header names a harmless description, while qemu-img looks for the parent at its own place."""
    bad = builder.description("monolithicSparse", SECTORS, parent="12345678", hint=str(decoy))
    fine = builder.padded(builder.description("monolithicSparse", SECTORS)).ljust(20 * 512, b"\0")
    data = builder.Built(SECTORS, {0: b"x"}, fields={"description": 512}, text=bad).sparse()
    return data.ljust(512 * 512, b"\0") + fine


def flat(decoy: Path) -> bytes:
    return builder.description("monolithicFlat", 16, extents=f'RW 16 FLAT "{decoy}" 0').ljust(4096)


def no_size(decoy: Path) -> bytes:
    """A header of a disk of no size makes qemu-img read the description as if it were a file of its own."""
    text = builder.description("monolithicFlat", 16, extents=f'RW 16 FLAT "{decoy}" 0')
    return builder.Built(SECTORS, {0: b"x"}, text=text).sparse()[:12] + bytes(8) + builder.Built(SECTORS, {0: b"x"}, text=text).sparse()[20:]


def qcow2(*options: str) -> Callable[[Path], bytes]:
    def make(decoy: Path) -> bytes:
        path = decoy.parent / "made.qcow2"
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", *(option.format(decoy=decoy) for option in options), path, "8M"], check=True)
        return path.read_bytes()

    return make


def data_file(decoy: Path) -> bytes:
    kept = decoy.read_bytes()
    data = qcow2("-o", "data_file={decoy},data_file_raw=on")(decoy)
    decoy.write_bytes(kept)
    return data


def qed(decoy: Path) -> bytes:
    path = decoy.parent / "made.qed"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qed", "-b", decoy, "-F", "raw", path, "8M"], check=True)
    return path.read_bytes()


HOSTILE: dict[str, tuple[str, Callable[[Path], bytes]]] = {
    "vmdk with a parent where qemu-img looks": ("vmdk", hinting),
    "vmdk that is a description": ("vmdk", flat),
    "vmdk of no size": ("vmdk", no_size),
    "COWD": ("vmdk", lambda decoy: builder.cowd(str(decoy).encode())),
    "SESparse": ("vmdk", lambda _decoy: builder.sesparse()),
    "qcow2 with a backing file": ("qcow2", qcow2("-b", "{decoy}", "-F", "raw")),
    "qcow2 with a data file": ("qcow2", data_file),
    "qed with a backing file": ("qed", qed),
    "qcow2 as vmdk": ("vmdk", qcow2("-b", "{decoy}", "-F", "raw")),
    "vmdk as qcow2": ("qcow2", hinting),
}


@pytest.fixture
def decoy(tmp_path: Path) -> Path:
    """What no image may bring anybody to open."""
    path = tmp_path / "decoy"
    path.write_bytes(b"secret of the host ".ljust(8 * MIB, b"."))
    return path


BATCH = """
import json, sys
from oslo_config import cfg
from cinder_xenapinfs import convert, vhd
cfg.CONF([])
for path, kind, out in json.loads(sys.argv[1]):
    try:
        convert.to_raw(path, kind, out, 1 << 30)
    except vhd.Invalid:
        pass
"""


def test_no_image_brings_qemu_img_to_open_another_file(decoy: Path, tmp_path: Path) -> None:
    good = tmp_path / "good.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", good, "8M"], check=True)
    batch = [(str(good), "qcow2", str(tmp_path / "out.good"))]
    for number, (kind, make) in enumerate(HOSTILE.values()):
        path = tmp_path / f"image{number}"
        path.write_bytes(make(decoy))
        batch.append((str(path), kind, str(tmp_path / f"out{number}")))
    found = traced.opened(["-c", BATCH, json.dumps(batch)], variables={"PYTHONPATH": os.pathsep.join(sys.path)})
    assert all(path in found for path, _kind, _out in batch)
    assert str(tmp_path / "out.good") in found
    assert not [each for each in found if "decoy" in each]
    assert not any(b"secret" in path.read_bytes() for path in tmp_path.glob("out*"))


def test_the_trace_sees_what_qemu_img_does_by_itself(decoy: Path, tmp_path: Path) -> None:
    path = tmp_path / "image"
    path.write_bytes(hinting(decoy))
    found = traced.opened([shutil.which("qemu-img") or "qemu-img", "convert", "-f", "vmdk", "-O", "raw", str(path), str(tmp_path / "out")], python=False)
    assert str(decoy) in found


def test_hostile_images_are_refused(backend: Backend, pool: PoolUnderTest, decoy: Path) -> None:
    driver, images = backend.set_up(), ImageService()
    with pool.nothing_left():
        volume = backend.made(1)
        for name, (kind, make) in HOSTILE.items():
            identity = images.add(make(decoy), kind)
            try:
                driver.copy_image_to_volume(backend.context, volume, images, identity)
            except exception.ImageUnacceptable:
                continue
            pytest.fail(f"{name} was taken")
        assert backend.holds(volume, b"")
        driver.delete_volume(volume)
    nothing_spooled()


@pytest.fixture
def compression() -> Iterator[None]:
    cfg.CONF.set_override("allow_compression_on_image_upload", True)
    yield
    cfg.CONF.clear_override("allow_compression_on_image_upload")


def test_a_header_that_a_guest_writes_stays_a_disk(backend: Backend, pool: PoolUnderTest, decoy: Path, tmp_path: Path) -> None:
    """The volume is raw: an image of it holds the header, not what the header names."""
    driver, images, data = backend.set_up(), ImageService(), hinting(decoy)
    with pool.nothing_left():
        volume = backend.made(1)
        driver.copy_image_to_volume(backend.context, volume, images, images.add(data, "raw"))
        meta = images.empty("qcow2", "bare")
        driver.copy_volume_to_image(backend.context, volume, images, meta)
        driver.delete_volume(volume)
    path = tmp_path / "image.qcow2"
    path.write_bytes(images.data[meta["id"]])
    subprocess.run(["qemu-img", "convert", "-f", "qcow2", "-O", "raw", path, tmp_path / "raw"], check=True)
    assert (tmp_path / "raw").open("rb").read(len(data)) == data
    nothing_spooled()


@pytest.mark.parametrize("kind", ["raw", "vhd", "qcow2"])
@pytest.mark.usefixtures("compression")
def test_compressed_images(backend: Backend, pool: PoolUnderTest, tmp_path: Path, kind: str) -> None:
    driver, images, data = backend.set_up(), ImageService(), noise(5)
    content, disk_format, _container = image(kind, data, tmp_path)
    with pool.nothing_left():
        volume = backend.made(1)
        driver.copy_image_to_volume(backend.context, volume, images, images.add(gzip.compress(content, 1), disk_format, "compressed"))
        assert backend.holds(volume, data)
        if kind == "qcow2":
            meta = images.empty(disk_format, "compressed")
            driver.copy_volume_to_image(backend.context, volume, images, meta)
            assert gzip.decompress(images.data[meta["id"]])[:4] == b"QFI\xfb"
        driver.delete_volume(volume)
    nothing_spooled()


@pytest.mark.usefixtures("compression")
def test_a_bomb_is_given_up(tmp_path: Path) -> None:
    bomb = gzip.compress(bytes(200 * MIB), 9)
    with pytest.raises(vhd.Invalid, match="more than the volume"):
        convert.unpack([bomb], str(tmp_path / "out"), 64 * MIB)
    assert (tmp_path / "out").stat().st_size < 140 * MIB


@pytest.mark.usefixtures("compression")
def test_gzip_that_is_broken_is_refused(tmp_path: Path) -> None:
    for data, words in ((gzip.compress(b"x" * 9999)[:-9], "truncated"), (b"no gzip" * 9, "broken")):
        with pytest.raises(vhd.Invalid, match=words):
            convert.unpack([data], str(tmp_path / "out"), MIB)


def test_compressed_images_are_refused_where_cinder_does_not_allow_them(tmp_path: Path) -> None:
    with pytest.raises(vhd.Invalid, match="allow_compression_on_image_upload is off"):
        convert.unpack([gzip.compress(b"x")], str(tmp_path / "out"), MIB)


def test_a_disk_larger_than_the_volume_is_not_converted(tmp_path: Path) -> None:
    path = tmp_path / "large.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", path, "4T"], check=True)
    began = time.monotonic()
    with pytest.raises(vhd.Invalid, match="does not fit"):
        convert.to_raw(str(path), "qcow2", str(tmp_path / "out"), 1 << 30)
    assert time.monotonic() - began < 30


def test_qemu_img_is_stopped_in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that never ends, in its place."""
    program = tmp_path / "qemu-img"
    program.write_text("#!/bin/sh\nsleep 60\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(convert, "WALL", 1)
    began = time.monotonic()
    with pytest.raises(vhd.Invalid, match="exit code 124"):
        convert.qemu_img("info", "x", gib=0)
    assert time.monotonic() - began < 20


def test_what_qemu_img_writes_is_limited(tmp_path: Path) -> None:
    """By the size of the volume, whatever an image turns out to hold."""
    path = tmp_path / "raw"
    path.write_bytes(b"x" * 8 * MIB)
    with pytest.raises(vhd.Invalid):
        convert.qemu_img("convert", "-O", "raw", convert.source(str(path), "raw"), str(tmp_path / "out"), gib=1, written=MIB)
    assert (tmp_path / "out").stat().st_size <= MIB


def test_the_source_is_one_file_of_one_format() -> None:
    given = json.loads(convert.source("/x", "qcow2").removeprefix("json:"))
    assert given == {"driver": "qcow2", "backing": None, "file": {"driver": "file", "filename": "/x"}}
