# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""One copy of a VDI in another SR of its pool, from a module's options to its result. The pool copies; no byte comes here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .._core.errors import cannot
from .._core.identifiers import is_blank
from .._core.signals import signals_as_errors
from .._xapi.failures import xapi_errors
from .._xapi.session import NULL, Pool
from .copy_plan import CopyPlan, marks_of_copy, plan
from .import_plan import Vdi, foreign, incoming_record
from .lookup import find_disk, look_for
from .removal import destroy, destroy_half_made, finish_replacing


class CopyJob:
    """The work of xen_vdi_copy."""

    def __init__(self, params: Mapping[str, Any]) -> None:
        self._params = params

    def run(self, pool: Pool, check_mode: bool) -> dict[str, Any]:
        self._pool = pool
        ref, source = find_disk(pool, self._params["vdi"], verb="copy")
        self._name = str(self._params["name"] or source["name_label"])
        if is_blank(self._name):
            raise cannot("copy", "VDI", source["uuid"], "it has no name that the copy could have", "Give name", code="blank_name")
        with xapi_errors("copy", "VDI", self._name):
            self._sr, sr = pool.find("SR", self._params["sr"], verb="copy into")
            selection = look_for(pool, self._sr, self._name)
            made = plan(source, self._name, selection)
            shown = dict(selection.current.record) if selection.current is not None else {}
            if made.copy:
                shown = {**source, "uuid": None, "name_label": self._name, "other_config": marks_of_copy(source)}
            if made.changed and not check_mode:
                with signals_as_errors("copy", "VDI", self._name):
                    shown = self._apply(made, ref, source) or shown
        vdi = {
            "uuid": shown["uuid"],
            "name": shown["name_label"],
            "sr": sr["uuid"],
            "sr_name": sr["name_label"],
            "virtual_size": int(shown["virtual_size"]),
            "other_config": dict(shown["other_config"]),
        }
        diff = {"before": dict(made.before), "after": dict(made.after)}
        return {"changed": made.changed, "vdi": vdi, "replaced_vdi": made.replaces.uuid if made.replaces is not None else None, "diff": diff}

    def _apply(self, made: CopyPlan, source: str, record: Mapping[str, Any]) -> dict[str, Any] | None:
        on_replace = self._params["on_replace"]
        if made.successor is not None:
            finish_replacing(self._pool, made.successor.ref, made.retire, on_replace)
        for vdi in made.remove:
            destroy(self._pool, vdi.ref)
        if not made.copy:
            return None
        ref = self._create(record)
        try:
            self._pool.run("VDI.copy", source, NULL, NULL, ref, what=f"copy of {self._name}")
            self._commit(ref, record, made.replaces)
        except BaseException:
            destroy_half_made(self._pool, ref)
            raise
        if made.replaces is not None:
            finish_replacing(self._pool, ref, (made.replaces,), on_replace)
        found: dict[str, Any] = self._pool.call("VDI.get_record", ref)
        return found

    def _create(self, source: Mapping[str, Any]) -> str:
        told = source["name_description"]
        given = incoming_record(self._name, self._sr, told, sharable=source["sharable"], other_config=source["other_config"], tags=source["tags"])
        given["virtual_size"] = source["virtual_size"]
        return self._pool.run("VDI.create", given, what=f"making of VDI {self._name}", undo="VDI.destroy")

    def _commit(self, ref: str, source: Mapping[str, Any], replaced: Vdi | None) -> None:
        """The copy is complete. What it replaces is in its mark, so that the next run can finish what this one may not."""
        self._pool.call("VDI.set_name_label", ref, self._name)
        # The last step, by which it counts as complete.
        self._pool.call("VDI.set_other_config", ref, {**foreign(source["other_config"]), **marks_of_copy(source, replaced)})
