# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""What a name means: the disks and VMs of a pool, asked for by their names, because a pool may have very many."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from .._core.errors import ImageServicesError, cannot
from .._xapi.failures import XapiFailure
from .._xapi.session import Pool
from .._xapi.tasks import UNFINISHED
from .copy_plan import COPIED_FROM
from .import_plan import DIGEST, INCOMING, PULLS, REPLACES, SOURCE, TASK, UUID, Selection, Vdi, incoming_name, select, unfit_disk, unfit_machine


def find_disk(pool: Pool, name_or_uuid: str, *, verb: str) -> tuple[str, dict[str, Any]]:
    """The one disk of this name or uuid in the pool; by its uuid a snapshot too, and whatever else XAPI can read."""
    return pool.find("VDI", name_or_uuid, verb=verb, unfit=unfit_disk)


def find_disk_to_copy(pool: Pool, name_or_uuid: str, sr: str | None) -> tuple[str, dict[str, Any]]:
    """The disk of this name or uuid, in the SR of this reference where one is given; where several have the name, the one that is no copy itself."""

    def unfit(record: dict[str, Any]) -> str | None:
        if sr is not None and record["SR"] != sr:
            return "it is in another SR"
        return unfit_disk(record)

    def unfit_or_copy(record: dict[str, Any]) -> str | None:
        copied_from = record["other_config"].get(COPIED_FROM)
        return unfit_disk(record) if copied_from is None else f"it is a copy of VDI {copied_from}"

    try:
        ref, record = pool.find("VDI", name_or_uuid, verb="copy", unfit=unfit)
    except ImageServicesError as exc:
        if exc.code != "ambiguous" or sr is not None:
            raise
        try:
            ref, record = pool.find("VDI", name_or_uuid, verb="copy", unfit=unfit_or_copy)
        except ImageServicesError:
            raise exc from None
    # A uuid leads to its disk wherever that is.
    if sr is not None and record["SR"] != sr:
        found = pool.call("SR.get_record", record["SR"])
        cause = f"it is in SR {found['name_label']} ({found['uuid']})"
        raise cannot("copy", "VDI", name_or_uuid, cause, "Give that one as source_sr, or leave source_sr out", code="not_found")
    return ref, record


def find_snapshot(pool: Pool, name_or_uuid: str, *, verb: str) -> tuple[str, dict[str, Any]]:
    """The one snapshot of a disk of this name; by its uuid, any disk."""
    return pool.find("VDI", name_or_uuid, verb=verb, unfit=lambda record: None if record["is_a_snapshot"] else "it is no snapshot")


def find_machine(pool: Pool, name_or_uuid: str, *, verb: str) -> tuple[str, dict[str, Any]]:
    """The one VM of this name or uuid."""
    return pool.find("VM", name_or_uuid, verb=verb, unfit=unfit_machine)


def look_for(pool: Pool, sr: str, name: str) -> Selection:
    refs = [*pool.call("VDI.get_by_name_label", name), *pool.call("VDI.get_by_name_label", incoming_name(name))]
    refs += _by_uuid(pool, [name] if UUID.fullmatch(name) else [])
    vdis = _vdis(pool, sr, refs)
    uuids = [uuid for vdi in vdis for uuid in vdi.marks.get(REPLACES, "").split(",") if uuid]
    known = {vdi.uuid for vdi in vdis}
    vdis += _vdis(pool, sr, _by_uuid(pool, [uuid for uuid in uuids if uuid not in known]))
    return select(name, _with_pulled(pool, sr, name, vdis))


def _with_pulled(pool: Pool, sr: str, name: str, vdis: list[Vdi]) -> list[Vdi]:
    """The same, with the VDIs that hosts are pulling, or have pulled for a task that was killed: nothing else tells of these whose they are."""
    known = {vdi.ref for vdi in vdis}
    found = []
    for vdi in vdis:
        if vdi.marks.get(INCOMING) == name and PULLS in vdi.marks:
            running = _runs(pool, vdi.marks.get(TASK, ""))
            vdi = replace(vdi, attached=vdi.attached or running)
            for made in _vdis(pool, sr, _by_uuid(pool, [vdi.marks[PULLS]])):
                if made.ref not in known and not {SOURCE, DIGEST} & set(made.marks):
                    record = {**made.record, "other_config": {**made.marks, INCOMING: name}}
                    found.append(replace(made, record=record, attached=made.attached or running))
        found.append(vdi)
    return found


def _runs(pool: Pool, uuid: str) -> bool:
    try:
        return bool(pool.call("task.get_status", pool.call("task.get_by_uuid", uuid)) in UNFINISHED)
    except XapiFailure as exc:
        if exc.code not in ("UUID_INVALID", "HANDLE_INVALID"):
            raise
        return False


def _by_uuid(pool: Pool, uuids: list[str]) -> list[str]:
    found = []
    for uuid in uuids:
        try:
            found.append(pool.call("VDI.get_by_uuid", uuid.lower()))
        except XapiFailure as exc:
            if exc.code != "UUID_INVALID":
                raise
    return found


def _vdis(pool: Pool, sr: str, refs: list[str]) -> list[Vdi]:
    found = []
    for ref in dict.fromkeys(refs):
        try:
            record = pool.call("VDI.get_record", ref)
            if record["SR"] == sr:
                attached = any(pool.call("VBD.get_currently_attached", vbd) for vbd in record["VBDs"])
                found.append(Vdi(ref, record, bool(record["VBDs"]), attached))
        except XapiFailure as exc:
            # It has gone since it was listed.
            if exc.code != "HANDLE_INVALID":
                raise
    return found
