# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""Copies of configuration files that Ansible's modules leave beside them: which there are, and which go."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Sequence
from typing import Any

from .errors import cannot

# <file>.<process>.<date>@<time>~
STAMP = re.compile(r"\.(\d+)\.(\d{4}-\d\d-\d\d@\d\d:\d\d:\d\d)~")
FOR_OTHERS = stat.S_IRWXO | stat.S_IWGRP | stat.S_IXGRP


def backups_of(path: str) -> list[str]:
    """The copies of one file, the newest first."""
    directory, name = os.path.split(path)
    found: list[tuple[str, float, str]] = []
    try:
        # Not only names that begin so: those of another file may, as in a.conf and a.conf.d.
        with os.scandir(directory or ".") as entries:
            for entry in entries:
                match = STAMP.fullmatch(entry.name[len(name) :]) if entry.name.startswith(name) else None
                if match is not None and entry.is_file(follow_symlinks=False):
                    found.append((match[2], entry.stat(follow_symlinks=False).st_mtime, entry.path))
    except FileNotFoundError:
        return []
    return [place for _date, _changed, place in sorted(found, reverse=True)]


def prune(paths: Sequence[str], keep: int, check_mode: bool) -> dict[str, Any]:
    """Keep so many copies of each file."""
    if keep < 0:
        raise cannot("keep", "backups", str(keep), "there cannot be fewer than none", "Give 0 or more")
    before: list[str] = []
    removed: list[str] = []
    closed: list[str] = []
    for path in dict.fromkeys(map(os.path.normpath, paths)):
        try:
            found = backups_of(path)
            before += found
            removed += found[keep:]
            closed += [place for place in found[:keep] if os.lstat(place).st_mode & FOR_OTHERS]
        except OSError as exc:
            raise cannot("keep", "backups", path, f"its directory cannot be read ({exc.strerror})", "Run the task with become: true") from exc
    for place in [] if check_mode else [*removed, *closed]:
        try:
            if place in removed:
                os.unlink(place)
            else:
                os.chmod(place, stat.S_IMODE(os.lstat(place).st_mode) & ~FOR_OTHERS)
        except FileNotFoundError:
            continue
        except OSError as exc:
            verb = "remove" if place in removed else "close"
            raise cannot(verb, "backup", place, f"it is refused ({exc.strerror})", "Run the task with become: true", code="no_rights") from exc
    return {
        "changed": bool(removed or closed),
        "removed": removed,
        "closed": closed,
        "diff": {"before": {"backups": sorted(before)}, "after": {"backups": sorted(set(before) - set(removed))}},
    }
