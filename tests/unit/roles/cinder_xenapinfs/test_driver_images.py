# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images into volumes and back, bit for bit, as qemu-img reads the files on the share."""

from __future__ import annotations

import gzip
import io
import random
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from backend import GIB, MIB, Backend, ImageService
from cinder import exception
from cinder_xenapinfs import vhd
from oslo_config import cfg
from xapi import PoolUnderTest

SIZE = 6 * MIB


def noise(seed: int = 1) -> bytes:
    """Data, a hole and data again."""
    chance = random.Random(seed)
    return chance.randbytes(MIB + 4096) + bytes(3 * MIB) + chance.randbytes(SIZE - 4 * MIB - 4096)


def qemu(data: bytes, directory: Path, kind: str, *options: str) -> bytes:
    raw, made = directory / "plain", directory / f"disk.{kind}"
    raw.write_bytes(data)
    subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", kind, *options, raw, made], check=True)
    return made.read_bytes()


def dynamic_vhd(data: bytes, directory: Path) -> bytes:
    return qemu(data, directory, "vpc", "-o", "force_size=on")


def tarball(*files: tuple[str, bytes], compress: bool = True) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz" if compress else "w") as archive:
        for name, data in files:
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return made.getvalue()


def image(kind: str, data: bytes, directory: Path) -> tuple[bytes, str, str]:
    if kind in ("raw", "qcow2", "vmdk", "vdi"):
        return qemu(data, directory, kind), kind, "bare"
    if kind == "fixed":
        return qemu(data, directory, "vpc", "-o", "subformat=fixed,force_size=on"), "vhd", "bare"
    if kind == "vhd":
        return dynamic_vhd(data, directory), "vhd", "bare"
    return tarball(("0.vhd", dynamic_vhd(data, directory))), "vhd", "ovf"


def nothing_spooled() -> None:
    assert not list(Path(cfg.CONF.image_conversion_dir).glob("*"))


@pytest.mark.parametrize("kind", ["raw", "qcow2", "vmdk", "vdi", "vhd", "fixed", "tarball"])
def test_an_image_becomes_a_volume(backend: Backend, pool: PoolUnderTest, tmp_path: Path, kind: str) -> None:
    driver, images, data = backend.set_up(), ImageService(), noise()
    identity = images.add(*image(kind, data, tmp_path))
    with pool.nothing_left():
        volume = backend.made(1)
        driver.copy_image_to_volume(backend.context, volume, images, identity)
        assert backend.holds(volume, data)
        driver.delete_volume(volume)
    nothing_spooled()


@pytest.mark.parametrize(("disk_format", "container_format"), [("raw", "bare"), ("vhd", "bare"), ("vhd", "ovf"), ("qcow2", "bare")])
def test_a_volume_becomes_an_image_and_a_volume_again(backend: Backend, pool: PoolUnderTest, tmp_path: Path, disk_format: str, container_format: str) -> None:
    driver, images, data = backend.set_up(), ImageService(), noise(2)
    with pool.nothing_left():
        volume, again = backend.made(1), backend.made(1)
        driver.copy_image_to_volume(backend.context, volume, images, images.add(data, "raw"))
        meta = images.empty(disk_format, container_format)
        driver.copy_volume_to_image(backend.context, volume, images, meta)
        if (disk_format, container_format) == ("vhd", "bare"):
            # qemu-img must not take the disk for a smaller one.
            path = tmp_path / "image.vhd"
            path.write_bytes(images.data[meta["id"]])
            subprocess.run(["qemu-img", "convert", "-f", "vpc", "-O", "raw", path, tmp_path / "image.raw"], check=True)
            assert (tmp_path / "image.raw").stat().st_size == GIB
        driver.copy_image_to_volume(backend.context, again, images, meta["id"])
        assert backend.holds(again, data)
        driver.delete_volume(volume)
        driver.delete_volume(again)
    nothing_spooled()


def test_a_tarball_becomes_a_volume_at_once(backend: Backend, pool: PoolUnderTest, tmp_path: Path) -> None:
    """Cinder would take the tarball's size for the disk's."""
    driver, images, data = backend.set_up(), ImageService(), noise(3)
    with pool.nothing_left():
        volume = backend.volume(1)
        meta = images.show(None, images.add(*image("tarball", data, tmp_path)))
        update, cloned = driver.clone_image(backend.context, volume, None, meta, images)
        assert cloned
        volume.update(update)
        assert backend.holds(volume, data)
        driver.delete_volume(volume)
    meta = images.show(None, images.add(data, "raw"))
    assert driver.clone_image(backend.context, volume, None, meta, images) == (None, False)


def test_a_chain_of_disks(backend: Backend, pool: PoolUnderTest, tmp_path: Path) -> None:
    """The leaf changes one block of the base."""
    driver, images, data, newer = backend.set_up(), ImageService(), noise(4), noise(5)
    base = dynamic_vhd(data, tmp_path)
    changed = newer[: 2 * MIB]
    leaf = bytearray(dynamic_vhd(changed + bytes(SIZE - 2 * MIB), tmp_path))
    parent = vhd.read_head(base[: 1 << 16]).identity
    footer = bytearray(leaf[:512])
    footer[60:64] = (4).to_bytes(4, "big")
    footer[64:68] = bytes(4)
    footer[64:68] = vhd.checksum(bytes(footer), 64).to_bytes(4, "big")
    header = leaf[512:1536]
    header[40:56] = parent.bytes
    header[36:40] = bytes(4)
    header[36:40] = vhd.checksum(bytes(header), 36).to_bytes(4, "big")
    leaf[:512], leaf[512:1536], leaf[-512:] = footer, header, footer
    with pool.nothing_left():
        volume = backend.made(1)
        identity = images.add(tarball(("1.vhd", base), ("0.vhd", bytes(leaf)), compress=False), "vhd", "ovf")
        driver.copy_image_to_volume(backend.context, volume, images, identity)
        assert backend.holds(volume, changed + data[2 * MIB :])
        driver.delete_volume(volume)


HOSTILE = {
    "nothing": b"",
    "noise": random.Random(9).randbytes(10_000),
    "not a tarball": gzip.compress(b"x" * 5000),
    "no VHD": tarball(("readme", b"x")),
    "not a VHD": tarball(("0.vhd", b"x" * 4096)),
    "a gap": tarball(("0.vhd", b"x"), ("2.vhd", b"x")),
    "twice": tarball(("0.vhd", b"x"), ("0.vhd", b"x")),
    "cut off": tarball(("0.vhd", random.Random(8).randbytes(100_000)))[:50_000],
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_tarballs_are_refused(backend: Backend, pool: PoolUnderTest, kind: str) -> None:
    driver, images = backend.set_up(), ImageService()
    volume = backend.volume(1)
    meta, before = images.show(None, images.add(HOSTILE[kind], "vhd", "ovf")), backend.share
    with pool.nothing_left(), pytest.raises(exception.ImageUnacceptable):
        driver.clone_image(backend.context, volume, None, meta, images)
    assert backend.share == before
    nothing_spooled()


def test_links_in_a_tarball_are_refused(backend: Backend, pool: PoolUnderTest) -> None:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        member = tarfile.TarInfo("0.vhd")
        member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(member)
    driver, images = backend.set_up(), ImageService()
    meta = images.show(None, images.add(made.getvalue(), "vhd", "ovf"))
    with pool.nothing_left(), pytest.raises(exception.ImageUnacceptable, match="regular file"):
        driver.clone_image(backend.context, backend.volume(1), None, meta, images)


def test_an_image_larger_than_the_volume_is_refused(backend: Backend, pool: PoolUnderTest, tmp_path: Path) -> None:
    driver, images = backend.set_up(), ImageService()
    path = tmp_path / "large.vhd"
    subprocess.run(["qemu-img", "create", "-q", "-f", "vpc", "-o", "force_size=on", path, "2G"], check=True)
    with pool.nothing_left():
        volume = backend.made(1)
        with pytest.raises(exception.ImageUnacceptable, match="does not fit"):
            driver.copy_image_to_volume(backend.context, volume, images, images.add(path.read_bytes(), "vhd"))
        driver.delete_volume(volume)


def test_a_new_image_leaves_nothing_of_the_old_one(backend: Backend, pool: PoolUnderTest, tmp_path: Path) -> None:
    """Cinder says so when it puts another image on a volume."""
    driver, images = backend.set_up(), ImageService()
    with pool.nothing_left():
        volume = backend.made(1)
        driver.copy_image_to_volume(backend.context, volume, images, images.add(noise(6), "raw"))
        data = bytes(2 * MIB) + b"new".ljust(4096)
        driver.copy_image_to_volume(backend.context, volume, images, images.add(*image("vhd", data, tmp_path)), disable_sparse=True)
        assert backend.holds(volume, data)
        driver.delete_volume(volume)


def test_backup_and_restore(backend: Backend, pool: PoolUnderTest) -> None:
    """As cinder-backup does it, with os-brick's own connector; into a volume made for it, and over one that has content."""
    driver, images, data = backend.set_up(), ImageService(), noise(7)
    with pool.nothing_left():
        volume, new, used = (backend.made(1) for dummy in range(3))
        driver.copy_image_to_volume(backend.context, volume, images, images.add(data, "raw"))
        driver.copy_image_to_volume(backend.context, used, images, images.add(noise(8), "raw"))
        volume.status, new.status, used.status = "backing-up", "creating", "restoring-backup"
        with opened(driver, volume, "rb") as file:
            saved = file.read(SIZE)
            assert file.seek(0, io.SEEK_END) == GIB
        for target in (new, used):
            with opened(driver, target, "wb") as file:
                file.write(saved)
            assert backend.holds(target, data)
        for each in (volume, new, used):
            driver.delete_volume(each)
    nothing_spooled()


class opened:  # noqa: N801 - reads as a function
    """The volume as a file, until the end of the block."""

    def __init__(self, driver: object, volume: object, mode: str) -> None:
        self.driver, self.volume, self.mode = driver, volume, mode

    def __enter__(self) -> io.BufferedIOBase:
        from os_brick.initiator import connector

        given = self.driver.initialize_connection(self.volume, {})
        self.connector = connector.InitiatorConnector.factory(given["driver_volume_type"], None)
        self.file = open(self.connector.connect_volume(given["data"])["path"], self.mode)
        return self.file

    def __exit__(self, *_exc: object) -> None:
        self.file.close()
        self.driver.terminate_connection(self.volume, {})


def test_a_restore_whose_file_is_gone_fails(backend: Backend, pool: PoolUnderTest) -> None:
    driver = backend.set_up()
    volume = backend.made(1)
    volume.status = "restoring-backup"
    with pool.nothing_left():
        path = driver.initialize_connection(volume, {})["data"]["device_path"]
        Path(path).unlink()
        with pytest.raises(exception.VolumeBackendAPIException, match="Restore it again"):
            driver.terminate_connection(volume, {})
    driver.delete_volume(volume)


def test_the_dom0_plugin_is_asked_for_where_it_is_wanted(make_backend: Callable[..., Backend]) -> None:
    driver, images = make_backend(xenapi_image_transport="dom0").set_up(), ImageService()
    meta = images.show(None, images.add(noise(), "raw"))
    with pytest.raises(exception.VolumeBackendAPIException, match="Install it"):
        driver.clone_image(None, make_backend().volume(), None, meta, images)
