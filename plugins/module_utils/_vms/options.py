# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""Options of xen_vm, and what is wrong with some values of them before any pool is asked."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from .._core.argspec import ArgumentSpec
from .._core.errors import cannot
from .._core.sizes import parse_size

MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")
LEAST_MEMORY = 16 << 20
BOOT = ("order", "kernel", "ramdisk", "args", "bootloader", "bootloader_args")
# What a revert brings back from the snapshot cannot be declared otherwise in the same task.
REVERTED = ("boot", "boot_disk", "clone", "description", "disks", "firmware", "memory", "networks", "secure_boot", "snapshot", "tags", "template", "vcpus")


def create_vm_argspec() -> ArgumentSpec:
    return ArgumentSpec(
        options={
            "name": {"type": "str"},
            "uuid": {"type": "str"},
            "state": {"type": "str", "choices": ["present", "running", "stopped", "absent"], "default": "present"},
            "description": {"type": "str"},
            "tags": {"type": "list", "elements": "str"},
            "template": {"type": "str"},
            "boot": {"type": "dict", "options": {name: {"type": "str"} for name in BOOT}},
            "firmware": {"type": "str", "choices": ["bios", "uefi"]},
            "secure_boot": {"type": "bool"},
            "memory": {"type": "str"},
            "vcpus": {"type": "int"},
            "boot_disk": {"type": "str"},
            "clone": {"type": "bool"},
            "disks": {
                "type": "list",
                "elements": "dict",
                "options": {"vdi": {"type": "str", "required": True}, "mode": {"type": "str", "choices": ["rw", "ro"], "default": "rw"}},
            },
            "networks": {
                "type": "list",
                "elements": "dict",
                "options": {"name": {"type": "str", "required": True}, "mac": {"type": "str"}},
            },
            "snapshot": {"type": "str"},
            "revert": {"type": "str"},
            "drop_snapshots": {"type": "list", "elements": "str"},
            "restart": {"type": "bool", "default": False},
            "force": {"type": "bool", "default": False},
            "remove_disks": {"type": "bool", "default": False},
        },
        required_one_of=[("name", "uuid")],
        mutually_exclusive=[("revert", option) for option in REVERTED],
        required_by={"clone": "boot_disk"},
    )


def plain_attributes(label: str, params: Mapping[str, Any]) -> dict[str, Any]:
    """The attributes that need no look at the pool; bad values are refused."""
    given = {name: params[name] for name in ("name", "description", "firmware", "secure_boot", "vcpus") if params[name] is not None}
    if params["secure_boot"] and params["firmware"] == "bios":
        raise _bad(label, "secure_boot needs uefi, and firmware is bios", "Set firmware: uefi")
    if params["tags"] is not None:
        given["tags"] = sorted(set(params["tags"]))
    if params["vcpus"] is not None and params["vcpus"] < 1:
        raise _bad(label, f"vcpus is {params['vcpus']}", "Give a number from 1")
    if params["memory"] is not None:
        given["memory"] = _memory(label, params["memory"])
    boot = {key: value for key, value in (params["boot"] or {}).items() if value is not None}
    if boot:
        given["boot"] = boot
        _check_boot(label, boot, params["firmware"])
    for network in params["networks"] or ():
        if network["mac"] is not None and not MAC.fullmatch(network["mac"].lower()):
            raise _bad(label, f"mac '{network['mac']}' is no address of a network card", "Write it in quotes, as '52:54:00:12:34:56'")
    if params["snapshot"] is not None and params["snapshot"] in (params["drop_snapshots"] or ()):
        raise _bad(label, f"snapshot '{params['snapshot']}' is to be kept and to be dropped", "Name it once")
    return given


def _memory(label: str, text: str) -> int:
    size = parse_size(text)
    if size is None:
        raise _bad(label, f"memory '{text}' is no size", "Give bytes, or for example 2GiB")
    if size < LEAST_MEMORY:
        raise _bad(label, f"memory '{text}' is less than 16 MiB", "Give more, with its unit, for example 2GiB")
    return size


def _check_boot(label: str, boot: Mapping[str, str], firmware: str | None) -> None:
    paravirtual = bool(boot.get("kernel") or boot.get("bootloader"))
    if paravirtual and (boot.get("order") or firmware):
        raise _bad(label, "kernel and bootloader are for paravirtual VMs, and order and firmware are for the others", "Give one kind")
    if boot.get("order") and not re.fullmatch(r"[acdn]{1,4}", boot["order"]):
        raise _bad(label, f"boot order '{boot['order']}' has other letters than c (disk), d (CD), n (network) and a (floppy)", "Correct boot.order")


def _bad(label: str, cause: str, advice: str) -> Exception:
    return cannot("declare", "VM", label, cause, advice, code="bad_option")
