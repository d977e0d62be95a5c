# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images in files and behind addresses become disks of a pool: bit for bit, once, and never over what is there."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import pytest
import pyvhdi
from ansible_collections.xenstack.image_services.plugins.module_utils._core.errors import ImageServicesError
from ansible_collections.xenstack.image_services.plugins.module_utils._disk.disk import RawDisk
from ansible_collections.xenstack.image_services.plugins.module_utils._disk.vhd.writer import VhdWriter
from ansible_collections.xenstack.image_services.tests.support.disks import GIB, MIB, Writes, disks, qemu_img, write_raw, write_sparse
from ansible_collections.xenstack.image_services.tests.support.imports import NAME, disks_of, images_of, imported, machine_with, small_raw, stored
from ansible_collections.xenstack.image_services.tests.support.mirror import Mirror
from ansible_collections.xenstack.image_services.tests.support.modules import run_module
from ansible_collections.xenstack.image_services.tests.support.xapi import PoolUnderTest, disk_file
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

# An odd number of sectors.
pytestmark = pytest.mark.usefixtures("cleared_pool")
SIZE = 13 * MIB + 7 * 512
FORMATS = {"vhd": "vhd", "qcow2": "qcow2", "vmdk": "vmdk", "tarball": "vhd tarball", "chain": "vhd tarball", "raw": "raw"}
NAMES = (
    "raw raw.xz raw.zst vhd vhd.bz2 vhd-descending vhd-descending.gz vhd-fixed vhd-qemu qcow2 qcow2.gz qcow2-old qcow2-compressed vmdk vmdk-stream "
    "tarball chain chain.gz"
).split()


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return images_of(small_raw(tmp_path_factory.mktemp("images"), SIZE))


@pytest.fixture
def raw(images: dict[str, Path]) -> Path:
    return images["raw"]


@pytest.fixture
def other(tmp_path: Path) -> Path:
    return small_raw(tmp_path, SIZE, seed=5)


def rounded(data: bytes) -> bytes:
    return data.ljust(-(-len(data) // (2 * MIB)) * 2 * MIB, b"\0")


def refused(pool: PoolUnderTest, *words: str, **options: Any) -> str:
    """The import ends with a sentence of ours and changes nothing."""
    with pool.nothing_left(), pytest.raises(ImageServicesError) as excinfo:
        imported(pool, **options)
    text = str(excinfo.value)
    assert text.startswith("Cannot "), text
    assert text.endswith("."), text
    assert all(word in text for word in words), text
    return text


@pytest.mark.parametrize("name", NAMES)
def test_every_format_arrives_bit_for_bit(pool: PoolUnderTest, images: dict[str, Path], name: str) -> None:
    done = imported(pool, src=str(images[name]), verify=name != "raw")
    assert (done["changed"], done["upload_format"], done["format"]) == (True, "chunked", FORMATS[name.split(".")[0].split("-")[0]])
    assert stored(pool) == rounded(images["raw"].read_bytes())
    assert imported(pool, src=str(images[name]))["changed"] is False


@pytest.mark.parametrize("name", ["raw", "vhd-descending.gz", "qcow2", "tarball"])
def test_the_same_as_a_vhd_for_hosts_that_know_nothing_else(pool: PoolUnderTest, images: dict[str, Path], name: str) -> None:
    done = imported(pool, src=str(images[name]), upload_format="vhd", verify=True)
    assert (done["upload_format"], done["verified"]) == ("vhd", True)
    assert stored(pool) == rounded(images["raw"].read_bytes())


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(disk=disks(most=2040 * GIB), form=st.sampled_from(["raw", "qcow2", "vhd"]), upload_format=st.sampled_from(["chunked", "vhd"]))
def test_any_disk_arrives_as_it_is(pool: PoolUnderTest, tmp_path: Path, disk: tuple[int, Writes], form: str, upload_format: str) -> None:
    source = path = write_raw(tmp_path / "disk.raw", *disk)
    if form == "qcow2":
        source = tmp_path / "disk.qcow2"
        qemu_img("convert", "-f", "raw", "-O", "qcow2", path, source)
    elif form == "vhd":
        source = tmp_path / "disk.vhd"
        with path.open("rb") as stream:
            write_sparse(source, VhdWriter(RawDisk(stream, "disk")))
    assert imported(pool, src=str(source), disk_format=form, upload_format=upload_format, verify=True)["format"] == form
    assert "Images are identical" in qemu_img("compare", "-f", "raw", "-F", "vpc", path, disk_file(pool.server, pool.api, disks_of(pool)[0]))
    assert imported(pool, state="absent")["changed"]


def test_qemu_and_libvhdi_take_the_file_of_the_sr(pool: PoolUnderTest, images: dict[str, Path]) -> None:
    imported(pool, src=str(images["qcow2"]))
    path = disk_file(pool.server, pool.api, disks_of(pool)[0])
    assert "virtual size: 14 MiB" in qemu_img("info", "-f", "vpc", path)
    judge = pyvhdi.file()
    judge.open(str(path))
    try:
        assert judge.read_buffer(judge.get_media_size()) == rounded(images["raw"].read_bytes())
    finally:
        judge.close()


def test_only_data_is_sent(pool: PoolUnderTest, tmp_path: Path) -> None:
    data = os.urandom(3 * MIB)
    sparse = write_raw(tmp_path / "sparse.raw", 40 << 30, [(7 << 30, data), (40 << 30 - 1, b"")])
    done = imported(pool, src=str(sparse), disk_format="raw")
    assert len(data) <= done["bytes_transferred"] <= len(data) * 1.02
    assert done["vdi"]["virtual_size"] == 40 << 30


def test_the_same_content_is_known_whatever_it_comes_in(pool: PoolUnderTest, images: dict[str, Path], tmp_path: Path) -> None:
    first = imported(pool, src=str(images["raw"]))
    copied = tmp_path / "copied.raw"
    copied.write_bytes(images["raw"].read_bytes())
    for source in (copied, images["qcow2"], images["vhd"], images["vhd-fixed"]):
        again = imported(pool, src=str(source))
        assert (again["changed"], again["bytes_transferred"], again["upload_format"]) == (False, 0, None)
        assert again["vdi"]["uuid"] == first["vdi"]["uuid"]


def test_a_checksum_is_checked_and_remembered(pool: PoolUnderTest, raw: Path) -> None:
    digest = hashlib.sha512(raw.read_bytes()).hexdigest()
    refused(pool, "sha512 digest", "Get it again", src=str(raw), checksum=f"sha512:{'0' * 128}")
    done = imported(pool, src=str(raw), checksum=f"sha512:{digest}")
    assert done["vdi"]["other_config"]["image_services_digest"] == f"sha512:{digest}"
    assert imported(pool, src=str(raw))["changed"] is False


def test_what_replaces_a_disk_with_another_digest_is_known_by_its_own(pool: PoolUnderTest, images: dict[str, Path], other: Path) -> None:
    imported(pool, src=str(other), checksum=f"sha256:{hashlib.sha256(other.read_bytes()).hexdigest()}")
    assert imported(pool, src=str(images["raw"]))["changed"]
    assert imported(pool, src=str(images["qcow2"]))["changed"] is False


def test_an_address_is_not_asked_for_content_that_is_there(pool: PoolUnderTest, images: dict[str, Path]) -> None:
    data = images["qcow2"].read_bytes()
    with Mirror() as mirror:
        address = "/disk.qcow2?token=very-secret"
        mirror.files[address] = data
        options = {"uri": mirror.uri(address)}
        done = imported(pool, **options, checksum=f"sha256:{hashlib.sha256(data).hexdigest()}")
        assert done["changed"]
        assert "very-secret" not in str(done)
        assert stored(pool) == rounded(images["raw"].read_bytes())
        asked = len(mirror.requests)
        assert imported(pool, **options, checksum=f"sha256:{hashlib.sha256(data).hexdigest()}")["changed"] is False
        assert len(mirror.requests) == asked
        # Without a checksum, what the server says of the content is compared, then the content.
        assert imported(pool, **options)["changed"] is False
        refused(pool, "sha256 digest", uri=options["uri"], checksum=f"sha256:{'0' * 64}")
        mirror.files[address] = images["qcow2-compressed"].read_bytes()
        assert imported(pool, **options)["changed"] is True


def test_new_content_comes_beside_the_old(pool: PoolUnderTest, raw: Path, other: Path) -> None:
    first = imported(pool, src=str(raw), tags=["b", "a"], description="old", read_only=True)["vdi"]
    pool.api.VDI.add_to_other_config(disks_of(pool)[0], "operator", "kept")
    second = imported(pool, src=str(other))
    assert second["replaced_vdi"] == first["uuid"]
    assert second["vdi"]["uuid"] != first["uuid"]
    assert (second["vdi"]["tags"], second["vdi"]["description"], second["vdi"]["read_only"]) == (["a", "b"], "old", True)
    assert second["vdi"]["other_config"]["operator"] == "kept"
    assert stored(pool) == rounded(other.read_bytes())
    assert stored(pool, f"{NAME}-{first['uuid'][:8]}") == rounded(raw.read_bytes())
    assert imported(pool, src=str(other))["changed"] is False
    third = imported(pool, src=str(raw), on_replace="delete")
    assert third["replaced_vdi"] == second["vdi"]["uuid"]
    assert not [each for each in pool.api.VDI.get_all_records().values() if each["uuid"] == second["vdi"]["uuid"]]


def test_a_disk_that_a_vm_uses_is_never_lost(pool: PoolUnderTest, raw: Path, other: Path) -> None:
    first = imported(pool, src=str(raw))["vdi"]
    (vdi,) = disks_of(pool)
    machine = machine_with(pool, vdi)
    refused(pool, "a VM uses it", "Remove the VM", state="absent")
    imported(pool, src=str(other), on_replace="delete")
    assert pool.api.VDI.get_name_label(vdi) == f"{NAME}-{first['uuid'][:8]}"
    assert stored(pool, f"{NAME}-{first['uuid'][:8]}") == rounded(raw.read_bytes())
    pool.api.VM.destroy(machine)


def test_attributes(pool: PoolUnderTest, raw: Path) -> None:
    imported(pool, src=str(raw))
    for options in ({"description": "d"}, {"tags": ["x"]}, {"tags": []}, {"read_only": True}, {"read_only": False}, {"sharable": False, "size": "20M"}):
        predicted = imported(pool, check=True, **options)
        done = imported(pool, **options)
        assert predicted["diff"] == done["diff"], options
        assert predicted["vdi"] == done["vdi"], options
        assert done["changed"], options
        assert done["diff"]["before"] != done["diff"]["after"], options
        assert done["bytes_transferred"] == 0
        again = imported(pool, src=str(raw), **options)
        assert not again["changed"], options
        assert again["diff"]["before"] == again["diff"]["after"], options
    assert stored(pool) == raw.read_bytes().ljust(20 * MIB, b"\0")
    refused(pool, "not made smaller", size="16M")
    refused(pool, "a pool takes it only when a VDI is created. Remove the VDI and import the image again", sharable=True)


def test_what_a_pool_takes_at_creation_alone(pool: PoolUnderTest, raw: Path, other: Path) -> None:
    """It is given to each new disk, by the declaration or by the disk that it replaces."""
    assert imported(pool, src=str(raw), sharable=True, read_only=True)["vdi"]["sharable"] is True
    (vdi,) = disks_of(pool)
    assert (pool.api.VDI.get_sharable(vdi), pool.api.VDI.get_read_only(vdi)) == (True, False)
    assert imported(pool, src=str(raw), sharable=True, read_only=True)["changed"] is False
    again = imported(pool, src=str(other), on_replace="delete")["vdi"]
    assert (again["sharable"], again["read_only"]) == (True, True)


def test_a_read_only_disk_is_not_given_to_a_vm_for_writing(pool: PoolUnderTest, raw: Path) -> None:
    imported(pool, src=str(raw), read_only=True)
    machine = f"{NAME} machine"
    for options, advice in (({"boot_disk": NAME}, "Set clone: true"), ({"boot": {"order": "c"}, "disks": [{"vdi": NAME}]}, "Set mode: ro")):
        with pool.nothing_left():
            sentence = run_module("xen_vm", pool.options(name=machine, **options)).sentence()
        assert sentence.startswith(f"Cannot create VM '{machine}': the disk '{NAME}' is read-only, and the VM would write to it. {advice}, or import")
    options = pool.options(name=machine, boot_disk=NAME, clone=True, disks=[{"vdi": NAME, "mode": "ro"}], state="running")
    made = run_module("xen_vm", options).succeeded()["vm"]
    assert [disk["mode"] for disk in made["disks"]] == ["rw", "ro"]
    run_module("xen_vm", pool.options(name=machine, state="absent")).succeeded()


def test_a_size_gives_a_new_disk_room(pool: PoolUnderTest, raw: Path) -> None:
    refused(pool, "size is 1048576 bytes, the image has", src=str(raw), size=str(MIB))
    refused(pool, "'20 cubits' is not a size", src=str(raw), size="20 cubits")
    assert imported(pool, src=str(raw), size="0.5G")["vdi"]["virtual_size"] == 512 * MIB
    assert stored(pool) == raw.read_bytes().ljust(512 * MIB, b"\0")


def test_check_mode_changes_nothing_and_says_what_would(pool: PoolUnderTest, raw: Path, other: Path) -> None:
    with pool.nothing_left():
        predicted = imported(pool, check=True, src=str(raw), tags=["a"])
    done = imported(pool, src=str(raw), tags=["a"])
    assert (predicted["diff"], predicted["upload_format"], predicted["format"]) == (done["diff"], done["upload_format"], done["format"])
    assert predicted["vdi"]["uuid"] is None
    with pool.nothing_left():
        predicted = imported(pool, check=True, src=str(other))
        assert predicted["replaced_vdi"] == done["vdi"]["uuid"]
        assert imported(pool, check=True, state="absent")["vdi"] is None
    assert imported(pool, state="absent")["changed"] is True
    assert imported(pool, state="absent")["changed"] is False


def test_a_uuid_in_place_of_the_name(pool: PoolUnderTest, raw: Path, other: Path) -> None:
    uuid = imported(pool, src=str(raw))["vdi"]["uuid"]
    assert imported(pool, name=uuid, description="by uuid")["vdi"]["name"] == NAME
    replaced = imported(pool, name=uuid, src=str(other), on_replace="delete")["vdi"]
    assert replaced["name"] == NAME
    assert imported(pool, name=replaced["uuid"], state="absent")["changed"] is True


def test_where_it_goes(pool: PoolUnderTest, raw: Path) -> None:
    refused(pool, "SR 'nowhere'", src=str(raw), sr="nowhere")
    api = pool.api
    host = api.host.get_all()[0]
    with pool.nothing_left():
        sr = api.SR.create(host, {"device": "/dev/sdz"}, "0", NAME, "", "lvm", "user", False, {})
        try:
            for name_or_uuid in (NAME, api.SR.get_uuid(sr)):
                assert imported(pool, src=str(raw), sr=name_or_uuid)["vdi"]["sr_name"] == NAME
                assert imported(pool, sr=name_or_uuid, state="absent")["changed"] is True
        finally:
            for pbd in api.SR.get_PBDs(sr):
                api.PBD.unplug(pbd)
            api.SR.destroy(sr)


def test_no_default_sr(pool: PoolUnderTest, raw: Path) -> None:
    api = pool.api
    (ref,) = api.pool.get_all()
    default = api.pool.get_default_SR(ref)
    api.pool.set_default_SR(ref, "OpaqueRef:NULL")
    try:
        refused(pool, "the pool has no default SR", "Give sr", src=str(raw))
    finally:
        api.pool.set_default_SR(ref, default)


def test_two_of_the_same_name(pool: PoolUnderTest, raw: Path) -> None:
    first = imported(pool, src=str(raw))["vdi"]["uuid"]
    pool.api.VDI.clone(disks_of(pool)[0])
    refused(pool, "2 VDIs of the SR have this name", first, "Give the uuid", description="which?")
    # A snapshot has the name as well, and is no second one.


def test_a_snapshot_is_no_second_one(pool: PoolUnderTest, raw: Path) -> None:
    imported(pool, src=str(raw))
    pool.api.VDI.snapshot(disks_of(pool)[0])
    assert imported(pool, src=str(raw))["changed"] is False


def test_disks_that_a_vhd_cannot_hold(pool: PoolUnderTest, tmp_path: Path, images: dict[str, Path]) -> None:
    large = write_raw(tmp_path / "large.raw", 2041 << 30, [(0, b"x")])
    refused(pool, "a VHD of Xen holds 2040 GiB at most", "as raw or qcow2", src=str(large), disk_format="raw", upload_format="vhd")
    # By records it can be sent, but this SR keeps VHDs.
    refused(pool, "VDI size must be between", src=str(large), disk_format="raw")
    refused(pool, "its disk has parents", "with an upload_format that takes the data as it comes", src=str(images["chain"]), upload_format="vhd")


def test_the_module_itself(pool: PoolUnderTest, raw: Path) -> None:
    options = pool.options(name=NAME, src=str(raw))
    predicted = run_module("xen_vdi_import", options, check=True).succeeded()
    done = run_module("xen_vdi_import", options)
    assert done.succeeded()["diff"] == predicted["diff"]
    assert pool.session.handle not in done.output
    assert "a-pass-word" not in done.output
    assert run_module("xen_vdi_import", options).succeeded()["changed"] is False
    wrong = run_module("xen_vdi_import", {**options, "password": "another-pass-word"})
    assert "refuses this user name and password" in wrong.sentence()
    assert "another-pass-word" not in wrong.output
    assert "mutually exclusive" in str(run_module("xen_vdi_import", {**options, "uri": "http://x/"}).values["msg"])
    assert "no content" in run_module("xen_vdi_import", pool.options(name=f"{NAME} 2")).sentence()
