# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A pool whose hosts pull images of a real Glance by the real plugin, for tests of xen_vdi_import."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.xenstack.image_services.plugins.module_utils._core.errors import ImageServicesError
from ansible_collections.xenstack.image_services.tests.support.cloud import Cloud
from ansible_collections.xenstack.image_services.tests.support.disks import MIB
from ansible_collections.xenstack.image_services.tests.support.faulty_proxy import FaultyProxy
from ansible_collections.xenstack.image_services.tests.support.imports import NAME, disks_of, imported
from ansible_collections.xenstack.image_services.tests.support.xapi import PoolUnderTest, query

SIZE = 13 * MIB + 7 * 512
SR = "dom0 tests"
DEADLINE = 60.0
# Disk and container format by the names of imports.images_of().
FORMS = {"raw": ("raw", "bare"), "vhd-descending": ("vhd", "bare"), "chain": ("vhd", "ovf"), "chain.gz": ("vhd", "ovf"), "qcow2": ("qcow2", "bare")}


@dataclass
class Setting:
    """A pool whose hosts have the plugin and see one SR, and the images to pull."""

    pool: PoolUnderTest
    cloud: Cloud
    plugins: Path
    paths: dict[str, Path]
    images: dict[str, dict[str, Any]]

    @property
    def glance(self) -> dict[str, Any]:
        return self.cloud.auth("alice")

    @property
    def password(self) -> str:
        return str(self.cloud.auth("alice")["cloud"]["auth"]["password"])

    def options(self, content: str = "raw", /, **options: Any) -> dict[str, Any]:
        return {"image": self.images[content]["id"], "glance": self.glance, "sr": SR, "transport": "dom0", **options}

    def pull(self, content: str = "raw", /, check: bool = False, **options: Any) -> dict[str, Any]:
        return imported(self.pool, check, **self.options(content, **options))

    def stored(self, name: str = NAME) -> bytes:
        """What the pool itself reads from the one VDI of the name, with its parents."""
        (vdi,) = disks_of(self.pool, name)
        task = self.pool.api.task.create("read", "")
        try:
            status, data = self.pool.server.ask("GET", query(self.pool.session, "/export_raw_vdi", vdi=vdi, format="raw", task_id=task))
        finally:
            self.pool.api.task.destroy(task)
        assert status == 200
        return data

    @property
    def sr_directory(self) -> Path:
        (sr,) = self.pool.api.SR.get_by_name_label(SR)
        return self.pool.server.state / "sr-mount" / str(self.pool.api.SR.get_uuid(sr))

    def staging(self) -> list[Path]:
        return [path for path in self.sr_directory.iterdir() if path.name.startswith("imagestore.")]

    def refused(self, *words: str, **options: Any) -> str:
        with self.pool.nothing_left(), pytest.raises(ImageServicesError) as excinfo:
            self.pull(**options)
        text = str(excinfo.value)
        assert text.startswith("Cannot "), text
        assert text.endswith("."), text
        assert all(word in text for word in words), text
        return text


def rounded(data: bytes) -> bytes:
    return data.ljust(-(-len(data) // (2 * MIB)) * 2 * MIB, b"\0")


def until(seen: Callable[[], Any]) -> Any:
    end = time.monotonic() + DEADLINE
    while time.monotonic() < end:
        if found := seen():
            return found
        time.sleep(0.05)
    raise AssertionError("not seen")


def make_sr(pool: PoolUnderTest) -> str:
    return str(pool.api.SR.create(pool.api.host.get_all()[0], {"server": "files", "serverpath": "/dom0"}, "0", SR, "", "nfs", "", True, {}))


@dataclass
class Held:
    """A pull that stands in the middle: Glance does not answer the host before it is let go."""

    proxy: FaultyProxy
    arrived: threading.Event
    release: threading.Event

    def wait(self) -> None:
        assert self.arrived.wait(DEADLINE)


def scripted(path: Path, body: str) -> None:
    lines = [
        f"#!{sys.executable}",
        "import json, os, sys, xmlrpc.client",
        "(session, args), function = xmlrpc.client.loads(sys.argv[1])",
        "failure = value = None",
        body,
        'answer = {"Status": "Success", "Value": value} if failure is None else {"Status": "Failure", "ErrorDescription": failure}',
        'print(xmlrpc.client.dumps((answer,), "", True))',
    ]
    path.write_text("\n".join(lines))
    path.chmod(0o755)
