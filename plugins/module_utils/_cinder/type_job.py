# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""The work of the module cinder_volume_type."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from .._core.errors import cannot
from .._glance.http import glance_errors
from .api import Cinder, Record
from .type_plan import TypePlan, differing_spec, plan_type

Params = Mapping[str, Any]
ADVICE = "Check that the task runs as an administrator, and see Cinder's log"


def ensure_type(params: Params, check_mode: bool, connect: Callable[[Params], Cinder]) -> dict[str, Any]:
    name, verb = params["name"], "delete" if params["state"] == "absent" else "keep"
    cinder = connect(params)
    with glance_errors(verb, "volume type", name, ADVICE):
        current = _find(cinder, name, verb)
        if params["state"] == "absent" and current is not None:
            _refuse_another(params, current)
        planned = plan_type(params, current)
        result = {"changed": planned.changed, "diff": {"before": dict(planned.before), "after": dict(planned.after)}}
        if not check_mode:
            _apply(cinder, planned, current)
            current = _find(cinder, name, verb) if planned.changed else current
        elif planned.changed:
            current = None if planned.delete else {**(current or {"id": None}), **planned.after}
    return {**result, "volume_type": _present(current)}


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
