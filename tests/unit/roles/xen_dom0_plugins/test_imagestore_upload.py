# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Dom0 plugin pushes the chain of a disk to an image service, and says what became of an image that it could not finish."""

from __future__ import annotations

import gzip
import hashlib
import io
import subprocess
import tarfile
import threading
import uuid
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import pyvhdi
from ansible_collections.xenstack.image_services.plugins.module_utils._disk.vhd.tarball import VhdTarball
from ansible_collections.xenstack.image_services.tests.support.disks import MIB, build_vhd, unpack
from ansible_collections.xenstack.image_services.tests.support.dom0 import Dom0
from ansible_collections.xenstack.image_services.tests.support.glance_double import GlanceDouble, Plan

SIZE = 8 * MIB


@pytest.fixture
def made(dom0: Dom0, glance: GlanceDouble, images: dict[str, bytes]) -> dict[str, Any]:
    """A disk of three VHDs."""
    found: dict[str, Any] = dom0.download(glance.put("given", images["chain.gz"]), glance.source("given"))
    assert len(found["chain"]) == 3
    glance.requests.clear()
    return found


def target(url: str, **more: Any) -> dict[str, Any]:
    return {"image": url, "headers": {"X-Auth-Token": "the-token"}} | more


def read(data: bytes) -> bytes:
    """The disk as our own reader of tarballs sees it."""
    disk = VhdTarball([data], "image")
    found = bytearray(disk.virtual_size)
    for offset, piece in disk.blocks():
        found[offset : offset + len(piece)] = piece
    return bytes(found)


def test_a_chain_is_sent_and_read_by_others(dom0: Dom0, glance: GlanceDouble, images: dict[str, bytes], made: dict[str, Any], tmp_path: Path) -> None:
    url = glance.queue("new")
    sent = dom0.call("upload", vdi=made["vdi"], targets=[target(url)], compression=1)
    data, record = glance.data["new"], glance.records["new"]
    assert (sent["chain"], sent["bytes_sent"]) == (made["chain"], len(data))
    assert sent["digest"] == {"algorithm": "sha512", "value": hashlib.sha512(data).hexdigest()}
    assert (record["status"], record["size"]) == ("active", len(data))
    assert [method for method, _path, _headers in glance.requests] == ["GET", "PATCH", "PUT", "GET"]
    assert all(headers["x-auth-token"] == "the-token" for _method, _path, headers in glance.requests)
    same = read(data) == images["raw"]
    assert same
    files = []
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:gz") as archive:
        assert archive.getnames() == ["0.vhd", "1.vhd", "2.vhd"]
        unpack(archive, tmp_path)
    for number in range(3):
        files.append(pyvhdi.file())
        files[number].open(str(tmp_path / f"{number}.vhd"))
    for (child, parent), uuid_of_parent in zip(pairwise(files), made["chain"][1:], strict=True):
        # libvhdi reads our locators and names as others write them.
        assert child.get_parent_identifier() == uuid_of_parent
        assert child.get_parent_filename() == f"{uuid_of_parent}.vhd"
        child.set_parent(parent)
    assert files[0].get_identifier() == made["vdi"]
    for file in files:
        file.close()
    told = subprocess.run(["qemu-img", "info", "-f", "vpc", tmp_path / "2.vhd"], capture_output=True, text=True, check=True).stdout
    assert "file format: vpc" in told


@pytest.mark.parametrize("level", [0, 9])
def test_what_was_described_arrives_at_any_compression(dom0: Dom0, glance: GlanceDouble, made: dict[str, Any], level: int) -> None:
    url = glance.queue("described")
    dom0.call("upload", vdi=made["vdi"], targets=[target(url)], properties={"os_type": "linux", "a.b": "ü"}, compression=level)
    described = {"container_format": "ovf", "disk_format": "vhd", "os_type": "linux", "a.b": "ü"}
    assert glance.described["described"] == described
    assert gzip.decompress(glance.data["described"]).startswith(b"0.vhd\0")


def test_another_target_takes_what_the_first_does_not(dom0: Dom0, glance: GlanceDouble, secure: GlanceDouble, made: dict[str, Any]) -> None:
    glance.queue("second")
    glance.plans += [Plan(status=503)]
    targets = [target("http://127.0.0.1:1/v2/images/second"), target(f"{secure.url}/v2/images/second"), *[target(f"{glance.url}/v2/images/second")] * 2]
    assert dom0.call("upload", vdi=made["vdi"], targets=targets)["chain"] == made["chain"]
    assert not secure.requests
    assert glance.records["second"]["status"] == "active"


def test_an_image_that_is_left_unfinished_is_told(dom0: Dom0, glance: GlanceDouble, made: dict[str, Any]) -> None:
    url = glance.queue("unfinished")
    for plan, words in ((Plan(status=409), "it answers with status 409"), (Plan(drop_after=100_000), "the connection failed")):
        glance.plans[:] = [plan]
        sentence = dom0.refused("IMAGESTORE_SOURCE", "upload", vdi=made["vdi"], targets=[target(url)])
        assert words in sentence
        assert sentence.endswith("The image is left in the status queued.")
    asked = len(glance.asked("PUT"))
    glance.records["unfinished"]["status"] = "active"
    assert "only a queued one takes data" in dom0.refused("IMAGESTORE_SOURCE", "upload", vdi=made["vdi"], targets=[target(url)])
    assert "status 404" in dom0.refused("IMAGESTORE_SOURCE", "upload", vdi=made["vdi"], targets=[target(url + "-not")])
    assert len(glance.asked("PUT")) == asked


def test_another_digest_than_the_one_sent_is_told(dom0: Dom0, glance: GlanceDouble, made: dict[str, Any]) -> None:
    for lie in (
        {"os_hash_algo": "sha512", "os_hash_value": "0" * 128},
        {"os_hash_algo": "sha256"},
        {"os_hash_algo": "sha3_512", "checksum": "0" * 32},
        {"size": 5},
    ):
        url = glance.queue("lied")
        # From the second question on: the first one is whether the image is queued.
        glance.lie.update(lie)
        sentence = dom0.refused("IMAGESTORE_BAD_DIGEST", "upload", vdi=made["vdi"], targets=[target(url)])
        glance.lie.clear()
        assert "another digest than the data that was sent" in sentence


def test_a_cancelled_upload_stops(dom0: Dom0, glance: GlanceDouble, made: dict[str, Any]) -> None:
    url = glance.queue("stopped")
    glance.plans += [Plan(stall_after=100_000)]
    found: list[str] = []
    apart = dom0.apart()
    thread = threading.Thread(target=lambda: found.append(apart.refused("IMAGESTORE_CANCELLED", "upload", vdi=made["vdi"], targets=[target(url)])))
    thread.start()
    assert glance.stalled.wait(60)
    assert dom0.call("cancel", vdi=made["vdi"]) == {"cancelled": True}
    thread.join(60)
    assert found == ["The transfer was cancelled. The image is left in the status queued."]


def test_a_parent_that_changes_meanwhile_changes_nothing(dom0: Dom0, glance: GlanceDouble, images: dict[str, bytes], made: dict[str, Any]) -> None:
    """As a coalesce does: the leaf gets another parent, the old one goes."""
    url = glance.queue("coalesced")
    glance.plans += [Plan(stall_after=1)]
    apart = dom0.apart()
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.append(apart.call("upload", vdi=made["vdi"], targets=[target(url)])))
    thread.start()
    assert glance.stalled.wait(60)
    kept = {}
    for name in made["chain"]:
        path = dom0.directory / f"{name}.vhd"
        kept[path] = path.read_bytes()
        with path.open("r+b") as file:
            file.write(b"\0" * 1536)
            file.seek(-512, 2)
            file.write(b"\0" * 512)
        path.unlink()
    glance.go.set()
    thread.join(60)
    for path, data in kept.items():
        path.write_bytes(data)
    assert found[0]["chain"] == made["chain"]
    same = read(glance.data["coalesced"]) == images["raw"]
    assert same


def test_what_cannot_be_sent_is_refused(dom0: Dom0, glance: GlanceDouble, made: dict[str, Any]) -> None:
    url = glance.queue("refused")
    api = dom0.pool.api
    vdi = api.VDI.get_by_uuid(made["vdi"])
    host = next(ref for ref, record in api.VM.get_all_records().items() if record["is_control_domain"])
    device = {"VM": host, "VDI": vdi, "userdevice": "9", "bootable": False, "mode": "RW", "type": "Disk", "unpluggable": True, "empty": False}
    vbd = api.VBD.create(device | {"other_config": {}, "qos_algorithm_type": "", "qos_algorithm_params": {}})
    api.VBD.plug(vbd)
    try:
        assert "A VM writes to the VDI" in dom0.refused("IMAGESTORE_FAILED", "upload", vdi=made["vdi"], targets=[target(url)])
    finally:
        api.VBD.unplug(vbd)
        api.VBD.destroy(vbd)
    assert "is not in the pool" in dom0.refused("IMAGESTORE_FAILED", "upload", vdi=str(uuid.uuid4()), targets=[target(url)])
    for wrong in (
        {"targets": []},
        {"targets": [target(url + "?x=y")]},
        {"properties": {"a": 1}},
        {"properties": {"a\n": "b"}},
        {"compression": 10},
        {"vdi": "../x"},
    ):
        dom0.refused("IMAGESTORE_BAD_REQUEST", "upload", **({"vdi": made["vdi"], "targets": [target(url)]} | wrong))
    assert not glance.requests


def test_a_chain_that_is_none_is_refused(dom0: Dom0, glance: GlanceDouble, made: dict[str, Any]) -> None:
    url = glance.queue("broken")
    parent = dom0.directory / f"{made['chain'][1]}.vhd"
    data = parent.read_bytes()
    for wrong, words in ((build_vhd(SIZE, {}), "is not the parent that"), (b"x" * 4096, "is missing"), (None, "is not in the SR")):
        parent.unlink()
        if wrong is not None:
            parent.write_bytes(wrong)
        found = dom0.refused("IMAGESTORE_BAD_IMAGE" if words == "is missing" else "IMAGESTORE_FAILED", "upload", vdi=made["vdi"], targets=[target(url)])
        assert words in found
        parent.write_bytes(data)
    assert not glance.requests
