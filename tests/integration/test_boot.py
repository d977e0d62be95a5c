# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""An image that boots: through Glance and SRs of pools, and back, by the playbooks. A real machine reads each SR's VHD and prints the marker."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.xenstack.image_services.tests.support.boot import boot, write_boot_disk
from ansible_collections.xenstack.image_services.tests.support.cloud import Cloud
from ansible_collections.xenstack.image_services.tests.support.deployment import ROOT, Run, run_playbook
from ansible_collections.xenstack.image_services.tests.support.disks import qemu_img
from ansible_collections.xenstack.image_services.tests.support.modules import run_module
from ansible_collections.xenstack.image_services.tests.support.xapi import PoolUnderTest, disk_file, run_pool


@pytest.fixture
def marker() -> str:
    return f"booted {uuid.uuid4()}"


@pytest.fixture
def image(cloud: Cloud, image_name: str, marker: str, tmp_path: Path) -> dict[str, Any]:
    """The disk that boots, as a qcow2 in Glance."""
    raw, path = write_boot_disk(tmp_path / "boot.raw", marker), tmp_path / "boot.qcow2"
    qemu_img("convert", "-f", "raw", "-O", "qcow2", raw, path)
    given = {"name": image_name, "src": str(path), "disk_format": "qcow2"}
    return run_module("glance_image", {**cloud.auth("alice"), **given}).succeeded()["image"]


@pytest.fixture
def clean(pool: PoolUnderTest, image_name: str) -> Iterator[None]:
    """What is left in the pool under the test's name goes."""
    yield
    for vm, record in pool.api.VM.get_all_records().items():
        if record["name_label"].startswith(image_name) and not record["is_a_snapshot"]:
            run_module("xen_vm", pool.options(uuid=pool.api.VM.get_uuid(vm), state="absent", force=True, remove_disks=True)).succeeded()
    for vdi, record in pool.api.VDI.get_all_records().items():
        if record["name_label"].startswith(image_name):
            pool.api.VDI.destroy(vdi)


def play(name: str, cloud: Cloud, user: str, **variables: Any) -> Run:
    local = ["-i", "localhost,", "-e", "ansible_connection=local", "-e", "ansible_python_interpreter={{ ansible_playbook_python }}"]
    variables[f"{name}_cloud"] = cloud.auth(user)["cloud"]
    return run_playbook(ROOT / "playbooks" / f"{name}.yml", variables, *local)


def boots(pool: PoolUnderTest, vdi: str) -> str:
    """What a machine prints that starts from the file in which the SR keeps the disk."""
    path = disk_file(pool.server, pool.api, pool.api.VDI.get_by_uuid(vdi))
    assert path.suffix == ".vhd"
    return boot(path).strip()


def test_an_image_goes_to_many_pools_once_each_and_boots_in_every_sr(
    cloud: Cloud, pool: PoolUnderTest, image: dict[str, Any], image_name: str, marker: str, clean: None, tmp_path: Path
) -> None:
    sr = pool.api.SR.create(pool.api.host.get_all()[0], {"location": "/second"}, "0", image_name, "", "file", "", True, {})
    others = run_pool(tmp_path / "state")
    other = next(others)
    pools = [pool.options(srs=[pool.api.SR.get_name_label(pool.api.pool.get_default_SR(pool.api.pool.get_all()[0])), image_name]), other.options()]
    done = play("import_image", cloud, "alice", import_image_pools=pools, import_image_image=image["id"], import_image_name=image_name).succeeded()
    assert done.changed == 3
    found = [(each, vdi) for each in (pool, other) for vdi, record in each.api.VDI.get_all_records().items() if record["name_label"] == image_name]
    assert len(found) == 3
    assert [boots(each, each.api.VDI.get_uuid(vdi)) for each, vdi in found] == [marker] * 3
    assert len([vdi for each, vdi in found if "image_services_copied_from" in each.api.VDI.get_other_config(vdi)]) == 1
    again = play("import_image", cloud, "alice", import_image_pools=pools, import_image_image=image["id"], import_image_name=image_name).succeeded()
    assert (again.changed, again.output.count(", 0 bytes sent")) == (0, 2)
    # What the pool has copied is what an import would have brought.
    known = {"name": image_name, "image": image["id"], "sr": image_name, "glance": cloud.auth("alice")}
    assert not run_module("xen_vdi_import", pool.options(**known)).succeeded()["changed"]
    others.close()
    for vdi in pool.api.SR.get_VDIs(sr):
        pool.api.VDI.destroy(vdi)
    for pbd in pool.api.SR.get_PBDs(sr):
        pool.api.PBD.unplug(pbd)
    pool.api.SR.destroy(sr)


def test_a_running_vm_becomes_a_public_image_and_another_project_builds_a_vm_of_it(
    cloud: Cloud, pool: PoolUnderTest, image: dict[str, Any], image_name: str, marker: str, clean: None
) -> None:
    source = {"name": image_name, "image": image["id"], "glance": cloud.auth("alice")}
    vdi = run_module("xen_vdi_import", pool.options(**source)).succeeded()["vdi"]["uuid"]
    assert boots(pool, vdi) == marker
    first = {"name": f"{image_name} first", "boot_disk": vdi, "clone": True, "firmware": "bios", "state": "running"}
    vm = run_module("xen_vm", pool.options(**first)).succeeded()["vm"]
    assert boots(pool, vm["disks"][0]["uuid"]) == marker

    public = f"{image_name} public"
    with pool.nothing_left():
        published = play(
            "snapshot_to_glance",
            cloud,
            "admin",
            snapshot_to_glance_vm=first["name"],
            xen_pool=pool.options(),
            snapshot_to_glance_image=public,
            snapshot_to_glance_visibility="public",
        ).succeeded()
    (shown,) = [each for each in cloud.images("bob") if each["name"] == public]
    assert (shown["id"] in published.output, shown["visibility"], shown["disk_format"], shown["properties"]["hw_firmware_type"]) == (
        True,
        "public",
        "vhd",
        "bios",
    )

    restored = {
        "restore_from_glance_image": public,
        "restore_from_glance_vm": f"{image_name} second",
        "xen_pool": pool.options(),
        "restore_from_glance_memory": "512MiB",
        "restore_from_glance_settle": 0,
    }
    built = play("restore_from_glance", cloud, "bob", **restored).succeeded()
    second = run_module("xen_vm", pool.options(name=f"{image_name} second")).succeeded()["vm"]
    assert (second["uuid"] in built.output, second["power_state"], second["firmware"], second["memory"]) == (True, "running", "bios", 512 << 20)
    assert boots(pool, second["disks"][0]["uuid"]) == marker
    assert play("restore_from_glance", cloud, "bob", **restored).succeeded().changed == 0
    assert run_module("xen_vm", pool.options(name=first["name"])).succeeded()["vm"]["domain_id"] == vm["domain_id"], "the first VM ran on all the time"
