# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""A file that content is written to: beside its destination, and moved there when it is complete and verified."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import Any

from .._core.atomic_file import Attributes, beside, move
from .._core.errors import ImageServicesError, cannot
from .._disk.extents import is_zero, pieces
from .body import HashingSource, Progress
from .file_plan import FilePlan, Kept
from .source import Source

# On the file itself, so that it is moved and removed with the file.
MARK = "user.image_services.source"
_GRAIN = 64 * 1024


@dataclass(frozen=True)
class Written:
    """The bytes that came, and their digests by algorithm."""

    size: int
    digests: Mapping[str, str]


Check = Callable[[Written], None]


class FileSink:
    """One file on the host that the task runs on, with the attributes that the task declares."""

    def __init__(self, path: str, attributes: Attributes, progress: Progress | None = None) -> None:
        self.path = path
        self._attributes = attributes
        self._progress = progress

    def write(self, source: Source, mark: str | None = None, algorithms: Sequence[str] = ("sha256",), check: Check | None = None) -> Written:
        """All of the source into the file; after a failure, which ``check`` may raise, the place holds what it held before.

        ``mark`` is what the file is known by later; without it, the source's fingerprint once it was read.
        """
        body, path = HashingSource(source, algorithms, self._progress), os.path.abspath(self.path)
        try:
            with closing(body), beside(*os.path.split(path)) as (temporary, descriptor):
                for block in body.blocks():
                    # What was sent before this block.
                    _put(descriptor, body.sent, block)
                written = Written(body.sent, body.digests_passed)
                if check is not None:
                    check(written)
                os.ftruncate(descriptor, written.size)
                _leave_mark(descriptor, str(mark or source.fingerprint))
                os.fsync(descriptor)
                move(self._attributes, temporary, path)
        except OSError as exc:
            raise _refusal(self.path, os.strerror(exc.errno or 0), "See that there is room and that the task's user may write there") from exc
        found = os.stat(path).st_size
        if found != written.size:
            raise _refusal(self.path, f"{written.size} bytes were written, and it has {found}", "See who else writes to it")
        return written

    def settled(self, plan: FilePlan, kept: Kept, written: Written | None) -> dict[str, Any]:
        """Set owner, group, mode and the like, which check mode of Ansible itself only compares; the part of a module's result that is about the file."""
        diff: dict[str, Any] = {"before": dict(plan.before), "after": dict(plan.after)}
        changed = self._attributes.settle(self.path, plan.moves, diff if kept.exists else None)
        return {"changed": changed, "dest": self.path, "diff": diff, "bytes_transferred": 0 if written is None else written.size}


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
    return Kept(True, _mark(path, status), status.st_size)


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
