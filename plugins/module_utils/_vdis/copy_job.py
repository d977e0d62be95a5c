# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""One copy of a VDI in another SR of its pool, from a module's options to its result. The pool copies; no byte comes here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from .._core.errors import cannot
from .._core.identifiers import is_blank
from .._core.runner import Job, Params
from .._core.signals import signals_as_errors
from .._xapi.failures import xapi_errors
from .._xapi.session import NULL, Pool
from .copy_plan import CopyPlan, marks_of_copy, plan
from .import_plan import Selection, Vdi, incoming_record, unmanaged_keys
from .lookup import find_disk_to_copy, look_for
from .removal import destroy, destroy_incomplete, finish_replacing


class Seen(NamedTuple):
    """The disk to copy, the SR that the copy is declared in, and the disks of the copy's name there."""

    pool: Pool
    name: str
    ref: str
    record: Mapping[str, Any]
    sr: str
    sr_record: Mapping[str, Any]
    selection: Selection


class CopyJob(Job[Seen, CopyPlan, "dict[str, Any] | None"]):
    """The work of the module xen_vdi_copy."""

    def __init__(self, params: Params, connect: Callable[[Params], Pool] = Pool) -> None:
        super().__init__(params)
        self._pool = connect(params)

    def look(self) -> Seen:
        pool = self.opened.enter_context(self._pool)
        source_sr = None if self.params["source_sr"] is None else pool.find("SR", self.params["source_sr"], verb="copy from")[0]
        ref, record = find_disk_to_copy(pool, self.params["vdi"], source_sr)
        name = str(self.params["name"] or record["name_label"])
        if is_blank(name):
            raise cannot("copy", "VDI", record["uuid"], "it has no name that the copy could have", "Give name", code="blank_name")
        self.opened.enter_context(xapi_errors("copy", "VDI", name))
        sr, sr_record = pool.find("SR", self.params["sr"], verb="copy into")
        return Seen(pool, name, ref, record, sr, sr_record, look_for(pool, sr, name))

    def plan(self, seen: Seen) -> CopyPlan:
        return plan(seen.record, seen.name, seen.selection)

    def apply(self, seen: Seen, plan: CopyPlan) -> dict[str, Any] | None:
        pool, on_replace = seen.pool, self.params["on_replace"]
        with signals_as_errors("copy", "VDI", seen.name):
            if plan.successor is not None:
                finish_replacing(pool, plan.successor.ref, plan.retire, on_replace)
            for vdi in plan.remove:
                destroy(pool, vdi.ref)
            if not plan.copy:
                return None
            ref = self._copied(seen, plan.replaces)
            if plan.replaces is not None:
                finish_replacing(pool, ref, (plan.replaces,), on_replace)
            return dict(pool.call("VDI.get_record", ref))

    def result(self, seen: Seen, plan: CopyPlan, done: dict[str, Any] | None) -> dict[str, Any]:
        current = seen.selection.current
        shown: Mapping[str, Any] = current.record if current is not None else {}
        if plan.copy:
            shown = done or {**seen.record, "uuid": None, "name_label": seen.name, "other_config": marks_of_copy(seen.record)}
        vdi = {
            "uuid": shown["uuid"],
            "name": shown["name_label"],
            "sr": seen.sr_record["uuid"],
            "sr_name": seen.sr_record["name_label"],
            "virtual_size": int(shown["virtual_size"]),
            "other_config": dict(shown["other_config"]),
        }
        diff = {"before": dict(plan.before), "after": dict(plan.after)}
        return {"changed": plan.changed, "vdi": vdi, "replaced_vdi": plan.replaces.uuid if plan.replaces is not None else None, "diff": diff}

    def _copied(self, seen: Seen, replaced: Vdi | None) -> str:
        """The reference of a new VDI with the content and the name; after a failure there is none."""
        pool, record = seen.pool, seen.record
        given = incoming_record(
            seen.name, seen.sr, record["name_description"], sharable=record["sharable"], other_config=record["other_config"], tags=record["tags"]
        )
        given["virtual_size"] = record["virtual_size"]
        ref = pool.run("VDI.create", given, what=f"making of VDI {seen.name}", undo="VDI.destroy")
        try:
            pool.run("VDI.copy", seen.ref, NULL, NULL, ref, what=f"copy of {seen.name}")
            pool.call("VDI.set_name_label", ref, seen.name)
            # The last step marks it as complete. The mark names what it replaces, so that the next run can finish what this one may not.
            pool.call("VDI.set_other_config", ref, {**unmanaged_keys(record["other_config"]), **marks_of_copy(record, replaced)})
        except BaseException:
            destroy_incomplete(pool, ref)
            raise
        return ref
