# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which disk is exported, what is refused, and when a file counts as the export of a disk."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.xenstack.image_services.plugins.module_utils._core.errors import ImageServicesError
from ansible_collections.xenstack.image_services.plugins.module_utils._glance.properties import SOURCE_FINGERPRINT
from ansible_collections.xenstack.image_services.plugins.module_utils._images.content import same_content
from ansible_collections.xenstack.image_services.plugins.module_utils._images.desired import ENCODED, SourceFacts
from ansible_collections.xenstack.image_services.plugins.module_utils._vdis.export_plan import (
    Exported,
    disk_of,
    exported,
    plan_export,
)

GIB = 1 << 30
ONE, TWO = "00000000-0000-0000-0000-000000000001", "00000000-0000-0000-0000-000000000002"


def vbd(userdevice: str = "0", **more: Any) -> dict[str, Any]:
    usual = {"type": "Disk", "empty": False, "bootable": False, "device": f"xvd{'abcd'[int(userdevice)]}", "VDI": f"vdi {userdevice}", "VM": "vm"}
    return {**usual, "userdevice": userdevice, "currently_attached": True, "mode": "RW", **more}


def vdi(**more: Any) -> dict[str, Any]:
    usual = {"uuid": ONE, "name_label": "disk", "virtual_size": str(GIB), "is_a_snapshot": False, "read_only": False}
    return {**usual, "snapshot_time": "1970-01-01T00:00:00Z", **more}


def disk(uuid: str = ONE, *, size: int = GIB, immutable: bool = False, writers: tuple[str, ...] = ()) -> Exported:
    return Exported("ref", uuid, "disk", size, immutable, "2026-11-20T08:00:00Z", writers)


@pytest.mark.parametrize(
    ("vbds", "device", "found"),
    [
        ([vbd("0"), vbd("1", bootable=True)], None, "vdi 1"),
        ([vbd("1"), vbd("3", type="CD", bootable=True)], None, "vdi 1"),
        ([vbd("0", bootable=True), vbd("1")], "1", "vdi 1"),
        ([vbd("0", bootable=True), vbd("1")], "xvdb", "vdi 1"),
    ],
    ids=["the bootable one", "the only one", "by number", "by name"],
)
def test_the_disk_of_a_vm(vbds: list[dict[str, Any]], device: str | None, found: str) -> None:
    assert disk_of("web", vbds, device) == found


@pytest.mark.parametrize(
    ("vbds", "device", "words"),
    [
        ([], None, "it has no disk. Name another VM"),
        ([vbd("3", type="CD")], None, "it has no disk"),
        ([vbd("0"), vbd("1")], None, "none of its disks (0, 1) can be booted from. Name the disk by device"),
        ([vbd("0", bootable=True), vbd("1", bootable=True)], None, "several of its disks (0, 1)"),
        ([vbd("0")], "2", "it has no disk as device 2; it has 0"),
    ],
    ids=["no disk", "a CD alone", "two, none bootable", "two bootable", "no such device"],
)
def test_no_disk_of_a_vm(vbds: list[dict[str, Any]], device: str | None, words: str) -> None:
    with pytest.raises(ImageServicesError) as excinfo:
        disk_of("web", vbds, device)
    assert str(excinfo.value).startswith("Cannot export disk of VM 'web': ")
    assert words in str(excinfo.value)


@pytest.mark.parametrize(
    ("record", "vbds", "immutable", "writers"),
    [
        (vdi(), [vbd()], False, ("web",)),
        (vdi(), [vbd(currently_attached=False)], False, ()),
        (vdi(), [vbd(mode="RO")], False, ()),
        (vdi(is_a_snapshot=True), [], True, ()),
        (vdi(read_only=True), [vbd(mode="RO")], False, ()),
    ],
    ids=["running", "halted", "attached to read", "snapshot", "read-only"],
)
def test_what_may_change(record: dict[str, Any], vbds: list[dict[str, Any]], immutable: bool, writers: tuple[str, ...]) -> None:
    found = exported("ref", record, vbds, {"vm": "web"})
    assert (found.is_a_snapshot, found.writers, found.size) == (immutable, writers, GIB)
    made = plan_export(found, "vhd", None, True, 1)
    assert made.snapshot == bool(writers), "a snapshot is taken of what is written to, and of nothing else"
    assert (made.identity is not None) == immutable, "only what never changes is known without reading it"


def test_the_time_of_a_snapshot_and_of_nothing_else() -> None:
    assert disk(immutable=True).time == 1795161600
    assert disk().time == 0


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"disk": disk(writers=("web", "db")), "snapshot": False}, "it is attached to web, db, which may write to it. Leave snapshot at true"),
        ({"disk": disk(size=2041 * GIB)}, "it has 2041 GiB, and vhd contains a VHD, which holds 2040 GiB at most. Export it with format: raw"),
        ({"disk": disk(size=2041 * GIB), "format": "qcow2"}, "Export it with format: raw"),
        ({"base": disk(TWO, immutable=True), "format": "raw"}, "base is given, and format is raw"),
        ({"base": disk(immutable=True)}, "base is the same disk"),
        ({"base": disk(TWO)}, "is no snapshot"),
        ({"base": disk(TWO, size=2 * GIB, immutable=True)}, "is larger than it"),
        ({"compression_level": 10}, "compression_level is 10"),
    ],
    ids=["running", "too large", "too large for qcow2", "base of raw", "base is itself", "base may change", "base is larger", "level"],
)
def test_what_is_refused(given: dict[str, Any], words: str) -> None:
    usual: dict[str, Any] = {"disk": disk(), "format": "vhd", "base": None, "snapshot": True, "compression_level": 1}
    with pytest.raises(ImageServicesError) as excinfo:
        plan_export(**{**usual, **given})
    assert str(excinfo.value).startswith("Cannot export VDI 'disk': ")
    assert words in str(excinfo.value)


def test_a_disk_too_large_for_a_vhd_leaves_the_pool_as_raw() -> None:
    assert plan_export(disk(size=2041 * GIB), "raw", None, True, 1).read_as == "raw"
    assert plan_export(disk(size=2040 * GIB), "raw", None, True, 1).read_as == "vhd"


def test_what_differs_from_another_disk_is_another_content() -> None:
    snapshot = disk(immutable=True)
    whole = plan_export(snapshot, "vhd", None, True, 1)
    delta = plan_export(snapshot, "vhd", disk(TWO, immutable=True), True, 1)
    assert whole.identity != delta.identity
    assert str(delta.parent) == TWO


@pytest.mark.parametrize(
    ("recorded", "fingerprint", "same"),
    [("mark", "mark", True), ("mark", "other", False), ("mark", None, None), (None, None, False), (None, "mark", False)],
)
def test_when_an_image_holds_what_is_made(recorded: str | None, fingerprint: str | None, same: bool | None) -> None:
    """Only where there is a mark to compare with is it worth reading the disk."""
    image = {"size": 1, "os_hash_algo": "sha512", "os_hash_value": "00", **({SOURCE_FINGERPRINT: recorded} if recorded else {})}
    assert same_content(image, SourceFacts(ENCODED, "disk", fingerprint=fingerprint)) is same
