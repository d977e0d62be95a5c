# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""Content that the module itself sends to the pool, over XAPI's HTTP handler."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

from .._content.digest import DiskDigest
from .._content.image_disk import ImageDisk
from .._disk.disk import Disk
from .._disk.extents import Block
from .._disk.pages import PageSum, records, whole_pages
from .._disk.vhd.writer import VhdWriter
from .._xapi.session import Pool
from .._xapi.transfer import put
from .import_plan import DISK, Content, refuse_small, rounded
from .import_source import ImageReference
from .removal import destroy_incomplete
from .transport import Filled, verify


@dataclass(frozen=True)
class HttpTransport:
    """``upload_format`` is chunked or vhd, ``size`` what is declared for the VDI."""

    pool: Pool
    name: str
    upload_format: str
    verify: bool
    size: int | None

    def fill(self, given: Mapping[str, Any], origin: ImageReference, image: ImageDisk) -> Filled:
        # A VHD begins with its tables.
        image.needs_extents = self.upload_format == "vhd"
        with image:
            disk = image.disk
            if self.size is not None and self.size < disk.virtual_size:
                raise refuse_small(self.name, self.size, disk.virtual_size, "image")
            size = rounded(max(disk.virtual_size, self.size or 0))
            stream = _PoolUpload(image, size, self)
            ref = self.pool.run("VDI.create", {**given, "virtual_size": size}, what=f"making of VDI {self.name}", undo="VDI.destroy")
            try:
                content = self._send(ref, origin, image, stream, size)
            except BaseException:
                destroy_incomplete(self.pool, ref)
                raise
        return Filled(ref, content, stream.sent, self.verify)

    def _send(self, ref: str, origin: ImageReference, image: ImageDisk, stream: _PoolUpload, size: int) -> Content:
        """Send the content, and see by its task, its digests and perhaps the disk itself that it has come."""
        query = {"vdi": ref, "format": "vhd"} if self.upload_format == "vhd" else {"vdi": ref, "format": "raw", "chunked": "true"}
        put(self.pool, "/import_raw_vdi", query, stream, stream.length, f"import of {self.name}")
        digests = image.finish()
        origin.check(digests)
        if self.verify:
            verify(self.pool, self.name, ref, size, str(stream.total))
        if stream.digest is not None and not origin.content.digests:
            digests = {DISK: stream.digest.hexdigest()}
        return origin.content if origin.content.digests else replace(origin.content, digests=digests)


class _PoolUpload:
    """The bytes for an upload format, counted, with what is learned of the content. A disk that the format cannot hold is refused at once."""

    def __init__(self, image: ImageDisk, size: int, transport: HttpTransport) -> None:
        self._image = image
        self.sent = 0
        self.digest = DiskDigest(image.disk.virtual_size) if image.at_any_place else None
        self.total = PageSum() if transport.verify else None
        self.length: int | None = None
        self._stream: Iterable[bytes] = records(self._pages(), size)
        if transport.upload_format == "vhd":
            writer = VhdWriter(cast(Disk, image.disk), size, blocks=self._pages)
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
        for page in pages:
            if self.total is not None:
                self.total.add(*page)
            yield page
