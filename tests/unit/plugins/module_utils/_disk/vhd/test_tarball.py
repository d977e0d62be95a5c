# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tarballs of VHDs become one disk, in whatever order the members come; what must not be in one is refused."""

from __future__ import annotations

import gzip
import io
import os
import shutil
import subprocess
import tarfile
import tracemalloc
from collections.abc import Iterator
from itertools import pairwise, permutations
from pathlib import Path
from random import Random

import pytest
import pyvhdi
from ansible_collections.xenstack.image_services.plugins.module_utils._core.errors import ImageServicesError
from ansible_collections.xenstack.image_services.plugins.module_utils._disk.vhd import chain as vhd_chain
from ansible_collections.xenstack.image_services.plugins.module_utils._disk.vhd.reader import VhdFile
from ansible_collections.xenstack.image_services.plugins.module_utils._disk.vhd.tarball import VhdTarball
from ansible_collections.xenstack.image_services.plugins.module_utils._disk.vhd.writer import VhdWriter
from ansible_collections.xenstack.image_services.tests.support.disks import MIB, build_vhd, content, cut, expected, refused, tarball_of, vhd_footer
from hypothesis import example, given, settings
from hypothesis import strategies as st

SIZE = 6 * MIB
Members = list[tuple[str, bytes]]


def member(depth: int, length: int, blocks: dict[int, dict[int, bytes]], size: int = SIZE) -> bytes:
    """The VHD of that depth in a chain of that length; 0 is the leaf."""
    base = depth == length - 1
    parent = bytes(16) if base else bytes([depth + 1]) * 16
    return build_vhd(size, blocks, kind=3 if base else 4, uuid=bytes([depth]) * 16, parent=parent)


CHAIN = [
    member(0, 3, {1: {0: b"leaf", 9: b""}}),
    member(1, 3, {1: {0: b"hidden", 9: b"hidden", 1: b"middle"}, 2: {4095: b"middle's end"}}),
    member(2, 3, {0: {0: b"base"}, 1: {0: b"hidden", 1: b"hidden", 2: b"base"}, 2: {4095: b"hidden", 0: b"base"}}),
]
RESOLVED = expected(
    SIZE,
    [
        (2 * MIB, b"leaf"),
        (2 * MIB + 512, b"middle"),
        (SIZE - 512, b"middle's end"),
        (0, b"base"),
        (2 * MIB + 1024, b"base"),
        (4 * MIB, b"base"),
    ],
)


def read(data: bytes, spool_dir: Path | None = None) -> dict[int, bytes]:
    disk = VhdTarball(cut(data), "image", None if spool_dir is None else str(spool_dir))
    return content(disk.blocks(), disk.virtual_size)


def why(data: bytes) -> pytest.ExceptionInfo[ImageServicesError]:
    with pytest.raises(ImageServicesError) as excinfo:
        read(data)
    return excinfo


@pytest.mark.parametrize("order", list(permutations(range(3))), ids=str)
def test_a_chain_is_one_disk_in_any_order(tmp_path: Path, order: tuple[int, ...]) -> None:
    assert read(tarball_of([(f"{number}.vhd", CHAIN[number]) for number in order]), tmp_path) == RESOLVED
    assert not list(tmp_path.iterdir())


def test_libvhdi_makes_the_same_disk_of_the_chain(tmp_path: Path) -> None:
    def pages(what: bytes, *numbers: int) -> dict[int, bytes]:
        return {number * 8 + sector: what for number in numbers for sector in range(8)}

    chain = [
        member(0, 3, {1: pages(b"leaf", 0, 9) | pages(b"", 4)}),
        member(1, 3, {1: pages(b"middle", 0, 1, 4), 2: pages(b"middle", 511)}),
        member(2, 3, {0: pages(b"base", 0), 1: pages(b"base", 0, 1, 2, 4, 9), 2: pages(b"base", 3, 511)}),
    ]
    files = []
    for number, vhd in enumerate(chain):
        # libvhdi does not look at the marks of a base, and of a child it looks at those of eight sectors together; Dom0 looks at each.
        (tmp_path / f"{number}.vhd").write_bytes(vhd.replace(b"\xee" * 512, bytes(512)))
        files.append(pyvhdi.file())
        files[number].open(str(tmp_path / f"{number}.vhd"))
    for child, parent in pairwise(files):
        child.set_parent(parent)
    data = files[0].read_buffer_at_offset(SIZE, 0)
    for file in files:
        file.close()
    assert content([(0, data)], SIZE) == read(tarball_of([(f"{number}.vhd", vhd) for number, vhd in enumerate(chain)]))


def test_zeros_at_the_end_of_what_is_kept_stay(tmp_path: Path) -> None:
    data = tarball_of([("1.vhd", CHAIN[2]), ("0.vhd", build_vhd(SIZE, {1: {0: b"leaf"}}, kind=4, uuid=b"L" * 16, parent=b"\2" * 16))])
    end = data.index(CHAIN[2]) + len(CHAIN[2])
    disk = VhdTarball([data[: end - 100], data[end - 100 : end], data[end:]], "image", str(tmp_path))
    assert content(disk.blocks(), SIZE)[2 * MIB].startswith(b"leaf".ljust(512, b"\0") + b"hidden")


def test_the_leaf_first_is_read_with_nothing_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_args: object, **_options: object) -> None:
        raise AssertionError("a file was made")

    monkeypatch.setattr("tempfile.TemporaryFile", fail)
    assert read(tarball_of([(f"{number}.vhd", vhd) for number, vhd in enumerate(CHAIN)])) == RESOLVED


def test_what_is_kept_is_given_up_when_reading_stops(tmp_path: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    disk = VhdTarball(cut(tarball_of([(f"{number}.vhd", CHAIN[number]) for number in (2, 1, 0)])), "image", str(tmp_path))
    blocks = disk.blocks()
    next(blocks)
    assert len(os.listdir("/proc/self/fd")) > before
    blocks.close()  # type: ignore[attr-defined]
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize("compression", ["none", "gzip", "xz", "zstd"])
@pytest.mark.parametrize("form", ["gnu", "pax", "ustar", "v7"])
def test_tarballs_of_tar_itself(tmp_path: Path, form: str, compression: str) -> None:
    tar = shutil.which("tar")
    assert tar
    for number, vhd in enumerate(CHAIN):
        (tmp_path / f"{number}.vhd").write_bytes(vhd)
    data = subprocess.run([tar, f"--format={form}", "-c", "."], cwd=tmp_path, capture_output=True, check=True).stdout
    if compression != "none":
        data = subprocess.run([compression, "-1", "-c"], input=data, capture_output=True, check=True).stdout
    assert read(data) == RESOLVED


# Of a block: some sectors, all of them, or a part that others can make whole.
SECTORS = st.one_of(
    st.dictionaries(st.integers(0, 4095), st.binary(min_size=1, max_size=4), max_size=20),
    st.builds(dict.fromkeys, st.sampled_from([range(4096), range(2048), range(2048, 4096)]), st.binary(min_size=1, max_size=4)),
)


@settings(max_examples=25)
@given(st.lists(st.dictionaries(st.integers(0, 2), SECTORS, max_size=3), min_size=1, max_size=4), st.randoms())
@example(
    [{0: {1: b"a"}, 1: {2: b"b"}}, {0: dict.fromkeys(range(4096), b"c")}, {1: dict.fromkeys(range(4096), b"d"), 2: {5: b"e"}}, {2: {5: b"f", 6: b"g"}}],
    Random(1),
)
def test_the_nearest_to_the_leaf_is_seen(chain: list[dict[int, dict[int, bytes]]], chooser: object) -> None:
    members = [(f"{depth}.vhd", member(depth, len(chain), blocks)) for depth, blocks in enumerate(chain)]
    chooser.shuffle(members)  # type: ignore[attr-defined]
    writes = {}
    for blocks in reversed(chain):
        for index, sectors in blocks.items():
            for sector, what in sectors.items():
                writes[index * 4096 + sector] = what
    assert read(tarball_of(members)) == expected(SIZE, [(sector * 512, what) for sector, what in writes.items()])


def test_where_data_lies_is_known_of_a_disk_without_parents() -> None:
    alone = VhdTarball(cut(tarball_of([("0.vhd", member(0, 1, {2: {0: b"two"}, 0: {0: b"zero"}}))])), "image")
    assert not alone.ordered
    again = b"".join(VhdWriter(alone))
    assert content(VhdFile(io.BytesIO(again), "again").blocks(), SIZE) == expected(SIZE, [(4 * MIB, b"two"), (0, b"zero")])
    chain = VhdTarball(cut(tarball_of([(f"{number}.vhd", vhd) for number, vhd in enumerate(CHAIN)])), "image")
    with pytest.raises(ImageServicesError) as excinfo:
        list(chain.extents())
    refused(excinfo, "its disk has parents")
    chain.close()


def test_a_parent_of_another_size_shows_what_fits() -> None:
    leaf = member(0, 2, {0: {0: b"leaf"}}, size=3 * MIB)
    base = member(1, 2, {1: {0: b"seen", 4095: b"beyond"}}, size=4 * MIB)
    assert content(VhdTarball(cut(tarball_of([("0.vhd", leaf), ("1.vhd", base)])), "image").blocks(), 3 * MIB) == expected(
        3 * MIB, [(0, b"leaf"), (2 * MIB, b"seen")]
    )


def test_a_fixed_vhd_is_read_alone_and_as_a_base() -> None:
    data = (b"fixed" * MIB)[: 2 * MIB]
    fixed = data + vhd_footer(2 * MIB, kind=2, uuid=b"\1" * 16, data_offset=2**64 - 1)
    assert read(tarball_of([("0.vhd", fixed)])) == expected(2 * MIB, [(0, data)])
    leaf = member(0, 2, {0: {0: b"leaf"}}, size=2 * MIB)
    assert read(tarball_of([("0.vhd", leaf), ("1.vhd", fixed)])) == expected(2 * MIB, [(0, data), (0, b"leaf".ljust(512, b"\0"))])
    other = data + vhd_footer(2 * MIB, kind=2, uuid=b"X" * 16, data_offset=2**64 - 1)
    refused(why(tarball_of([("0.vhd", leaf), ("1.vhd", other)])), "1.vhd is not the parent that 0.vhd names")


@pytest.mark.parametrize("names", [["any-name.vhd"], ["./0.vhd"], ["image.vhd", "snap.vhd", "base.vhd"], ["swap.vhd", "0.vhd"], ["manifest", "0.vhd", "notes"]])
def test_names_of_older_images(names: list[str]) -> None:
    chain = {"snap.vhd": CHAIN[0], "image.vhd": CHAIN[1], "base.vhd": CHAIN[2]}
    alone = member(0, 1, {0: {0: b"alone"}})
    members = [(name, chain.get(name, alone if name.endswith(".vhd") else b"text")) for name in names]
    assert read(tarball_of(members)) == (RESOLVED if "base.vhd" in names else expected(SIZE, [(0, b"alone")]))


BASE = member(0, 1, {})
WRONG: dict[str, tuple[Members, str]] = {
    "nothing": ([], "holds no VHD"),
    "no leaf": ([("1.vhd", CHAIN[1]), ("2.vhd", CHAIN[2])], "holds no 0.vhd"),
    "no base": ([("0.vhd", CHAIN[0]), ("1.vhd", CHAIN[1])], "there is no 2.vhd"),
    "gap": ([("0.vhd", CHAIN[0]), ("2.vhd", CHAIN[2])], "the chain has a gap: there is 2.vhd, but no 1.vhd"),
    "gap behind a whole disk": ([("0.vhd", BASE), ("2.vhd", CHAIN[2])], "the chain has a gap"),
    "twice": ([("0.vhd", CHAIN[0]), ("./0.vhd", CHAIN[0])], "0.vhd twice"),
    "a whole disk with a parent": ([("0.vhd", BASE), ("1.vhd", BASE)], "is a complete disk, and yet 1.vhd follows"),
    "another parent": ([("0.vhd", CHAIN[0]), ("1.vhd", CHAIN[2])], "1.vhd is not the parent that 0.vhd names"),
    "loop": (
        [(f"{number}.vhd", build_vhd(SIZE, {}, kind=4, uuid=bytes([1 + number % 2]) * 16, parent=bytes([2 - number % 2]) * 16)) for number in range(3)],
        "goes round in a loop",
    ),
    "its own parent": ([(f"{number}.vhd", build_vhd(SIZE, {}, kind=4, uuid=b"S" * 16, parent=b"S" * 16)) for number in range(2)], "loop"),
    "a raw parent": ([("0.vhd", build_vhd(SIZE, {}, kind=4, parent=bytes(16))), ("1.vhd", BASE)], "only what differs from a raw disk"),
    "too long": ([("30.vhd", BASE)], "longer than 30"),
    "absolute": ([("/0.vhd", BASE)], "outside of the tarball's own directory"),
    "traversal": ([("../0.vhd", BASE)], "outside of the tarball's own directory"),
    "traversal inside": ([("a/../../0.vhd", BASE)], "outside of the tarball's own directory"),
    "large other": ([("0.txt", bytes(2 * MIB)), ("0.vhd", BASE)], "no VHD of a chain"),
    "in a directory": ([("sub/0.vhd", BASE * 300)], "no VHD"),
    "no VHD inside": ([("0.vhd", b"x" * 1000)], "begins as no dynamic VHD"),
    "two of any name": ([("a.vhd", BASE), ("b.vhd", BASE)], "several VHDs"),
    "any name and a number": ([("a.vhd", BASE), ("1.vhd", BASE)], "several VHDs"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_tarball_is_refused_with_the_cause(case: str) -> None:
    members, words = WRONG[case]
    refused(why(tarball_of(members)), words)


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE, tarfile.GNUTYPE_SPARSE, b"Z"])
def test_links_and_devices_are_refused(kind: bytes) -> None:
    entry = tarfile.TarInfo("0.vhd")
    entry.type, entry.linkname = kind, "/etc/shadow"
    refused(why(entry.tobuf() + tarball_of([("0.vhd", BASE)])), "'0.vhd' is ", "not followed")


def test_extended_headers_are_honoured_and_bounded() -> None:
    entry = tarfile.TarInfo("short")
    entry.size, entry.pax_headers = len(BASE), {"path": "0.vhd", "size": str(len(BASE))}
    padded = BASE + bytes(-len(BASE) % 512)
    assert read(entry.tobuf(tarfile.PAX_FORMAT) + padded + bytes(1024)) == {}
    entry.pax_headers = {"path": "../0.vhd"}
    refused(why(entry.tobuf(tarfile.PAX_FORMAT) + padded + bytes(1024)), "outside")
    entry.pax_headers = {"comment": "x" * 100_000}
    refused(why(entry.tobuf(tarfile.PAX_FORMAT) + padded + bytes(1024)), "65536 is the most")
    entry.pax_headers = {"size": "9" * 30}
    refused(why(entry.tobuf(tarfile.PAX_FORMAT) + padded + bytes(1024)), "no number")
    entry.pax_headers = {"GNU.sparse.major": "1"}
    refused(why(entry.tobuf(tarfile.PAX_FORMAT) + padded + bytes(1024)), "sparse")
    long = tarfile.TarInfo("./" * 100 + "0.vhd")
    long.size = len(BASE)
    assert read(long.tobuf(tarfile.GNU_FORMAT) + padded + bytes(1024)) == {}


@pytest.mark.parametrize("part", [0.0, 0.2, 0.5, 0.9, 0.999])
@pytest.mark.parametrize("compressed", [False, True], ids=["plain", "gzip"])
def test_a_cut_tarball_is_refused(part: float, compressed: bool) -> None:
    data = tarball_of([(f"{number}.vhd", vhd) for number, vhd in enumerate(CHAIN)])
    data = data.rstrip(b"\0")
    whole = gzip.compress(data + bytes(1024), 1) if compressed else data
    excinfo = why(whole[: int(len(whole) * part)])
    refused(excinfo, "read VHD")
    assert any(words in str(excinfo.value) for words in ("cut off", "ends", "end", "broken"))


def test_data_after_the_end_is_refused() -> None:
    refused(why(tarball_of([("0.vhd", BASE)]) + bytes(65 * MIB)), "something else follows")


def test_a_tarball_without_room_for_what_comes_early_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ImageServicesError) as excinfo:
        read(tarball_of([("1.vhd", CHAIN[1]), ("0.vhd", CHAIN[0])]), tmp_path / "missing")
    refused(excinfo, "cannot be kept in", "missing", "Make room")


def bomb(length: int) -> Iterator[bytes]:
    """A VHD entry of that length in a gzip stream that grows a thousandfold."""
    entry = tarfile.TarInfo("0.vhd")
    entry.size = length
    head = entry.tobuf(tarfile.GNU_FORMAT) + vhd_footer(2 * MIB)
    yield gzip.compress(head)
    zeros = gzip.compress(bytes(16 * MIB))
    while True:
        yield zeros


@pytest.mark.parametrize("length", [2 * MIB, 1024 * 1024 * MIB, 2**60], ids=["little", "1 TiB", "1 EiB"])
def test_a_bomb_is_refused_in_little_memory(length: int) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(ImageServicesError) as excinfo:
            list(VhdTarball(bomb(length), "image").blocks())
        assert tracemalloc.get_traced_memory()[1] < 32 * MIB
    finally:
        tracemalloc.stop()
    refused(excinfo, "read VHD")


def test_the_place_of_a_map_that_is_no_longer_needed_is_used_once() -> None:
    covered, block = vhd_chain.Covered(10 * MIB, None), 2 * MIB
    for start in range(2):
        for half in range(2):
            assert list(covered.claim((start * block + half * MIB, MIB))) == [(start * block + half * MIB, MIB)]
    for start in (2, 3, 4):
        assert list(covered.claim((start * block, start * 512))) == [(start * block, start * 512)]
    for start in (2, 3, 4):
        assert list(covered.claim((start * block, block))) == [(start * block + start * 512, block - start * 512)]
    assert not list(covered.claim((0, 10 * MIB)))
    covered.close()


def test_maps_of_sectors_beyond_memory_go_to_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(vhd_chain, "_MAX_MAPS", 1024)
    members = [
        ("0.vhd", member(0, 2, {index: {index: b"leaf"} for index in range(8)}, size=16 * MIB)),
        ("1.vhd", member(1, 2, {index: {index: b"hidden", 4000: b"base"} for index in range(8)}, size=16 * MIB)),
    ]
    writes = [(index * 2 * MIB + sector * 512, what) for index in range(8) for sector, what in ((index, b"leaf"), (4000, b"base"))]
    assert read(tarball_of(members), tmp_path) == expected(16 * MIB, writes)
