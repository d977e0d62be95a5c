# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""Where a disk of a pool may go besides Glance: a file, an http(s) address."""

from __future__ import annotations

from functools import partial
from typing import Any

from .._content.body import Progress
from .._content.disk_image_source import DiskImageSource
from .._content.http_put import put
from .._content.web import Access
from .._core.address import shown
from .._core.atomic_file import Attributes, move
from .export_file import can_mark, look_at, same_bytes, write
from .export_plan import Exported, ExportPlan, plan_file


class FileTarget:
    """A file on the host that the task runs on."""

    def __init__(self, path: str, place: Attributes, progress: Progress) -> None:
        self._path = path
        self._place = place
        self._progress = progress

    def look(self, disk: Exported, how: ExportPlan, source: DiskImageSource) -> bool:
        kept = look_at(self._path)
        same = None
        if kept.exists and not how.snapshot:
            if kept.mark is not None and source.fingerprint is None:
                source.read()
            elif kept.mark is None and not can_mark(self._path):
                same = same_bytes(self._path, source)
        self._source = source
        self._new = not kept.exists
        self._plan = plan_file(self._path, disk, how, None if how.snapshot else source.fingerprint, kept, same)
        return self._plan.write

    def finish(self, check_mode: bool) -> dict[str, Any]:
        made = self._plan
        diff: dict[str, Any] = {"before": dict(made.before), "after": dict(made.after)}
        sent, checksum = 0, None
        if made.write and not check_mode:
            written = write(self._path, self._source, partial(move, self._place), self._progress)
            sent, checksum = written.size, written.sha256
        changed = self._place.settle(self._path, made.write, None if self._new else diff)
        return {"changed": changed, "dest": self._path, "checksum": checksum, "diff": diff, "bytes_transferred": sent}


class AddressTarget:
    """An address that takes a PUT. What lies there is not known, so the disk is sent each time."""

    def __init__(self, uri: str, access: Access, idle_timeout: float, progress: Progress) -> None:
        self._uri = uri
        self._access = access
        self._idle_timeout = idle_timeout
        self._progress = progress

    def look(self, disk: Exported, how: ExportPlan, source: DiskImageSource) -> bool:
        self._source = source
        self._holds = {"uri": shown(self._uri), "content": f"VDI {disk.uuid} as {how.format}"}
        return True

    def finish(self, check_mode: bool) -> dict[str, Any]:
        sent, checksum = 0, None
        if not check_mode:
            done = put(self._uri, self._source, self._access, self._idle_timeout, self._progress)
            sent, checksum = done.size, done.sha256
        diff = {"before": {}, "after": self._holds}
        return {"changed": True, "uri": shown(self._uri), "checksum": checksum, "diff": diff, "bytes_transferred": sent}
