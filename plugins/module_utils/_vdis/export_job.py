# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""One export, from a module's options to its result: find the disk, look at where it goes, plan once, and move it unless only asked."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import ExitStack, closing
from datetime import datetime, timezone
from typing import Any, Protocol
from uuid import UUID

from .._content.body import Progress
from .._content.disk_image_source import DiskImageSource, ImageEncoding
from .._content.http_put import check_address
from .._content.web import access_of
from .._core.atomic_file import Attributes
from .._core.errors import ImageServicesError
from .._core.signals import signals_as_errors
from .._glance.properties import SOURCE_VDI, SOURCE_VDI_TIME
from .._xapi.session import Pool
from .disk import VdiReader, find_base, find_disk
from .export_plan import TARBALL, VHD, Exported, ExportPlan, plan_export
from .export_targets import AddressTarget, FileTarget


class Target(Protocol):
    """Where a disk goes to."""

    def look(self, disk: Exported, how: ExportPlan, source: DiskImageSource) -> bool:
        """Compare with what is there; whether the disk has to be moved. Nothing is changed."""

    def finish(self, check_mode: bool) -> dict[str, Any]:
        """Do what is to be done, unless only asked; the part of the result that belongs to the target."""


class ExportJob:
    """The work of the module xen_vdi_export."""

    def __init__(self, params: Mapping[str, Any], place: Attributes, progress: Progress) -> None:
        self._params = params
        self._format = params["format"] or (TARBALL if params["image"] else VHD)
        self._target = self._chosen(place, progress)

    def run(self, check_mode: bool) -> dict[str, Any]:
        started = time.monotonic()
        params = self._params
        given = params["vdi"] or params["vm"]
        with signals_as_errors("export", "VDI" if params["vdi"] else "disk of VM", given), Pool(params) as pool:
            disk = find_disk(pool, params["vdi"], params["vm"], params["device"])
            base = find_base(pool, params["base"])
            how = plan_export(disk, self._format, base, params["snapshot"], params["compression_level"])
            reader = VdiReader(pool, disk, base, how.read_as)
            notes = {SOURCE_VDI: disk.uuid, SOURCE_VDI_TIME: disk.snapshot_time if disk.is_a_snapshot else _now()}
            recipe = ImageEncoding(how.format, UUID(disk.uuid), disk.time, how.parent, params["compression_level"])
            with closing(DiskImageSource(f"VDI {disk.uuid}", recipe, reader, how.identity, notes)) as source:
                moves = self._target.look(disk, how, source)
                snapshot = how.snapshot and moves
                try:
                    with ExitStack() as taken:
                        if snapshot and not check_mode:
                            notes[SOURCE_VDI_TIME] = taken.enter_context(reader.snapshot())
                        # The pool lets go of the snapshot only when nobody reads it any more.
                        taken.callback(source.close)
                        result = self._target.finish(check_mode)
                except ImageServicesError as exc:
                    exc.result.setdefault("vdi", disk.presented())
                    raise
        result.update(vdi=disk.presented(), format=how.format, snapshot=snapshot, bytes_read=reader.bytes_read)
        return {**result, "elapsed": round(time.monotonic() - started, 3)}

    def _chosen(self, place: Attributes, progress: Progress) -> Target:
        params = self._params
        if params["image"] is not None:
            # To load openstacksdk takes longer than many an export to a file.
            from .export_glance import ImageTarget

            return ImageTarget(params["image"], params["glance"] or {}, params["timeout"], progress)
        if params["dest"] is not None:
            return FileTarget(params["dest"], place, progress)
        check_address(params["uri"])
        return AddressTarget(params["uri"], access_of(params), float(params["timeout"]), progress)


def _now() -> str:
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
