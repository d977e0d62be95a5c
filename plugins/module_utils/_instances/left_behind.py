# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""What of a VM is not in the images of its disks. No I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

DISKS, NVRAM, VTPM = "disks", "nvram", "vtpm"
KINDS = (DISKS, NVRAM, VTPM)


def unaccepted(left: Iterable[Mapping[str, str]], accepted: Iterable[str]) -> tuple[str, list[str]]:
    """What the task has not agreed to leave behind, in words, and its kinds."""
    lost = [each for each in left if each["kind"] not in set(accepted)]
    return " and ".join(each["what"] for each in lost), [each["kind"] for each in lost]


def left_behind(vm: Mapping[str, Any], devices: Iterable[object]) -> list[dict[str, str]]:
    """``vm`` is what the module xen_vm returns, ``devices`` are the disks that are taken along. Each entry has a kind and says what it is."""
    taken = {str(device) for device in devices}
    others = [disk for disk in vm["disks"] if str(disk["device"]) not in taken]
    found = []
    if others:
        shown = ", ".join(f"{disk['device']} '{disk['name']}' ({disk['uuid']})" for disk in others)
        found.append({"kind": DISKS, "what": f"the disks {shown}" if len(others) > 1 else f"the disk {shown}"})
    if vm.get("nvram"):
        found.append({"kind": NVRAM, "what": "the variables of its UEFI firmware, with boot entries and keys of secure boot"})
    if vm.get("vtpms"):
        found.append({"kind": VTPM, "what": "its virtual TPM, with the keys in it"})
    return found
