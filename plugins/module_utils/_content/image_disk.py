# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""The disk in an image, whatever its format and wherever it comes from, for the import into Xen pools."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from typing import IO, BinaryIO, cast

from .._core.errors import ImageServicesError, cannot
from .._disk.disk import BlockStream, RawDisk, RawStream, broken
from .._disk.extents import Block, is_zero, pieces
from .._disk.formats import COMPRESSIONS, RAW, TAIL_SIZE, TARBALLS, described, fixed_vhd, sniff, undeclared
from .._disk.qcow2 import Qcow2File
from .._disk.vhd.format import fixed_disk_size, is_footer
from .._disk.vhd.reader import VhdFile, VhdStream, raw_parent
from .._disk.vhd.tarball import VhdTarball
from .._disk.vmdk import VmdkFile
from .._disk.vmdk_stream import VmdkStream, is_streamable
from .body import HashingSource, Progress
from .decompress import DecompressedSource
from .source import FileSource, Source

DISK_FORMATS = ("raw", "iso", "vhd", "qcow2", "vmdk")
TARBALL = "vhd tarball"
# What is never taken for a raw disk, whatever is declared: it is read as what it is, or not at all.
READ_AS_MARKED = frozenset({"vhd", "qcow2", "vmdk"})
UNREAD = frozenset({"vhdx", "vdi", "ploop"})
_PACKED = frozenset({"ovf", "ova"})
_GRAIN = 64 * 1024
# What the largest disks of Xen pools have (16 TiB as qcow2): more is a way to keep a reader busy.
MAX_SPOOLED = 16 * 1024**4


class ImageDisk:
    """Opened by entering; what it keeps on disk, if its format needs that, is gone when it is left."""

    def __init__(
        self,
        source: Source,
        disk_format: str | None,
        container_format: str | None,
        *,
        algorithms: Sequence[str] = ("sha256",),
        spool_dir: str | None = None,
        progress: Progress | None = None,
    ) -> None:
        """The formats are those declared, None where it is left to the bytes; ``algorithms`` are for digests of what comes."""
        self.label, self.size = source.label, source.size
        self._source = source
        self.progress = progress
        self._passing = HashingSource(source, algorithms, progress)
        self.spool_dir = spool_dir
        # Set before it is opened: whether it must be known where its data lies before the data comes.
        self.needs_extents = False
        self._cleanup = ExitStack()
        found = sniff(source.head(), source.tail())
        self._plain: Source = self._passing
        packed = found in COMPRESSIONS
        self.compression = found if packed else None
        if packed:
            self._plain = DecompressedSource(self._passing, str(found), ())
        try:
            head, tail = self._plain.head(), self._plain.tail()
        finally:
            self._passing.close()
        self._warnings: list[str] = []
        self._disk: BlockStream | None = None
        self._declared = disk_format
        self.fixed = fixed_vhd(head, tail)
        # A fixed VHD has its mark at an end that not every stream shows.
        self.format = self._kind(disk_format, container_format, str(found) if packed else None, sniff(head, tail), hidden=not tail)

    @property
    def at_any_place(self) -> bool:
        """Whether it is read at any place of a file, so that its bytes never all pass."""
        return isinstance(self._source, FileSource) and self._plain is self._passing and self.format != TARBALL

    @property
    def scattered(self) -> bool:
        """Whether parts of one page may come apart from each other."""
        return isinstance(self.disk, VhdTarball) and self.disk.scattered

    @property
    def warnings(self) -> list[str]:
        """For the user, once the image was read."""
        return [*self._warnings, *getattr(self._disk, "warnings", ())]

    @property
    def disk(self) -> BlockStream:
        """What the image holds, once it is entered."""
        if self._disk is None:
            raise RuntimeError("the image is not open")
        return self._disk

    def __enter__(self) -> ImageDisk:
        with ExitStack() as opening:
            opening.callback(self._passing.close)
            self._disk = self._opened(opening)
            self._cleanup = opening.pop_all()
        if not self.disk.virtual_size:
            self._cleanup.close()
            raise broken("image", self.label, "its disk has no bytes", "Give an image of a disk")
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._cleanup.close()

    def finish(self) -> dict[str, str]:
        """Once all blocks were read: the digests of the source's bytes, none where not all of them passed."""
        if not self.at_any_place:
            return self._passing.rest()
        source = cast(FileSource, self._source)
        status = os.stat(self.label)
        if (status.st_size, status.st_mtime_ns, status.st_ino) != (source.status.st_size, source.status.st_mtime_ns, source.status.st_ino):
            raise cannot("read", "file", self.label, "it changed while it was read", "Run the task again when nothing writes to it", code="bad_source")
        return {}

    # What the bytes are

    def _kind(self, declared: str | None, container: str | None, compression: str | None, inner: str | None, hidden: bool) -> str:
        if declared is not None and declared not in DISK_FORMATS:
            raise self._mismatch(f"disk_format is '{declared}', and {', '.join(DISK_FORMATS)} are the formats of disks", None, "Convert the image")
        if container == "bare" and compression is not None:
            raise self._mismatch(f"container_format is 'bare', and the data is compressed with {compression}", compression)
        if container == "compressed" and compression is None:
            raise self._mismatch("container_format is 'compressed', and the data is not", inner)
        if container not in (None, "bare", "compressed") and not (container in _PACKED and declared in (None, "vhd")):
            raise self._mismatch(f"an image of container_format '{container}' and disk_format '{declared}' holds no disk that is read here", None, "Convert it")
        if container in _PACKED and inner not in TARBALLS:
            raise self._mismatch(f"container_format is '{container}', and the data is no tarball", inner)
        shown = "vhd" if inner == "tar" else inner
        if declared is None:
            cause = undeclared(shown, None if container else self._source.label)
            if cause is not None:
                raise self._mismatch(cause, inner, "See what it is; declare disk_format: raw if it is a raw disk all the same, or the format that it has")
        if shown not in (None, *DISK_FORMATS) and (declared != RAW or shown in UNREAD):
            raise self._mismatch(f"the data is {shown}, and {', '.join(DISK_FORMATS)} are read", shown, "Ask its owner for it as qcow2 or raw")
        kind = declared or str(shown)
        if kind == RAW and self.fixed:
            kind = self._fixed_but_raw()
        elif kind == RAW and shown in READ_AS_MARKED or kind != RAW and shown != kind and not (kind == "vhd" and shown in (None, RAW) and hidden):
            raise self._mismatch(f"disk_format is '{kind}', but the data is {described(inner)}", inner)
        return TARBALL if inner == "tar" and kind == "vhd" else kind

    def _fixed_but_raw(self) -> str:
        """What is declared raw, as Glance has fixed VHDs, is read as what it is."""
        if self._declared == RAW:
            self._warnings.append(f"'{self.label}' is declared raw and is a fixed VHD. It was read as that, so its footer is not in the disk.")
        self.fixed = True
        return "vhd"

    def _mismatch(self, cause: str, found: str | None, advice: str = "Declare the format that it has, or convert it") -> ImageServicesError:
        return cannot("read", "image", self.label, cause, advice, code="format_mismatch", details={"found": found})

    # Readers

    def _opened(self, opening: ExitStack) -> BlockStream:
        if self.format == TARBALL:
            tarball = VhdTarball(self._plain.blocks(), self.label, self.spool_dir)
            opening.callback(tarball.close)
            return tarball
        if self.at_any_place:
            return self._of_file(self._file(opening), opening)
        if self.format in ("raw", "iso") and self._plain.size is not None:
            return _RawImage(self._plain.blocks(), self.label, self._plain.size)
        # A fixed VHD of unknown length is told from its end.
        if self.format == "vhd" and (is_footer(self._plain.head()) or self._plain.size is not None):
            return self._without_parent(VhdStream(self._plain.blocks(), self.label, self._plain.size, lenient=True))
        if self.format == "vmdk" and not self.needs_extents and is_streamable(self._plain.head(), self.label):
            return VmdkStream(self._plain.blocks(), self.label)
        kept = cast(BinaryIO, opening.enter_context(spool(self.spool_dir)))
        fill(kept, self._plain.blocks(), self.label, self.spool_dir)
        if self.format == RAW and _ends_as_fixed(kept):
            self.format = self._fixed_but_raw()
        return self._of_file(kept, opening)

    def _file(self, opening: ExitStack) -> BinaryIO:
        try:
            return opening.enter_context(open(self.label, "rb", buffering=0))
        except OSError as exc:
            raise cannot("read", "file", self.label, os.strerror(exc.errno or 0), "Check the file's mode and its disk", code="bad_source") from exc

    def _of_file(self, stream: BinaryIO, opening: ExitStack) -> BlockStream:
        if self.format == "qcow2":
            return Qcow2File(stream, self.label)
        if self.format == "vhd":
            return self._without_parent(VhdFile(stream, self.label, lenient=True))
        if self.format == "vmdk":
            return VmdkFile(stream, self.label)
        return RawDisk(stream, self.label)

    def _without_parent(self, vhd: VhdFile | VhdStream) -> BlockStream:
        if raw_parent(vhd):
            cause = "it holds only what differs from its parent, which is a raw disk"
            raise broken("VHD", self.label, cause, "Export the complete disk, for example with xen_vdi_export")
        if vhd.parent:
            raise broken(
                "VHD", self.label, "it holds only what differs from its parent", "Give a tarball of the complete chain: 0.vhd, its parent 1.vhd, and so on"
            )
        return vhd


class _RawImage(RawStream):
    """Refuses a fixed VHD, which is recognised only at its end: the disk that was created for it is too large by then."""

    def blocks(self) -> Iterator[Block]:
        tail = b""
        for offset, data in super().blocks():
            tail = (tail + data)[-TAIL_SIZE:]
            if offset + len(data) == self.virtual_size and fixed_disk_size(tail) == self.virtual_size - TAIL_SIZE:
                cause = "it is a fixed VHD, which is seen at its end alone where a server gives no part of a file"
                raise broken("image", self.label, cause, "Declare disk_format: vhd, or give it as a file")
            yield offset, data


def _ends_as_fixed(kept: BinaryIO) -> bool:
    size = kept.seek(0, os.SEEK_END)
    kept.seek(max(0, size - TAIL_SIZE))
    tail = kept.read(TAIL_SIZE)
    kept.seek(0)
    return fixed_disk_size(tail) == size - TAIL_SIZE


def spool(directory: str | None) -> IO[bytes]:
    """A file without a name for an image that can only be read at any place: sparse, and gone with the process, however it ends."""
    return tempfile.TemporaryFile(dir=directory, buffering=0)


def fill(kept: IO[bytes], blocks: Iterable[bytes], label: str, directory: str | None) -> None:
    """Write the blocks and go back to the beginning."""
    size = 0
    for block in blocks:
        view = memoryview(block)
        if size + len(block) > MAX_SPOOLED:
            raise broken("image", label, f"it holds more than {MAX_SPOOLED} bytes, which no disk of a pool has")
        try:
            for start, length in pieces(0, len(block), _GRAIN):
                part = view[start : start + length]
                if is_zero(part):
                    kept.seek(length, 1)
                    continue
                while part:
                    part = part[kept.write(part) :]
        except OSError as exc:
            place = directory or tempfile.gettempdir()
            cause = f"its format has to be read from a file, and none can be kept in {place} ({exc.strerror})"
            raise broken("image", label, cause, "Make room there, or name another directory in spool_dir") from exc
        size += len(block)
    kept.truncate(size)
    kept.seek(0)
