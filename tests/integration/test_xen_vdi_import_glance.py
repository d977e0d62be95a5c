# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images of a real Glance in a pool: read as they are declared there, proved by Glance's digest, and not read at all when they are there already."""

from __future__ import annotations

import gzip
import uuid
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.xenstack.image_services.plugins.module_utils._core.errors import ImageServicesError
from ansible_collections.xenstack.image_services.plugins.module_utils._glance.connection import Cloud as Connection
from ansible_collections.xenstack.image_services.tests.support.cloud import Cloud
from ansible_collections.xenstack.image_services.tests.support.disks import MIB
from ansible_collections.xenstack.image_services.tests.support.faulty_proxy import Fault
from ansible_collections.xenstack.image_services.tests.support.imports import NAME, images_of, imported, small_raw, stored
from ansible_collections.xenstack.image_services.tests.support.modules import run_module
from ansible_collections.xenstack.image_services.tests.support.xapi import PoolUnderTest

pytestmark = pytest.mark.usefixtures("cleared_pool")
SIZE = 13 * MIB + 7 * 512


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return images_of(small_raw(tmp_path_factory.mktemp("images"), SIZE))


def upload(cloud: Cloud, name: str, path: Path, disk_format: str, container_format: str = "bare") -> dict[str, Any]:
    """As any client of Glance does it, whatever the bytes are."""
    glance = Connection(cloud.auth("alice")).glance
    made = glance.create({"id": str(uuid.uuid4()), "name": name, "disk_format": disk_format, "container_format": container_format})
    glance.upload(made["id"], path.read_bytes(), path.stat().st_size)
    return dict(glance.image(made["id"]) or {})


def rounded(data: bytes) -> bytes:
    return data.ljust(-(-len(data) // (2 * MIB)) * 2 * MIB, b"\0")


@pytest.mark.parametrize(
    ("name", "disk_format", "container_format"),
    [
        ("raw", "raw", "bare"),
        ("raw.xz", "raw", "compressed"),
        ("qcow2", "qcow2", "bare"),
        ("vhd-descending", "vhd", "bare"),
        ("chain.gz", "vhd", "ovf"),
        ("vmdk-stream", "vmdk", "bare"),
    ],
)
def test_every_format_of_glance(
    cloud: Cloud, pool: PoolUnderTest, images: dict[str, Path], image_name: str, name: str, disk_format: str, container_format: str
) -> None:
    image = upload(cloud, image_name, images[name], disk_format, container_format)
    done = imported(pool, image=image_name, glance=cloud.auth("alice"))
    assert done["changed"]
    assert done["vdi"]["other_config"] == {
        "image_services_source": f"glance:{image['id']}",
        "image_services_digest": f"{image['os_hash_algo']}:{image['os_hash_value']}",
    }
    assert stored(pool) == rounded(images["raw"].read_bytes())
    assert imported(pool, image=image["id"], glance=cloud.auth("alice"))["changed"] is False


@pytest.mark.parametrize(("packed", "disk_format"), [(False, "raw"), (True, "raw"), (True, "vhd")])
def test_a_fixed_vhd_of_glance_is_the_disk_in_it(
    cloud: Cloud, pool: PoolUnderTest, images: dict[str, Path], image_name: str, tmp_path: Path, packed: bool, disk_format: str
) -> None:
    """Glance takes one as raw, or compressed, where it does not look; as raw the footer would be in the disk."""
    path = tmp_path / "fixed"
    data = images["vhd-fixed"].read_bytes()
    path.write_bytes(gzip.compress(data, 1) if packed else data)
    upload(cloud, image_name, path, disk_format, "compressed" if packed else "bare")
    with cloud.proxy() as proxy:
        done = imported(pool, image=image_name, glance=cloud.through(proxy, "alice"), verify=True)
    assert (done["format"], done["verified"], bool(done["warnings"])) == ("vhd", True, disk_format == "raw")
    assert stored(pool) == rounded(images["raw"].read_bytes())


def test_content_that_is_there_is_not_read(cloud: Cloud, pool: PoolUnderTest, images: dict[str, Path], image_name: str) -> None:
    upload(cloud, image_name, images["qcow2"], "qcow2")
    with cloud.proxy() as proxy:
        through = cloud.through(proxy, "alice")
        assert imported(pool, image=image_name, glance=through)["changed"]
        assert any(request.endswith("/file") for request in proxy.requests)
        proxy.reset()
        assert imported(pool, image=image_name, glance=through)["bytes_transferred"] == 0
        assert not any(request.endswith("/file") for request in proxy.requests)
        # The same bytes under another name and id are the same content.
        upload(cloud, f"{image_name} 2", images["qcow2"], "qcow2")
        assert imported(pool, image=f"{image_name} 2", glance=through)["changed"] is False
        assert imported(pool, src=str(images["qcow2"]))["changed"] is False
        assert not any(request.endswith("/file") for request in proxy.requests)


# Glance itself refuses at upload what it can tell from what it is declared as; these it takes.
@pytest.mark.parametrize(
    ("name", "disk_format", "container_format", "words"),
    [
        ("qcow2", "raw", "bare", "disk_format is 'raw', but the data is qcow2"),
        ("raw.xz", "raw", "bare", "container_format is 'bare', and the data is compressed with xz"),
        ("raw", "raw", "compressed", "container_format is 'compressed', and the data is not"),
        ("vhd", "vhd", "ovf", "container_format is 'ovf', and the data is no tarball"),
        ("raw", "aki", "aki", "disk_format is 'aki'"),
    ],
)
def test_bytes_that_are_not_what_glance_says(
    cloud: Cloud, pool: PoolUnderTest, images: dict[str, Path], image_name: str, name: str, disk_format: str, container_format: str, words: str
) -> None:
    upload(cloud, image_name, images[name], disk_format, container_format)
    with pool.nothing_left(), pytest.raises(ImageServicesError) as excinfo:
        imported(pool, image=image_name, glance=cloud.auth("alice"))
    assert str(excinfo.value).startswith("Cannot read ")
    assert words in str(excinfo.value), excinfo.value


@pytest.mark.parametrize(("name", "disk_format"), [("raw", "raw"), ("qcow2", "qcow2"), ("vhd-descending", "vhd")])
def test_data_that_a_store_has_spoiled(cloud: Cloud, pool: PoolUnderTest, images: dict[str, Path], image_name: str, name: str, disk_format: str) -> None:
    """Glance sends what its store holds; only the digest tells."""
    image = upload(cloud, image_name, images[name], disk_format)
    with cloud.stored_bytes(image, "fast").open("r+b") as stream:
        stream.seek(-300_000, 2)
        stream.write(b"flipped")
    with pool.nothing_left(), pytest.raises(ImageServicesError, match="the sha256 digest of what came is .* and .* is declared"):
        imported(pool, image=image_name, glance=cloud.auth("alice"))


def test_a_glance_that_is_away_for_a_moment(cloud: Cloud, pool: PoolUnderTest, images: dict[str, Path], image_name: str) -> None:
    upload(cloud, image_name, images["raw"], "raw")
    with cloud.proxy() as proxy:
        proxy.faults.append(Fault("GET /v2/images\\?", answer=503))
        assert imported(pool, image=image_name, glance=cloud.through(proxy, "alice"))["changed"]
        proxy.faults.append(Fault("/file", times=9, answer=403))
        with pool.nothing_left(), pytest.raises(ImageServicesError, match="Cannot read image"):
            imported(pool, name=f"{NAME} 2", image=image_name, glance=cloud.through(proxy, "alice"))


def test_images_that_are_not_to_be_had(cloud: Cloud, pool: PoolUnderTest, images: dict[str, Path], image_name: str) -> None:
    glance = Connection(cloud.auth("alice")).glance

    def sentence() -> str:
        with pool.nothing_left(), pytest.raises(ImageServicesError) as excinfo:
            imported(pool, image=image_name, glance=cloud.auth("alice"))
        return str(excinfo.value)

    assert sentence() == f"Cannot find image '{image_name}': there is no image of this name or id that the project may see. Check image and glance."
    queued = glance.create({"id": str(uuid.uuid4()), "name": image_name, "disk_format": "raw", "container_format": "bare"})["id"]
    assert "its status is 'queued'" in sentence()
    other = upload(cloud, image_name, images["raw"], "raw")["id"]
    assert f"images of this name: {', '.join(sorted([queued, other]))}" in sentence()
    assert imported(pool, image=image_name, glance=cloud.auth("alice"), on_duplicate="newest")["changed"]


def test_secrets_of_both_sides_stay_secret(cloud: Cloud, pool: PoolUnderTest, images: dict[str, Path], image_name: str) -> None:
    upload(cloud, image_name, images["raw"], "raw")
    options = cloud.auth("alice")
    done = run_module("xen_vdi_import", pool.options(name=NAME, image=image_name, glance=options))
    assert done.succeeded()["changed"]
    for secret in (options["cloud"]["auth"]["password"], pool.options()["password"], pool.session.handle):
        assert secret not in done.output
