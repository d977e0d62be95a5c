# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""Where a disk of a pool may go besides Glance: a file, an http(s) address."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from .._content.body import Progress
from .._content.disk_image_source import DiskImageSource
from .._content.file_plan import FilePlan, Kept, plan_file
from .._content.file_sink import FileSink, Written, can_mark, look_at, same_bytes
from .._content.http_put import Sent, put
from .._content.web import Access
from .._core.address import shown
from .._core.atomic_file import Attributes
from .export_plan import Exported, ExportPlan


class FileSeen(NamedTuple):
    """``same`` says whether the file holds what the source makes, as far as it was read."""

    disk: Exported
    how: ExportPlan
    source: DiskImageSource
    kept: Kept
    same: bool | None


class FileTarget:
    """A file on the host that the task runs on."""

    # Ansible finds out about owner, group and mode when it sets them.
    always = True

    def __init__(self, path: str, attributes: Attributes, progress: Progress) -> None:
        self._sink = FileSink(path, attributes, progress)

    def look(self, disk: Exported, how: ExportPlan, source: DiskImageSource) -> FileSeen:
        kept, same = look_at(self._sink.path), None
        if kept.exists and not how.snapshot:
            if kept.mark is not None and source.fingerprint is None:
                source.read()
            elif kept.mark is None and not can_mark(self._sink.path):
                same = same_bytes(self._sink.path, source)
        return FileSeen(disk, how, source, kept, same)

    def plan(self, seen: FileSeen) -> FilePlan:
        fingerprint = None if seen.how.snapshot else seen.source.fingerprint
        return plan_file(self._sink.path, f"VDI {seen.disk.uuid} as {seen.how.format}", fingerprint, seen.kept, seen.same)

    def apply(self, seen: FileSeen, plan: FilePlan) -> dict[str, Any]:
        return self._settled(seen, plan, self._sink.write(seen.source) if plan.moves else None)

    def result(self, seen: FileSeen, plan: FilePlan, done: dict[str, Any] | None) -> dict[str, Any]:
        return self._settled(seen, plan, None) if done is None else done

    def _settled(self, seen: FileSeen, plan: FilePlan, written: Written | None) -> dict[str, Any]:
        return {**self._sink.settled(plan, seen.kept, written), "checksum": None if written is None else written.digests["sha256"]}


class AddressPlan(NamedTuple):
    """What an address holds is not known, so the disk is sent each time."""

    source: DiskImageSource
    holds: Mapping[str, Any]
    moves: bool = True


class AddressTarget:
    """An address that takes a PUT."""

    always = False

    def __init__(self, uri: str, access: Access, idle_timeout: float, progress: Progress) -> None:
        self._uri = uri
        self._access = access
        self._idle_timeout = idle_timeout
        self._progress = progress

    def look(self, disk: Exported, how: ExportPlan, source: DiskImageSource) -> AddressPlan:
        return AddressPlan(source, {"uri": shown(self._uri), "content": f"VDI {disk.uuid} as {how.format}"})

    def plan(self, seen: AddressPlan) -> AddressPlan:
        return seen

    def apply(self, seen: AddressPlan, plan: AddressPlan) -> Sent:
        return put(self._uri, seen.source, self._access, self._idle_timeout, self._progress)

    def result(self, seen: AddressPlan, plan: AddressPlan, done: Sent | None) -> dict[str, Any]:
        diff = {"before": {}, "after": plan.holds}
        sent, checksum = (0, None) if done is None else (done.size, done.sha256)
        return {"changed": True, "uri": shown(self._uri), "checksum": checksum, "diff": diff, "bytes_transferred": sent}
