# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""Carry out the plan of an import. A VDI gets its name when its content is complete; what was half made goes, what was there stays."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any, cast
from uuid import uuid4

from .._common.errors import ImageServicesError, cannot
from .._common.wait import Stalled, wait_while_moving
from .._image.disk import Disk, RawStream
from .._image.disk_digest import DiskDigest
from .._image.extents import Block
from .._image.image_disk import ImageDisk
from .._image.pages import PagedDisk, PageSum, whole_pages
from .._image.records import records
from .._image.vhd_format import MOST_XEN_SIZE
from .._image.vhd_reader import VhdStream
from .._image.vhd_writer import VhdWriter
from .._plan.vdi_import import (
    DISK,
    INCOMING,
    Content,
    Desired,
    Plan,
    Selection,
    Vdi,
    foreign,
    incoming_name,
    marks_of,
    refuse_small,
    rounded,
    same_content,
)
from .failure import XapiFailure, explaining
from .import_source import Origin
from .session import Pool
from .transfer import get, put
from .vdi_removal import destroy, destroy_half_made, finish_replacing

LOCK = "image_services_lock"
# Seconds for which nobody needs to be alone: who keeps the lock longer is gone.
LOCK_PATIENCE = 10.0


@dataclass
class Outcome:
    """What a run has done."""

    ref: str | None = None
    changed: bool = True
    bytes_transferred: int = 0
    verified: bool = False
    replaced: str | None = None
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Way:
    """How content goes: its route, whether it is read back, and the size that is declared for its VDI."""

    route: str
    verify: bool
    size: int | None


class VdiImporter:
    """The only place that changes VDIs for an import."""

    def __init__(self, pool: Pool, sr: str, desired: Desired, way: Way, look: Callable[[], Selection]) -> None:
        self._pool = pool
        self._sr = sr
        self._desired = desired
        self._name = desired.name
        self._way = way
        self._look = look
        self._outcome = Outcome()

    def apply(self, plan: Plan, current: Vdi | None, origin: Origin | None, image: ImageDisk | None) -> Outcome:
        if plan.retire or plan.successor is not None:
            self._finish_replacing(plan.successor.ref if plan.successor is not None else None, plan.retire)
        for vdi in plan.remove:
            with explaining("remove", "VDI", vdi.uuid):
                destroy(self._pool, vdi.ref)
        if plan.upload and origin is not None and image is not None:
            self._import(plan.replaces, origin, image)
        elif current is not None and current not in plan.remove:
            self._outcome.ref = current.ref
            with explaining("update", "VDI", self._name):
                self._update(current.ref, plan.patch)
        return self._outcome

    # New content

    def _import(self, replaced: Vdi | None, origin: Origin, image: ImageDisk) -> None:
        with explaining("import", "image", self._name, None), image:
            disk = image.disk
            if self._way.size is not None and self._way.size < disk.virtual_size:
                raise refuse_small(self._name, self._way.size, disk.virtual_size, "image")
            size = rounded(max(disk.virtual_size, self._way.size or 0))
            stream = _Sending(image, size, self._way)
            ref = self._create(size, replaced)
            try:
                content = self._fill(ref, origin, image, stream, size)
                other = self._commit(ref, replaced, content)
            except BaseException:
                destroy_half_made(self._pool, ref)
                raise
        self._outcome.bytes_transferred = stream.sent
        if other is not None:
            destroy_half_made(self._pool, ref)
            self._outcome.ref, self._outcome.changed = other.ref, False
            return
        self._outcome.ref = ref
        if replaced is not None:
            self._outcome.replaced = replaced.uuid
            self._finish_replacing(ref, (replaced,))

    def _create(self, size: int, replaced: Vdi | None) -> str:
        kept = dict(replaced.record) if replaced is not None else {}
        given = {
            "name_label": incoming_name(self._name),
            "name_description": self._wanted("description", kept.get("name_description", "")),
            "SR": self._sr,
            "virtual_size": size,
            "type": "user",
            "sharable": bool(self._wanted("sharable", kept.get("sharable", False))),
            "read_only": False,
            "other_config": {**foreign(kept.get("other_config", {})), INCOMING: self._name},
            "xenstore_data": {},
            "sm_config": {},
            "tags": [],
        }
        return self._pool.run("VDI.create", given, what=f"making of VDI {self._name}", undo="VDI.destroy")

    def _fill(self, ref: str, origin: Origin, image: ImageDisk, stream: _Sending, size: int) -> Content:
        """Send the content, and see by its task, its digests and perhaps the disk itself that it has come."""
        query = {"vdi": ref, "format": "vhd"} if self._way.route == "vhd" else {"vdi": ref, "format": "raw", "chunked": "true"}
        put(self._pool, "/import_raw_vdi", query, stream, stream.length, f"import of {self._name}")
        digests = image.finish()
        origin.check(digests)
        if self._way.verify:
            self._verify(ref, size, str(stream.total))
            self._outcome.verified = True
        if stream.digest is not None and not origin.content.digests:
            digests = {DISK: stream.digest.hexdigest()}
        return origin.content if origin.content.digests else replace(origin.content, digests=digests)

    def _verify(self, ref: str, size: int, expected: str) -> None:
        form = "vhd" if size <= MOST_XEN_SIZE else "raw"
        total = PageSum()
        with get(self._pool, "/export_raw_vdi", {"vdi": ref, "format": form}, f"verification of {self._name}") as download:
            label = f"{self._name}, as the pool gives it back,"
            back = VhdStream(download.blocks(), label) if form == "vhd" else RawStream(download.blocks(), label, size)
            for _page in total.passing(whole_pages(back)):
                pass
        if str(total) != expected:
            cause = "the pool gives back other data than it was sent"
            raise cannot("verify", "image", self._name, cause, "See the disks of the SR, then run the task again", code="verification")

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
            if self._wanted("read_only", kept.get("read_only", False)):
                self._pool.call("VDI.set_read_only", ref, True)
            self._pool.call("VDI.set_name_label", ref, name)
            # The last step, by which it counts as complete.
            self._pool.call("VDI.set_other_config", ref, {**foreign(kept.get("other_config", {})), **marks_of(content, others)})
        return None

    def _wanted(self, attribute: str, otherwise: Any) -> Any:
        value = self._desired.attributes.get(attribute)
        return otherwise if value is None else value

    # VDIs that are there

    def _update(self, ref: str, patch: Mapping[str, Any]) -> None:
        if patch.get("read_only") is False:
            self._pool.call("VDI.set_read_only", ref, False)
        if "size" in patch:
            self._pool.run("VDI.resize", ref, patch["size"], what=f"growing of VDI {self._name}")
        if "description" in patch:
            self._pool.call("VDI.set_name_description", ref, patch["description"])
        if "tags" in patch:
            self._pool.call("VDI.set_tags", ref, patch["tags"])
        if "sharable" in patch:
            self._pool.call("VDI.set_sharable", ref, patch["sharable"])
        if patch.get("read_only"):
            self._pool.call("VDI.set_read_only", ref, True)

    def _finish_replacing(self, successor: str | None, superseded: Iterable[Vdi]) -> None:
        with explaining("replace", "VDI", self._name):
            finish_replacing(self._pool, successor, superseded, self._desired.replaced)

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
            wait_while_moving(holder, lambda found: found == owner, LOCK_PATIENCE, self._pool.clock, interval=0.05, longest_interval=0.5)
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


class _Sending:
    """The bytes for a route, counted, with what is learned of the content on the way. A disk that the route does not take is refused at once."""

    def __init__(self, image: ImageDisk, size: int, way: Way) -> None:
        self._image = image
        self.sent = 0
        self.digest = DiskDigest(image.disk.virtual_size) if image.at_any_place else None
        self.total = PageSum() if way.verify else None
        self.length: int | None = None
        self._stream: Iterable[bytes] = records(self._pages(), size)
        if way.route == "vhd":
            writer = VhdWriter(PagedDisk(cast(Disk, image.disk), self._pages), size)
            self._stream, self.length = writer, len(writer)

    def __iter__(self) -> Iterator[bytes]:
        # Of what comes forward only, the source's own bytes tell how far it is.
        progress = self._image.progress if self._image.at_any_place else None
        for block in self._stream:
            yield block
            self.sent += len(block)
            if progress is not None:
                progress(self.sent, self.length)

    def _pages(self) -> Iterator[Block]:
        pages = whole_pages(self._image.disk, self._image.scattered, self._image.spool_dir)
        if self.digest is not None:
            pages = self.digest.passing(pages)
        return pages if self.total is None else self.total.passing(pages)
