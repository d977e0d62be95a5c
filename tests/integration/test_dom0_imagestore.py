# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Dom0 plugins between the simulated pool and a real Glance: an image there becomes a disk, and a disk becomes an image."""

from __future__ import annotations

import pickle
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.xenstack.image_services.plugins.module_utils._glance.connection import Cloud as Connection
from ansible_collections.xenstack.image_services.tests.support.cloud import Cloud
from ansible_collections.xenstack.image_services.tests.support.disks import MIB
from ansible_collections.xenstack.image_services.tests.support.dom0 import Dom0, install, remove
from ansible_collections.xenstack.image_services.tests.support.imports import packed, small_raw, vhd_chain
from ansible_collections.xenstack.image_services.tests.support.xapi import PoolUnderTest

SIZE = 12 * MIB


@pytest.fixture
def dom0(pool: PoolUnderTest) -> Iterator[Dom0]:
    """Only the disks of the test are left in the SR, and they go."""
    plugins = install(pool)
    made = Dom0(pool)
    before = set(made.files())
    yield made
    new = set(made.files()) - before
    for name in new:
        (made.directory / name).unlink()
    remove(plugins)
    pool.api.SR.scan(pool.api.SR.get_by_uuid(made.sr))
    assert all(name.endswith(".vhd") for name in new)


def test_an_image_goes_there_and_back(cloud: Cloud, dom0: Dom0, image_name: str, tmp_path: Path) -> None:
    connection = Connection(cloud.auth("alice"))
    glance = connection.glance
    raw = small_raw(tmp_path, SIZE).read_bytes()
    chain = packed(vhd_chain(tmp_path / "chain.tar", raw), "gz").read_bytes()

    def create() -> str:
        return str(glance.create({"id": str(uuid.uuid4()), "name": image_name})["id"])

    def record(ident: str) -> dict[str, Any]:
        return dict(glance.image(ident) or {})

    first = glance.create({"id": str(uuid.uuid4()), "name": image_name, "disk_format": "vhd", "container_format": "ovf"})["id"]
    glance.upload(first, chain, len(chain))
    token = str(connection._session.get_token())
    url = f"http://127.0.0.1:{cloud.glance_port}"
    seen = record(first)
    image = {"id": first, "size": len(chain), "digest": {"algorithm": seen["os_hash_algo"], "value": seen["os_hash_value"]}}

    made = dom0.download(image, {"url": f"{url}/v2/images/{first}/file", "headers": {"X-Auth-Token": token}})
    assert dom0.holds(made["vdi"], raw)
    assert len(made["chain"]) == 3

    second = create()
    target = {"image": f"{url}/v2/images/{second}", "headers": {"X-Auth-Token": token}}
    sent = dom0.call("upload", vdi=made["vdi"], targets=[target], properties={"os_type": "linux"})
    seen = record(second)
    assert (seen["status"], seen["size"]) == ("active", sent["bytes_sent"])
    assert sent["digest"] == {"algorithm": seen["os_hash_algo"], "value": seen["os_hash_value"]}
    assert (seen["disk_format"], seen["container_format"], seen["os_type"]) == ("vhd", "ovf", "linux")

    # The historic calls do the same with what came back.
    stack = [str(uuid.uuid4()) for _number in range(4)]
    common = {"endpoint": url, "extra_headers": {"X-Auth-Token": token}, "sr_path": str(dom0.directory), "api_version": 2}
    host = dom0.pool.api.host.get_all()[0]

    def historic(function: str, **given: Any) -> Any:
        params = pickle.dumps({"args": (), "kwargs": given | common}, 0).decode("ascii")
        return pickle.loads(dom0.pool.api.host.call_plugin(host, "glance", function, {"params": params}).encode("ascii"))

    assert historic("download_vhd2", image_id=second, uuid_stack=stack) == {"root": {"uuid": stack[-1]}}
    assert dom0.holds(stack[-1], raw)
    third = create()
    assert historic("upload_vhd2", image_id=third, vdi_uuids=[stack[-1]], properties={}) is None
    assert (record(third)["status"], record(third)["visibility"]) == ("active", "private")
