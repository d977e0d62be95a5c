# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""A disk of a pool, found and read: what it holds comes as the pool sends it, and nothing of it is kept."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

from .._core.errors import ImageServicesError, cannot
from .._core.signals import defer_signals
from .._disk.disk import Disk, RawStream
from .._disk.vhd.reader import VhdStream
from .._xapi.failures import XapiFailure, xapi_errors
from .._xapi.session import Pool
from .._xapi.transfer import get
from . import lookup
from .export_plan import Exported, disk_of, exported

# The key in other_config of a snapshot of this collection: the session that it was taken in.
MARK = "image_services_export"
# Seconds in which the pool lets go of a disk whose reader has gone, and pauses between two looks.
RELEASE = 30.0
LOOK = 0.5


def find_base(pool: Pool, base: str | None) -> Exported | None:
    """The snapshot that an export is to differ from."""
    if base is None:
        return None
    ref, record = lookup.find_snapshot(pool, base, verb="export")
    return exported(ref, record, [], {})


def find_disk(pool: Pool, vdi: str | None, vm: str | None, device: str | None) -> Exported:
    """The VDI of a name or uuid, or a disk of a VM."""
    if vm is None:
        ref, record = lookup.find_disk(pool, str(vdi), verb="export")
    else:
        _vm_ref, found = lookup.find_machine(pool, vm, verb="export the disk of")
        with xapi_errors("read", "VM", vm):
            ref = disk_of(vm, [pool.call("VBD.get_record", vbd) for vbd in found["VBDs"]], device)
            record = pool.call("VDI.get_record", ref)
    with xapi_errors("read", "VDI", str(vdi or record["uuid"])):
        vbds = [pool.call("VBD.get_record", vbd) for vbd in record["VBDs"]]
        return exported(ref, record, vbds, {vbd["VM"]: pool.call("VM.get_name_label", vbd["VM"]) for vbd in vbds if vbd["currently_attached"]})


class VdiReader:
    """Opens the disk as often as it is asked to, from the snapshot while there is one, and counts what comes."""

    def __init__(self, pool: Pool, disk: Exported, base: Exported | None, read_as: str) -> None:
        self._pool = pool
        self._disk = disk
        self._base = base
        self._read_as = read_as
        self._ref = disk.ref
        self.bytes_read = 0

    @contextmanager
    def __call__(self) -> Iterator[Disk]:
        query = {"vdi": self._ref, "format": self._read_as}
        if self._base is not None:
            query["base"] = self._base.ref
        what = f"export of VDI {self._disk.uuid}"
        with xapi_errors("export", "VDI", self._disk.name), ExitStack() as stack:
            download = stack.enter_context(get(self._pool, "/export_raw_vdi", query, what))
            yield self._opened(self._counted(download.blocks()))

    @contextmanager
    def snapshot(self) -> Iterator[str]:
        """Read a snapshot that is taken now, and gone afterwards, so that what runs on the disk is not disturbed; its time."""
        pool, name = self._pool, self._disk.name
        self._remove_left()
        ref = ""
        try:
            with xapi_errors("take a snapshot of", "VDI", name), defer_signals():
                ref = self._ref = pool.run("VDI.snapshot", self._disk.ref, {}, what=f"snapshot of VDI {self._disk.uuid}", undo="VDI.destroy")
            with xapi_errors("mark the snapshot of", "VDI", name):
                pool.call("VDI.add_to_other_config", ref, MARK, pool.call("session.get_uuid", pool.session_ref))
                moment = str(pool.call("VDI.get_snapshot_time", ref))
            yield moment
        except BaseException as exc:
            try:
                self._remove(ref)
            except ImageServicesError as left:
                if isinstance(exc, ImageServicesError):
                    exc.result.setdefault("warnings", []).append(str(left))
            raise
        finally:
            self._ref = self._disk.ref
        self._remove(ref)

    def _opened(self, blocks: Iterator[bytes]) -> Disk:
        label = f"VDI {self._disk.uuid}"
        if self._read_as == "raw":
            return RawStream(blocks, label, self._disk.size)
        stream = VhdStream(blocks, label)
        if stream.virtual_size != self._disk.size:
            cause = f"the pool says that it has {self._disk.size} bytes, and sends a disk of {stream.virtual_size}"
            raise cannot("export", "VDI", self._disk.name, cause, "Run the task again when it is not being resized", code="bad_source")
        return stream

    def _counted(self, blocks: Iterator[bytes]) -> Iterator[bytes]:
        for block in blocks:
            self.bytes_read += len(block)
            yield block

    def _remove(self, ref: str) -> None:
        """The snapshot goes as soon as the pool no longer reads it."""
        if ref:
            with defer_signals():
                self._destroy(ref)

    def _destroy(self, ref: str) -> None:
        end = self._pool.clock.now() + RELEASE
        while True:
            try:
                self._pool.call("VDI.destroy", ref)
                return
            except XapiFailure as exc:
                if exc.code == "HANDLE_INVALID":
                    return
                if self._pool.clock.now() >= end:
                    uuid = self._uuid(ref)
                    raise exc.explained("remove", "snapshot", uuid, "Destroy it by hand, or run the task again: it carries a mark, and goes then") from exc
            self._pool.clock.sleep(LOOK)

    def _remove_left(self) -> None:
        """Snapshots of this disk that a run could not remove because it was killed; those of a run that is still at work stay."""
        with xapi_errors("read", "snapshots of VDI", self._disk.name):
            for ref in self._pool.call("VDI.get_snapshots", self._disk.ref):
                with _gone():
                    mark = self._pool.call("VDI.get_other_config", ref).get(MARK)
                    if mark is not None and not self._alive(mark):
                        self._pool.call("VDI.destroy", ref)

    def _alive(self, session: str) -> bool:
        try:
            self._pool.call("session.get_by_uuid", session)
        except XapiFailure as exc:
            if exc.code == "UUID_INVALID":
                return False
            raise
        return True

    def _uuid(self, ref: str) -> str:
        with suppress(XapiFailure, ImageServicesError):
            return str(self._pool.call("VDI.get_uuid", ref))
        return ref


@contextmanager
def _gone() -> Iterator[None]:
    """Another run may remove the same, or read it at this moment."""
    try:
        yield
    except XapiFailure as exc:
        if exc.code not in ("HANDLE_INVALID", "VDI_IN_USE", "OTHER_OPERATION_IN_PROGRESS"):
            raise
