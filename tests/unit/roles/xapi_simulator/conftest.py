# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A pool for the tests of one file, and sessions in it."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.xenstack.image_services.tests.support.xapi import MIB, Server, query, start


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    running = start(tmp_path_factory.mktemp("pool") / "state", "--no-tls")
    yield running
    running.stop()


@pytest.fixture
def launch(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Starts pools of the test's own, on one state directory."""
    running: list[Server] = []

    def run(*options: str) -> Server:
        running.append(start(tmp_path / "state", *options))
        return running[-1]

    yield run
    for each in running:
        if each.process.poll() is None:
            each.stop()


@pytest.fixture
def session(server: Server) -> Iterator[Any]:
    made = server.login()
    yield made
    made.xenapi.session.logout()


@pytest.fixture
def api(session: Any) -> Any:
    return session.xenapi


@pytest.fixture
def sr(api: Any) -> str:
    (pool,) = api.pool.get_all()
    return api.pool.get_default_SR(pool)


@pytest.fixture
def make_vdi(api: Any, sr: str) -> Callable[..., str]:
    def make(size: int = 8 * MIB, **fields: Any) -> str:
        given = {"SR": sr, "virtual_size": str(size), "type": "user", "sharable": False, "read_only": False, "other_config": {}}
        return api.VDI.create(given | {"name_label": "a disk"} | fields)

    return make


@pytest.fixture
def fill(server: Server, session: Any) -> Callable[[str], bytes]:
    """Writes random extents to a disk by the door for raw streams; gives what the disk holds then."""

    def run(vdi: str) -> bytes:
        size = int(session.xenapi.VDI.get_virtual_size(vdi))
        data = bytearray(size)
        for _dummy in range(3):
            offset = random.randrange(size // 512 - 200) * 512
            data[offset : offset + 512 * 100] = os.urandom(512 * 100)
        status, rest = server.ask("PUT", query(session, "/import_raw_vdi", vdi=vdi), bytes(data))
        assert (status, rest) == (200, b"")
        return bytes(data)

    return run
