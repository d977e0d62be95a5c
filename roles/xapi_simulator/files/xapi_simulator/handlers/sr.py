# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Storage repositories and how hosts reach them."""

from __future__ import annotations

import contextlib
import shutil
import struct
import uuid
from pathlib import Path
from typing import Any

from .. import disk, repository, vhdformat
from ..context import Context, handler
from ..errors import NULL, Failure

# Types whose driver looks at a device before an SR is made there.
PROBED = ("nfs", "ext", "lvm")


def attached(context: Context, sr: str) -> list[str]:
    """The PBDs by which hosts reach the SR now."""
    return [pbd for pbd in context.db.pointing("PBD", "SR", sr) if context.db.get("PBD", pbd)["currently_attached"]]


def require_attached(context: Context, sr: str) -> dict[str, Any]:
    record = context.db.get("SR", sr)
    if not attached(context, sr):
        raise Failure("SR_HAS_NO_PBDS", sr)
    return record


@handler("SR.get_supported_types")
def supported_types(context: Context) -> list[str]:
    return sorted(repository.REQUIRED)


@handler("SR.create")
def create(
    context: Context,
    host: str,
    device_config: dict[str, str],
    physical_size: int,
    name_label: str,
    name_description: str,
    kind: str,
    content_type: str,
    shared: bool,
    sm_config: dict[str, str] | None,
) -> str:
    db, state = context.db, context.pool.settings.state
    db.get("host", host)
    kind, identity = kind.lower(), str(uuid.uuid4())
    place = repository.place(state, kind, device_config, identity)
    place.mkdir(parents=True)
    ref = db.create(
        "SR",
        uuid=identity,
        name_label=name_label,
        name_description=name_description,
        type=kind,
        content_type=content_type or ("iso" if kind == "iso" else "user"),
        shared=shared,
        sm_config=sm_config or {},
        physical_size=physical_size or context.pool.settings.sr_size,
    )
    for each in list(db.objects["host"]) if shared else [host]:
        plug(context, db.create("PBD", host=each, SR=ref, device_config=device_config))
    return ref


@handler("SR.probe")
def probe(context: Context, host: str, device_config: dict[str, str], kind: str, sm_config: dict[str, str] | None) -> str:
    """The SRs of this type that are on the device."""
    context.db.get("host", host)
    kind = kind.lower()
    if kind not in PROBED:
        raise Failure("UNIMPLEMENTED_IN_SM_BACKEND", NULL)
    place = repository.device(context.pool.settings.state, kind, device_config)
    found = sorted(path.name for path in place.glob("*") if repository.UUID.fullmatch(path.name))
    lines = [f"\t<SR>\n\t\t<UUID>\n\t\t\t{each}\n\t\t</UUID>\n\t</SR>\n" for each in found]
    return f"<?xml version=\"1.0\" ?>\n<SRlist>\n{''.join(lines)}</SRlist>\n"


@handler("SR.introduce")
def introduce(
    context: Context, identity: str, name_label: str, name_description: str, kind: str, content_type: str, shared: bool, sm_config: dict[str, str] | None
) -> str:
    kind = kind.lower()
    if kind not in repository.REQUIRED:
        raise Failure("SR_UNKNOWN_DRIVER", kind)
    identity = identity or str(uuid.uuid4())
    if any(context.db.find("SR", uuid=identity)):
        raise Failure("SR_UUID_EXISTS", identity)
    return context.db.create(
        "SR",
        uuid=identity,
        name_label=name_label,
        name_description=name_description,
        type=kind,
        content_type=content_type,
        shared=shared,
        sm_config=sm_config or {},
        physical_size=context.pool.settings.sr_size,
    )


def drop_records(context: Context, sr: str) -> None:
    for name in ("VDI", "PBD"):
        for ref in context.db.pointing(name, "SR", sr):
            context.db.delete(name, ref)
    context.db.delete("SR", sr)


@handler("SR.forget")
def forget(context: Context, sr: str) -> None:
    context.db.get("SR", sr)
    if attached(context, sr):
        raise Failure("SR_HAS_PBD", sr)
    for vdi in context.db.pointing("VDI", "SR", sr):
        for vbd in context.db.pointing("VBD", "VDI", vdi):
            context.db.delete("VBD", vbd)
    drop_records(context, sr)


@handler("SR.destroy")
def destroy(context: Context, sr: str) -> None:
    record = context.db.get("SR", sr)
    if attached(context, sr):
        raise Failure("SR_HAS_PBD", sr)
    if record["other_config"].get("indestructible") == "true":
        raise Failure("SR_INDESTRUCTIBLE", sr)
    if context.db.pointing("VDI", "SR", sr):
        raise Failure("SR_NOT_EMPTY")
    links = context.db.pointing("PBD", "SR", sr)
    if not links:
        raise Failure("SR_HAS_NO_PBDS", sr)
    config = context.db.get("PBD", links[0])["device_config"]
    shutil.rmtree(repository.place(context.pool.settings.state, record["type"], config, record["uuid"]), ignore_errors=True)
    drop_records(context, sr)


@handler("SR.scan", "SR.update")
def scan(context: Context, sr: str) -> None:
    """Files that are new become VDIs, VDIs whose file is gone are forgotten; one bad file fails the whole scan."""
    record, db = require_attached(context, sr), context.db
    found: dict[str, int] = {}
    hidden = collect(repository.mount(context.pool.settings.state, record["uuid"]))
    for path in sorted(repository.mount(context.pool.settings.state, record["uuid"]).iterdir()):
        if path.suffix not in repository.SUFFIXES or (path.suffix != ".iso" and not repository.UUID.fullmatch(path.stem)):
            continue
        try:
            with disk.attach(path, False) as content:
                found[path.name if path.suffix == ".iso" else path.stem] = content.listed_size
        except (vhdformat.Invalid, OSError, ValueError, struct.error) as exc:
            raise Failure("SR_BACKEND_FAILURE_40", "", f"The SR scan failed  [opterr=uuid={record['uuid']}]", "") from exc
    known = {db.get("VDI", vdi)["location"]: vdi for vdi in db.pointing("VDI", "SR", sr)}
    for location, vdi in known.items():
        if location not in found:
            db.delete("VDI", vdi)
        else:
            db.set("VDI", vdi, virtual_size=found[location])
    for location, size in found.items():
        if location not in known:
            iso = location.endswith(".iso")
            fields: dict[str, Any] = {"name_label": location, "read_only": True} if iso else {"uuid": location}
            fields |= {"read_only": True} if location in hidden else {}
            db.create("VDI", SR=sr, location=location, virtual_size=size, type="user", managed=location not in hidden, **fields)


def collect(directory: Path) -> set[str]:
    """The hidden parents of VHDs by their names; one that no VHD has as its parent is garbage, and goes."""
    while True:
        heads = {}
        for path in directory.glob("*.vhd"):
            with contextlib.suppress(vhdformat.Invalid, struct.error, OSError), path.open("rb") as file:
                footer, header = file.read(512), file.read(1024)
                different = footer[60:64] == struct.pack(">I", vhdformat.DIFFERENCING)
                heads[path.stem] = (footer[85:86] == b"\1", Path(vhdformat.parent_name(file, header)).stem if different else None)
        parents = {parent for dummy, parent in heads.values()}
        garbage = [name for name, (hidden, dummy) in heads.items() if hidden and name not in parents]
        if not garbage:
            return {name for name, (hidden, dummy) in heads.items() if hidden}
        for name in garbage:
            (directory / f"{name}.vhd").unlink()


@handler("PBD.create")
def create_pbd(context: Context, given: dict[str, Any]) -> str:
    db = context.db
    db.get("host", given["host"])
    db.get("SR", given["SR"])
    for other in db.find("PBD", host=given["host"], SR=given["SR"]):
        raise Failure("PBD_EXISTS", given["SR"], given["host"], other)
    return db.create("PBD", **given)


@handler("PBD.plug")
def plug(context: Context, pbd: str) -> None:
    record = context.db.get("PBD", pbd)
    if record["currently_attached"]:
        return
    sr = context.db.get("SR", record["SR"])
    others = [other for other in attached(context, record["SR"]) if other != pbd]
    if others and not sr["shared"]:
        raise Failure("SR_NOT_SHARABLE", record["SR"], record["host"])
    repository.attach(context.pool.settings.state, sr["type"], record["device_config"], sr["uuid"])
    context.db.set("PBD", pbd, currently_attached=True)


@handler("PBD.unplug")
def unplug(context: Context, pbd: str) -> None:
    db, record = context.db, context.db.get("PBD", pbd)
    if not record["currently_attached"]:
        return
    for vdi in db.pointing("VDI", "SR", record["SR"]):
        for vbd in db.pointing("VBD", "VDI", vdi):
            used = db.get("VBD", vbd)
            if used["currently_attached"] and db.get("VM", used["VM"])["resident_on"] == record["host"]:
                raise Failure("VDI_IN_USE", vdi, "PBD.unplug")
    db.set("PBD", pbd, currently_attached=False)
    if not attached(context, record["SR"]):
        repository.detach(context.pool.settings.state, db.get("SR", record["SR"])["uuid"])


@handler("PBD.destroy")
def destroy_pbd(context: Context, pbd: str) -> None:
    unplug(context, pbd)
    context.db.delete("PBD", pbd)
