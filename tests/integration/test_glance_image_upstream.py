# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compressed images of a mirror with a list of checksums: fetched when the list changes, decompressed on the way, never taken half."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import json
import lzma
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.xenstack.image_services.plugins.module_utils._disk.decoders import zstd
from ansible_collections.xenstack.image_services.plugins.module_utils._glance.connection import Cloud as Connection
from ansible_collections.xenstack.image_services.tests.support.cloud import Cloud
from ansible_collections.xenstack.image_services.tests.support.faulty_proxy import Fault
from ansible_collections.xenstack.image_services.tests.support.mirror import Mirror
from ansible_collections.xenstack.image_services.tests.support.modules import Result, run_module

COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "gz": gzip.compress,
    "xz": lambda data: lzma.compress(data, preset=0),
    "bz2": bz2.compress,
    "zst": zstd.compress,
}
MIB = 1024 * 1024


@pytest.fixture
def mirror() -> Iterator[Mirror]:
    with Mirror() as mirror:
        yield mirror


@pytest.fixture
def content() -> bytes:
    """A disk that compresses as disks do."""
    return b"".join(os.urandom(MIB // 2) + bytes(MIB) for _part in range(6))


def publish(mirror: Mirror, data: bytes, name: str = "disk.raw.xz") -> dict[str, Any]:
    """Put a file and the list of checksums on the mirror; the options that follow them."""
    mirror.files[f"/{name}"] = data
    mirror.files["/SHA256SUMS"] = f"{'0' * 64}  other.img\n{hashlib.sha256(data).hexdigest()} *{name}\n".encode()
    return {"uri": mirror.uri(f"/{name}"), "checksum": f"sha256:{mirror.uri('/SHA256SUMS')}", "decompress": True, "disk_format": "raw"}


def keep(cloud: Cloud, name: str, **options: Any) -> dict[str, Any]:
    return run_module("glance_image", {**cloud.auth("alice"), "name": name, **options}).succeeded()


def named(cloud: Cloud, name: str) -> list[dict[str, Any]]:
    return [image for image in cloud.images("alice") if str(image["name"]).startswith(name)]


def hash_of(image: dict[str, Any], content: bytes) -> str:
    return hashlib.new(image["hash_algo"], content).hexdigest()


@pytest.mark.parametrize("suffix", sorted(COMPRESS))
def test_an_unchanged_list_of_checksums_costs_one_request_for_the_list(
    cloud: Cloud, image_name: str, mirror: Mirror, content: bytes, suffix: str, tmp_path: Path
) -> None:
    disk = tmp_path / "disk"
    disk.write_bytes(content)
    declared = publish(mirror, COMPRESS[suffix](content), f"disk.raw.{suffix}")
    predicted = run_module("glance_image", {**cloud.auth("alice"), "name": image_name, **declared}, check=True).succeeded()
    assert predicted["changed"]
    made = keep(cloud, image_name, **declared)
    assert (made["image"]["hash_value"], made["image"]["size"]) == (hash_of(made["image"], content), len(content))
    assert made["bytes_transferred"] == len(content)
    cloud.assert_stored(made["image"], disk, *made["image"]["stores"])
    mirror.requests.clear()
    assert not keep(cloud, image_name, **declared)["changed"]
    assert mirror.requests == ["/SHA256SUMS"]
    other = bytes(MIB) + content
    replaced = keep(cloud, image_name, **publish(mirror, COMPRESS[suffix](other), f"disk.raw.{suffix}"), on_replace="delete")
    assert replaced["replaced_image_id"] == made["image"]["id"]
    assert replaced["image"]["hash_value"] == hash_of(replaced["image"], other)
    mirror.requests.clear()
    assert not keep(cloud, image_name, **declared)["changed"]
    assert mirror.requests == ["/SHA256SUMS"]


def test_a_catalogue_asks_for_its_list_of_checksums_once(cloud: Cloud, image_name: str, mirror: Mirror) -> None:
    contents = {f"disk{number}.raw.gz": os.urandom(MIB) for number in range(3)}
    mirror.files = {f"/{name}": gzip.compress(content) for name, content in contents.items()}
    mirror.files["/SHA256SUMS"] = "".join(f"{hashlib.sha256(data).hexdigest()}\tv1/{path[1:]}\n" for path, data in mirror.files.items()).encode()
    images = [{"name": f"{image_name} {name}", "uri": mirror.uri(f"/{name}"), "checksum_name": f"v1/{name}"} for name in contents]
    defaults = {"decompress": True, "disk_format": "raw"}
    checksum = {"checksum": f"sha256:{mirror.uri('/SHA256SUMS')}"}
    declared = {**cloud.auth("alice"), "defaults": defaults, "images": [{**image, **checksum} for image in images]}
    made = run_module("glance_images", declared).succeeded()
    assert [result["image"]["hash_value"] for result in made["results"]] == [
        hash_of(result["image"], content) for result, content in zip(made["results"], contents.values(), strict=True)
    ]
    assert mirror.requests.count("/SHA256SUMS") == 1
    mirror.requests.clear()
    assert not run_module("glance_images", declared).succeeded()["changed"]
    assert mirror.requests == ["/SHA256SUMS"]


def test_a_digest_given_itself_costs_no_request_at_all(cloud: Cloud, image_name: str, mirror: Mirror, content: bytes) -> None:
    """Compressed or not: what is kept tells the declared content by itself."""
    for data, name in ((content, "disk.raw"), (gzip.compress(content[::-1]), "disk.raw.gz")):
        declared = {**publish(mirror, data, name), "checksum": f"sha256:{hashlib.sha256(data).hexdigest()}", "on_replace": "delete"}
        keep(cloud, image_name, **declared)
        mirror.requests.clear()
        assert not keep(cloud, image_name, **declared)["changed"]
        assert mirror.requests == []
        assert keep(cloud, image_name, **declared, tags=["one"])["image"]["tags"] == ["one"]
        assert mirror.requests == []


def test_content_that_glance_has_already_is_not_uploaded_again(cloud: Cloud, image_name: str, mirror: Mirror, content: bytes, tmp_path: Path) -> None:
    """An image that somebody made from the decompressed file."""
    disk = tmp_path / "disk"
    disk.write_bytes(content)
    keep(cloud, image_name, src=str(disk), disk_format="raw")
    assert not keep(cloud, image_name, **publish(mirror, gzip.compress(content), "disk.raw.gz"))["changed"]


def test_without_a_checksum_the_servers_mark_decides(cloud: Cloud, image_name: str, mirror: Mirror, content: bytes) -> None:
    declared = {**publish(mirror, gzip.compress(content), "disk.raw.gz"), "checksum": None}
    made = keep(cloud, image_name, **declared)
    mirror.requests.clear()
    assert not keep(cloud, image_name, **declared)["changed"]
    assert mirror.requests == ["/disk.raw.gz"], "its beginning"
    mirror.files["/disk.raw.gz"] = gzip.compress(content, compresslevel=1)
    mirror.requests.clear()
    again = keep(cloud, image_name, **declared)
    assert (again["changed"], again["replaced_image_id"]) == (True, made["image"]["id"])


@pytest.mark.parametrize("suffix", sorted(COMPRESS))
def test_a_compressed_file(cloud: Cloud, image_name: str, content: bytes, suffix: str, tmp_path: Path) -> None:
    packed = tmp_path / f"disk.raw.{suffix}"
    packed.write_bytes(COMPRESS[suffix](content))
    (tmp_path / "SHA256SUMS").write_text(f"SHA256 ({packed.name}) = {hashlib.sha256(packed.read_bytes()).hexdigest()}\n", encoding="utf-8")
    declared = {"src": str(packed), "decompress": True, "disk_format": "raw"}
    made = keep(cloud, image_name, **declared)
    assert made["image"]["hash_value"] == hash_of(made["image"], content)
    for more in ({}, {"checksum": f"sha256:file://{tmp_path}/SHA256SUMS"}):
        assert not keep(cloud, image_name, **declared, **more)["changed"]
    packed.write_bytes(COMPRESS[suffix](content[::-1]))
    sentence = run_module(
        "glance_image", {**cloud.auth("alice"), "name": image_name, **declared, "checksum": f"sha256:file://{tmp_path}/SHA256SUMS"}
    ).sentence()
    assert "Get the file again, or correct checksum." in sentence
    assert keep(cloud, image_name, **declared, on_replace="delete")["replaced_image_id"] == made["image"]["id"]


def test_the_format_is_that_of_what_is_inside(cloud: Cloud, image_name: str, tmp_path: Path) -> None:
    disk = tmp_path / "disk.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", str(disk), "16M"], check=True)
    packed = tmp_path / "disk.qcow2.gz"
    packed.write_bytes(gzip.compress(disk.read_bytes()))
    options = {**cloud.auth("alice"), "name": image_name, "src": str(packed)}
    assert "the data is compressed with gzip, and container_format is 'bare'. Set decompress: true" in run_module("glance_image", options).sentence()
    assert "disk_format is 'iso', but the data is qcow2" in run_module("glance_image", {**options, "decompress": True, "disk_format": "iso"}).sentence()
    made = run_module("glance_image", {**options, "decompress": True}).succeeded()
    assert made["image"]["disk_format"] == "qcow2"
    cloud.assert_stored(made["image"], disk, *made["image"]["stores"])
    # Another declared format needs a new image, as it does without compression.
    relabelled = run_module("glance_image", {**options, "decompress": True, "disk_format": "qcow2", "container_format": "ovf"}).succeeded()
    assert relabelled["image"]["container_format"] == "ovf"
    twice = tmp_path / "twice.gz"
    twice.write_bytes(gzip.compress(packed.read_bytes()))
    assert "the data is compressed with gzip" in run_module("glance_image", {**options, "decompress": True, "src": str(twice)}).sentence()


def test_into_two_stores_by_import(cloud: Cloud, image_name: str, mirror: Mirror, content: bytes, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.write_bytes(content)
    declared = publish(mirror, lzma.compress(content, preset=0))
    made = keep(cloud, image_name, **declared, stores=["fast", "archive"])
    cloud.assert_stored(made["image"], disk, "fast", "archive")
    assert not keep(cloud, image_name, **declared, stores=["fast", "archive"])["changed"]


def test_a_glance_that_breaks_is_sent_all_again(cloud: Cloud, image_name: str, mirror: Mirror, content: bytes) -> None:
    declared = publish(mirror, zstd.compress(content), "disk.raw.zst")
    with cloud.proxy() as proxy:
        proxy.faults.append(Fault(r"^PUT /v2/images/[^/]+/file$", answer=503))
        made = run_module("glance_image", {**cloud.through(proxy, "alice"), "name": image_name, **declared}).succeeded()
    assert made["image"]["hash_value"] == hash_of(made["image"], content)
    assert not keep(cloud, image_name, **declared)["changed"]


def listed_wrong(mirror: Mirror) -> None:
    mirror.files["/SHA256SUMS"] = f"{'1' * 64}  disk.raw.xz\n".encode()


def cut_off(mirror: Mirror) -> None:
    publish(mirror, mirror.files["/disk.raw.xz"][:-2000])


def followed_by_garbage(mirror: Mirror) -> None:
    publish(mirror, mirror.files["/disk.raw.xz"] + b"garbage")


def not_listed(mirror: Mirror) -> None:
    mirror.files["/SHA256SUMS"] = f"{'1' * 64}  other\n".encode()


def a_page(mirror: Mirror) -> None:
    mirror.files["/SHA256SUMS"] = b"<html><body>Under maintenance"


def no_list(mirror: Mirror) -> None:
    del mirror.files["/SHA256SUMS"]


def gone(mirror: Mirror) -> None:
    del mirror.files["/disk.raw.xz"]


BREAKAGES: dict[Callable[[Mirror], None], str] = {
    listed_wrong: r"Cannot upload image '{name}': the content has the sha256 digest [0-9a-f]{{64}}, and checksum declares 1{{64}}\.",
    cut_off: r"Cannot decompress xz data of '\S+/disk.raw.xz': it ends in the middle\.",
    followed_by_garbage: r"Cannot decompress xz data of '\S+/disk.raw.xz': bytes of something else follow its end\.",
    not_listed: r"Cannot read checksum file '\S+/SHA256SUMS': it has no line for 'disk.raw.xz', and it lists 'other'\.",
    a_page: r"Cannot read checksum file '\S+/SHA256SUMS': it is a web page, not a checksum file\.",
    no_list: r"Cannot read checksum file '\S+/SHA256SUMS': the server answered 404 Not Found\.",
    gone: r"Cannot read uri '\S+/disk.raw.xz': the server answered 404 Not Found\.",
}


@pytest.mark.parametrize("breakage", BREAKAGES, ids=lambda breakage: breakage.__name__)
def test_a_broken_mirror_leaves_the_old_image_and_nothing_else(
    cloud: Cloud, image_name: str, mirror: Mirror, content: bytes, breakage: Callable[[Mirror], None]
) -> None:
    declared = publish(mirror, lzma.compress(content, preset=0))
    old = keep(cloud, image_name, **declared)["image"]
    publish(mirror, lzma.compress(content[::-1], preset=0))
    breakage(mirror)
    sentence = run_module("glance_image", {**cloud.auth("alice"), "name": image_name, **declared}).sentence()
    assert re.match(BREAKAGES[breakage].format(name=re.escape(image_name)), sentence), sentence
    assert named(cloud, image_name) == [old]
    stored = cloud.stored_bytes(old, old["stores"][0])
    assert hashlib.sha256(stored.read_bytes()).digest() == hashlib.sha256(content).digest()


@pytest.mark.parametrize(
    ("options", "cause"),
    [
        ({"uri": "http://127.0.0.1:9/a.gz", "import_method": "web-download", "decompress": True}, "with web-download Glance fetches the content itself"),
        ({"uri": "http://127.0.0.1:9/a.gz", "checksum": "sha256:ftp://127.0.0.1/SHA256SUMS"}, "it is not a digest that is known here"),
        ({"uri": "http://127.0.0.1:9/a.gz", "checksum": "sha256:http://127.0.0.1:9/SHA256SUMS"}, "nothing listens at 127.0.0.1:9"),
    ],
)
def test_what_cannot_work_is_refused_before_the_cloud_is_asked(options: dict[str, Any], cause: str) -> None:
    nowhere = {"auth": {"auth_url": "http://127.0.0.1:9", "username": "nobody", "password": "none", "project_name": "none"}}
    assert cause in run_module("glance_image", {**nowhere, "name": "nothing", **options}).sentence()


def test_an_absent_image_needs_no_list(cloud: Cloud, image_name: str) -> None:
    declared = {"uri": "http://127.0.0.1:9/a.gz", "checksum": "sha256:http://127.0.0.1:9/SHA256SUMS", "state": "absent"}
    assert not keep(cloud, image_name, **declared)["changed"]


PEAK = """
import atexit, runpy, sys
_program, report, *_python, module = sys.argv
del sys.argv[1:]
atexit.register(lambda: open(report, "w").write(next(line for line in open("/proc/self/status") if line.startswith("VmHWM:")).split()[1]))
runpy.run_module(module, run_name="__main__")
"""


def with_peak(options: dict[str, Any], tmp_path: Path) -> tuple[Result, int]:
    """The module's result, and the most memory that its process took, in KiB."""
    # `python -c PEAK <file> <python> -W ignore -m <module>` runs the module in the measuring process itself.
    result = run_module("glance_image", options, prefix=[sys.executable, "-W", "ignore", "-c", PEAK, str(tmp_path / "peak")])
    return result, int((tmp_path / "peak").read_text())


def test_a_gibibyte_of_zeros_arrives_in_constant_memory(cloud: Cloud, image_name: str, tmp_path: Path) -> None:
    block = gzip.compress(bytes(256 * MIB), compresslevel=1)
    peaks = []
    for name, members in (("small", 1), ("large", 4)):
        bomb = tmp_path / f"{name}.gz"
        bomb.write_bytes(block * members)
        options = {**cloud.auth("alice"), "name": image_name, "src": str(bomb), "decompress": True, "disk_format": "raw", "on_replace": "delete"}
        result, peak = with_peak(options, tmp_path)
        assert result.succeeded()["image"]["size"] == members * 256 * MIB
        peaks.append(peak)
    assert peaks[1] - peaks[0] < 16 * 1024, "KiB"
    assert peaks[1] < 160 * 1024


@pytest.fixture
def full_store(cloud: Cloud) -> Iterator[Path]:
    with cloud.small_store("fast", 8) as directory:
        yield directory


def test_a_bomb_that_does_not_fit_is_reported_and_leaves_nothing(cloud: Cloud, image_name: str, full_store: Path, tmp_path: Path) -> None:
    bomb = tmp_path / "bomb.gz"
    bomb.write_bytes(gzip.compress(bytes(256 * MIB), compresslevel=1))
    options = {**cloud.auth("alice"), "name": image_name, "src": str(bomb), "decompress": True, "disk_format": "raw"}
    sentence = run_module("glance_image", options).sentence()
    assert sentence.startswith(f"Cannot upload image '{image_name}': "), sentence
    assert named(cloud, image_name) == []
    assert shutil.disk_usage(full_store).used == 0


def test_the_notes_tell_the_file_and_not_where_it_lies(cloud: Cloud, image_name: str, mirror: Mirror, content: bytes) -> None:
    made = keep(cloud, image_name, **publish(mirror, gzip.compress(content), "disk.raw.gz"))
    record = Connection(cloud.auth("alice")).glance.image(made["image"]["id"]) or {}
    notes = {key: value for key, value in record.items() if key.startswith("image_services_")}
    assert notes["image_services_source_compression"] == "gzip"
    assert notes["image_services_source_digest"] == f"sha256:{hashlib.sha256(mirror.files['/disk.raw.gz']).hexdigest()}"
    assert "127.0.0.1" not in json.dumps(notes)
