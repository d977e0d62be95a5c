# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One cloud for all tests of a run, deployed by the collection's own roles."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.xenstack.image_services.tests.support.cinder import Cinder, deploy_cinder, role_variables
from ansible_collections.xenstack.image_services.tests.support.cloud import Cloud
from ansible_collections.xenstack.image_services.tests.support.deployed import deploy_cloud
from ansible_collections.xenstack.image_services.tests.support.deployment import control, run_roles
from ansible_collections.xenstack.image_services.tests.support.faulty_proxy import FaultyProxy
from ansible_collections.xenstack.image_services.tests.support.imports import clear
from ansible_collections.xenstack.image_services.tests.support.xapi import PoolUnderTest, run_pool


@pytest.fixture(scope="session")
def cloud() -> Iterator[Cloud]:
    yield from deploy_cloud()


@pytest.fixture(scope="session")
def pool_of_the_run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PoolUnderTest]:
    yield from run_pool(tmp_path_factory.mktemp("pool") / "state")


@pytest.fixture
def pool(pool_of_the_run: PoolUnderTest) -> Iterator[PoolUnderTest]:
    """One simulated pool for all tests; no fault of a test reaches the next one."""
    yield pool_of_the_run
    pool_of_the_run.clear_faults()


@pytest.fixture(scope="session")
def volume_pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PoolUnderTest]:
    """A pool of its own for the volumes, which may go away."""
    yield from run_pool(tmp_path_factory.mktemp("volumes") / "state")


@pytest.fixture(scope="session")
def cinder(cloud: Cloud, volume_pool: PoolUnderTest) -> Iterator[Cinder]:
    """A Cinder with a backend on that pool, which the role has set up and proved."""
    for cinder in deploy_cinder(cloud):
        run_roles(["cinder_xenapinfs"], role_variables(cloud, cinder, volume_pool)).succeeded()
        yield cinder


@pytest.fixture
def cleared_pool(pool: PoolUnderTest) -> Iterator[None]:
    """What a test imports under the usual name goes, and nothing else may be left."""
    with pool.nothing_left():
        yield
        pool.clear_faults()
        clear(pool)


@pytest.fixture
def proxy(cloud: Cloud) -> Iterator[FaultyProxy]:
    with cloud.proxy() as proxy:
        yield proxy


@pytest.fixture
def image_name(cloud: Cloud, request: pytest.FixtureRequest) -> Iterator[str]:
    """A name of the test's own; what the test leaves under it goes."""
    name = f"test {request.node.name[:80]}"
    yield name
    cloud.remove_images(name)


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    """A raw disk of 32 MiB that no two tests share."""
    path = tmp_path / "disk.raw"
    path.write_bytes(os.urandom(32 * 1024 * 1024))
    return path


@pytest.fixture
def small_disk(tmp_path: Path) -> Path:
    path = tmp_path / "small.raw"
    path.write_bytes(os.urandom(64 * 1024))
    return path


@pytest.fixture
def variables(cloud: Cloud) -> Iterator[dict[str, Any]]:
    """What the role needs to manage the cloud's stores; its configuration is as it was afterwards."""
    config = cloud.base / "glance" / "config"
    given = {store: (cloud.store_directory(store).stat().st_uid, cloud.store_directory(store).stat().st_gid) for store in ("fast", "archive")}
    settings = {
        "glance_home": str(cloud.base / "glance"),
        "glance_config_dir": str(config),
        "glance_state_dir": str(cloud.base / "glance" / "state"),
        "glance_user": str(given["fast"][0]),
        "glance_group": str(given["fast"][1]),
        "glance_stores_cloud": cloud.auth("admin")["cloud"],
        "glance_stores_backup": False,
        "glance_stores": [
            {
                "name": store,
                "type": "file",
                "default": store == "fast",
                "filesystem_store_datadir": str(cloud.store_directory(store)),
                "directory": {"owner": str(uid), "group": str(gid)},
            }
            for store, (uid, gid) in given.items()
        ],
        "glance_stores_reserved": {name: {"filesystem_store_datadir": str(cloud.base / "data" / name)} for name in ("staging", "tasks")},
    }
    files = {path: path.read_text() for path in (config / "glance-stores.conf", config / ".glance-stores.conf.proved")}
    yield settings
    if (config / "glance-stores.conf").read_text() != files[config / "glance-stores.conf"]:
        for path, text in files.items():
            path.write_text(text)
        control("glance", cloud.base, "restart")
