# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""Carry out the plan of an import. A VDI gets its name when its content is complete; what is incomplete is removed, what was there stays."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from .._content.image_disk import ImageDisk
from .._core.errors import ImageServicesError, cannot
from .._core.wait import Stalled, wait_while_moving
from .._xapi.failures import XapiFailure, xapi_errors
from .._xapi.results import READ_ONLY, is_read_only
from .._xapi.session import Pool
from .._xapi.tasks import drop_by_uuid
from .import_plan import TASK, Content, DesiredVdi, ImportPlan, Selection, Vdi, incoming_record, marks_of, same_content, unmanaged_keys
from .import_source import ImageReference
from .removal import destroy, destroy_incomplete, finish_replacing
from .transport import Transport

LOCK = "image_services_lock"
# Seconds for which a task needs the lock: who keeps it longer is gone.
LOCK_TIMEOUT = 10.0


@dataclass
class Outcome:
    """What a run has done."""

    ref: str | None = None
    changed: bool = True
    bytes_transferred: int = 0
    verified: bool = False
    replaced: str | None = None
    warnings: list[str] = field(default_factory=list)


class VdiImporter:
    """The only place that changes VDIs for an import."""

    def __init__(self, pool: Pool, sr: str, desired: DesiredVdi, transport: Transport | None, look: Callable[[], Selection]) -> None:
        self._pool = pool
        self._sr = sr
        self._desired = desired
        self._name = desired.name
        self._transport = transport
        self._look = look
        self._outcome = Outcome()

    def apply(self, plan: ImportPlan, current: Vdi | None, origin: ImageReference | None, image: ImageDisk | None) -> Outcome:
        if plan.retire or plan.successor is not None:
            self._finish_replacing(plan.successor.ref if plan.successor is not None else None, plan.retire)
        for vdi in plan.remove:
            with xapi_errors("remove", "VDI", vdi.uuid):
                destroy(self._pool, vdi.ref)
            if TASK in vdi.marks:
                drop_by_uuid(self._pool, vdi.marks[TASK])
        if plan.upload and origin is not None and image is not None and self._transport is not None:
            self._import(self._transport, plan.replaces, origin, image)
        elif current is not None and current not in plan.remove:
            self._outcome.ref = current.ref
            with xapi_errors("update", "VDI", self._name):
                self._update(current.ref, plan.patch)
        return self._outcome

    # New content

    def _import(self, transport: Transport, replaced: Vdi | None, origin: ImageReference, image: ImageDisk) -> None:
        with xapi_errors("import", "image", self._name, None):
            filled = transport.fill(self._record(replaced), origin, image)
            try:
                other = self._commit(filled.ref, replaced, filled.content)
            except BaseException:
                destroy_incomplete(self._pool, filled.ref)
                raise
        self._outcome.bytes_transferred, self._outcome.verified = filled.bytes_transferred, filled.verified
        self._outcome.warnings.extend(filled.warnings)
        if other is not None:
            destroy_incomplete(self._pool, filled.ref)
            self._outcome.ref, self._outcome.changed = other.ref, False
            return
        self._outcome.ref = filled.ref
        if replaced is not None:
            self._outcome.replaced = replaced.uuid
            self._finish_replacing(filled.ref, (replaced,))

    def _record(self, replaced: Vdi | None) -> dict[str, Any]:
        """Of the new VDI, while it is not complete."""
        kept = dict(replaced.record) if replaced is not None else {}
        told = self._wanted("description", kept.get("name_description", ""))
        sharable = bool(self._wanted("sharable", kept.get("sharable", False)))
        return incoming_record(self._name, self._sr, told, sharable=sharable, other_config=kept.get("other_config", {}))

    def _commit(self, ref: str, replaced: Vdi | None, content: Content) -> Vdi | None:
        """Make the complete VDI the declared one, unless another task has done so meanwhile: then that one."""
        kept = dict(replaced.record) if replaced is not None else {}
        name = str(kept.get("name_label", self._name))
        others = () if replaced is None else (replaced,)
        with self._alone():
            other = self._look().current
            if other is not None and (replaced is None or other.ref != replaced.ref):
                if same_content(other, content):
                    return other
                cause = f"another task has imported something else under this name meanwhile (VDI {other.uuid})"
                raise cannot("import", "image", self._name, cause, "Run the task again if this content is to replace it", code="overtaken")
            self._pool.call("VDI.set_tags", ref, self._wanted("tags", kept.get("tags", [])))
            self._pool.call("VDI.set_name_label", ref, name)
            marks = marks_of(content, others, bool(self._wanted("read_only", is_read_only(kept))))
            # The last step, which marks it as complete.
            self._pool.call("VDI.set_other_config", ref, {**unmanaged_keys(kept.get("other_config", {})), **marks})
        return None

    def _wanted(self, attribute: str, otherwise: Any) -> Any:
        value = self._desired.attributes.get(attribute)
        return otherwise if value is None else value

    # VDIs that are there

    def _update(self, ref: str, patch: Mapping[str, Any]) -> None:
        if "size" in patch:
            self._pool.run("VDI.resize", ref, patch["size"], what=f"growing of VDI {self._name}")
        if "description" in patch:
            self._pool.call("VDI.set_name_description", ref, patch["description"])
        if "tags" in patch:
            self._pool.call("VDI.set_tags", ref, patch["tags"])
        if "read_only" in patch:
            self._pool.call("VDI.remove_from_other_config", ref, READ_ONLY)
            if patch["read_only"]:
                self._pool.call("VDI.add_to_other_config", ref, READ_ONLY, "true")

    def _finish_replacing(self, successor: str | None, superseded: Iterable[Vdi]) -> None:
        with xapi_errors("replace", "VDI", self._name):
            finish_replacing(self._pool, successor, superseded, self._desired.on_replace)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """One task at a time gives this name away: a key that cannot be added twice is a lock."""
        key, owner = f"{LOCK}_{hashlib.sha256(self._name.encode()).hexdigest()[:16]}", str(uuid4())

        def holder() -> str:
            try:
                self._pool.call("SR.add_to_other_config", self._sr, key, owner)
            except XapiFailure as exc:
                # Who may not write to the SR goes without it.
                if exc.code == "MAP_DUPLICATE_KEY":
                    return str(self._pool.call("SR.get_other_config", self._sr).get(key, ""))
                if exc.code != "RBAC_PERMISSION_DENIED":
                    raise
            return owner

        try:
            wait_while_moving(holder, lambda found: found == owner, LOCK_TIMEOUT, self._pool.clock, interval=0.05, longest_interval=0.5)
        except Stalled:
            self._pool.call("SR.remove_from_other_config", self._sr, key)
            self._pool.call("SR.add_to_other_config", self._sr, key, owner)
        try:
            yield
        finally:
            # A second time, because the session may have ended with the first.
            for _attempt in range(2):
                with suppress(XapiFailure, ImageServicesError):
                    self._pool.call("SR.remove_from_other_config", self._sr, key)
                    break
