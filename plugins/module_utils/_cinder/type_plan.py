# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""What has to change so that a volume type is as declared. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

DESCRIBED = ("description", "is_public")


@dataclass(frozen=True)
class TypePlan:
    """Steps in this order; ``before`` and ``after`` hold what is declared."""

    create: Mapping[str, Any] | None = None
    update: Mapping[str, Any] = field(default_factory=dict)
    set_specs: Mapping[str, str] = field(default_factory=dict)
    drop_specs: tuple[str, ...] = ()
    delete: bool = False
    before: Mapping[str, Any] = field(default_factory=dict)
    after: Mapping[str, Any] = field(default_factory=dict)

    @property
    def changed(self) -> bool:
        return bool(self.create is not None or self.update or self.set_specs or self.drop_specs or self.delete)


def plan_type(desired: Mapping[str, Any], current: Mapping[str, Any] | None) -> TypePlan:
    """``desired`` is a module's options: None is not managed, and an extra spec that is None is one to remove."""
    specs = {key: None if value is None else str(value) for key, value in (desired["extra_specs"] or {}).items()}
    if desired["state"] == "absent":
        return TypePlan(delete=current is not None, before=_shown(current, specs, desired), after={}) if current else TypePlan()
    wanted = {key: desired[key] for key in DESCRIBED if desired[key] is not None}
    kept = {key: value for key, value in specs.items() if value is not None}
    if current is None:
        public = {"os-volume-type-access:is_public": wanted["is_public"]} if "is_public" in wanted else {}
        body = {"name": desired["name"], **{key: value for key, value in wanted.items() if key != "is_public"}, **public, "extra_specs": kept}
        return TypePlan(create=body, after={"name": desired["name"], **wanted, "extra_specs": kept})
    found = current.get("extra_specs") or {}
    before = _shown(current, specs, desired)
    return TypePlan(
        update={key: value for key, value in wanted.items() if current.get(key) != value},
        set_specs={key: value for key, value in kept.items() if found.get(key) != value},
        drop_specs=tuple(sorted(key for key, value in specs.items() if value is None and key in found)),
        before=before,
        after={"name": desired["name"], **wanted, "extra_specs": kept},
    )


def _shown(current: Mapping[str, Any], specs: Mapping[str, Any], desired: Mapping[str, Any]) -> dict[str, Any]:
    found = current.get("extra_specs") or {}
    shown = {key: current.get(key) for key in DESCRIBED if desired[key] is not None}
    return {"name": current["name"], **shown, "extra_specs": {key: found[key] for key in sorted(specs) if key in found}}


def differing_spec(desired: Mapping[str, Any], current: Mapping[str, Any]) -> str | None:
    """An extra spec by which a type that is to be deleted is not the one that is meant."""
    found = current.get("extra_specs") or {}
    return next((key for key, value in (desired["extra_specs"] or {}).items() if value is not None and found.get(key) != str(value)), None)


def on_backend(host: str, backend: str) -> bool:
    """Whether «host@backend#pool» is of this backend."""
    return host.partition("#")[0].rpartition("@")[1:] == ("@", backend)
