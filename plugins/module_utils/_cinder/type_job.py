# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""The work of the module cinder_volume_type."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from .._core.errors import cannot
from .._core.runner import Job, Params
from .._glance.http import glance_errors
from .api import Cinder, Record
from .type_plan import TypePlan, differing_spec, plan_type

ADVICE = "Check that the task runs as an administrator, and see Cinder's log"


class Seen(NamedTuple):
    cinder: Cinder
    current: Record | None


class Done(NamedTuple):
    current: Record | None


class VolumeTypeJob(Job[Seen, TypePlan, Done]):
    """The work of the module cinder_volume_type."""

    def __init__(self, params: Params, connect: Callable[[Params], Cinder] = Cinder.connect) -> None:
        super().__init__(params)
        self._connect = connect
        self._name = params["name"]
        self._verb = "delete" if params["state"] == "absent" else "keep"

    def look(self) -> Seen:
        cinder = self._connect(self.params)
        self.opened.enter_context(glance_errors(self._verb, "volume type", self._name, ADVICE))
        return Seen(cinder, _find(cinder, self._name, self._verb))

    def plan(self, seen: Seen) -> TypePlan:
        if self.params["state"] == "absent" and seen.current is not None:
            _refuse_another(self.params, seen.current)
        return plan_type(self.params, seen.current)

    def apply(self, seen: Seen, plan: TypePlan) -> Done:
        _apply(seen.cinder, plan, seen.current)
        return Done(_find(seen.cinder, self._name, self._verb))

    def result(self, seen: Seen, plan: TypePlan, done: Done | None) -> dict[str, Any]:
        current = seen.current if done is None else done.current
        if done is None and plan.changed:
            current = None if plan.delete else {**(current or {"id": None}), **plan.after}
        return {"changed": plan.changed, "diff": {"before": dict(plan.before), "after": dict(plan.after)}, "volume_type": _present(current)}


def _apply(cinder: Cinder, planned: TypePlan, current: Record | None) -> None:
    if planned.create is not None:
        cinder.create_type(planned.create)
        return
    if current is None:
        return
    if planned.delete:
        cinder.delete_type(current["id"])
        return
    if planned.update:
        cinder.update_type(current["id"], planned.update)
    if planned.set_specs:
        cinder.set_specs(current["id"], planned.set_specs)
    for key in planned.drop_specs:
        cinder.delete_spec(current["id"], key)


def _find(cinder: Cinder, name: str, verb: str) -> Record | None:
    found = [each for each in cinder.types() if name in (each["name"], each["id"])]
    if len(found) > 1:
        ids = ", ".join(sorted(each["id"] for each in found))
        raise cannot(verb, "volume type", name, f"{len(found)} have this name: {ids}", "Give one of the ids", code="ambiguous")
    return found[0] if found else None


def _refuse_another(params: Params, current: Record) -> None:
    key = differing_spec(params, current)
    if key is not None:
        found = (current.get("extra_specs") or {}).get(key)
        cause = f"its extra spec {key} is {found!r}, not '{params['extra_specs'][key]}'"
        raise cannot("delete", "volume type", params["name"], cause, "Name the type that is meant, or leave extra_specs out", code="another_type")


def _present(record: Record | None) -> dict[str, Any] | None:
    if record is None:
        return None
    return {key: record.get(key) for key in ("id", "name", "description", "is_public")} | {"extra_specs": dict(record.get("extra_specs") or {})}
