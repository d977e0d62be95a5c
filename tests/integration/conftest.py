# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One cloud for all tests of a run, deployed by the collection's own roles."""

from __future__ import annotations

import os
import shutil
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.xenstack.image_services.plugins.module_utils._glance.connection import Cloud as Connection
from ansible_collections.xenstack.image_services.tests.support import dom0, groups
from ansible_collections.xenstack.image_services.tests.support.aware import AwareCloud
from ansible_collections.xenstack.image_services.tests.support.cinder import Cinder, deploy_cinder, role_variables
from ansible_collections.xenstack.image_services.tests.support.cloud import Cloud
from ansible_collections.xenstack.image_services.tests.support.deployed import deploy_cloud
from ansible_collections.xenstack.image_services.tests.support.deployment import control, run_roles
from ansible_collections.xenstack.image_services.tests.support.disks import partitioned
from ansible_collections.xenstack.image_services.tests.support.faulty_proxy import Fault, FaultyProxy
from ansible_collections.xenstack.image_services.tests.support.imports import clear, images_of, small_raw
from ansible_collections.xenstack.image_services.tests.support.pulls import DEADLINE, FORMS, SIZE, Held, Setting, make_sr
from ansible_collections.xenstack.image_services.tests.support.xapi import PoolUnderTest, run_pool

# The group of the test that follows in this process.
NEXT_GROUP = pytest.StashKey[str | None]()
IS_AWARE = pytest.StashKey[bool]()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    groups.arrange(items)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> groups.Groups | None:
    return groups.Groups(config, log) if config.getvalue("dist") == "loadgroup" else None


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    item.session.stash[NEXT_GROUP] = groups.group_of(nextitem.nodeid) if nextitem else None


@pytest.fixture(scope="session")
def cloud() -> Iterator[Cloud]:
    yield from deploy_cloud()


@pytest.fixture(scope="module")
def aware_cloud(cloud: Cloud, request: pytest.FixtureRequest) -> Iterator[AwareCloud]:
    """The cloud with the instance-aware filter in its Glance, deployed once for all files of the group; others find Glance without."""
    aware, stash = AwareCloud(cloud), request.session.stash
    try:
        if not stash.get(IS_AWARE, False):
            aware.run().succeeded()
            stash[IS_AWARE] = True
        yield aware
    finally:
        if stash.get(NEXT_GROUP, None) != "aware" or not stash.get(IS_AWARE, False):
            stash[IS_AWARE] = False
            aware.run(glance_instance_aware_state="absent", glance_instance_aware_drop_table=True).succeeded()


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
    """A Cinder with a backend on that pool, which the role has set up and verified."""
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
    path.write_bytes(partitioned(os.urandom(32 * 1024 * 1024)))
    return path


@pytest.fixture
def small_disk(tmp_path: Path) -> Path:
    path = tmp_path / "small.raw"
    path.write_bytes(partitioned(os.urandom(64 * 1024)))
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
        "glance_stores_config_backups": 0,
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
        "glance_stores_internal": {name: {"filesystem_store_datadir": str(cloud.base / "data" / name)} for name in ("staging", "tasks")},
    }
    files = {path: path.read_text() for path in (config / "glance-stores.conf", config / ".glance-stores.conf.verified")}
    yield settings
    if (config / "glance-stores.conf").read_text() != files[config / "glance-stores.conf"]:
        for path, text in files.items():
            path.write_text(text)
        control("glance", cloud.base, "restart")


# Hosts that pull images


@pytest.fixture(scope="module")
def pull_paths(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return images_of(small_raw(tmp_path_factory.mktemp("images"), SIZE, seed=7))


@pytest.fixture(scope="module")
def pull_images(cloud: Cloud, pull_paths: dict[str, Path]) -> Iterator[dict[str, dict[str, Any]]]:
    """As any client of Glance makes them."""
    glance = Connection(cloud.auth("alice")).glance
    made = {}
    for name, (disk, container) in FORMS.items():
        ident = glance.create({"id": str(uuid.uuid4()), "name": f"dom0 {name}", "disk_format": disk, "container_format": container})["id"]
        glance.upload(ident, pull_paths[name].read_bytes(), pull_paths[name].stat().st_size)
        made[name] = dict(glance.image(ident) or {})
    yield made
    for image in made.values():
        glance.delete(image["id"])


@pytest.fixture(scope="module")
def pull_plugins(pool_of_the_run: PoolUnderTest) -> Iterator[Path]:
    pool = pool_of_the_run
    directory = dom0.install(pool)
    sr = make_sr(pool)
    yield directory
    for vdi in pool.api.SR.get_VDIs(sr):
        pool.api.VDI.destroy(vdi)
    for pbd in pool.api.SR.get_PBDs(sr):
        pool.api.PBD.unplug(pbd)
    pool.api.SR.destroy(sr)
    dom0.remove(directory)


@pytest.fixture
def setting(
    pull_plugins: Path, pull_images: dict[str, dict[str, Any]], pull_paths: dict[str, Path], cloud: Cloud, pool: PoolUnderTest, cleared_pool: None
) -> Iterator[Setting]:
    made = Setting(pool, cloud, pull_plugins, pull_paths, pull_images)
    yield made
    assert not made.staging()
    for each in pool.api.host.get_all_records().values():
        shutil.rmtree(pull_plugins / each["uuid"], ignore_errors=True)


@pytest.fixture
def held(cloud: Cloud) -> Iterator[Held]:
    """Only the host asks this proxy; the module itself asks Glance."""
    with cloud.proxy() as proxy:
        made = Held(proxy, threading.Event(), threading.Event())

        def hold() -> None:
            made.arrived.set()
            made.release.wait(DEADLINE)

        proxy.faults.append(Fault("GET .*/file", hook=hold))
        try:
            yield made
        finally:
            made.release.set()
