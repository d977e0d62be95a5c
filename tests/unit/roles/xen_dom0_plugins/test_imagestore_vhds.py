# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""VHDs of any creator become Xen's own: of the size that was asked for, with the same content, and such that the host's tools take them further."""

from __future__ import annotations

import json
import shutil
import struct
import uuid
import xmlrpc.client
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.xenstack.image_services.plugins.module_utils._disk.vhd.tarball import VhdTarball
from ansible_collections.xenstack.image_services.tests.support.disks import MIB, build_vhd, content, qemu_img, summed, tarball_of, vhd_header, write_raw
from ansible_collections.xenstack.image_services.tests.support.dom0 import Dom0, install, pythons, run_inside
from ansible_collections.xenstack.image_services.tests.support.glance_double import GlanceDouble
from ansible_collections.xenstack.image_services.tests.support.sweep import sample
from ansible_collections.xenstack.image_services.tests.support.vhd_judge import BLOCK, check_grows, check_own, tool, vhd_util
from ansible_collections.xenstack.image_services.tests.support.xapi import PoolUnderTest

ODD = 40 * MIB + 1536
# Behind the end of the disk, in its last block: no growth may show it.
BEHIND = b"what nobody may see"


def one(size: int, **more: Any) -> bytes:
    """Data at the start and in the last sector, and behind the end where the last block reaches over it."""
    last = (size - 1) // BLOCK
    blocks: dict[int, dict[int, bytes]] = {last: {}, 0: {}}
    blocks[last].update({(size - 1) % BLOCK // 512: b"the end"})
    blocks[last].update({sector: BEHIND for sector in range(size % BLOCK // 512, 4096) if size % BLOCK})
    blocks[0][0] = b"the start"
    return build_vhd(size, blocks, **more)


def told(size: int) -> dict[int, bytes]:
    """What one() holds."""
    page = bytearray(4096)
    found = {}
    for offset, text in ((0, b"the start"), (size - 512, b"the end")):
        page = bytearray(found.get(offset // 4096 * 4096, bytes(4096)))
        page[offset % 4096 : offset % 4096 + len(text)] = text
        found[offset // 4096 * 4096] = bytes(page)
    return found


def with_footer(data: bytes, **fields: tuple[int, bytes]) -> bytes:
    """Both footers with other fields: {name: (offset, bytes)}."""
    footer = bytearray(data[:512])
    for at, what in fields.values():
        footer[at : at + len(what)] = what
    sealed = summed(bytes(footer), 64)
    return sealed + data[512:-512] + sealed


def more_entries(size: int) -> bytes:
    """A table that reaches beyond the disk, with a block there."""
    data = bytearray(build_vhd(size + 6 * MIB, {0: {0: b"the start"}, (size + 5 * MIB) // BLOCK: {0: BEHIND}}))
    sizes = struct.pack(">QQ", size, size)
    return with_footer(bytes(data), sizes=(40, sizes))


def endless(size: int) -> bytes:
    """A table that claims to end far behind the file."""
    data = one(size)
    return data[:512] + vhd_header(0xFFFFFFF0) + data[1536:]


def of_qemu(folder: Path, size: int) -> bytes:
    raw = write_raw(folder / "raw", size, [(0, b"the start"), (size - 512, b"the end")])
    qemu_img("convert", "-f", "raw", "-O", "vpc", "-o", "force_size=on", raw, folder / "qemu.vhd")
    return (folder / "qemu.vhd").read_bytes()


def chain(size: int) -> list[bytes]:
    ids = [bytes([number]) * 16 for number in range(1, 4)]
    leaf = build_vhd(size, {1: {1: b"leaf"}}, kind=4, uuid=ids[0], parent=ids[1])
    return [leaf, one(size, kind=4, uuid=ids[1], parent=ids[2]), one(size, uuid=ids[2])]


@dataclass(frozen=True)
class Case:
    members: list[bytes]
    size: int
    asked: int
    warned: bool = False
    # Of the content, where it is not told(size).
    also: tuple[tuple[int, bytes], ...] = ()
    end: bool = True


# The files that came of each case, leaf first, and the warnings.
Relinked = dict[str, tuple[Case, list[Path], list[str]]]


def cases(folder: Path) -> dict[str, Case]:
    return {
        "smaller than a block": Case([one(4608)], 4608, 0),
        "grows by many": Case([one(ODD)], ODD, 100 * MIB),
        "grows by one": Case([one(ODD)], ODD, 42 * MIB),
        "a sector more than even": Case([one(2048 * MIB + 512)], 2048 * MIB + 512, 2051 * MIB),
        "even": Case([one(40 * MIB)], 40 * MIB, 100 * MIB),
        "as it is": Case([one(40 * MIB)], 40 * MIB, MIB),
        "of qemu": Case([of_qemu(folder, 40 * MIB)], 40 * MIB, 100 * MIB),
        "of Windows": Case([with_footer(one(ODD), creator=(28, b"win \0\x0a\0\0Wi2k"))], ODD, 100 * MIB),
        "of an old Xen": Case([with_footer(one(ODD), creator=(28, b"tap\0\0\0\0\1"))], ODD, 100 * MIB),
        "without the map its creator promises": Case([with_footer(one(ODD), creator=(28, b"tap\0\0\1\0\3"))], ODD, 100 * MIB),
        "of the future": Case([with_footer(one(ODD), stamp=(24, b"\xff\xff\xff\xff"))], ODD, 100 * MIB),
        "with its table far behind": Case([one(ODD, table=MIB)], ODD, 100 * MIB),
        "with a table that ends behind the file": Case([endless(ODD)], ODD, 100 * MIB),
        "with a table for more": Case([more_entries(4 * MIB + 512)], 4 * MIB + 512, 100 * MIB, end=False),
        "without its end": Case([one(ODD)[:-512]], ODD, 100 * MIB, warned=True),
        "with zeros at its end": Case([one(ODD)[:-512] + bytes(512)], ODD, 100 * MIB, warned=True),
        "a chain": Case(chain(ODD), ODD, 100 * MIB, also=((BLOCK + 512, b"leaf"),)),
        "a chain that stays": Case(chain(6 * MIB + 512), 6 * MIB + 512, 0, also=((BLOCK + 512, b"leaf"),)),
    }


TAKE = """
import io, os, failures, chain, members, vhd
result = {}
for name, case in given.items():
    folder, asked, found = case["folder"], case["asked"], {}
    for number in range(case["count"]):
        source = os.path.join(folder, "%d.image" % number)
        with io.open(source, "rb") as stream:
            found[number] = members.receive(stream.read, os.path.join(folder, "%d.part" % number), "%d.vhd" % number, os.path.getsize(source))
    checked = chain.check(found)
    chain.refuse_uncovering(checked, asked)
    warnings = [vhd.no_end(each.what) for each in checked if not each.ended]
    names = case["names"]
    for number in reversed(range(len(checked))):
        final = os.path.join(folder, names[number] + ".vhd")
        os.rename(os.path.join(folder, "%d.part" % number), final)
        parent = names[number + 1] if number + 1 < len(names) else None
        chain.relink(final, names[number], parent, hidden=number > 0, size=0 if number else asked)
    result[name] = warnings
"""


@pytest.fixture(scope="module", params=sample(sorted(pythons()), 1, "test_imagestore_vhds"))
def python(request: pytest.FixtureRequest, plugin_pool: PoolUnderTest) -> str:
    """One of them: bytes are bytes to all."""
    install(plugin_pool, pythons()[request.param])
    return str(request.param)


@pytest.fixture(scope="module")
def relinked(python: str, tmp_path_factory: pytest.TempPathFactory) -> Relinked:
    """Each case with the files that the plugin made of it, leaf first, and its warnings; all in one process of one Python."""
    folder = tmp_path_factory.mktemp("vhds")
    made, given, paths = cases(folder), {}, {}
    for number, (name, case) in enumerate(made.items()):
        place = folder / str(number)
        place.mkdir()
        for index, data in enumerate(case.members):
            (place / f"{index}.image").write_bytes(data)
        names = [str(uuid.uuid4()) for _member in case.members]
        given[name] = {"folder": str(place), "asked": case.asked, "count": len(names), "names": names}
        paths[name] = [place / f"{each}.vhd" for each in names]
    found = run_inside(pythons()[python], TAKE, given)
    return {name: (case, paths[name], found[name]) for name, case in made.items()}


def expected_size(case: Case) -> int:
    """Always of whole blocks."""
    return max(-(-case.size // BLOCK), -(-case.asked // BLOCK), 1) * BLOCK


def test_every_vhd_becomes_xens_own_of_the_size_that_was_asked_for(relinked: Relinked) -> None:
    assert len(relinked) == 18
    for name, (case, paths, warnings) in relinked.items():
        check_own(paths[0], expected_size(case), tuple(paths[1:]))
        for parent in paths[1:]:
            check_own(parent, max(-(-case.size // BLOCK), 1) * BLOCK, tuple(paths[paths.index(parent) + 1 :]))
        assert bool(warnings) == case.warned, name
        assert all("has no footer at its end" in each for each in warnings)


def test_the_content_is_the_images_own(relinked: Relinked) -> None:
    for name, (case, paths, _warnings) in relinked.items():
        disk = VhdTarball([tarball_of((f"{number}.vhd", path.read_bytes()) for number, path in enumerate(paths))], name)
        assert disk.virtual_size == expected_size(case)
        wanted = {offset: page for offset, page in told(case.size).items() if case.end or offset == 0}
        for offset, text in case.also:
            page = bytearray(wanted.get(offset // 4096 * 4096, bytes(4096)))
            page[offset % 4096 : offset % 4096 + len(text)] = text
            wanted[offset // 4096 * 4096] = bytes(page)
        assert content(disk.blocks(), disk.virtual_size) == wanted, name


def test_the_hosts_tools_take_them_further(relinked: Relinked, tmp_path: Path) -> None:
    for case, paths, _warnings in relinked.values():
        if len(paths) == 1:
            check_grows(paths[0], tmp_path, expected_size(case) + 10 * MIB)
    _case, paths, _warnings = relinked["a chain"]
    if tool():
        copies = [Path(shutil.copy(path, tmp_path)) for path in paths]
        for child, parent in ((copies[1], copies[2]), (copies[0], copies[1])):
            before = vhd_util("query", "-n", parent, "-v")
            # As the collector of a host does it: the parent first gets the child's size.
            assert vhd_util("resize", "-n", parent, "-s", vhd_util("query", "-n", child, "-v")[1], "-j", tmp_path / "journal")[0] == 0, before
            assert vhd_util("coalesce", "-n", child)[0] == 0
            assert vhd_util("check", "-n", parent)[0] == 0
        assert vhd_util("query", "-n", copies[1], "-v") == (0, "100")


REFUSED = """
import io, os, failures, chain, members
def take(case):
    found = {}
    try:
        for number in range(case["count"]):
            source = os.path.join(case["folder"], "%d.image" % number)
            with io.open(source, "rb") as stream:
                found[number] = members.receive(stream.read, source + ".part", "%d.vhd" % number, os.path.getsize(source))
        checked = chain.check(found)
        chain.refuse_uncovering(checked, case["asked"])
    except failures.Failure as error:
        return error.sentence
    return "taken"
result = [take(case) for case in given]
"""


PRINTED = """
import os, subprocess, sys
result = []
for argument in given["arguments"]:
    process = subprocess.Popen([sys.executable, sys.path[0], argument], stdout=subprocess.PIPE)
    result.append(process.communicate()[0].decode("utf-8"))
"""


def test_whatever_a_plugin_prints_is_a_complete_response(python: str) -> None:
    """Results, failures and what is no call at all; a failure may tell what no XML can hold."""
    call = xmlrpc.client.dumps
    strange = json.dumps({"sr": "\x01\ud800 ü", "\x02": 1})
    arguments = [
        call(("OpaqueRef:NULL", {"params": "{}"}), "version"),
        call(("OpaqueRef:NULL", {"params": "{}"}), "none"),
        call(("OpaqueRef:NULL", {"params": strange}), "cancel"),
        call(("OpaqueRef:NULL", {"params": "x"}), "download"),
        "no call",
    ]
    for names in (("imagestore",), ("glance", "imagestore")):
        for printed in run_inside(pythons()[python], PRINTED, {"arguments": arguments}, names):
            assert printed.startswith("<?xml version='1.0'?>\n<methodResponse>\n<params>\n"), (names, printed)
            (answer,), method = xmlrpc.client.loads(printed)
            assert method is None
            assert answer["Status"] in ("Success", "Failure")


CONTROL = """
import entry, failures
def broken(session, args):
    raise failures.Failure("CODE", args["said"])
result = [entry.answer({"broken": broken}, given["call"].encode("utf-8"))["ErrorDescription"]]
result.append(entry.failed("CODE", b"\\x00bytes\\x1f".decode("ascii"))["ErrorDescription"])
"""


def test_a_failure_tells_nothing_that_no_xml_can_hold(python: str) -> None:
    call = xmlrpc.client.dumps(("OpaqueRef:NULL", {"said": "two\nlines\tü"}), "broken")
    assert run_inside(pythons()[python], CONTROL, {"call": call}) == [["CODE", "two\nlines\tü"], ["CODE", "?bytes?"]]


def test_what_cannot_become_xens_own_is_told(python: str, tmp_path: Path) -> None:
    uncovering = [build_vhd(4 * MIB, {}, kind=4, uuid=b"A" * 16, parent=b"B" * 16), build_vhd(8 * MIB, {3: {0: b"below"}}, uuid=b"B" * 16)]
    wrong: list[tuple[list[bytes], int, str]] = [
        (uncovering, 6 * MIB, "0.vhd is smaller than its parent"),
        (uncovering, 0, "taken"),
        ([build_vhd(4 * MIB, {0: {0: b"x"}}, kind=4)], 0, "0.vhd is the child of a raw disk, and a tarball holds VHDs only."),
        ([build_vhd(4 * MIB, {0: {0: b"x"}}, block_size=512 * 1024)], 0, "blocks of 524288 bytes; Xen reads blocks of 2 MiB"),
        ([one(ODD)[:-5000]], 0, "cut off"),
    ]
    given = []
    for number, (members, asked, _words) in enumerate(wrong):
        folder = tmp_path / str(number)
        folder.mkdir()
        for index, data in enumerate(members):
            (folder / f"{index}.image").write_bytes(data)
        given.append({"folder": str(folder), "count": len(members), "asked": asked})
    for (_members, _asked, words), said in zip(wrong, run_inside(pythons()[python], REFUSED, given), strict=True):
        assert words in said


@pytest.mark.parametrize("form", ["vhd", "vhd tarball"])
def test_an_import_that_grows_ends_at_the_size_that_was_asked_for(dom0: Dom0, glance: GlanceDouble, form: str) -> None:
    data = one(ODD) if form == "vhd" else tarball_of((f"{number}.vhd", each) for number, each in enumerate(chain(ODD)))
    made = dom0.download(glance.put("grown", data), glance.source("grown"), form=form, virtual_size=100 * MIB)
    assert (made["virtual_size"], made["warnings"]) == (100 * MIB, [])
    ref = dom0.pool.api.VDI.get_by_uuid(made["vdi"])
    assert int(dom0.pool.api.VDI.get_virtual_size(ref)) == 100 * MIB
    dom0.pool.api.VDI.resize(ref, str(104 * MIB))
    assert int(dom0.pool.api.VDI.get_virtual_size(ref)) == 104 * MIB


def test_a_crashs_missing_end_is_a_warning_both_ways(dom0: Dom0, glance: GlanceDouble) -> None:
    made = dom0.download(glance.put("crashed", one(8 * MIB)[:-512]), glance.source("crashed"), form="vhd")
    assert made["warnings"] == ["The image has no footer at its end, as a crash leaves it. The copy at its beginning was used."]
    path = dom0.directory / f"{made['vdi']}.vhd"
    path.write_bytes(path.read_bytes()[:-512])
    url = glance.queue("sent")
    sent = dom0.call("upload", vdi=made["vdi"], targets=[{"image": url, "headers": {}}])
    assert sent["warnings"] == [f"{made['vdi']}.vhd has no footer at its end, as a crash leaves it. The copy at its beginning was used."]
    disk = VhdTarball([glance.data["sent"]], "sent")
    assert content(disk.blocks(), disk.virtual_size) == told(8 * MIB)


def test_a_child_of_a_raw_disk_is_not_sent(dom0: Dom0, glance: GlanceDouble) -> None:
    made = dom0.download(glance.put("plain", one(8 * MIB)), glance.source("plain"), form="vhd")
    path = dom0.directory / f"{made['vdi']}.vhd"
    whole = path.read_bytes()
    path.write_bytes(with_footer(whole, kind=(60, struct.pack(">I", 4))))
    sentence = dom0.refused("IMAGESTORE_FAILED", "upload", vdi=made["vdi"], targets=[{"image": glance.queue("raw"), "headers": {}}])
    assert sentence == f"Cannot read the disk: {made['vdi']}.vhd is the child of a raw disk. Export it through XAPI."
