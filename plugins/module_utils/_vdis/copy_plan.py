# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""Whether an SR holds a copy of a VDI of another SR, and what is to be done for it. Pure: no I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .._core.errors import cannot
from .._xapi.results import READ_ONLY, is_read_only
from .import_plan import DIGEST, FINGERPRINT, INCOMING, REPLACES, SOURCE, Record, Selection, Vdi

# On a copy: the uuid of the VDI that it is a copy of.
COPIED_FROM = "image_services_copied_from"


@dataclass(frozen=True)
class CopyPlan:
    """What is to be done, in this order."""

    # The predecessors of ``successor``, which an interrupted run has not treated.
    retire: tuple[Vdi, ...] = ()
    successor: Vdi | None = None
    remove: tuple[Vdi, ...] = ()
    copy: bool = False
    replaces: Vdi | None = None
    before: Mapping[str, Any] = field(default_factory=dict)
    after: Mapping[str, Any] = field(default_factory=dict)

    @property
    def changed(self) -> bool:
        return bool(self.remove or self.copy or self.successor)


def marks_of_copy(source: Record, replaces: Vdi | None = None) -> dict[str, str]:
    """What the copy says of its content: the same as the source, so that an import finds it as well."""
    kept = {key: value for key, value in source["other_config"].items() if key in (SOURCE, DIGEST, FINGERPRINT)}
    if is_read_only(source):
        kept[READ_ONLY] = "true"
    return {**kept, COPIED_FROM: source["uuid"], **({} if replaces is None else {REPLACES: replaces.uuid})}


def plan(source: Record, name: str, selection: Selection) -> CopyPlan:
    """The source itself is taken for its copy where it is in the SR under this name."""
    current = selection.current
    if INCOMING in source["other_config"]:
        cause = "its content is not complete"
        raise cannot("copy", "VDI", source["name_label"], cause, "Run the task that imports it again", code="not_complete")
    for vdi in selection.incoming:
        if vdi.attached:
            cause = f"another task is copying it now, into VDI {vdi.uuid}"
            raise cannot("copy", "VDI", name, cause, "Run the task again when that one has ended", code="busy")
    if current is not None and current.uuid != source["uuid"] and current.marks.get(COPIED_FROM) is None and DIGEST not in current.marks:
        cause = f"the SR has a VDI of this name that is no copy ({current.uuid})"
        raise cannot("copy", "VDI", name, cause, "Give another name, or rename that VDI", code="duplicate")
    same = current is not None and _same(source, current)
    after = {"name": name, "digest": source["other_config"].get(DIGEST), "copied_from": source["uuid"]}
    before = {} if current is None else {**after, "digest": current.marks.get(DIGEST), "copied_from": current.marks.get(COPIED_FROM)}
    successor = current if current is not None and REPLACES in current.marks else None
    return CopyPlan(selection.superseded, successor, selection.incoming, not same, None if same else current, before, before if same else after)


def _same(source: Record, current: Vdi) -> bool:
    if current.uuid == source["uuid"]:
        return True
    digest = source["other_config"].get(DIGEST)
    if digest is not None:
        return bool(current.marks.get(DIGEST) == digest)
    return bool(current.marks.get(COPIED_FROM) == source["uuid"])
