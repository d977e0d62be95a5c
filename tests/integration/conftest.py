# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One cloud for all tests of a run, deployed by the collection's own roles."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.xenstack.image_services.tests.support.cloud import Cloud
from ansible_collections.xenstack.image_services.tests.support.deployed import deploy_cloud


@pytest.fixture(scope="session")
def cloud() -> Iterator[Cloud]:
    yield from deploy_cloud()


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
