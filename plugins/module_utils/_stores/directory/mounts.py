# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""Which mount holds a directory."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from ..paths import within
from .plan import Volume

MOUNTINFO = Path("/proc/self/mountinfo")


def volume(directory: str) -> Volume:
    """The mount that an existing directory is on, and its space for an ordinary user."""
    mount_point, filesystem = holder(_mountinfo(), os.path.realpath(directory))
    space = os.statvfs(directory)
    return Volume(
        mount_point=mount_point,
        filesystem=filesystem,
        read_only=bool(space.f_flag & os.ST_RDONLY),
        free=space.f_bavail * space.f_frsize,
        total=space.f_blocks * space.f_frsize,
    )


def at_or_below(path: str) -> list[str]:
    """Mount points in a tree, its top included."""
    return [point for point, _type in _mounts(_mountinfo()) if within(point, path)]


def holder(mountinfo: str, path: str) -> tuple[str, str]:
    """Mount point and type of the file system that shows at a path; of several mounts on one point the last one shows."""
    found = ("/", "unknown")
    for point, filesystem in _mounts(mountinfo):
        if within(path, point) and len(point) >= len(found[0]):
            found = (point, filesystem)
    return found


def _mounts(mountinfo: str) -> Iterator[tuple[str, str]]:
    for line in mountinfo.splitlines():
        left, _dash, right = line.partition(" - ")
        # Blanks and the like are written as octal numbers.
        yield re.sub(r"\\([0-7]{3})", lambda match: chr(int(match.group(1), 8)), left.split()[4]), right.split()[0]


def _mountinfo() -> str:
    return MOUNTINFO.read_text(encoding="utf-8", errors="surrogateescape")
