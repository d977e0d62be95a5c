# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images from elsewhere are hostile: each ends in a sentence, and nothing of it reaches the SR."""

from __future__ import annotations

import base64
import gzip
import struct
import tarfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.xenstack.image_services.tests.support import hostile
from ansible_collections.xenstack.image_services.tests.support.disks import MIB, build_vhd, summed, tarball_of
from ansible_collections.xenstack.image_services.tests.support.dom0 import Dom0, pythons, run_inside
from ansible_collections.xenstack.image_services.tests.support.glance_double import GlanceDouble

SIZE = 6 * MIB
HOSTILE: list[tuple[Callable[[Path], Path], str, str]] = [
    (hostile.chain_gap, "vhd tarball", "The chain has a gap: there is 2.vhd, but no 1.vhd."),
    (hostile.chain_loop, "vhd tarball", "the chain goes round in a loop"),
    (hostile.links, "vhd tarball", "is a symbolic link, which is not followed"),
    (hostile.outside, "vhd tarball", "outside of the tarball's own directory"),
    (hostile.truncated("qcow2"), "vhd", "The footer of The image is missing"),
    (hostile.truncated("vhd"), "vhd", "does not consist of whole sectors: it is cut off"),
    (hostile.truncated_chain, "vhd tarball", "it is cut off"),
    (hostile.lying_size, "vhd", "lies beyond its end"),
    (hostile.cut_gzip, "vhd tarball", ""),
    (hostile.lone_child, "vhd", "holds only what differs from its parent"),
    (hostile.backed, "vhd", "The footer of The image is missing"),
    (hostile.flat_vmdk, "vhd", ""),
    (hostile.hidden_flat_vmdk, "vhd tarball", "is no tarball"),
]


def test_hostile_images_end_in_a_sentence(dom0: Dom0, glance: GlanceDouble, tmp_path: Path) -> None:
    assert len(HOSTILE) == 13
    for make, form, words in HOSTILE:
        image = glance.put("hostile", make(tmp_path).read_bytes())
        assert words in dom0.refused_download("IMAGESTORE_BAD_IMAGE", image, glance.source("hostile"), form=form)


def test_a_tarball_larger_than_the_sr_is_refused_before_it_comes(dom0: Dom0, glance: GlanceDouble) -> None:
    entry = tarfile.TarInfo("0.vhd")
    entry.size = 1 << 60
    data = gzip.compress(entry.tobuf(tarfile.GNU_FORMAT) + bytes(20 * MIB))
    sentence = dom0.refused_download("IMAGESTORE_NO_SPACE", glance.put("bomb", data), glance.source("bomb"))
    assert f"The image needs {1 << 60} bytes." in sentence


# One process for each Python takes them all.

TAKE = """
import base64, os, shutil, tempfile
import chain, failures, members, unpacking
class Source(object):
    def __init__(self, data):
        self.data = data
    def read(self, count):
        data, self.data = self.data[:count], self.data[count:]
        return data
def take(data, form):
    folder = tempfile.mkdtemp()
    try:
        found = {}
        if form == "vhd":
            found[0] = members.receive(Source(data).read, os.path.join(folder, "0"), "The image", len(data))
        else:
            tarball = unpacking.Tarball(Source(data).read)
            for number, size in tarball:
                found[number] = members.receive(tarball.some, os.path.join(folder, str(number)), "%d.vhd" % number, size)
        return len(chain.check(found))
    except failures.Failure as error:
        assert error.code == "IMAGESTORE_BAD_IMAGE" and len(error.sentence) < 300, error.sentence
        return error.sentence
    finally:
        shutil.rmtree(folder)
"""
MANY = TAKE + "members.LEFTOVER = 1 << 20\nresult = [take(base64.b64decode(data), form) for data, form in given]\n"


def member(depth: int, length: int, size: int = SIZE) -> bytes:
    base = depth == length - 1
    return build_vhd(size, {depth: {0: b"x"}}, kind=3 if base else 4, uuid=bytes([depth]) * 16, parent=bytes(16) if base else bytes([depth + 1]) * 16)


CHAIN = [member(number, 3) for number in range(3)]
BASE = member(0, 1)


def odd(kind: bytes) -> bytes:
    entry = tarfile.TarInfo("0.vhd")
    entry.type, entry.linkname = kind, "/etc/shadow"
    return entry.tobuf() + tarball_of([("0.vhd", BASE)])


def extended(size: int = len(BASE), **headers: str) -> bytes:
    entry = tarfile.TarInfo("0.vhd")
    entry.size, entry.pax_headers = size, {name.replace("_", "."): value for name, value in headers.items()}
    return entry.tobuf(tarfile.PAX_FORMAT) + BASE + bytes(-len(BASE) % 512) + bytes(1024)


def changed(data: bytes, at: int, what: bytes, sum_at: int | None = None, length: int = 512) -> bytes:
    """The VHD with other bytes there, and with the checksum of the structure that begins at `sum_at` right again."""
    made = data[:at] + what + data[at + len(what) :]
    if sum_at is not None:
        made = made[:sum_at] + summed(made[sum_at : sum_at + length], 64 if length == 512 else 36) + made[sum_at + length :]
    return made


ALL = [("0.vhd", CHAIN[0]), ("1.vhd", CHAIN[1]), ("2.vhd", CHAIN[2])]
WRONG: dict[str, tuple[bytes, str, str]] = {
    "nothing": (tarball_of([]), "tar", "holds no VHD"),
    "no bytes": (b"", "tar", "cut off"),
    "no leaf": (tarball_of(ALL[1:]), "tar", "holds no 0.vhd"),
    "no base": (tarball_of(ALL[:2]), "tar", "there is no 2.vhd"),
    "twice": (tarball_of([ALL[0], ("./0.vhd", CHAIN[0])]), "tar", "0.vhd twice"),
    "a whole disk with a parent": (tarball_of([("0.vhd", BASE), ("1.vhd", BASE)]), "tar", "is a complete disk, and yet 1.vhd follows"),
    "a whole disk on another": (tarball_of([("0.vhd", CHAIN[2]), ("1.vhd", BASE)]), "tar", "is a complete disk, and yet 1.vhd follows"),
    "another parent": (tarball_of([ALL[0], ("1.vhd", CHAIN[2])]), "tar", "1.vhd is not the parent that 0.vhd names"),
    "too long": (tarball_of([("30.vhd", BASE)]), "tar", "longer than 30"),
    "absolute": (tarball_of([("/0.vhd", BASE)]), "tar", "outside"),
    "traversal inside": (tarball_of([("a/../../0.vhd", BASE)]), "tar", "outside"),
    "large other": (tarball_of([("0.txt", bytes(2 * MIB)), ("0.vhd", BASE)]), "tar", "no VHD of a chain"),
    "two of any name": (tarball_of([("a.vhd", BASE), ("b.vhd", BASE)]), "tar", "several VHDs"),
    "any name and a number": (tarball_of([("a.vhd", BASE), ("1.vhd", BASE)]), "tar", "several VHDs"),
    **{f"type {kind!r}": (odd(kind), "tar", "") for kind in (b"1", b"2", b"3", b"4", b"6", b"S", b"Z")},
    "pax outside": (extended(path="../0.vhd"), "tar", "outside"),
    "pax too long": (extended(comment="x" * 100_000), "tar", "65536 is the most"),
    "pax sparse": (extended(GNU_sparse_major="1"), "tar", "sparse"),
    "after the end": (tarball_of([("0.vhd", BASE)]) + bytes(1024) + b"x", "tar", "something else follows"),
    "broken gzip": (gzip.compress(tarball_of(ALL))[:-4] + b"\0\0\0\0", "tar", "gzip data of the image is broken"),
    "cut gzip": (gzip.compress(tarball_of(ALL))[:-4], "tar", "cut off"),
    "xz": (b"\xfd7zXZ\0" + bytes(1000), "tar", "otherwise than by gzip"),
    "footer checksum": (changed(BASE, 100, b"x"), "vhd", "wrong checksum"),
    "header checksum": (changed(BASE, 600, b"x"), "vhd", "wrong checksum"),
    "no end and too short": (BASE[:-1024], "vhd", "lies beyond its end"),
    "another end": (changed(BASE, len(BASE) - 512 + 70, b"x", len(BASE) - 512), "vhd", "footers at both ends"),
    "overlap": (changed(member(0, 1), 1540, struct.pack(">I", 5)), "vhd", "overlap"),
    "in the tables": (changed(BASE, 1536, struct.pack(">I", 1)), "vhd", "one is in its tables"),
    "size": (changed(BASE, 48, struct.pack(">Q", 1 << 60), 0), "vhd", "2040 GiB at most"),
    "type": (changed(BASE, 60, struct.pack(">I", 2), 0), "vhd", "of the type 2"),
    "block size": (changed(BASE, 512 + 32, struct.pack(">I", 512), 512, 1024), "vhd", "blocks of 512 bytes"),
    "entries": (changed(BASE, 512 + 28, struct.pack(">I", 1), 512, 1024), "vhd", "too few"),
    "far tables": (changed(BASE, 512 + 16, struct.pack(">Q", 1 << 62), 512, 1024), "vhd", "are not at its beginning"),
    "leftovers": (BASE[:-512] + bytes(2 * MIB) + BASE[-512:], "vhd", "more bytes than its table"),
}


@pytest.mark.parametrize("version", pythons())
def test_what_is_wrong_is_told(version: str) -> None:
    given = [(base64.b64encode(data).decode(), form) for data, form, _words in WRONG.values()]
    found = run_inside(pythons()[version], MANY, given)
    missed = {name: said for (name, (_data, _form, words)), said in zip(WRONG.items(), found, strict=True) if not isinstance(said, str) or words not in said}
    assert missed == {}


GOOD: dict[str, tuple[bytes, str]] = {
    "any order": (tarball_of(ALL[::-1]), "tar"),
    "old names": (tarball_of([("image.vhd", CHAIN[1]), ("snap.vhd", CHAIN[0]), ("base.vhd", CHAIN[2])]), "tar"),
    "gnu": (tarball_of(ALL, tarfile.GNU_FORMAT), "tar"),
    "ustar": (tarball_of(ALL, tarfile.USTAR_FORMAT), "tar"),
    "several members of gzip and padding": (gzip.compress(tarball_of(ALL)[:5000]) + gzip.compress(tarball_of(ALL)[5000:]) + bytes(512), "tar"),
}


@pytest.mark.parametrize("version", pythons())
def test_what_is_right_in_another_way_is_taken(version: str) -> None:
    given = [(base64.b64encode(data).decode(), form) for data, form in GOOD.values()]
    assert run_inside(pythons()[version], MANY, given) == [3] * len(GOOD)


BOMB = TAKE + """
import resource, zlib
resource.setrlimit(resource.RLIMIT_AS, (400 << 20, 400 << 20))
class Endless(object):
    def __init__(self):
        self.parts = [base64.b64decode(each) for each in given]
    def read(self, count):
        data = self.parts[0][:count]
        if len(self.parts) > 1 and not self.parts[0][count:]:
            self.parts.pop(0)
        elif len(self.parts) > 1:
            self.parts[0] = self.parts[0][count:]
        return data
tarball = unpacking.Tarball(Endless().read)
try:
    for number, size in tarball:
        folder = tempfile.mkdtemp()
        try:
            members.receive(tarball.some, os.path.join(folder, "0"), "0.vhd", size)
        finally:
            shutil.rmtree(folder)
    result = "taken"
except failures.Failure as error:
    result = error.sentence
"""


@pytest.mark.parametrize("version", pythons())
def test_a_bomb_is_refused_in_little_memory(version: str) -> None:
    """A thousandfold of zeros behind a right beginning."""
    entry = tarfile.TarInfo("0.vhd")
    entry.size = 200 * MIB
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    parts = [packer.compress(entry.tobuf(tarfile.GNU_FORMAT) + build_vhd(2 * MIB, {})[:4096]) + packer.flush(zlib.Z_FULL_FLUSH)]
    parts.append(packer.compress(bytes(16 * MIB)) + packer.flush(zlib.Z_FULL_FLUSH))
    given = [base64.b64encode(part).decode() for part in parts]
    assert "more bytes than its table" in run_inside(pythons()[version], BOMB, given)


FUZZ = TAKE + """
import random, time
good = [(base64.b64decode(data), form) for data, form in given["good"]]
chooser, until, tried = random.Random(given["seed"]), time.time() + given["seconds"], 0
result = {"taken": 0, "refused": 0}
while time.time() < until or tried < 50:
    data, form = chooser.choice(good)
    data = bytearray(data)
    for dummy in range(chooser.randint(1, 6)):
        # Where the structures are: in the first KiB of each entry, and at the end.
        at = chooser.choice([chooser.randrange(4096), chooser.randrange(len(data)), len(data) - 1 - chooser.randrange(1024)]) % len(data)
        kind = chooser.randrange(4)
        if kind == 0:
            data[at] = chooser.choice([0, 255, 48, 55, chooser.randrange(256)])
        elif kind == 1:
            data[at : at + 8] = bytearray(chooser.choice([0, 255, chooser.randrange(256)]) for dummy in range(8))
        elif kind == 2:
            del data[at : at + chooser.choice([1, 511, 512, 5000])]
        else:
            data[at:at] = data[: chooser.choice([1, 512, 1024])]
        if not data:
            data = bytearray(b"x")
    said = take(bytes(data), form)
    result["taken" if isinstance(said, int) else "refused"] += 1
    tried += 1
"""


@pytest.mark.parametrize("version", pythons())
def test_damage_of_any_kind_ends_in_a_sentence(version: str) -> None:
    """Any other exception ends the process with a traceback, which fails here."""
    small = [
        tarball_of(
            [
                (f"{number}.vhd", build_vhd(2 * MIB, {}, kind=4 if number < 2 else 3, uuid=bytes([number]) * 16, parent=bytes([number + 1]) * 16))
                for number in range(3)
            ]
        )
    ]
    gnu = tarball_of([("0.vhd", build_vhd(2 * MIB, {}))], tarfile.GNU_FORMAT)
    good: list[Any] = [(data, "tar") for data in (small[0], gzip.compress(small[0]), gnu, extended(path="0.vhd"))]
    good.append((build_vhd(4 * MIB, {}), "vhd"))
    given = {"good": [(base64.b64encode(data).decode(), form) for data, form in good], "seed": 7, "seconds": 2}
    found = run_inside(pythons()[version], FUZZ, given)
    assert found["refused"] > 20
