# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What operators get wrong: refused with a sentence that says what to do, before anything has changed."""

from __future__ import annotations

import gzip
import hashlib
import os
import subprocess
import uuid
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.xenstack.image_services.plugins.module_utils._glance.connection import Cloud as Connection
from ansible_collections.xenstack.image_services.plugins.module_utils._glance.http import GlanceError
from ansible_collections.xenstack.image_services.tests.support.cloud import Cloud
from ansible_collections.xenstack.image_services.tests.support.disks import MIB, partitioned, qemu_img, vhd_footer
from ansible_collections.xenstack.image_services.tests.support.modules import run_module

CHANGES = ("POST", "PUT", "PATCH", "DELETE")


def refused(cloud: Cloud, **options: Any) -> str:
    """The sentence, after having seen that nothing but reading was asked of Glance, in check mode and without."""
    sentences = set()
    with cloud.proxy() as proxy:
        for check in (True, False):
            sentences.add(run_module("glance_image", {**cloud.through(proxy, "alice"), **options}, check=check).sentence())
        assert not [line for line in proxy.requests if line.startswith(CHANGES)]
    assert len(sentences) == 1
    return sentences.pop()


def test_sources_that_are_none(cloud: Cloud, image_name: str, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.touch()
    for path, cause in ((tmp_path, "it is a directory"), (empty, "it is empty"), (tmp_path / "none", "No such file or directory")):
        assert refused(cloud, name=image_name, src=str(path)).startswith(f"Cannot read file '{path}': {cause}.")
    assert "nothing listens at 127.0.0.1:9" in refused(cloud, name=image_name, uri="http://127.0.0.1:9/disk.raw")


def test_a_file_that_may_not_be_read(cloud: Cloud, image_name: str, small_disk: Path) -> None:
    small_disk.chmod(0)
    # Root may read it all the same, so the module runs without root's capabilities.
    prefix = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-dac_override,-dac_read_search"] if os.geteuid() == 0 else []
    result = run_module("glance_image", {**cloud.auth("alice"), "name": image_name, "src": str(small_disk)}, prefix=prefix)
    assert result.sentence() == f"Cannot read file '{small_disk}': Permission denied. Check the file's mode and its disk."


def test_a_digest_that_is_not_the_files(cloud: Cloud, image_name: str, small_disk: Path) -> None:
    right = hashlib.sha256(small_disk.read_bytes()).hexdigest()
    wrong = "0" * 64
    sentence = refused(cloud, name=image_name, src=str(small_disk), checksum=f"sha256:{wrong}")
    assert f"is {right}, and checksum declares {wrong}. Get the file again" in sentence
    assert "Write it as algorithm:hex" in refused(cloud, name=image_name, src=str(small_disk), checksum="sha256:abc")


def test_a_format_that_the_bytes_deny(cloud: Cloud, image_name: str, small_disk: Path, tmp_path: Path) -> None:
    sentence = refused(cloud, name=image_name, src=str(small_disk), disk_format="qcow2")
    assert f"disk_format is 'qcow2', but the data is a raw disk. Declare the format that '{small_disk}' has" in sentence
    qcow2 = tmp_path / "disk.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", str(qcow2), "1M"], check=True)
    assert "disk_format is 'raw', but the data is qcow2" in refused(cloud, name=image_name, src=str(qcow2), disk_format="raw")


def test_what_is_no_disk_is_named_unless_it_is_declared_raw(cloud: Cloud, image_name: str, tmp_path: Path) -> None:
    page = tmp_path / "debian.qcow2"
    page.write_bytes(b"<!DOCTYPE html><title>Log in</title>" * 100)
    assert "the data is a web page. See what" in refused(cloud, name=image_name, src=str(page))
    assert "the data is a web page" in refused(cloud, name=image_name, src=str(page), disk_format="qcow2")
    nothing = tmp_path / "disk"
    nothing.write_bytes(b"\xaa" * 4096)
    sentence = refused(cloud, name=image_name, src=str(nothing))
    assert "it has no partition table" in sentence
    assert "declare disk_format: raw if it is a raw disk all the same" in sentence
    auth = cloud.auth("alice")
    made = run_module("glance_image", {**auth, "name": image_name, "src": str(nothing), "disk_format": "raw"}).succeeded()
    assert made["image"]["disk_format"] == "raw"
    # What a reserved image was declared to be stands.
    run_module("glance_image", {**auth, "name": f"{image_name} 2", "disk_format": "raw", "state": "reserved"}).succeeded()
    assert run_module("glance_image", {**auth, "name": f"{image_name} 2", "src": str(nothing)}).succeeded()["image"]["disk_format"] == "raw"


def test_a_fixed_vhd_is_told_of_as_glance_treats_it(cloud: Cloud, image_name: str, tmp_path: Path) -> None:
    """Glance looks for the mark at the beginning, where a fixed VHD has none."""
    disk = partitioned(os.urandom(100 * 512))
    path, packed = tmp_path / "fixed.vhd", tmp_path / "fixed.vhd.gz"
    path.write_bytes(disk + vhd_footer(len(disk), kind=2, data_offset=2**64 - 1))
    packed.write_bytes(gzip.compress(path.read_bytes()))
    assert "the data is a fixed VHD, which Glance takes for raw data" in refused(cloud, name=image_name, src=str(path))
    options = {**cloud.auth("alice"), "name": image_name}
    declared = run_module("glance_image", {**options, "src": str(path), "disk_format": "vhd"}).sentence()
    assert "A fixed VHD has its mark at its end, where Glance does not look. Convert it to a dynamic VHD" in declared
    assert "require_image_format_match" in declared
    for undeclared in ({}, {"disk_format": "vhd"}):
        assert run_module("glance_image", {**options, "src": str(packed), "decompress": True, **undeclared}).failed
    assert [image for image in cloud.images("alice") if image["name"] == image_name] == []
    for source in ({"src": str(path)}, {"src": str(packed), "decompress": True}):
        done = run_module("glance_image", {**options, **source, "disk_format": "raw"}).succeeded()
        assert done["image"]["size"] == len(disk) + 512
        if done["changed"]:
            assert "ends with the footer of a fixed VHD" in str(done["warnings"])


# What qemu-img creates, what is refused before the upload, and what Glance says where it is uploaded all the same.
REFUSED = [
    ("qcow2", ["-b", "{folder}/base", "-F", "raw"], "it holds only what differs from a backing file"),
    ("qcow2", ["-o", "extended_l2=on"], "its clusters are divided (extended_l2)"),
    ("qcow", [], "is qcow1, and no service takes images of that format"),
    ("vmdk", ["-o", "subformat=monolithicFlat"], "it is only a description of a disk whose data is in other files"),
]


@pytest.mark.parametrize(("form", "options", "words"), REFUSED, ids=[row[2] for row in REFUSED])
def test_a_disk_that_glance_refuses_is_refused_before_the_upload(
    cloud: Cloud, image_name: str, tmp_path: Path, form: str, options: list[str], words: str
) -> None:
    (tmp_path / "base").write_bytes(partitioned(bytes(MIB)))
    path = tmp_path / f"disk.{form}"
    qemu_img("create", "-q", "-f", form, *(option.format(folder=tmp_path) for option in options), path, MIB)
    declared = "vmdk" if form == "vmdk" else "qcow2"
    assert words in refused(cloud, name=image_name, src=str(path), disk_format=declared)
    glance, identity, data = Connection(cloud.auth("alice")).glance, str(uuid.uuid4()), path.read_bytes()
    glance.create({"id": identity, "name": image_name, "disk_format": declared, "container_format": "bare"})
    with pytest.raises(GlanceError) as caught:
        glance.upload(identity, data, len(data))
    assert caught.value.status == 415


CPIO = b"070701" + b"0" * 104 + bytes(3000)
KERNEL = bytes(510) + b"\x55\xaa" + bytes(2) + b"HdrS" + bytes(3000)
BOOT_FILES = [
    ("ari", "bare", gzip.compress(CPIO)),
    ("ari", "ari", gzip.compress(CPIO)),
    ("ari", "bare", b"\x28\xb5\x2f\xfd" + bytes(3000)),
    ("aki", "bare", gzip.compress(KERNEL)),
]


@pytest.mark.parametrize(
    ("disk_format", "container_format", "data"),
    BOOT_FILES,
    ids=["initrd", "initrd in ari", "initrd of zstd", "kernel"],
)
def test_kernels_and_initial_ram_disks_are_taken(cloud: Cloud, image_name: str, tmp_path: Path, disk_format: str, container_format: str, data: bytes) -> None:
    path = tmp_path / "boot file"
    path.write_bytes(data)
    options = {**cloud.auth("alice"), "name": image_name, "src": str(path), "disk_format": disk_format, "container_format": container_format}
    made = run_module("glance_image", options).succeeded()
    assert (made["image"]["status"], made["image"]["container_format"]) == ("active", container_format)
    cloud.assert_stored(made["image"], path, *made["image"]["stores"])
    assert not run_module("glance_image", options).succeeded()["changed"]


def test_what_glance_refuses_of_data_has_a_sentence_of_its_own(cloud: Cloud, image_name: str, tmp_path: Path) -> None:
    path = tmp_path / "vmlinuz"
    path.write_bytes(KERNEL)
    options = {**cloud.auth("alice"), "name": image_name, "src": str(path), "disk_format": "aki", "container_format": "bare"}
    sentence = run_module("glance_image", options).sentence()
    assert sentence.startswith(f"Cannot upload image '{image_name}': Glance does not take the data as disk_format 'aki' in container_format 'bare': ")
    advice = "eclare container_format: aki: in a bare one, Glance takes a kernel with a boot sector for a disk."
    assert sentence.endswith(f"D{advice}")
    # In an import, Glance keeps the cause to its log.
    imported = run_module("glance_image", {**options, "use_import": True}).sentence()
    assert "Task failed due to Internal Error. See Glance's log for the cause, which it does not tell in an import. " in imported
    assert imported.endswith(f"If it refuses the format there: d{advice}")
    assert [image for image in cloud.images("alice") if image["name"] == image_name] == []


def test_too_many_properties_are_no_matter_of_space(cloud: Cloud, image_name: str) -> None:
    options = {**cloud.auth("alice"), "name": image_name, "state": "reserved", "properties": {f"p{number}": "x" for number in range(140)}}
    sentence = run_module("glance_image", options).sentence()
    assert "Glance answered 413" in sentence
    assert sentence.endswith("Maximum: 128. Declare fewer properties, or raise image_property_quota in Glance.")


def test_a_vhdx_is_taken(cloud: Cloud, image_name: str, tmp_path: Path) -> None:
    """Glance does not find its size where its header and its metadata, which is 3 MiB behind it, come in one chunk."""
    path = tmp_path / "disk.vhdx"
    qemu_img("create", "-q", "-f", "vhdx", path, 8 * MIB)
    made = run_module("glance_image", {**cloud.auth("alice"), "name": image_name, "src": str(path)}).succeeded()
    assert (made["image"]["disk_format"], made["image"]["virtual_size"]) == ("vhdx", 8 * MIB)


def test_a_store_that_is_not_there(cloud: Cloud, image_name: str, small_disk: Path) -> None:
    sentence = refused(cloud, name=image_name, src=str(small_disk), stores=["fast", "tape"])
    assert sentence == f"Cannot upload image '{image_name}': store 'tape' takes no data here: the service offers archive, fast. Correct stores."


def test_an_import_method_that_is_switched_off(cloud: Cloud, image_name: str) -> None:
    options = {"import_method": "glance-download", "remote_region": "R2", "remote_image_id": "0d9b6b8f-4f8e-4f57-8c9a-0a8a5d8b8d11"}
    assert "not 'glance-download'. Have it added to enabled_import_methods" in refused(cloud, name=image_name, **options)


def test_two_images_of_one_name(cloud: Cloud, image_name: str, small_disk: Path) -> None:
    made = [
        run_module("glance_image", {**cloud.auth("alice"), "name": name, "state": "reserved"}).succeeded()["image"]["id"]
        for name in (image_name, f"{image_name} 2")
    ]
    run_module("glance_image", {**cloud.auth("alice"), "id": made[1], "name": image_name}).succeeded()
    for options in ({"src": str(small_disk)}, {"state": "absent"}, {"tags": ["x"]}):
        sentence = refused(cloud, name=image_name, **options)
        assert f"2 images have this name: {', '.join(sorted(made))}. Give the id of one of them" in sentence


def test_a_property_that_is_glances(cloud: Cloud, image_name: str) -> None:
    assert "'visibility' is an attribute of images, not a property" in refused(cloud, name=image_name, properties={"visibility": "public"})
    assert "property 'os_glance_x' is reserved" in refused(cloud, name=image_name, properties={"os_glance_x": "1"})


def test_a_project_that_is_unknown(cloud: Cloud, image_name: str) -> None:
    assert "Cannot find project 'nowhere'" in refused(cloud, name=image_name, members=["nowhere"])


def test_credentials_that_are_wrong(cloud: Cloud, image_name: str) -> None:
    options = cloud.auth("alice")
    options["cloud"]["auth"]["password"] = "a-wrong-one"
    result = run_module("glance_image", {**options, "name": image_name})
    assert result.sentence().startswith("Cannot connect to cloud: ")
    assert "a-wrong-one" not in result.output
    options["cloud"]["auth"]["auth_url"] = "http://127.0.0.1:9/v3"
    assert "Check cloud, auth and the identity service." in run_module("glance_image", {**options, "name": image_name}).sentence()


def test_what_only_an_administrator_may(cloud: Cloud, image_name: str, small_disk: Path) -> None:
    """Glance refuses before the data is sent, and nothing is left."""
    with cloud.proxy() as proxy:
        options = {**cloud.through(proxy, "alice"), "name": image_name, "src": str(small_disk), "visibility": "public"}
        sentence = run_module("glance_image", options).sentence()
        assert not [line for line in proxy.requests if line.startswith("PUT")]
    assert f"Cannot upload image '{image_name}': Glance answered 403" in sentence
    assert sentence.endswith("Use a project or a role that may do this.")
    assert [image for image in cloud.images("alice") if image["name"] == image_name] == []


def test_an_unchanged_image_costs_three_requests(cloud: Cloud, image_name: str, small_disk: Path) -> None:
    declared = {"name": image_name, "src": str(small_disk), "tags": ["a"], "members": [], "properties": {"p": 1}}
    run_module("glance_image", {**cloud.auth("alice"), **declared}).succeeded()
    with cloud.proxy() as proxy:
        assert not run_module("glance_image", {**cloud.through(proxy, "alice"), **declared}).succeeded()["changed"]
        assert len(proxy.requests) <= 3, proxy.requests


def test_an_instance_where_glance_knows_of_none(cloud: Cloud, image_name: str, small_disk: Path) -> None:
    instance = {"nova_installation_uuid": "0b5c1c9a-58f3-4b8e-9a6f-6f0d2a3f9c11", "instance_id": "42"}
    why = "this Glance has no instance-aware filter. Deploy it with the role xenstack.image_services.glance_instance_aware, or leave instance_id out."
    sentence = refused(cloud, name=image_name, src=str(small_disk), **instance)
    assert sentence == f"Cannot relate image '{image_name}': {why}"
    # Glance would take the instance for a property, and find nothing.
    listing = {**cloud.auth("alice"), **instance, "instance_id": ["42"]}
    assert run_module("glance_image_info", listing).sentence() == f"Cannot list related images: {why}"
    kept = {**cloud.auth("alice"), "name": image_name, "src": str(small_disk), "disk_format": "raw"}
    made = run_module("glance_image", kept).succeeded()["image"]
    # New content asks Glance for a relation that it may have to keep; here there is none.
    small_disk.write_bytes(bytes(1024))
    assert run_module("glance_image", kept).succeeded()["replaced_image_id"] == made["id"]
