# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""One export, from a module's options to its result: find the disk, look at where it goes, plan once, and move it unless only asked."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import datetime, timezone
from typing import Any, NamedTuple, Protocol
from uuid import UUID

from ansible.module_utils.basic import AnsibleModule

from .._content.body import Progress
from .._content.disk_image_source import DiskImageSource, ImageEncoding
from .._content.http_put import check_address
from .._content.web import access_of
from .._core.atomic_file import Attributes, FileAttributes
from .._core.errors import ImageServicesError
from .._core.progress import ProgressLog, ProgressSink
from .._core.runner import Job, Params
from .._core.signals import signals_as_errors
from .._glance.properties import SOURCE_VDI, SOURCE_VDI_TIME
from .._xapi.session import Pool
from .disk import VdiReader, find_base, find_disk
from .export_plan import TARBALL, VHD, Exported, ExportPlan, plan_export
from .export_targets import AddressTarget, FileTarget


class TargetPlan(Protocol):
    @property
    def moves(self) -> bool:
        """Whether the disk has to be read and sent."""


class Target(Protocol):
    """Where a disk goes to, in the steps of a job; what one step returns is for the next ones of the same target."""

    always: bool

    def look(self, disk: Exported, how: ExportPlan, source: DiskImageSource) -> Any: ...

    def plan(self, seen: Any) -> TargetPlan: ...

    def apply(self, seen: Any, plan: Any) -> Any: ...

    def result(self, seen: Any, plan: Any, done: Any) -> dict[str, Any]:
        """The part of the module's result that belongs to the target."""


class Seen(NamedTuple):
    """The disk, how it is encoded, and what the target was found to hold. ``notes`` are marks that the image is to carry."""

    disk: Exported
    how: ExportPlan
    reader: VdiReader
    source: DiskImageSource
    notes: dict[str, str]
    target: Any


class ExportJob(Job[Seen, TargetPlan, Any]):
    """The work of the module xen_vdi_export."""

    def __init__(self, params: Params, attributes: Attributes, progress: Progress, connect: Callable[[Params], Pool] = Pool) -> None:
        super().__init__(params)
        self._started = time.monotonic()
        self._format = params["format"] or (TARBALL if params["image"] else VHD)
        self._target = self._chosen(attributes, progress)
        self._connect = connect

    @classmethod
    def of(cls, module: AnsibleModule) -> ExportJob:
        params = module.params
        return cls(params, FileAttributes(module), ProgressLog(ProgressSink(module.log), str(params["vdi"] or params["vm"])))

    def look(self) -> Seen:
        params = self.params
        self.opened.enter_context(signals_as_errors("export", "VDI" if params["vdi"] else "disk of VM", params["vdi"] or params["vm"]))
        pool = self.opened.enter_context(self._connect(params))
        disk = find_disk(pool, params["vdi"], params["vm"], params["device"])
        base = find_base(pool, params["base"])
        how = plan_export(disk, self._format, base, params["snapshot"], params["compression_level"])
        reader = VdiReader(pool, disk, base, how.read_as)
        notes = {SOURCE_VDI: disk.uuid, SOURCE_VDI_TIME: disk.snapshot_time if disk.is_a_snapshot else _now()}
        encoding = ImageEncoding(how.format, UUID(disk.uuid), disk.time, how.parent, params["compression_level"])
        source = self.opened.enter_context(closing(DiskImageSource(f"VDI {disk.uuid}", encoding, reader, how.identity, notes)))
        return Seen(disk, how, reader, source, notes, self._target.look(disk, how, source))

    def plan(self, seen: Seen) -> TargetPlan:
        return self._target.plan(seen.target)

    def must_apply(self, plan: TargetPlan) -> bool:
        return self._target.always or super().must_apply(plan) or plan.moves

    def apply(self, seen: Seen, plan: TargetPlan) -> Any:
        with self._telling(seen), ExitStack() as taken:
            if seen.how.snapshot and plan.moves:
                seen.notes[SOURCE_VDI_TIME] = taken.enter_context(seen.reader.snapshot())
            # The pool releases the snapshot only when it is no longer read.
            taken.callback(seen.source.close)
            return self._target.apply(seen.target, plan)

    def result(self, seen: Seen, plan: TargetPlan, done: Any) -> dict[str, Any]:
        with self._telling(seen):
            result = self._target.result(seen.target, plan, done)
        result.update(vdi=seen.disk.presented(), format=seen.how.format, snapshot=seen.how.snapshot and plan.moves, bytes_read=seen.reader.bytes_read)
        return {**result, "elapsed": round(time.monotonic() - self._started, 3)}

    @staticmethod
    @contextmanager
    def _telling(seen: Seen) -> Iterator[None]:
        """A failure tells which disk it was."""
        try:
            yield
        except ImageServicesError as exc:
            exc.result.setdefault("vdi", seen.disk.presented())
            raise

    def _chosen(self, attributes: Attributes, progress: Progress) -> Target:
        params = self.params
        if params["image"] is not None:
            # To load openstacksdk takes longer than many an export to a file.
            from .export_glance import ImageTarget

            return ImageTarget(params["image"], params["glance"] or {}, params["timeout"], progress)
        if params["dest"] is not None:
            return FileTarget(params["dest"], attributes, progress)
        check_address(params["uri"])
        return AddressTarget(params["uri"], access_of(params), float(params["timeout"]), progress)


def _now() -> str:
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
