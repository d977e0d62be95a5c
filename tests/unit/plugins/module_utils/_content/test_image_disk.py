# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The disk in an image for Xen: a fixed VHD is one however it comes, and nothing is a raw disk by mistake."""

from __future__ import annotations

import gzip
import random
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from ansible_collections.xenstack.image_services.plugins.module_utils._content.digest import digests_of
from ansible_collections.xenstack.image_services.plugins.module_utils._content.image_disk import ImageDisk
from ansible_collections.xenstack.image_services.plugins.module_utils._content.source import FileSource, Source
from ansible_collections.xenstack.image_services.plugins.module_utils._core.errors import ImageServicesError
from ansible_collections.xenstack.image_services.plugins.module_utils._disk.formats import HEAD_SIZE
from ansible_collections.xenstack.image_services.tests.support.disks import MIB, build_vhd, content, cut, partitioned, refused, vhd_footer

DISK = partitioned(random.Random(2).randbytes(3 * MIB + 512))
PLAIN = random.Random(3).randbytes(3 * MIB)
NO_OFFSET = 2**64 - 1

ENDS = ("seen", "not seen", "of unknown length")


def fixed(disk: bytes) -> bytes:
    return disk + vhd_footer(len(disk), kind=2, data_offset=NO_OFFSET)


class Remote:
    """A source as an address is one: its end and its length are known where the server tells them."""

    fingerprint = None
    label = "http://mirror/image"

    def __init__(self, data: bytes, end: str) -> None:
        self.data = data
        self.size = None if end == "of unknown length" else len(data)
        self._end = data[-512:] if end == "seen" else b""

    @property
    def origin(self) -> Source:
        return self

    def head(self) -> bytes:
        return self.data[:HEAD_SIZE]

    def tail(self) -> bytes:
        return self._end

    def blocks(self) -> Iterator[bytes]:
        return cut(self.data)

    def digests(self, algorithms: Iterable[str]) -> dict[str, str]:
        return digests_of(self.blocks(), algorithms)


def source(data: bytes, end: str, tmp_path: Path) -> Source:
    if end != "file":
        return Remote(data, end)
    path = tmp_path / "image"
    path.write_bytes(data)
    return FileSource(str(path))


def read(given: Source, disk_format: str | None = None, container: str | None = None) -> tuple[str, int, dict[int, bytes], list[str]]:
    with ImageDisk(given, disk_format, container) as image:
        found = content(image.disk.blocks(), image.disk.virtual_size)
        image.finish()
        return image.format, image.disk.virtual_size, found, image.warnings


@pytest.mark.parametrize("compressed", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize("end", ["file", *ENDS])
@pytest.mark.parametrize("disk_format", [None, "vhd", "raw"])
def test_a_fixed_vhd_is_the_disk_in_it_however_it_comes(tmp_path: Path, disk_format: str | None, end: str, compressed: bool) -> None:
    data = gzip.compress(fixed(DISK), 1) if compressed else fixed(DISK)
    given = source(data, end, tmp_path)
    if end == "not seen" and not compressed and disk_format != "vhd":
        # The disk has to be made before its end comes; never is it one with the footer in it.
        with pytest.raises(ImageServicesError) as excinfo:
            read(given, disk_format)
        refused(excinfo, "it is a fixed VHD", "Declare disk_format: vhd")
        return
    form, size, found, warnings = read(given, disk_format)
    assert (form, size) == ("vhd", len(DISK))
    assert found == content([(0, DISK)], len(DISK))
    assert bool(warnings) == (disk_format == "raw")
    assert all("is declared raw and is a fixed VHD" in warning for warning in warnings)


@pytest.mark.parametrize("end", ["file", *ENDS])
def test_a_fixed_vhd_without_any_mark_at_its_beginning(tmp_path: Path, end: str) -> None:
    given = source(fixed(PLAIN), end, tmp_path)
    assert read(given, "vhd")[:3] == ("vhd", len(PLAIN), content([(0, PLAIN)], len(PLAIN)))


@pytest.mark.parametrize("compressed", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize("end", ["file", *ENDS])
def test_what_only_looks_like_the_end_of_a_fixed_vhd_stays_in_a_raw_disk(tmp_path: Path, end: str, compressed: bool) -> None:
    # As where a fixed VHD was grown: the footer that was its end is of another disk.
    disk = DISK + vhd_footer(len(DISK) - 512, kind=2, data_offset=NO_OFFSET)
    given = source(gzip.compress(disk, 1) if compressed else disk, end, tmp_path)
    if end in ("file", "seen") and not compressed:
        with pytest.raises(ImageServicesError, match="VHD"):
            read(given)
        return
    assert read(given)[:3] == ("raw", len(disk), content([(0, disk)], len(disk)))


@pytest.mark.parametrize("end", ["file", *ENDS])
def test_what_shows_nothing_has_to_be_declared_raw(tmp_path: Path, end: str) -> None:
    given = source(PLAIN, end, tmp_path)
    with pytest.raises(ImageServicesError) as excinfo:
        read(given)
    refused(excinfo, "nothing in the data tells what it is", "declare disk_format: raw")
    assert read(given, "raw")[:2] == ("raw", len(PLAIN))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"<!DOCTYPE html><title>Log in</title>" * 100, "the data is a web page"),
        (b"PK\x03\x04" + PLAIN[4:], "the data is a zip archive"),
        (b"LUKS\xba\xbe" + PLAIN[6:], "the data is a LUKS volume"),
        (b"hsqs" + PLAIN[4:], "the data is a squashfs file system"),
        (b"COWD" + PLAIN[4:], "the data is a COWD disk of VMware"),
        (b"ova.xml".ljust(257, b"\0") + b"ustar" + PLAIN[262:], "the data is an XVA"),
    ],
)
@pytest.mark.parametrize("compressed", [False, True], ids=["plain", "gzip"])
def test_what_is_something_else_is_named(tmp_path: Path, data: bytes, words: str, compressed: bool) -> None:
    given = source(gzip.compress(data, 1) if compressed else data, "file", tmp_path)
    with pytest.raises(ImageServicesError) as excinfo:
        read(given)
    refused(excinfo, words, "declare disk_format: raw")
    assert read(given, "raw")[:3] == ("raw", len(data), content([(0, data)], len(data)))


def test_a_name_that_contradicts_is_refused_where_nothing_is_declared(tmp_path: Path) -> None:
    path = tmp_path / "debian.qcow2"
    path.write_bytes(DISK)
    with pytest.raises(ImageServicesError) as excinfo:
        read(FileSource(str(path)))
    refused(excinfo, "its name ends with .qcow2, and the data is a raw disk")
    assert read(FileSource(str(path)), "raw")[:2] == ("raw", len(DISK))


def test_a_missing_footer_is_a_warning_of_the_image(tmp_path: Path) -> None:
    data = build_vhd(6 * MIB, {0: {0: b"zero"}})[:-512]
    for end in ("file", *ENDS):
        form, size, _found, warnings = read(source(data, end, tmp_path))
        assert (form, size) == ("vhd", 6 * MIB)
        assert ["has no footer at its end" in warning for warning in warnings] == [True]


def test_a_raw_parent_has_a_sentence_of_its_own(tmp_path: Path) -> None:
    for end in ("file", *ENDS):
        with pytest.raises(ImageServicesError) as excinfo:
            read(source(build_vhd(6 * MIB, {}, kind=4, parent=bytes(16)), end, tmp_path))
        refused(excinfo, "its parent, which is a raw disk", "Export the complete disk")
