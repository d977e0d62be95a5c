# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbooks of Xen pools where they cannot or must not do their work; test_boot.py shows them doing it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.xenstack.image_services.tests.support.cloud import Cloud
from ansible_collections.xenstack.image_services.tests.support.deployment import ROOT, Run, run_playbook
from ansible_collections.xenstack.image_services.tests.support.disks import partitioned
from ansible_collections.xenstack.image_services.tests.support.modules import run_module
from ansible_collections.xenstack.image_services.tests.support.xapi import MIB, PASSWORD, PoolUnderTest

LOCAL = ["-i", "localhost,", "-e", "ansible_connection=local", "-e", "ansible_python_interpreter={{ ansible_playbook_python }}"]


def play(name: str, *arguments: str, **variables: Any) -> Run:
    run = run_playbook(ROOT / "playbooks" / f"{name}.yml", variables, *LOCAL, *arguments)
    assert PASSWORD not in run.output
    return run


POOL = {"hostname": "p", "password": PASSWORD}


@pytest.fixture
def machine(pool: PoolUnderTest, tmp_path: Path) -> Iterator[str]:
    """A running VM."""
    data = tmp_path / "data.raw"
    data.write_bytes(partitioned(os.urandom(MIB).ljust(4 * MIB, b"\0")))
    run_module("xen_vdi_import", pool.options(name="golden", src=str(data))).succeeded()
    run_module("xen_vm", pool.options(name="machine", boot_disk="golden", clone=True, state="running")).succeeded()
    yield "machine"
    pool.clear_faults()
    run_module("xen_vm", pool.options(name="machine", state="absent", remove_disks=True)).succeeded()
    run_module("xen_vdi_import", pool.options(name="golden", state="absent")).succeeded()


@pytest.mark.parametrize(
    ("name", "variables", "sentence"),
    [
        ("import_image", {"import_image_pools": [POOL]}, "it needs one of import_image_image, import_image_src and import_image_uri"),
        ("import_image", {"import_image_pools": [POOL], "import_image_src": "/x"}, "import_image_name is not given"),
        ("snapshot_to_glance", {}, "Cannot publish VM: snapshot_to_glance_vm is not given. Set it."),
    ],
)
def test_what_is_not_said_is_asked_for(name: str, variables: dict[str, Any], sentence: str) -> None:
    refused = play(name, **variables)
    assert refused.returncode != 0
    assert sentence in " ".join(refused.output.split())


def test_a_check_run_changes_nothing_and_a_failed_export_leaves_no_snapshot(cloud: Cloud, pool: PoolUnderTest, machine: str, image_name: str) -> None:
    options = {
        "snapshot_to_glance_vm": machine,
        "xen_pool": pool.options(),
        "snapshot_to_glance_image": image_name,
        "snapshot_to_glance_cloud": cloud.auth("alice")["cloud"],
    }
    with pool.nothing_left():
        refused = play("snapshot_to_glance", **options, snapshot_to_glance_visibility="everyone")
        assert "snapshot_to_glance_visibility is 'everyone'. Choose private, shared, community or public." in refused.output
        assert f"The disk of VM machine would be published as {image_name}" in play("snapshot_to_glance", "--check", **options).succeeded().output
        pool.fault(kind="drop", method="export_raw_vdi", after=100_000, times=0)
        assert play("snapshot_to_glance", **options).returncode != 0
        pool.clear_faults()
    assert not [image for image in cloud.images("alice") if image["name"] == image_name]


def test_what_an_image_does_not_hold_is_named_before_anything_is_sent(cloud: Cloud, pool: PoolUnderTest, machine: str, image_name: str) -> None:
    vm = pool.api.VM.get_by_name_label(machine)[0]
    changes = {"firmware": "uefi", "secure_boot": True, "disks": [{"vdi": "golden"}], "state": "stopped"}
    run_module("xen_vm", pool.options(name=machine, **changes)).succeeded()
    assert pool.api.VM.get_platform(vm)["secureboot"] == "true"
    pool.api.VM.set_NVRAM(vm, {"EFI-variables": "x"})
    options: dict[str, Any] = {
        "snapshot_to_glance_vm": machine,
        "xen_pool": pool.options(),
        "snapshot_to_glance_image": image_name,
        "snapshot_to_glance_cloud": cloud.auth("alice")["cloud"],
    }
    with pool.nothing_left():
        assert "it has several disks, and an image is one disk" in " ".join(play("snapshot_to_glance", **options).output.split())
        options["snapshot_to_glance_device"] = 0
        refused = " ".join(play("snapshot_to_glance", **options).output.split())
        assert "the image would lack the disk 1 'golden'" in refused
        assert "and the variables of its UEFI firmware, with boot entries and keys of secure boot" in refused
        assert "Set snapshot_to_glance_leave to [disks, nvram]" in refused
        assert not [image for image in cloud.images("alice") if image["name"] == image_name]
        options["snapshot_to_glance_leave"] = ["nvram", "disks"]
        published = " ".join(play("snapshot_to_glance", **options).succeeded().output.split())
        assert ", without the disk 1 'golden'" in published
    (image,) = [image for image in cloud.images("alice") if image["name"] == image_name]
    properties = image["properties"]
    assert (properties["hw_firmware_type"], image["needs_secure_boot"]) == ("uefi", "required")
    assert properties["image_services_left_behind"].startswith("the disk 1 'golden'")

    restored = {
        "restore_from_glance_image": image["id"],
        "xen_pool": pool.options(),
        "restore_from_glance_cloud": cloud.auth("alice")["cloud"],
        "restore_from_glance_settle": 0,
    }
    refused = " ".join(play("restore_from_glance", restore_from_glance_vm=machine, **restored).output.split())
    assert "the pool has a VM of this name that was not built from this image" in refused
    assert pool.api.VM.get_power_state(vm) == "Halted"
    try:
        shown = " ".join(play("restore_from_glance", restore_from_glance_vm="restored", **restored).succeeded().output.split())
        assert "and whether it answers was not checked" in shown
        assert "It lacks the disk 1 'golden'" in shown
        built = run_module("xen_vm", pool.options(name="restored")).succeeded()["vm"]
        assert (built["firmware"], built["secure_boot"], built["power_state"]) == ("uefi", True, "running")
    finally:
        run_module("xen_vm", pool.options(name="restored", state="absent", force=True)).succeeded()
        run_module("xen_vdi_import", pool.options(name=image_name, state="absent")).succeeded()


def test_a_snapshot_that_is_kept_is_published_once(cloud: Cloud, pool: PoolUnderTest, machine: str, image_name: str) -> None:
    options = {
        "snapshot_to_glance_vm": machine,
        "xen_pool": pool.options(),
        "snapshot_to_glance_image": image_name,
        "snapshot_to_glance_snapshot": "release 1",
        "snapshot_to_glance_format": "qcow2",
        "snapshot_to_glance_cloud": cloud.auth("alice")["cloud"],
    }
    assert play("snapshot_to_glance", **options).succeeded().changed == 2
    assert play("snapshot_to_glance", **options).succeeded().changed == 0
    (image,) = [image for image in cloud.images("alice") if image["name"] == image_name]
    restored = play(
        "restore_from_glance",
        "--check",
        restore_from_glance_image=image["id"],
        restore_from_glance_vm="never made",
        xen_pool=pool.options(),
        restore_from_glance_cloud=cloud.auth("alice")["cloud"],
    ).succeeded()
    assert f"VM never made would be created from image {image['id']} and started." in restored.output
    assert not pool.api.VM.get_by_name_label("never made")
