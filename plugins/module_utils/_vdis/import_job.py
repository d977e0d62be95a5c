# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""One image in one SR, from a module's options to its result: look, plan once, and apply unless only asked."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from ansible.module_utils.basic import AnsibleModule

from .._content.body import Progress
from .._content.image_disk import ImageDisk
from .._core.errors import cannot
from .._core.progress import ProgressLog, ProgressSink
from .._core.runner import Job, Params
from .._core.signals import signals_as_errors
from .._core.sizes import parse_size as size_of
from .._xapi.failures import XapiFailure, xapi_errors
from .._xapi.results import READ_ONLY, is_read_only
from .._xapi.session import Pool
from .import_apply import Outcome, VdiImporter
from .import_plan import ATTRIBUTES, DesiredVdi, ImportPlan, Selection, Vdi, algorithm_to_compare, plan, same_content
from .import_source import ImageReference, open_origin
from .lookup import look_for
from .transport import Transport
from .transport_selector import TransportSelector


class Seen(NamedTuple):
    """All that the plan is computed from; ``same`` is None where there is nothing to compare."""

    pool: Pool
    sr: str
    sr_record: Mapping[str, Any]
    origin: ImageReference | None
    selection: Selection
    same: bool | None

    @property
    def current(self) -> Vdi | None:
        return self.selection.current


class Import(NamedTuple):
    """A plan, with the opened image and its transport where content has to be imported."""

    desired: DesiredVdi
    vdi: ImportPlan
    image: ImageDisk | None = None
    transport: Transport | None = None

    @property
    def changed(self) -> bool:
        return self.vdi.changed


class ImportJob(Job[Seen, Import, Outcome]):
    """The work of the module xen_vdi_import."""

    def __init__(self, params: Params, progress: Progress | None = None, connect: Callable[[Params], Pool] = Pool) -> None:
        super().__init__(params)
        self._progress = progress
        self._connect = connect
        self._name = str(params["name"])
        self._started = time.monotonic()
        self._size = None if params["size"] is None else parse_size(self._name, params["size"])
        given = {name: params[name] for name in ATTRIBUTES if params[name] is not None}
        self._attributes = given if self._size is None else {**given, "size": self._size}
        self._choice = TransportSelector(params)

    @classmethod
    def of(cls, module: AnsibleModule) -> ImportJob:
        return cls(module.params, ProgressLog(ProgressSink(module.log), str(module.params["name"])))

    def look(self) -> Seen:
        # Bad input ends the task before the pool is asked anything.
        origin = open_origin(self.params)
        self._choice.look(origin)
        pool = self.opened.enter_context(self._connect(self.params))
        sr, sr_record = self._repository(pool)
        with xapi_errors("read", "SR", sr_record["name_label"]):
            selection = look_for(pool, sr, self._name)
        current = selection.current
        same = None if current is None or origin is None else self._compare(current, origin)
        return Seen(pool, sr, sr_record, origin, selection, same)

    def plan(self, seen: Seen) -> Import:
        origin = seen.origin
        desired = DesiredVdi(self._name, self.params["state"], self._attributes, None if origin is None else origin.content, self.params["on_replace"])
        planned = plan(desired, seen.selection, seen.same)
        if not planned.upload or origin is None:
            return Import(desired, planned)
        image = origin.open(self._progress)
        sharable = bool(planned.replaces.attribute("sharable")) if planned.replaces is not None else False
        sharable = bool(self._attributes.get("sharable", sharable))
        return Import(desired, planned, image, self._choice.choose(seen.pool, seen.sr_record, origin, image, self._size, sharable))

    def apply(self, seen: Seen, plan: Import) -> Outcome:
        importer = VdiImporter(seen.pool, seen.sr, plan.desired, plan.transport, lambda: look_for(seen.pool, seen.sr, self._name))
        with signals_as_errors("import", "image", self._name):
            return importer.apply(plan.vdi, seen.current, seen.origin, plan.image)

    def result(self, seen: Seen, plan: Import, done: Outcome | None) -> dict[str, Any]:
        planned, image = plan.vdi, plan.image
        outcome = done or Outcome(seen.current.ref if seen.current is not None else None, planned.changed)
        return {
            "changed": outcome.changed,
            "vdi": self._predicted(seen, plan) if done is None and planned.changed else self._shown(seen, outcome.ref),
            "diff": {"before": dict(planned.before), "after": dict(planned.after)},
            "transport": self._choice.transport,
            "transport_reason": self._choice.reason,
            "upload_format": self._choice.upload_format,
            "format": image.format if image is not None else None,
            "verified": outcome.verified,
            "replaced_vdi": planned.replaces.uuid if planned.replaces is not None and outcome.changed else None,
            "bytes_transferred": outcome.bytes_transferred,
            "elapsed": round(time.monotonic() - self._started, 3),
            "warnings": [*outcome.warnings, *(image.warnings if image is not None else ())],
        }

    # Present

    def _repository(self, pool: Pool) -> tuple[str, Mapping[str, Any]]:
        if self.params["sr"] is not None:
            return pool.find("SR", self.params["sr"], verb="import into")
        ref = pool.default_sr()
        if ref is not None:
            try:
                return ref, pool.call("SR.get_record", ref)
            except XapiFailure as exc:
                if exc.code != "HANDLE_INVALID":
                    raise
        raise cannot("import", "image", self._name, "the pool has no default SR", "Give sr", code="no_default_sr")

    @staticmethod
    def _compare(current: Vdi, origin: ImageReference) -> bool:
        """Whether the VDI holds the declared content, which is read only where cheaper facts leave it open."""
        same = same_content(current, origin.content)
        if same is None:
            algorithm = algorithm_to_compare(current)
            digest = origin.digest(algorithm)
            # What it is known by afterwards is another matter.
            same = digest is not None and same_content(current, replace(origin.content, digests={algorithm: digest}))
        return bool(same)

    # Result

    def _shown(self, seen: Seen, ref: str | None) -> dict[str, Any] | None:
        if ref is None or self.params["state"] == "absent":
            return None
        with xapi_errors("read", "VDI", self._name):
            return self._present(seen, seen.pool.call("VDI.get_record", ref))

    def _predicted(self, seen: Seen, plan: Import) -> dict[str, Any] | None:
        if self.params["state"] == "absent":
            return None
        planned, record = plan.vdi, dict(seen.current.record) if seen.current is not None else {}
        shown = self._present(seen, {"name_label": self._name, **record})
        shown |= {"virtual_size" if name == "size" else name: value for name, value in planned.after.items() if name in ATTRIBUTES}
        if "read_only" in planned.patch:
            kept = {key: value for key, value in shown["other_config"].items() if key != READ_ONLY}
            shown["other_config"] = {**kept, READ_ONLY: "true"} if shown["read_only"] else kept
        return {**shown, "uuid": None} if planned.upload else shown

    @staticmethod
    def _present(seen: Seen, record: Mapping[str, Any]) -> dict[str, Any]:
        size = record.get("virtual_size")
        return {
            "uuid": record.get("uuid"),
            "name": record["name_label"],
            "description": record.get("name_description", ""),
            "sr": seen.sr_record["uuid"],
            "sr_name": seen.sr_record["name_label"],
            "virtual_size": None if size is None else int(size),
            "tags": sorted(record.get("tags", [])),
            "read_only": is_read_only(record),
            "sharable": bool(record.get("sharable", False)),
            "other_config": dict(record.get("other_config", {})),
        }


def parse_size(name: str, text: str) -> int:
    """Bytes, or a number with K, M, G or T behind it, of 1024."""
    size = size_of(text)
    if not size:
        raise cannot("size", "VDI", name, f"'{text}' is not a size", "Give bytes, or a number with K, M, G or T, for example 20G", code="bad_size")
    return size
