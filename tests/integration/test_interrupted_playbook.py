# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ctrl-C and a killed ansible-playbook end the transfers of its modules, which remove what is not complete."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.xenstack.image_services.tests.support.cloud import Cloud
from ansible_collections.xenstack.image_services.tests.support.deployment import LOCAL, running_playbook
from ansible_collections.xenstack.image_services.tests.support.mirror import Mirror
from ansible_collections.xenstack.image_services.tests.support.xapi import PoolUnderTest

MIB = 1024 * 1024
# The transfer would go on for a minute.
SIZE, RATE = 128 * MIB, 2 * MIB
NAME = "interrupted playbook"


@pytest.fixture
def uri() -> Iterator[str]:
    with Mirror() as mirror:
        mirror.files["/slow.raw"] = bytes(SIZE)
        mirror.rate = RATE
        yield mirror.uri("/slow.raw")


def tasks(module: str, uri: str, cloud: Cloud, pool: PoolUnderTest) -> dict[str, Any]:
    image = {"name": NAME, "uri": uri, "disk_format": "raw"}
    return {
        "glance_image": cloud.auth("alice") | image,
        "glance_images": cloud.auth("alice") | {"concurrency": 2, "images": [image, image | {"name": f"{NAME} 2"}]},
        "xen_vdi_import": pool.options(**image),
    }[module]


def descendants(pid: int) -> set[int]:
    found: set[int] = set()
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split():
        found |= {int(child)} | descendants(int(child))
    return found


def runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def until(seen: Callable[[], Any], seconds: float) -> Any:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := seen():
            return found
        time.sleep(0.05)
    raise AssertionError("not seen")


@pytest.mark.parametrize(
    ("module", "number"),
    [("glance_image", signal.SIGINT), ("glance_images", signal.SIGKILL), ("xen_vdi_import", signal.SIGKILL), ("xen_vdi_import", signal.SIGINT)],
)
def test_nothing_works_on_unseen(cloud: Cloud, pool: PoolUnderTest, uri: str, tmp_path: Path, module: str, number: signal.Signals) -> None:
    playbook = tmp_path / "play.yml"
    task = {f"xenstack.image_services.{module}": tasks(module, uri, cloud, pool)}
    playbook.write_text(yaml.safe_dump([{"hosts": "localhost", "gather_facts": False, "vars": LOCAL, "tasks": [task]}]), encoding="utf-8")

    def begun() -> list[Any]:
        if module == "xen_vdi_import":
            return [vdi for vdi in pool.api.VDI.get_all_records().values() if vdi["name_label"].startswith(NAME)]
        return [image for image in cloud.images("alice") if str(image["name"]).startswith(NAME) and image["status"] == "saving"]

    with pool.nothing_left() if module == "xen_vdi_import" else nullcontext(), running_playbook(playbook, {}) as process:
        until(begun, 60)
        started = descendants(process.pid)
        assert started
        if number == signal.SIGINT:
            # As a terminal does: ansible-playbook alone is in its foreground, since workers have sessions of their own.
            process.send_signal(signal.SIGINT)
        else:
            os.kill(process.pid, signal.SIGKILL)
        until(lambda: not any(runs(pid) for pid in started), 25)
        process.communicate()
    assert not [image for image in cloud.images("alice") if str(image["name"]).startswith(NAME)]
