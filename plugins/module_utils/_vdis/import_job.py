# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""One image in one SR, from a module's options to its result: look, plan once, and apply unless only asked."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from .._content.body import Progress
from .._content.image_disk import ImageDisk
from .._core.errors import cannot
from .._core.signals import signals_as_errors
from .._core.sizes import parse_size as size_of
from .._xapi.failures import XapiFailure, xapi_errors
from .._xapi.results import READ_ONLY, is_read_only
from .._xapi.session import Pool
from .import_apply import Outcome, VdiImporter
from .import_plan import ATTRIBUTES, DesiredVdi, ImportPlan, Selection, Vdi, algorithm_to_compare, plan, same_content
from .import_source import ImageReference, open_origin
from .lookup import look_for
from .transport import Way
from .transport_selector import TransportSelector


class ImportJob:
    """The work of xen_vdi_import: open, prepare, finish."""

    def __init__(self, params: Mapping[str, Any], progress: Progress | None = None) -> None:
        self._params = params
        self._progress = progress
        self._name = str(params["name"])
        self._started = time.monotonic()
        self._image: ImageDisk | None = None
        self._choice = TransportSelector(params)
        self._way: Way | None = None

    def open(self) -> None:
        """Look at what the task names; bad input ends the task before the pool is asked anything."""
        size = None if self._params["size"] is None else parse_size(self._name, self._params["size"])
        given = {name: self._params[name] for name in ATTRIBUTES if self._params[name] is not None}
        self._attributes = given if size is None else {**given, "size": size}
        self._size = size
        self._origin: ImageReference | None = open_origin(self._params)
        self._choice.look(self._origin)

    def prepare(self, pool: Pool) -> ImportPlan:
        """Compare with what is there, and plan; nothing is changed."""
        self._pool = pool
        self._sr, self._sr_record = self._repository()
        with xapi_errors("read", "SR", self._sr_record["name_label"]):
            selection = self._look()
        current, origin = selection.current, self._origin
        same = None if current is None or origin is None else self._compared(current, origin)
        content = None if origin is None else origin.content
        self._desired = DesiredVdi(self._name, self._params["state"], self._attributes, content, self._params["on_replace"])
        self.plan = plan(self._desired, selection, same)
        if self.plan.upload and origin is not None:
            self._image = origin.open(self._progress)
            sharable = bool(self.plan.replaces.attribute("sharable")) if self.plan.replaces is not None else False
            sharable = bool(self._attributes.get("sharable", sharable))
            self._way = self._choice.choose(pool, self._sr_record, origin, self._image, self._size, sharable)
        self._current = current
        return self.plan

    def finish(self, check_mode: bool) -> dict[str, Any]:
        """Carry out the plan, unless it is empty or only asked for; the module's result."""
        outcome = Outcome(self._current.ref if self._current is not None else None, self.plan.changed)
        if self.plan.changed and not check_mode:
            importer = VdiImporter(self._pool, self._sr, self._desired, self._way, self._look)
            with signals_as_errors("import", "image", self._name):
                outcome = importer.apply(self.plan, self._current, self._origin, self._image)
        return self._result(outcome, check_mode)

    # Present

    def _repository(self) -> tuple[str, Mapping[str, Any]]:
        if self._params["sr"] is not None:
            return self._pool.find("SR", self._params["sr"], verb="import into")
        ref = self._pool.default_sr()
        if ref is not None:
            try:
                return ref, self._pool.call("SR.get_record", ref)
            except XapiFailure as exc:
                if exc.code != "HANDLE_INVALID":
                    raise
        raise cannot("import", "image", self._name, "the pool has no default SR", "Give sr", code="no_default_sr")

    def _look(self) -> Selection:
        return look_for(self._pool, self._sr, self._name)

    def _compared(self, current: Vdi, origin: ImageReference) -> bool:
        """Whether the VDI was made of the declared content; that is read only where cheaper facts leave it open."""
        same = same_content(current, origin.content)
        if same is None:
            algorithm = algorithm_to_compare(current)
            digest = origin.digest(algorithm)
            # What it is known by afterwards is another matter.
            same = digest is not None and same_content(current, replace(origin.content, digests={algorithm: digest}))
        return bool(same)

    # Result

    def _result(self, outcome: Outcome, check_mode: bool) -> dict[str, Any]:
        return {
            "changed": outcome.changed,
            "vdi": self._predicted() if check_mode and self.plan.changed else self._shown(outcome.ref),
            "diff": {"before": dict(self.plan.before), "after": dict(self.plan.after)},
            "transport": self._choice.transport,
            "transport_reason": self._choice.reason,
            "upload_format": self._choice.upload_format,
            "format": self._image.format if self._image is not None else None,
            "verified": outcome.verified,
            "replaced_vdi": self.plan.replaces.uuid if self.plan.replaces is not None and outcome.changed else None,
            "bytes_transferred": outcome.bytes_transferred,
            "elapsed": round(time.monotonic() - self._started, 3),
            "warnings": [*outcome.warnings, *(self._image.warnings if self._image is not None else ())],
        }

    def _shown(self, ref: str | None) -> dict[str, Any] | None:
        if ref is None or self._params["state"] == "absent":
            return None
        with xapi_errors("read", "VDI", self._name):
            return self._present(self._pool.call("VDI.get_record", ref))

    def _predicted(self) -> dict[str, Any] | None:
        if self._params["state"] == "absent":
            return None
        record = dict(self._current.record) if self._current is not None else {}
        shown = self._present({"name_label": self._name, **record})
        shown |= {"virtual_size" if name == "size" else name: value for name, value in self.plan.after.items() if name in ATTRIBUTES}
        if "read_only" in self.plan.patch:
            kept = {key: value for key, value in shown["other_config"].items() if key != READ_ONLY}
            shown["other_config"] = {**kept, READ_ONLY: "true"} if shown["read_only"] else kept
        return {**shown, "uuid": None} if self.plan.upload else shown

    def _present(self, record: Mapping[str, Any]) -> dict[str, Any]:
        size = record.get("virtual_size")
        return {
            "uuid": record.get("uuid"),
            "name": record["name_label"],
            "description": record.get("name_description", ""),
            "sr": self._sr_record["uuid"],
            "sr_name": self._sr_record["name_label"],
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
