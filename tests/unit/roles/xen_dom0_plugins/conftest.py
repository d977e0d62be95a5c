# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A pool whose hosts have our plugins under each Python in turn, and an image service."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.xenstack.image_services.tests.support.disks import MIB
from ansible_collections.xenstack.image_services.tests.support.dom0 import Dom0, install, pythons
from ansible_collections.xenstack.image_services.tests.support.glance_double import GlanceDouble
from ansible_collections.xenstack.image_services.tests.support.imports import images_of, small_raw
from ansible_collections.xenstack.image_services.tests.support.sweep import sample
from ansible_collections.xenstack.image_services.tests.support.xapi import PoolUnderTest, run_pool


@pytest.fixture(scope="session")
def plugin_pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PoolUnderTest]:
    yield from run_pool(tmp_path_factory.mktemp("dom0") / "state")


@pytest.fixture(scope="module", params=sample(sorted(pythons()), 1, "dom0"))
def python(request: pytest.FixtureRequest, plugin_pool: PoolUnderTest) -> str:
    """The version of the Python that runs the plugins: one of those of hosts in each run, all of them in a sweep."""
    install(plugin_pool, pythons()[request.param])
    return str(request.param)


@pytest.fixture
def dom0(python: str, plugin_pool: PoolUnderTest) -> Iterator[Dom0]:
    """Nothing of a transfer may be left in the SR, but the disks."""
    made = Dom0(plugin_pool)
    yield made
    plugin_pool.clear_faults()
    left = made.left()
    made.clear()
    assert not left


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """A disk of 8 MiB in every format that the plugin takes."""
    found = images_of(small_raw(tmp_path_factory.mktemp("images"), 8 * MIB))
    return {name: found[name].read_bytes() for name in ("raw", "vhd", "vhd-descending", "tarball", "chain", "chain.gz")}


@pytest.fixture
def glance() -> Iterator[GlanceDouble]:
    made = GlanceDouble()
    yield made
    made.close()


@pytest.fixture
def secure(plugin_pool: PoolUnderTest) -> Iterator[GlanceDouble]:
    state: Path = plugin_pool.server.state
    made = GlanceDouble(state / "xapi-ssl.crt", state / "xapi-ssl.key")
    yield made
    made.close()
