# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Virtual disks: their records and their files."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .. import disk, repository, vhdformat
from ..context import Context, handler
from ..database import now
from ..errors import NULL, Failure
from . import sr as repositories

STEP = 2 << 20


def path_of(context: Context, vdi: str) -> Path:
    record = context.db.get("VDI", vdi)
    sr = repositories.require_attached(context, record["SR"])
    path = repository.find(context.pool.settings.state, sr["uuid"], record["location"])
    if path is None:
        raise Failure("VDI_MISSING", record["SR"], vdi)
    return path


def users(context: Context, vdi: str, writing: bool = False) -> list[str]:
    """The VBDs by which the disk is attached now; writing: only those that may write."""
    db = context.db
    found = (vbd for vbd in db.pointing("VBD", "VDI", vdi) if db.get("VBD", vbd)["currently_attached"])
    return [vbd for vbd in found if not writing or db.get("VBD", vbd)["mode"] == "RW"]


def refuse_in_use(context: Context, vdi: str, operation: str, writing: bool = False) -> None:
    if users(context, vdi, writing):
        raise Failure("VDI_IN_USE", vdi, operation)


@contextlib.contextmanager
def plugged_into_host(context: Context, vdi: str, mode: str) -> Iterator[None]:
    """Attached to the control domain while its bytes are moved, so that no other client takes it."""
    db = context.db
    with db.lock:
        if mode == "RW" and users(context, vdi):
            raise Failure("VDI_IN_USE", vdi, "attach")
        refuse_in_use(context, vdi, "attach", writing=True)
        if mode == "RW" and db.get("VDI", vdi)["read_only"]:
            raise Failure("VDI_READONLY", vdi)
        domain = db.get("host", context.host)["control_domain"]
        vbd = db.create("VBD", VM=domain, VDI=vdi, userdevice="autodetect", mode=mode, type="Disk", currently_attached=True)
    try:
        yield
    finally:
        with db.lock:
            if db.exists("VBD", vbd):
                db.delete("VBD", vbd)


def rounded(size: int) -> int:
    size = max(STEP, -(-size // STEP) * STEP)
    if size > vhdformat.LIMIT:
        raise Failure("SR_BACKEND_FAILURE_79", "", f"VDI Invalid size [opterr=VDI size must be between 1 MB and {vhdformat.LIMIT >> 20} MB]", "")
    return size


def full(context: Context) -> None:
    if context.pool.faults.take("sr_full", "VDI.create"):
        raise Failure("SR_BACKEND_FAILURE_44", "", "There is insufficient space", "")


def new_path(context: Context, sr: str, kind: str, identity: str) -> Path:
    """Where a new disk goes; refuses an SR that holds no disks of clients."""
    record = repositories.require_attached(context, sr)
    if record["type"] == "iso" or record["content_type"] == "iso":
        raise Failure("SR_OPERATION_NOT_SUPPORTED", sr)
    full(context)
    state = context.pool.settings.state
    if repository.used(state, record["uuid"]) >= record["physical_size"]:
        raise Failure("SR_BACKEND_FAILURE_44", "", "There is insufficient space", "")
    return repository.mount(state, record["uuid"]) / f"{identity}{kind}"


@handler("VDI.create")
def create(context: Context, given: dict[str, Any]) -> str:
    identity = str(uuid.uuid4())
    kind = given["sm_config"].get("type", "vhd") if "sm_config" in given else "vhd"
    if kind not in ("vhd", "raw"):
        raise Failure("SR_BACKEND_FAILURE_78", "", f"VDI Creation failed [opterr=Invalid type {kind}]", "")
    if given.get("sm_config", {}).get("image-format", "vhd") != "vhd":
        raise Failure("NOT_IMPLEMENTED", "VDI.create with image-format other than vhd")
    context.db.get("SR", given["SR"])
    size = rounded(given["virtual_size"])
    disk.create(new_path(context, given["SR"], f".{kind}", identity), size, identity)
    made = given | {"virtual_size": size}
    return context.db.create("VDI", uuid=identity, location=identity, managed=True, **made)


@handler("VDI.introduce")
def introduce(context: Context, identity: str, name_label: str, name_description: str, sr: str, kind: str, *rest: Any) -> str:
    names = ("sharable", "read_only", "other_config", "location", "xenstore_data", "sm_config", "managed", "virtual_size")
    given = {key: value for key, value in zip(names, rest) if value is not None}
    record = repositories.require_attached(context, sr)
    inside = "/" not in given["location"]
    path = repository.find(context.pool.settings.state, record["uuid"], given["location"]) if inside else None
    if path is None:
        raise Failure("VDI_LOCATION_MISSING", sr, given["location"])
    for other in context.db.find("VDI", SR=sr, location=given["location"]):
        raise Failure("LOCATION_NOT_UNIQUE", sr, other)
    with disk.attach(path, False) as content:
        given |= {"virtual_size": content.listed_size, "managed": True}
    return context.db.create("VDI", uuid=identity, name_label=name_label, name_description=name_description, SR=sr, type=kind, **given)


def forget_record(context: Context, vdi: str) -> None:
    for vbd in context.db.pointing("VBD", "VDI", vdi):
        context.db.delete("VBD", vbd)
    context.db.delete("VDI", vdi)


@handler("VDI.destroy")
def destroy(context: Context, vdi: str) -> None:
    context.db.get("VDI", vdi)
    refuse_in_use(context, vdi, "destroy")
    path = path_of(context, vdi)
    path.unlink()
    forget_record(context, vdi)
    # What was hidden below it is removed with it, as the collector of the host does a little later.
    repositories.collect(path.parent)
    for other in context.db.find("VDI", managed=False):
        record = context.db.get("VDI", other)
        sr = context.db.get("SR", record["SR"])
        if repositories.attached(context, record["SR"]) and repository.find(context.pool.settings.state, sr["uuid"], record["location"]) is None:
            forget_record(context, other)


@handler("VDI.forget")
def forget(context: Context, vdi: str) -> None:
    context.db.get("VDI", vdi)
    refuse_in_use(context, vdi, "forget")
    forget_record(context, vdi)


@handler("VDI.update")
def update(context: Context, vdi: str) -> None:
    with disk.attach(path_of(context, vdi), False) as content:
        context.db.set("VDI", vdi, virtual_size=content.listed_size)


@handler("VDI.resize")
def resize(context: Context, vdi: str, size: int) -> None:
    record = context.db.get("VDI", vdi)
    refuse_in_use(context, vdi, "resize")
    if size < record["virtual_size"]:
        raise Failure("SR_BACKEND_FAILURE_79", "", "VDI Invalid size [opterr=shrinking not allowed]", "")
    path = path_of(context, vdi)
    if size == record["virtual_size"]:
        return
    full(context)
    try:
        size = disk.grown(path, rounded(size))
    except disk.NotCreatedByXen as exc:
        raise Failure("SR_BACKEND_FAILURE_150", "", str(exc), "") from exc
    successor = path.with_name(f"{path.stem}.new{path.suffix}")
    disk.copy(path, successor, record["uuid"], size)
    successor.replace(path)
    context.db.set("VDI", vdi, virtual_size=size)


def duplicate(context: Context, vdi: str, sr: str, **fields: Any) -> str:
    """A new VDI with the same content and description."""
    record = context.db.get("VDI", vdi)
    source = path_of(context, vdi)
    identity = str(uuid.uuid4())
    disk.copy(source, new_path(context, sr, ".vhd" if source.suffix == ".iso" else source.suffix, identity), identity)
    kept = ("name_label", "name_description", "virtual_size", "type", "sharable", "read_only", "other_config", "xenstore_data", "sm_config", "tags")
    described = {key: record[key] for key in kept} | {"SR": sr, "location": identity, "managed": True} | fields
    return context.db.create("VDI", uuid=identity, **described)


@handler("VDI.snapshot")
def snapshot(context: Context, vdi: str, driver_params: dict[str, str] | None) -> str:
    record = context.db.get("VDI", vdi)
    return duplicate(context, vdi, record["SR"], is_a_snapshot=True, snapshot_of=vdi, snapshot_time=now())


@handler("VDI.clone")
def clone(context: Context, vdi: str, driver_params: dict[str, str] | None) -> str:
    record = context.db.get("VDI", vdi)
    refuse_in_use(context, vdi, "clone", writing=True)
    return duplicate(context, vdi, record["SR"])


@handler("VDI.copy")
def copy(context: Context, vdi: str, sr: str | None, base_vdi: str | None, into_vdi: str | None) -> str:
    db = context.db
    db.get("VDI", vdi)
    if base_vdi not in (None, NULL):
        raise Failure("NOT_IMPLEMENTED", "VDI.copy with base_vdi")
    refuse_in_use(context, vdi, "copy", writing=True)
    if into_vdi in (None, NULL):
        return duplicate(context, vdi, db.get("VDI", vdi)["SR"] if sr in (None, NULL) else str(sr))
    target = str(into_vdi)
    if db.get("VDI", target)["virtual_size"] < db.get("VDI", vdi)["virtual_size"]:
        raise Failure("VDI_TOO_SMALL", target, db.get("VDI", vdi)["virtual_size"])
    with plugged_into_host(context, target, "RW"), disk.attach(path_of(context, vdi), False) as old, disk.attach(path_of(context, target), True) as new:
        for index in old.blocks():
            new.write(index * vhdformat.BLOCK, old.block(index))
    return target
