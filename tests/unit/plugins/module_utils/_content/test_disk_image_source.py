# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images that are made of a disk while they are sent: the bytes, their length, and the marks by which they are known again."""

from __future__ import annotations

import hashlib
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import UUID

import pytest
from ansible_collections.xenstack.image_services.plugins.module_utils._content.disk_image_source import DiskImageSource, ImageEncoding
from ansible_collections.xenstack.image_services.plugins.module_utils._disk.disk import Disk, RawDisk
from ansible_collections.xenstack.image_services.plugins.module_utils._disk.vhd.reader import VhdStream
from ansible_collections.xenstack.image_services.plugins.module_utils._disk.vhd.tarball import VhdTarball
from ansible_collections.xenstack.image_services.tests.support.disks import MIB, Writes, content, disks, expected, qemu_img, write_raw
from hypothesis import given, settings

UUIDS = UUID(int=7)


class Opener:
    """A disk in a file, opened anew each time; counts how often, and whether it was closed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.opened = self.closed = self.drained = 0

    @contextmanager
    def __call__(self) -> Iterator[Disk]:
        self.opened += 1
        try:
            with self.path.open("rb") as stream:
                yield RawDisk(stream, "disk")
            self.drained += 1
        finally:
            self.closed += 1


def made(path: Path, format: str, identity: str | None = None) -> tuple[DiskImageSource, Opener]:
    opener = Opener(path)
    return DiskImageSource("disk", ImageEncoding(format, UUIDS), opener, identity, {}), opener


@settings(max_examples=20)
@given(disks(most=64 * MIB))
def test_every_format_holds_the_disk(disk: tuple[int, Writes]) -> None:
    size, writes = disk
    with TemporaryDirectory() as directory:
        raw = write_raw(Path(directory, "disk.raw"), size, writes)
        for format, driver in (("raw", "raw"), ("qcow2", "qcow2"), ("vhd", "vpc")):
            source, _opener = made(raw, format)
            path = Path(directory, format)
            path.write_bytes(b"".join(source.blocks()))
            assert path.stat().st_size == source.size
            assert "identical" in qemu_img("compare", "-f", "raw", "-F", driver, raw, path)
            source.close()
        tarball, _opener = made(raw, "vhd_tarball")
        assert content(VhdTarball(tarball.blocks(), "disk").blocks(), size) == expected(size, writes)


def test_the_tarball_is_as_tar_reads_it(tmp_path: Path) -> None:
    raw = write_raw(tmp_path / "disk.raw", 5 * MIB + 512, [(MIB, b"x" * 1000)])
    source, _opener = made(raw, "vhd_tarball")
    path = tmp_path / "image"
    path.write_bytes(b"".join(source.blocks()))
    assert source.size is None
    assert path.read_bytes()[:10] == b"\x1f\x8b\x08\0\0\0\0\0\x04\x03", "without a name or a time"
    with tarfile.open(path, "r:gz") as tar:
        (member,) = tar.getmembers()
        assert (member.name, member.type, member.mode) == ("0.vhd", tarfile.REGTYPE, 0o644)
        file = tar.extractfile(member)
        assert file is not None
        data = file.read()
    vhd, _opener = made(raw, "vhd")
    assert data == b"".join(vhd.blocks())


@pytest.mark.parametrize("format", ["raw", "qcow2", "vhd", "vhd_tarball"])
def test_the_same_disk_makes_the_same_bytes_and_the_same_mark(tmp_path: Path, format: str) -> None:
    raw = write_raw(tmp_path / "disk.raw", 5 * MIB, [(MIB, b"x" * 1000)])
    first, opener = made(raw, format)
    assert first.fingerprint is None, "what it holds is not known before it was read"
    data = b"".join(first.blocks())
    assert first.digests(["sha256"]) == {"sha256": hashlib.sha256(data).hexdigest()}
    second, _opener = made(raw, format)
    second.read()
    assert second.fingerprint == first.fingerprint
    assert opener.opened == opener.closed == 2
    raw.write_bytes(raw.read_bytes()[:-1] + b"y")
    other, _opener = made(raw, format)
    other.read()
    assert other.fingerprint != first.fingerprint


def test_formats_and_disks_that_never_change_have_marks_of_their_own(tmp_path: Path) -> None:
    raw = write_raw(tmp_path / "disk.raw", MIB, [])
    marks = {made(raw, format, identity)[0].fingerprint for format in ("raw", "vhd") for identity in ("one", "two")}
    assert len(marks) == 4
    assert None not in marks


def test_to_ask_for_the_size_opens_the_disk_once(tmp_path: Path) -> None:
    raw = write_raw(tmp_path / "disk.raw", MIB, [(0, b"x")])
    source, opener = made(raw, "vhd")
    assert source.size == source.size == sum(map(len, source.blocks()))
    assert (opener.opened, opener.closed) == (1, 1)
    assert b"".join(source.blocks())
    assert (opener.opened, opener.closed) == (2, 2)
    unread, opener = made(raw, "qcow2")
    assert unread.size
    unread.close()
    assert (opener.opened, opener.closed, opener.drained) == (1, 1, 0)


def test_whoever_gives_up_lets_go_of_the_disk(tmp_path: Path) -> None:
    raw = write_raw(tmp_path / "disk.raw", 64 * MIB, [(0, b"x" * 64 * MIB)])
    source, opener = made(raw, "vhd")
    reading = source.blocks()
    next(reading)
    source.close()
    assert (opener.opened, opener.closed, opener.drained) == (1, 1, 0)
    again = source.blocks()
    assert next(again)
    assert opener.opened == 2
    third = b"".join(source.blocks())
    assert len(third) == source.size, "to read anew closes what was not read to its end"
    source.close()
    assert (opener.opened, opener.closed, opener.drained) == (3, 3, 1)


@settings(max_examples=20)
@given(disks(most=16 * MIB))
def test_the_mark_does_not_tell_how_the_disk_was_cut(disk: tuple[int, Writes]) -> None:
    """From a raw disk in pieces, and from a VHD with all of its blocks."""
    size, writes = disk
    with TemporaryDirectory() as directory:
        raw = write_raw(Path(directory, "disk.raw"), size, writes)
        plain, _opener = made(raw, "raw")
        plain.read()
        vhd = b"".join(made(raw, "vhd", "one")[0].blocks())

        @contextmanager
        def opened() -> Iterator[Disk]:
            yield VhdStream([vhd], "disk")

        through = DiskImageSource("disk", ImageEncoding("raw"), opened, None, {})
        through.read()
        assert through.fingerprint == plain.fingerprint
