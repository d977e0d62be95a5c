# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Disks of a pool as files and behind http addresses: bit for bit, once, and with nothing left in the pool."""

from __future__ import annotations

import errno
import io
import os
import re
import stat
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import pyvhdi
from ansible_collections.xenstack.image_services.plugins.module_utils._content import file_sink as made_file
from ansible_collections.xenstack.image_services.plugins.module_utils._disk.qcow2 import Qcow2File
from ansible_collections.xenstack.image_services.plugins.module_utils._disk.vhd.reader import VhdFile
from ansible_collections.xenstack.image_services.plugins.module_utils._disk.vhd.tarball import VhdTarball
from ansible_collections.xenstack.image_services.plugins.module_utils._vdis import export_plan as vdi_export
from ansible_collections.xenstack.image_services.tests.support.disks import GIB, MIB, Writes, content, expected, qemu_img, unpack
from ansible_collections.xenstack.image_services.tests.support.disks import disks as some_disks
from ansible_collections.xenstack.image_services.tests.support.exports import Exporter
from ansible_collections.xenstack.image_services.tests.support.modules import RunningModule, run_module
from ansible_collections.xenstack.image_services.tests.support.pool_disks import PoolDisks, pool_disks
from ansible_collections.xenstack.image_services.tests.support.receiver import Receiver
from ansible_collections.xenstack.image_services.tests.support.xapi import PoolUnderTest
from hypothesis import example, given, settings
from hypothesis import strategies as st

DRIVERS = {"vhd": "vpc", "raw": "raw", "qcow2": "qcow2"}


@pytest.fixture
def disks(pool: PoolUnderTest) -> Iterator[PoolDisks]:
    with pool_disks(pool) as made:
        yield made


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as server:
        yield server


def export(pool: PoolUnderTest, check: bool = False, **options: Any) -> dict[str, Any]:
    """What the module says; whatever it does, nothing of it stays in the pool."""
    with pool.nothing_left():
        return run_module("xen_vdi_export", pool.options(**options), check=check).succeeded()


def refused(pool: PoolUnderTest, **options: Any) -> str:
    with pool.nothing_left():
        sentence = Exporter(pool).refused(**options)
    assert sentence.endswith("."), "it has not succeeded"
    return sentence


def holds(path: Path, format: str, data: bytes) -> None:
    """The file is an image with exactly this disk in it."""
    raw = path.with_name("expected.raw")
    raw.write_bytes(data)
    if format == "vhd_tarball":
        with tarfile.open(path) as tar:
            assert tar.getnames() == ["0.vhd"]
            unpack(tar, path.parent)
        path, format = path.with_name("0.vhd"), "vhd"
    assert f'"virtual-size": {len(data)},' in qemu_img("info", "--output=json", "-f", DRIVERS[format], path)
    assert "identical" in qemu_img("compare", "-f", "raw", "-F", DRIVERS[format], raw, path)


@pytest.mark.parametrize("format", ["vhd", "vhd_tarball", "raw", "qcow2"])
def test_a_disk_becomes_a_file_of_every_format(pool: PoolUnderTest, disks: PoolDisks, tmp_path: Path, format: str) -> None:
    """Of a size that no whole number of clusters or VHD blocks makes."""
    vdi = disks.make("a disk", 10 * MIB)
    data = disks.fill(vdi, seed=len(format))
    path = tmp_path / "disk"
    options = {"vdi": "a disk", "format": format, "dest": str(path), "mode": "0640"}
    assert export(pool, check=True, **options)["changed"]
    assert not path.exists()
    done = export(pool, **options)
    assert done["changed"]
    assert done["bytes_transferred"] == path.stat().st_size
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    holds(path, format, data)
    before = path.stat()
    again = export(pool, **options)
    assert (again["changed"], again["bytes_transferred"]) == (False, 0)
    assert path.stat() == before
    assert list(tmp_path.glob(".*")) == []


def test_whatever_a_disk_holds_is_in_the_file(pool: PoolUnderTest, tmp_path: Path) -> None:
    """The pool makes of any size a whole number of 2 MiB."""
    path = tmp_path / "disk"

    # hypothesis shows what it is called with, and a session with a pool takes that for calls.
    @settings(max_examples=12)
    @given(disk=some_disks(most=2040 * GIB), format=st.sampled_from(["vhd", "vhd_tarball", "qcow2"]))
    @example(disk=(2040 * GIB, [(0, b"first"), (2040 * GIB - 5, b"last!")]), format="vhd_tarball")
    def arrives(disk: tuple[int, Writes], format: str) -> None:
        wanted, size = expected(*disk), -(-disk[0] // (2 * MIB)) * 2 * MIB
        # A file that is there is compared first, and the disk read twice.
        path.unlink(missing_ok=True)
        with pool_disks(pool) as disks:
            disks.write_parts(disks.make("any disk", size), wanted)
            done = Exporter(pool)(vdi="any disk", format=format, dest=str(path))
        assert done["bytes_read"] < 5 * MIB + (4 + 2 * len(wanted)) * MIB, "holes stay in the pool"
        with path.open("rb") as stream:
            pieces = iter(lambda: stream.read(MIB), b"")
            found = VhdTarball(pieces, "disk") if format == "vhd_tarball" else {"vhd": VhdFile, "qcow2": Qcow2File}[format](stream, "disk")
            assert found.virtual_size == size
            assert content(found.blocks(), size) == wanted

    arrives()


def test_a_vhd_has_the_disks_full_size_to_every_reader(pool: PoolUnderTest, disks: PoolDisks, tmp_path: Path) -> None:
    """The pool's own VHD loses its end to qemu-img, which takes the size from its geometry."""
    vdi = disks.make("a disk", 64 * MIB)
    disks.write(vdi, bytes(64 * MIB - 512) + b"end." * 128)
    export(pool, vdi="a disk", dest=str(tmp_path / "disk.vhd"))
    assert f'"virtual-size": {64 * MIB}' in qemu_img("info", "--output=json", "-f", "vpc", tmp_path / "disk.vhd")
    judge = pyvhdi.file()
    judge.open(str(tmp_path / "disk.vhd"))
    assert judge.get_media_size() == 64 * MIB
    assert judge.read_buffer_at_offset(512, 64 * MIB - 512) == b"end." * 128
    judge.close()
    assert (tmp_path / "disk.vhd").stat().st_size < 3 * MIB


def test_a_snapshot_is_known_by_its_uuid_and_not_read_again(pool: PoolUnderTest, disks: PoolDisks, tmp_path: Path) -> None:
    vdi = disks.make("a disk")
    data = disks.fill(vdi)
    options = {"vdi": pool.api.VDI.get_uuid(disks.snapshot(vdi)), "dest": str(tmp_path / "disk.vhd")}
    disks.fill(vdi, seed=1)
    first = export(pool, **options)
    assert first["vdi"]["is_a_snapshot"]
    assert first["bytes_read"] > 0
    holds(tmp_path / "disk.vhd", "vhd", data)
    for check in (True, False):
        again = export(pool, check=check, **options)
        assert (again["changed"], again["bytes_read"]) == (False, 0)
    assert export(pool, **{**options, "format": "qcow2"})["changed"], "another format is another content"
    holds(tmp_path / "disk.vhd", "qcow2", data)


def test_what_has_changed_is_exported_again_and_the_old_file_stays_until_then(pool: PoolUnderTest, disks: PoolDisks, tmp_path: Path) -> None:
    vdi, path = disks.make("a disk"), tmp_path / "disk.raw"
    options = {"vdi": "a disk", "format": "raw", "dest": str(path)}
    disks.fill(vdi)
    export(pool, **options)
    old = path.read_bytes()
    new = disks.fill(vdi, seed=1)
    predicted = export(pool, check=True, **options)
    assert (predicted["changed"], path.read_bytes()) == (True, old)
    pool.fault(kind="drop", after=MIB, method="export_raw_vdi")
    done = run_module("xen_vdi_export", pool.options(**options))
    assert done.failed
    assert path.read_bytes() == old
    done = export(pool, **options)
    assert done["diff"] == predicted["diff"]
    assert path.read_bytes() == new
    path.write_bytes(old)
    assert export(pool, **options)["changed"], "a file that somebody has changed is not taken for the export"
    assert path.read_bytes() == new


def test_a_file_without_a_mark_is_compared_with_the_disk(pool: PoolUnderTest, disks: PoolDisks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on file systems that keep no attributes."""

    def unsupported(*arguments: Any) -> Any:
        raise OSError(95, "Operation not supported")

    for name in ("setxattr", "getxattr", "listxattr"):
        monkeypatch.setattr(made_file.os, name, unsupported)
    vdi, run = disks.make("a disk"), Exporter(pool)
    disks.fill(vdi)
    for format in ("vhd", "vhd_tarball"):
        given = {"vdi": "a disk", "format": format, "dest": str(tmp_path / "disk")}
        assert [run(**given)["changed"] for _run in range(2)] == [True, False], format
        disks.fill(vdi, seed=len(format))
        assert run(**given)["changed"]


def test_a_disk_too_large_for_a_vhd_is_read_as_raw(pool: PoolUnderTest, disks: PoolDisks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit is lowered, since the simulated pool has no disk beyond it."""
    monkeypatch.setattr(vdi_export, "MAX_XEN_SIZE", 4 * MIB)
    run, dest = Exporter(pool), tmp_path / "disk"
    data = disks.fill(disks.make("a disk", 6 * MIB))
    done = run(vdi="a disk", format="raw", dest=str(dest))
    assert (done["bytes_read"], dest.read_bytes()) == (6 * MIB, data)
    assert dest.stat().st_blocks * 512 < 3 * MIB, "zeros are holes"
    assert not run(vdi="a disk", format="raw", dest=str(dest))["changed"]
    for fault in ({"kind": "fail_task"}, {"kind": "drop", "method": "export_raw_vdi", "after": 3 * MIB}):
        pool.fault(**fault)
        assert refused(pool, vdi="a disk", format="raw", dest=str(tmp_path / "other"))
    assert os.listdir(tmp_path) == ["disk"]


def test_the_disk_of_a_running_vm_comes_from_a_snapshot(pool: PoolUnderTest, disks: PoolDisks, tmp_path: Path) -> None:
    root, data_disk = disks.make("root"), disks.make("data")
    content = disks.fill(root), disks.fill(data_disk, seed=1)
    disks.machine("web", root, data_disk)
    path = tmp_path / "disk"
    predicted = export(pool, check=True, vm="web", dest=str(path))
    assert (predicted["changed"], predicted["snapshot"], predicted["vdi"]["name"]) == (True, True, "root")
    done = export(pool, vm="web", dest=str(path))
    assert (done["snapshot"], done["vdi"], done["diff"]) == (True, predicted["vdi"], predicted["diff"])
    holds(path, "vhd", content[0])
    for device in ("1", "xvdb"):
        assert export(pool, vm="web", device=device, dest=str(path), format="raw")["vdi"]["name"] == "data"
    holds(path, "raw", content[1])
    sentence = refused(pool, vm="web", snapshot=False, dest=str(tmp_path / "other"))
    assert sentence == (
        "Cannot export VDI 'root': it is attached to web, which may write to it. "
        "Leave snapshot at true, so that a snapshot is taken and exported, or shut the VM down."
    )


def test_a_halted_vm_needs_no_snapshot(pool: PoolUnderTest, disks: PoolDisks, tmp_path: Path) -> None:
    root = disks.make("root")
    data = disks.fill(root)
    vm = disks.machine("web", root, running=False)
    done = export(pool, vm=pool.api.VM.get_uuid(vm), snapshot=False, dest=str(tmp_path / "disk"))
    assert not done["snapshot"]
    holds(tmp_path / "disk", "vhd", data)


def test_a_snapshot_that_a_killed_run_left_goes_with_the_next(pool: PoolUnderTest, disks: PoolDisks, tmp_path: Path, receiver: Receiver) -> None:
    root = disks.make("root")
    disks.fill(root)
    disks.machine("web", root)
    left = disks.snapshot(root)
    pool.api.VDI.add_to_other_config(left, "image_services_export", "00000000-0000-0000-0000-000000000000")
    mine = disks.snapshot(root)
    run_module("xen_vdi_export", pool.options(vm="web", dest=str(tmp_path / "disk"))).succeeded()
    assert pool.api.VDI.get_snapshots(root) == [mine], "that of somebody else stays"
    disks.vdis.remove(left)


@pytest.mark.parametrize("when", ["as soon as it is there", "when it is read"])
def test_a_run_that_is_told_to_end_takes_its_snapshot_with_it(pool: PoolUnderTest, disks: PoolDisks, tmp_path: Path, when: str) -> None:
    root = disks.make("root")
    disks.fill(root)
    disks.machine("web", root)
    fault = pool.fault(kind="slow", seconds=1.5, method="export_raw_vdi") if when == "when it is read" else None
    with pool.nothing_left():
        running = RunningModule("xen_vdi_export", pool.options(vm="web", dest=str(tmp_path / "disk")))
        until = time.monotonic() + 20
        while not (fault.struck if fault else pool.api.VDI.get_snapshots(root)) and running.process.poll() is None and time.monotonic() < until:
            time.sleep(0.005)
        running.process.terminate()
        assert running.result().sentence() == "Cannot export disk of VM 'web': the task was interrupted. Run it again."
    assert list(tmp_path.iterdir()) == []


def test_what_differs_from_a_snapshot(pool: PoolUnderTest, disks: PoolDisks, tmp_path: Path) -> None:
    """The delta over the base is the disk: to libvhdi, which keeps to the ids, and to the reader of tarballs."""
    vdi = disks.make("a disk", 16 * MIB)
    old = bytearray(disks.fill(vdi))
    base = pool.api.VDI.get_uuid(disks.snapshot(vdi))
    new = bytearray(old)
    new[5 * MIB : 5 * MIB + 4096] = os.urandom(4096)
    new[: 2 * MIB] = bytes(2 * MIB)
    disks.write(vdi, bytes(new))
    export(pool, vdi=base, dest=str(tmp_path / "base.vhd"))
    options = {"vdi": pool.api.VDI.get_uuid(disks.snapshot(vdi)), "base": base, "dest": str(tmp_path / "delta.vhd")}
    done = export(pool, **options)
    assert done["changed"]
    assert done["bytes_read"] < 5 * MIB, "only what differs leaves the pool"
    assert not export(pool, **options)["changed"]
    child, parent = pyvhdi.file(), pyvhdi.file()
    child.open(str(tmp_path / "delta.vhd"))
    parent.open(str(tmp_path / "base.vhd"))
    assert (child.get_disk_type(), child.get_parent_identifier()) == (4, base)
    child.set_parent(parent)
    assert child.read_buffer_at_offset(16 * MIB, 0) == bytes(new)
    child.close()
    parent.close()
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        tar.add(tmp_path / "delta.vhd", "0.vhd")
        tar.add(tmp_path / "base.vhd", "1.vhd")
    found = bytearray(16 * MIB)
    for offset, data in VhdTarball([packed.getvalue()], "chain").blocks():
        found[offset : offset + len(data)] = data
    assert found == new


@pytest.mark.parametrize("format", ["vhd", "vhd_tarball", "raw", "qcow2"])
def test_a_disk_goes_to_an_address(pool: PoolUnderTest, disks: PoolDisks, tmp_path: Path, receiver: Receiver, format: str) -> None:
    data = disks.fill(disks.make("a disk", 6 * MIB), seed=len(format))
    uri = receiver.uri("/backup/disk?signature=not-to-be-shown")
    options = {"vdi": "a disk", "format": format, "uri": uri, "headers": {"X-Backup": "nightly"}, "url_username": "me", "url_password": "pass"}
    assert export(pool, check=True, **options)["changed"]
    assert receiver.files == {}
    done = export(pool, **options)
    assert done["uri"] == receiver.uri("/backup/disk")
    path = tmp_path / "disk"
    path.write_bytes(receiver.files["/backup/disk"])
    assert done["bytes_transferred"] == path.stat().st_size
    assert receiver.headers["/backup/disk"]["X-Backup"] == "nightly"
    assert receiver.headers["/backup/disk"]["Authorization"] == "Basic bWU6cGFzcw=="
    assert ("Content-Length" in receiver.headers["/backup/disk"]) == (format != "vhd_tarball")
    holds(path, format, data)


def test_an_address_that_does_not_take_it(pool: PoolUnderTest, disks: PoolDisks, receiver: Receiver) -> None:
    disks.fill(disks.make("a disk"))
    shown = receiver.uri("/disk")
    options = {"vdi": "a disk", "uri": receiver.uri("/disk?signature=secret")}
    for status, words in ((403, "the server answered 403 Forbidden"), (307, "the server sends the data elsewhere (307, to http://127.0.0.1:9/elsewhere)")):
        receiver.status = status
        sentence = refused(pool, **options)
        assert sentence.startswith(f"Cannot send to uri '{shown}': {words}")
    receiver.status, receiver.most = 201, MIB
    assert re.search(r"the transfer broke after [1-9]\d+ bytes: 127\.0\.0\.1:\d+ closes the connection without an answer", refused(pool, **options))
    unknown = refused(pool, vdi="a disk", uri="http://nowhere.invalid/disk")
    assert unknown == "Cannot send to uri 'http://nowhere.invalid/disk': host 'nowhere.invalid' is not known. Check uri from the host that the task runs on."
    assert "no http or https address" in refused(pool, vdi="a disk", uri="ftp://example.com/disk")
    assert "Give them in url_username and url_password" in refused(pool, vdi="a disk", uri="https://me:pass-word@example.com/disk")
    assert "Cannot use url_ca_cert '/nowhere/ca.pem': No such file" in refused(pool, vdi="a disk", uri="https://127.0.0.1:9/", url_ca_cert="/nowhere/ca.pem")


def test_bad_input_is_refused(pool: PoolUnderTest, disks: PoolDisks, tmp_path: Path) -> None:
    disks.make("a disk")
    twice = [pool.api.VDI.get_uuid(disks.make("twice")) for _number in range(2)]
    disks.machine("no disks", running=False)
    dest = str(tmp_path / "disk")
    assert refused(pool, vdi="unknown", dest=dest).startswith("Cannot export VDI 'unknown': the pool has none of this name or uuid.")
    assert all(uuid in refused(pool, vdi="twice", dest=dest) for uuid in twice)
    assert "it has no disk" in refused(pool, vm="no disks", dest=dest)
    assert "unknown" in refused(pool, vm="unknown", dest=dest)
    assert "there is no directory" in refused(pool, vdi="a disk", dest=str(tmp_path / "none" / "disk"))
    assert "it is a directory" in refused(pool, vdi="a disk", dest=str(tmp_path))
    assert "is no snapshot" in refused(pool, vdi="a disk", base=twice[0], dest=dest)
    assert list(tmp_path.iterdir()) == []


def test_a_pool_that_falls_silent_is_named_as_that(pool: PoolUnderTest, disks: PoolDisks, tmp_path: Path) -> None:
    disks.fill(root := disks.make("root"))
    disks.machine("web", root)
    pool.fault(kind="slow", seconds=2.0, method="export_raw_vdi")
    sentence = refused(pool, vm="web", timeout=1, dest=str(tmp_path / "disk"))
    assert "it sent nothing for 1 seconds" in sentence
    assert os.listdir(tmp_path) == []


def test_a_full_file_system_is_named_and_left_clean(pool: PoolUnderTest, disks: PoolDisks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "disk").write_bytes(b"what was there")
    disks.fill(disks.make("a disk"))

    def full(*arguments: Any) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(made_file.os, "pwrite", full)
    sentence = refused(pool, vdi="a disk", dest=str(tmp_path / "disk"))
    assert sentence.startswith(f"Cannot write file '{tmp_path}/disk': No space left on device.")
    assert os.listdir(tmp_path) == ["disk"]
    assert (tmp_path / "disk").read_bytes() == b"what was there"


def test_the_mark_says_when_it_was_left(pool: PoolUnderTest, disks: PoolDisks, tmp_path: Path) -> None:
    disks.fill(disks.make("a disk"))
    path = tmp_path / "disk"
    export(pool, vdi="a disk", dest=str(path))
    mark = os.getxattr(path, made_file.MARK)
    os.utime(path)
    assert export(pool, vdi="a disk", dest=str(path))["changed"]
    assert os.getxattr(path, made_file.MARK).split()[0] == mark.split()[0]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"dest": "/disk"}, "one of the following is required: vdi, vm"),
        ({"vdi": "a disk"}, "one of the following is required: image, dest, uri"),
        ({"vdi": "a disk", "vm": "web", "dest": "/disk"}, "mutually exclusive: vdi|vm"),
        ({"vdi": "a disk", "base": "older", "image": {"name": "image"}}, "mutually exclusive: image|base"),
        ({"vdi": "a disk", "dest": "/disk", "url_client_cert": "/own.pem"}, "required by 'url_client_cert': uri"),
    ],
    ids=["no disk", "no place", "two disks", "a delta in Glance", "a certificate for a file"],
)
def test_options_that_do_not_go_together(options: dict[str, Any], words: str) -> None:
    result = run_module("xen_vdi_export", {"hostname": "pool.invalid", "password": "a-pass-word", **options})
    assert result.failed
    assert words in result.values["msg"]
