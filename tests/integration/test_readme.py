# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the README shows is what a reader gets: its playbook runs as it stands, but for the address of the mirror, and its refusals are the real ones."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from ansible_collections.xenstack.image_services.plugins.filter.glance_stores_lint import glance_stores_lint
from ansible_collections.xenstack.image_services.tests.support.cloud import Cloud
from ansible_collections.xenstack.image_services.tests.support.deployment import LOCAL, ROOT, run_playbook
from ansible_collections.xenstack.image_services.tests.support.disks import qemu_img
from ansible_collections.xenstack.image_services.tests.support.mirror import Mirror
from ansible_collections.xenstack.image_services.tests.support.modules import run_module

README = (ROOT / "README.md").read_text(encoding="utf-8")
DIRECTORY = "/images/cloud/trixie/latest"


@pytest.fixture
def qcow2(cloud: Cloud, small_disk: Path, tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "debian-13.qcow2"
    qemu_img("convert", "-f", "raw", "-O", "qcow2", small_disk, path)
    yield path
    cloud.remove_images("debian-13")


def test_the_playbook_keeps_its_image_in_two_stores(cloud: Cloud, qcow2: Path, tmp_path: Path) -> None:
    (text,) = re.findall(r"^```yaml\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    clouds = tmp_path / "clouds.yaml"
    clouds.write_text(yaml.safe_dump({"clouds": {"production": cloud.auth("admin")["cloud"]}}), encoding="utf-8")
    playbook = tmp_path / "image.yml"
    with Mirror() as mirror:
        content, name = qcow2.read_bytes(), "debian-13-genericcloud-amd64.qcow2"
        mirror.files = {f"{DIRECTORY}/{name}": content, f"{DIRECTORY}/SHA512SUMS": f"{hashlib.sha512(content).hexdigest()}  {name}\n".encode()}
        playbook.write_text(text.replace("https://cloud.debian.org", mirror.uri("")), encoding="utf-8")
        changes = []
        for _run in range(2):
            mirror.requests.clear()
            changes.append(run_playbook(playbook, LOCAL, more={"OS_CLIENT_CONFIG_FILE": str(clouds)}).succeeded().changed)
        assert mirror.requests == [f"{DIRECTORY}/SHA512SUMS"]
    assert changes == [1, 0]
    (image,) = [image for image in cloud.images("admin") if image["name"] == "debian-13"]
    cloud.assert_stored(image, qcow2, "fast", "archive")


def test_the_refusals_are_those_that_are_printed(cloud: Cloud, qcow2: Path) -> None:
    options = {**cloud.auth("admin"), "name": "debian-13", "src": str(qcow2)}
    stores = [{"name": name, "type": "file", "default": name == "fast", "filesystem_store_datadir": "/srv/images"} for name in ("fast", "archive")]
    refusals = [
        run_module("glance_image", {**options, "stores": ["fast", "tape"]}).sentence(),
        run_module("glance_image", {**options, "disk_format": "raw"}).sentence(),
        *glance_stores_lint(stores),
    ]
    assert re.findall(r"^> (.+)$", README, re.MULTILINE) == [refusal.replace(str(qcow2.parent), "/srv") for refusal in refusals]
    assert [image for image in cloud.images("admin") if image["name"] == "debian-13"] == []
