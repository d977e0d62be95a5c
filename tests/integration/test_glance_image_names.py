# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Any name that Glance accepts is created, found, left alone, changed and removed, although Glance reads what is before a colon in a filter as an operator."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.xenstack.image_services.plugins.module_utils._glance.connection import Cloud as Connection
from ansible_collections.xenstack.image_services.tests.support import sweep
from ansible_collections.xenstack.image_services.tests.support.cloud import Cloud
from ansible_collections.xenstack.image_services.tests.support.modules import run_module
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

TAG = "test-glance-image-names"
NAMES = (
    "ubuntu:24.04",
    "a: b",
    "backup 2026-09-01T10:00:00",
    "2026-09-01T10:00:00Z",
    "in:a,b",
    "eq:a",
    'in:"a"',
    "neq:ubuntu",
    'he said "yes": once',
    "back\\slash:\\",
    ":",
    "%41:&name=x#y",
    " blanks: around ",
    "größe:ü",
)


@pytest.fixture
def tagged(cloud: Cloud) -> Iterator[dict[str, Any]]:
    yield {**cloud.auth("alice"), "tags": [TAG]}
    glance = Connection(cloud.auth("alice")).glance
    for image in list(glance.images([("tag", TAG)])):
        glance.delete(image["id"])


def life(tagged: dict[str, Any], path: Path, name: str) -> None:
    auth = {"cloud": tagged["cloud"]}

    def found(**options: Any) -> list[str]:
        return [image["name"] for image in run_module("glance_image_info", {**auth, **options}).succeeded()["images"]]

    declared = {**tagged, "name": name, "src": str(path), "disk_format": "raw"}
    assert run_module("glance_image", declared).succeeded()["changed"]
    assert found(name=name) == [name]
    assert found(tags=[TAG], filters={} if name.startswith(("in:", "eq:")) else {"name": name}) == [name]
    assert not run_module("glance_image", declared).succeeded()["changed"]
    assert run_module("glance_image", {**declared, "min_disk": 1}).succeeded()["changed"]
    assert run_module("glance_image", {**auth, "name": name, "state": "absent"}).succeeded()["changed"]
    assert found(name=name) == []
    assert not run_module("glance_image", {**auth, "name": name, "state": "absent"}).succeeded()["changed"]


@pytest.mark.parametrize("name", sweep.sample(NAMES, 6, "names of images"))
def test_the_life_of_an_image(tagged: dict[str, Any], small_disk: Path, name: str) -> None:
    life(tagged, small_disk, name)


@settings(max_examples=100 if sweep.COMPLETE else 4, suppress_health_check=[HealthCheck.function_scoped_fixture])
# Glance refuses names with characters of four bytes.
@given(name=st.text(st.characters(max_codepoint=0xFFFF, exclude_categories=("Cs", "Cc")), min_size=1, max_size=255))
def test_the_life_of_an_image_of_any_name(tagged: dict[str, Any], small_disk: Path, name: str) -> None:
    life(tagged, small_disk, name)


def test_a_kernel_by_such_a_name(tagged: dict[str, Any], small_disk: Path) -> None:
    kernel = {**tagged, "name": "vmlinuz: 6.12", "src": str(small_disk), "disk_format": "aki", "container_format": "aki"}
    ident = run_module("glance_image", kernel).succeeded()["image"]["id"]
    machine = {**tagged, "name": "machine: 1", "src": str(small_disk), "disk_format": "raw", "kernel": "vmlinuz: 6.12"}
    assert run_module("glance_image", machine).succeeded()["image"]["kernel_id"] == ident
    assert not run_module("glance_image", machine).succeeded()["changed"]


def test_a_kernel_alone_removes_no_property(tagged: dict[str, Any], small_disk: Path) -> None:
    kernel = {**tagged, "name": "kernel", "src": str(small_disk), "disk_format": "aki", "container_format": "aki"}
    run_module("glance_image", kernel).succeeded()
    machine = {**tagged, "name": "machine", "src": str(small_disk), "disk_format": "raw", "properties": {"os_type": "linux"}}
    run_module("glance_image", machine).succeeded()
    exact = {**tagged, "name": "machine", "kernel": "kernel", "properties_mode": "exact"}
    run = run_module("glance_image", exact).succeeded()
    assert run["changed"]
    assert run["image"]["os_type"] == "linux"
    assert not run_module("glance_image", exact).succeeded()["changed"]
    declared = run_module("glance_image", {**exact, "properties": {"os_distro": "debian"}}).succeeded()["image"]
    assert (declared["os_type"], declared["os_distro"]) == (None, "debian")
    assert declared["kernel_id"]
