# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a VM is given: disks and network cards."""

from __future__ import annotations

import re
import secrets
from typing import Any

from .. import repository
from ..context import Context, handler
from ..errors import NULL, Failure
from . import sr as repositories

DEVICES = 16
CARDS = 7
MAC = re.compile(r"[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}")


def free(context: Context, name: str, field: str, vm: str, limit: int) -> list[str]:
    taken = {context.db.get(name, ref)[field] for ref in context.db.pointing(name, "VM", vm)}
    return [str(number) for number in range(limit) if str(number) not in taken]


@handler("VM.get_allowed_VBD_devices")
def allowed_disks(context: Context, vm: str) -> list[str]:
    context.db.get("VM", vm)
    return free(context, "VBD", "userdevice", vm, DEVICES)


@handler("VM.get_allowed_VIF_devices")
def allowed_cards(context: Context, vm: str) -> list[str]:
    context.db.get("VM", vm)
    return free(context, "VIF", "device", vm, CARDS)


def name_of(userdevice: str) -> str:
    """The device as the guest sees it."""
    return f"xvd{chr(ord('a') + int(userdevice))}" if userdevice.isdecimal() and int(userdevice) < 26 else ""


@handler("VBD.create")
def create_vbd(context: Context, given: dict[str, Any]) -> str:
    db = context.db
    db.get("VM", given["VM"])
    if given["empty"]:
        if given["type"] != "CD":
            raise Failure("VBD_NOT_REMOVABLE_MEDIA", NULL)
        given["VDI"] = NULL
    else:
        db.get("VDI", given["VDI"])
    if given["type"] == "CD" and given["mode"] != "RO":
        raise Failure("VBD_CDS_MUST_BE_READONLY")
    possible = free(context, "VBD", "userdevice", given["VM"], DEVICES)
    if given["userdevice"] == "autodetect":
        given["userdevice"] = possible[0] if possible else ""
    number = given["userdevice"]
    if not number.isdecimal() or int(number) >= DEVICES:
        raise Failure("INVALID_DEVICE", number)
    if number not in possible:
        raise Failure("DEVICE_ALREADY_EXISTS", number)
    # What a client says about being attached is for imports of metadata only.
    return db.create("VBD", **given | {"currently_attached": False, "device": ""})


def check_sharing(context: Context, vbd: str) -> None:
    db, record = context.db, context.db.get("VBD", vbd)
    if record["empty"]:
        return
    vdi = db.get("VDI", record["VDI"])
    host = db.get("VM", record["VM"])["resident_on"]
    repositories.require_attached(context, vdi["SR"])
    if host != NULL and not any(db.get("PBD", pbd)["host"] == host for pbd in repositories.attached(context, vdi["SR"])):
        raise Failure("VM_REQUIRES_SR", record["VM"], vdi["SR"])
    sr = db.get("SR", vdi["SR"])
    if repository.find(context.pool.settings.state, sr["uuid"], vdi["location"]) is None:
        raise Failure("VDI_MISSING", vdi["SR"], record["VDI"])
    if record["mode"] == "RW" and vdi["read_only"]:
        raise Failure("VDI_READONLY", record["VDI"])
    others = [db.get("VBD", other) for other in db.pointing("VBD", "VDI", record["VDI"]) if other != vbd]
    busy = [other for other in others if other["currently_attached"]]
    if busy and not vdi["sharable"] and (record["mode"] == "RW" or any(other["mode"] == "RW" for other in busy)):
        raise Failure("VDI_IN_USE", record["VDI"], "attach")


def attach(context: Context, vbd: str) -> None:
    check_sharing(context, vbd)
    context.db.set("VBD", vbd, currently_attached=True, device=name_of(context.db.get("VBD", vbd)["userdevice"]))


def require_running(context: Context, vm: str) -> None:
    state = context.db.get("VM", vm)["power_state"]
    if state != "Running":
        raise Failure("VM_BAD_POWER_STATE", vm, "running", state.lower())


@handler("VBD.plug")
def plug_vbd(context: Context, vbd: str) -> None:
    record = context.db.get("VBD", vbd)
    require_running(context, record["VM"])
    if record["currently_attached"]:
        raise Failure("DEVICE_ALREADY_ATTACHED", vbd)
    if record["empty"]:
        raise Failure("VBD_IS_EMPTY", vbd)
    attach(context, vbd)


@handler("VBD.unplug", "VBD.unplug_force")
def unplug_vbd(context: Context, vbd: str) -> None:
    record = context.db.get("VBD", vbd)
    require_running(context, record["VM"])
    if not record["currently_attached"]:
        raise Failure("DEVICE_ALREADY_DETACHED", vbd)
    if not record["unpluggable"]:
        raise Failure("VBD_NOT_UNPLUGGABLE", vbd)
    context.db.set("VBD", vbd, currently_attached=False, device="")


@handler("VBD.destroy")
def destroy_vbd(context: Context, vbd: str) -> None:
    if context.db.get("VBD", vbd)["currently_attached"]:
        raise Failure("OPERATION_NOT_ALLOWED", f"VBD '{context.db.get('VBD', vbd)['uuid']}' still attached to '{context.db.get('VBD', vbd)['VM']}'")
    context.db.delete("VBD", vbd)


@handler("VBD.insert")
def insert(context: Context, vbd: str, vdi: str) -> None:
    record = context.db.get("VBD", vbd)
    context.db.get("VDI", vdi)
    if record["type"] != "CD":
        raise Failure("VBD_NOT_REMOVABLE_MEDIA", vbd)
    if not record["empty"]:
        raise Failure("VBD_NOT_EMPTY", vbd)
    context.db.set("VBD", vbd, VDI=vdi, empty=False)


@handler("VBD.eject")
def eject(context: Context, vbd: str) -> None:
    record = context.db.get("VBD", vbd)
    if record["type"] != "CD":
        raise Failure("VBD_NOT_REMOVABLE_MEDIA", vbd)
    if record["empty"]:
        raise Failure("VBD_IS_EMPTY", vbd)
    context.db.set("VBD", vbd, VDI=NULL, empty=True)


@handler("VIF.create")
def create_vif(context: Context, given: dict[str, Any]) -> str:
    db = context.db
    db.get("VM", given["VM"])
    db.get("network", given["network"])
    if given["device"] == "autodetect":
        given["device"] = (free(context, "VIF", "device", given["VM"], CARDS) or [""])[0]
    if not given["device"].isdecimal() or int(given["device"]) >= CARDS:
        raise Failure("INVALID_DEVICE", given["device"])
    if any(db.find("VIF", VM=given["VM"], device=given["device"])):
        raise Failure("DEVICE_ALREADY_EXISTS", given["device"])
    generated = not given["MAC"]
    if generated:
        first = (secrets.randbelow(256) & 0xFC) | 2  # local, for one card
        given["MAC"] = ":".join(f"{octet:02x}" for octet in (first, *secrets.token_bytes(5)))
    if not MAC.fullmatch(given["MAC"]):
        raise Failure("MAC_INVALID", given["MAC"])
    return db.create("VIF", **given | {"currently_attached": False, "MAC_autogenerated": generated})


@handler("VIF.plug")
def plug_vif(context: Context, vif: str) -> None:
    record = context.db.get("VIF", vif)
    require_running(context, record["VM"])
    if record["currently_attached"]:
        raise Failure("DEVICE_ALREADY_ATTACHED", vif)
    context.db.set("VIF", vif, currently_attached=True)


@handler("VIF.unplug", "VIF.unplug_force")
def unplug_vif(context: Context, vif: str) -> None:
    record = context.db.get("VIF", vif)
    require_running(context, record["VM"])
    if not record["currently_attached"]:
        raise Failure("DEVICE_ALREADY_DETACHED", vif)
    context.db.set("VIF", vif, currently_attached=False)


@handler("VIF.destroy")
def destroy_vif(context: Context, vif: str) -> None:
    if context.db.get("VIF", vif)["currently_attached"]:
        raise Failure("OPERATION_NOT_ALLOWED", f"VIF '{context.db.get('VIF', vif)['uuid']}' still attached to '{context.db.get('VIF', vif)['VM']}'")
    context.db.delete("VIF", vif)


@handler("network.create")
def create_network(context: Context, given: dict[str, Any]) -> str:
    bridge = given.get("bridge") or f"xapi{len(context.db.objects['network'])}"
    return context.db.create("network", **given | {"bridge": bridge})


@handler("network.destroy")
def destroy_network(context: Context, network: str) -> None:
    context.db.get("network", network)
    for name, code in (("VIF", "NETWORK_CONTAINS_VIF"), ("PIF", "NETWORK_CONTAINS_PIF")):
        refs = context.db.pointing(name, "network", network)
        if refs:
            raise Failure(code, *refs)
    context.db.delete("network", network)
