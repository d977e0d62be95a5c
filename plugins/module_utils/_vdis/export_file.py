# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""A file whose content is encoded while it is written: beside its destination, and moved there when it is complete."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from .._content.body import Progress
from .._content.source import Source
from .._core.atomic_file import beside
from .._core.errors import ImageServicesError, cannot
from .._disk.extents import is_zero, pieces
from .export_plan import Kept

# On the file itself, so that it is moved and removed with the file.
MARK = "user.image_services.source"
_GRAIN = 64 * 1024

Move = Callable[[str, str], None]


@dataclass(frozen=True)
class Written:
    size: int
    sha256: str


def look_at(path: str) -> Kept:
    """What is there; a bad place is refused."""
    directory = os.path.dirname(os.path.abspath(path))
    if not os.path.isdir(directory):
        raise _refusal(path, f"there is no directory {directory}", "Make it first")
    try:
        status = os.stat(path)
    except FileNotFoundError:
        return Kept()
    except OSError as exc:
        raise _refusal(path, os.strerror(exc.errno or 0), "Check dest on the host that the task runs on") from exc
    if not stat.S_ISREG(status.st_mode):
        raise _refusal(path, f"it is {'a directory' if stat.S_ISDIR(status.st_mode) else 'no regular file'}", "Give the path of a file as dest")
    return Kept(True, _mark(path, status))


def can_mark(path: str) -> bool:
    """Whether the file has a place for a mark: many network file systems have none."""
    try:
        os.listxattr(path)
    except OSError:
        return False
    return True


def same_bytes(path: str, source: Source) -> bool:
    """Whether the file holds what the source would make; read no further than they are the same."""
    size = source.size
    try:
        with open(path, "rb") as stream:
            if size is not None and os.fstat(stream.fileno()).st_size != size:
                return False
            return all(stream.read(len(block)) == block for block in source.blocks()) and not stream.read(1)
    except OSError as exc:
        raise _refusal(path, os.strerror(exc.errno or 0), "Check the file's mode and its disk") from exc


def write(path: str, source: Source, move: Move, progress: Progress | None = None) -> Written:
    """All of the source into the file; after a failure the place holds what it held before."""
    directory, name = os.path.split(os.path.abspath(path))
    found, written = hashlib.sha256(), 0
    try:
        with beside(directory, name) as (temporary, descriptor):
            size = source.size
            for block in source.blocks():
                found.update(block)
                _put(descriptor, written, block)
                written += len(block)
                if progress is not None:
                    progress(written, size)
            os.ftruncate(descriptor, written)
            _leave_mark(descriptor, str(source.fingerprint))
            os.fsync(descriptor)
            move(temporary, os.path.abspath(path))
    except OSError as exc:
        raise _refusal(path, os.strerror(exc.errno or 0), "See that there is room and that the task's user may write there") from exc
    if os.stat(path).st_size != written:
        raise _refusal(path, f"{written} bytes were written, and it has {os.stat(path).st_size}", "See who else writes to it")
    return Written(written, found.hexdigest())


def _put(descriptor: int, offset: int, block: bytes) -> None:
    """Zeros become holes."""
    view = memoryview(block)
    for start, length in pieces(offset, len(block), _GRAIN):
        part = view[start - offset : start - offset + length]
        if is_zero(part):
            continue
        while part:
            done = os.pwrite(descriptor, part, start)
            start, part = start + done, part[done:]


def _leave_mark(descriptor: int, fingerprint: str) -> None:
    status = os.fstat(descriptor)
    with suppress(OSError):
        os.setxattr(descriptor, MARK, f"{fingerprint} {status.st_size} {status.st_mtime_ns}".encode())


def _mark(path: str, status: os.stat_result) -> str | None:
    """The mark, unless the file was changed after it was left."""
    try:
        fingerprint, size, modified = os.getxattr(path, MARK).decode().split()
    except (OSError, ValueError):
        return None
    return fingerprint if (size, modified) == (str(status.st_size), str(status.st_mtime_ns)) else None


def _refusal(path: str, cause: str, advice: str) -> ImageServicesError:
    return cannot("write", "file", path, cause, advice, code="bad_dest")
