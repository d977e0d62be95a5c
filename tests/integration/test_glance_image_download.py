# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images that become files: fetched when the file is another one, verified before they take its place."""

from __future__ import annotations

import os
import shutil
import uuid
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.xenstack.image_services.plugins.module_utils._glance.connection import Cloud as Connection
from ansible_collections.xenstack.image_services.tests.support.cloud import Cloud
from ansible_collections.xenstack.image_services.tests.support.disks import MIB, partitioned
from ansible_collections.xenstack.image_services.tests.support.faulty_proxy import Fault
from ansible_collections.xenstack.image_services.tests.support.modules import Result, run_module

DATA = r"^GET /v2/images/[^/]+/file"


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    path = tmp_path / "disk.raw"
    path.write_bytes(partitioned(os.urandom(6 * MIB)))
    return path


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """An empty directory."""
    (tmp_path / "place").mkdir()
    return tmp_path / "place"


@pytest.fixture
def image(cloud: Cloud, image_name: str, disk: Path) -> dict[str, Any]:
    """In both stores."""
    options = {**cloud.auth("alice"), "name": image_name, "src": str(disk), "stores": ["fast", "archive"]}
    found: dict[str, Any] = run_module("glance_image", options).succeeded()["image"]
    return found


def download(cloud: Cloud, name: str, dest: Path, **options: Any) -> Result:
    return run_module("glance_image_download", {**cloud.auth("alice"), "name": name, "dest": str(dest), **options})


def spoil(path: Path) -> None:
    """Other bytes of the same number."""
    with path.open("r+b") as stream:
        stream.seek(-300_000, 2)
        stream.write(b"flipped")


def test_a_file_is_fetched_when_it_is_not_the_image(cloud: Cloud, image: dict[str, Any], disk: Path, place: Path) -> None:
    path = place / "disk.raw"
    with cloud.proxy() as proxy:
        options = {**cloud.through(proxy, "alice"), "name": image["name"], "dest": str(path)}

        def fetched() -> int:
            proxy.reset()
            done = run_module("glance_image_download", options).succeeded()
            assert path.read_bytes() == disk.read_bytes()
            asked = any(request.endswith("/file") for request in proxy.requests)
            assert (done["changed"], done["bytes_transferred"] > 0) == (asked, asked)
            return int(done["bytes_transferred"])

        assert fetched() == disk.stat().st_size
        assert fetched() == 0
        shutil.copyfile(path, place / "copy")
        (place / "copy").replace(path)
        assert fetched() == 0, "a copy has no mark, and the same bytes"
        spoil(path)
        assert fetched() == disk.stat().st_size
        path.write_bytes(b"something else")
        assert fetched() == disk.stat().st_size
    assert sorted(os.listdir(place)) == ["disk.raw"]


def test_holes_stay_holes(cloud: Cloud, image_name: str, place: Path) -> None:
    source = place / "sparse.raw"
    with source.open("wb") as stream:
        stream.truncate(64 * MIB)
        stream.seek(40 * MIB)
        stream.write(b"in the middle")
    run_module("glance_image", {**cloud.auth("alice"), "name": image_name, "src": str(source), "disk_format": "raw"}).succeeded()
    download(cloud, image_name, place / "disk").succeeded()
    assert (place / "disk").read_bytes() == source.read_bytes()
    assert (place / "disk").stat().st_blocks * 512 < MIB


def test_a_transfer_that_breaks_continues_where_it_stopped(cloud: Cloud, image: dict[str, Any], disk: Path, place: Path) -> None:
    with cloud.proxy() as proxy:
        # The first request looks at the first bytes alone.
        proxy.faults.append(Fault(DATA, break_answer_after=2 * MIB, times=2))
        done = run_module("glance_image_download", {**cloud.through(proxy, "alice"), "name": image["name"], "dest": str(place / "disk")}).succeeded()
    assert done["bytes_transferred"] == disk.stat().st_size
    assert (place / "disk").read_bytes() == disk.read_bytes()


def test_spoiled_data_never_takes_the_place_of_the_file(cloud: Cloud, image: dict[str, Any], disk: Path, place: Path) -> None:
    path = place / "disk"
    path.write_bytes(b"what was there")
    spoil(cloud.stored_bytes(image, "fast"))
    sentence = download(cloud, image["name"], path, stores=["fast"]).sentence()
    assert sentence.startswith(f"Cannot download image '{image['name']}': the sha256 digest of what came is ")
    assert sentence.endswith(f" and that of the image is {image['hash_value']}. Run the task again, and look at the store's disk if it happens again.")
    assert path.read_bytes() == b"what was there"
    assert os.listdir(place) == ["disk"]
    # The other store has the right ones.
    download(cloud, image["name"], path, stores=["archive", "fast"]).succeeded()
    assert path.read_bytes() == disk.read_bytes()


def test_in_a_directory_the_file_is_called_as_the_image(cloud: Cloud, image: dict[str, Any], disk: Path, place: Path) -> None:
    done = download(cloud, image["id"], place, mode="0600").succeeded()
    assert done["dest"] == str(place / image["name"])
    assert (place / image["name"]).read_bytes() == disk.read_bytes()
    assert done["mode"] == "0600"
    run_module("glance_image", {**cloud.auth("alice"), "id": image["id"], "name": f"../{image['name']}"}).succeeded()
    sentence = download(cloud, image["id"], place).sentence()
    assert sentence == f"Cannot write file '{place}': it is a directory, in which no file can be called as the image. Give the path of a file as dest."
    assert os.listdir(place) == [image["name"]]


def test_what_cannot_be_downloaded_is_refused_and_leaves_nothing(cloud: Cloud, image_name: str, disk: Path, place: Path) -> None:
    glance = Connection(cloud.auth("alice")).glance
    empty = glance.create({"id": str(uuid.uuid4()), "name": image_name, "disk_format": "raw", "container_format": "bare"})["id"]

    def refused(name: str, dest: Path, **options: Any) -> str:
        sentence = download(cloud, name, dest, **options).sentence()
        assert os.listdir(place) == []
        return sentence

    nobody = f"{image_name} of nobody"
    assert refused(nobody, place / "disk") == (
        f"Cannot find image '{nobody}': there is no image of this name or id that the project may see. Check name and cloud."
    )
    assert "its status is 'queued', so that its data cannot be read. Give an image that is active." in refused(image_name, place / "disk")
    run_module("glance_image", {**cloud.auth("alice"), "id": empty, "src": str(disk)}).succeeded()
    assert f"there is no directory {place}/none. Make it first." in refused(image_name, place / "none" / "disk")
    assert "Store 'tape' is not configured" in refused(image_name, place / "disk", stores=["tape"])
    other = glance.create({"id": str(uuid.uuid4()), "name": image_name, "disk_format": "raw", "container_format": "bare"})["id"]
    assert refused(image_name, place / "disk") == (f"Cannot find image '{image_name}': images of this name: {', '.join(sorted([empty, other]))}. Give the id.")
