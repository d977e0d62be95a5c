# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""Files without a name for images that can only be read at any place: sparse, and gone with the process, however it ends."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from typing import IO

from .disk import broken
from .extents import is_zero, pieces

_GRAIN = 64 * 1024
# What the largest disks of Xen pools have (16 TiB as qcow2): more is a way to keep a reader busy.
MAX_SPOOLED = 16 * 1024**4


def spool(directory: str | None) -> IO[bytes]:
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
