# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""Copies of configuration files that Ansible's modules leave beside them: which there are, and which go."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable
from typing import Any, NamedTuple

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


class Backups(NamedTuple):
    """The copies of all files, and which of them are removed or closed to other users."""

    found: tuple[str, ...]
    removed: tuple[str, ...]
    closed: tuple[str, ...]

    @property
    def changed(self) -> bool:
        return bool(self.removed or self.closed)

    @property
    def diff(self) -> dict[str, Any]:
        return {"before": {"backups": sorted(self.found)}, "after": {"backups": sorted(set(self.found) - set(self.removed))}}


def find_backups(paths: Iterable[str], keep: int) -> Backups:
    """The copies of these files, of each of which the ``keep`` newest stay."""
    found: list[str] = []
    removed: list[str] = []
    closed: list[str] = []
    for path in dict.fromkeys(map(os.path.normpath, paths)):
        try:
            copies = backups_of(path)
            found += copies
            removed += copies[keep:]
            closed += [copy for copy in copies[:keep] if os.lstat(copy).st_mode & FOR_OTHERS]
        except OSError as exc:
            raise cannot("keep", "backups", path, f"its directory cannot be read ({exc.strerror})", "Run the task with become: true") from exc
    return Backups(tuple(found), tuple(removed), tuple(closed))


def prune_backups(backups: Backups) -> None:
    """Remove those that are too many, and keep others from reading the rest."""
    for verb, copies in (("remove", backups.removed), ("close", backups.closed)):
        for copy in copies:
            try:
                if verb == "remove":
                    os.unlink(copy)
                else:
                    os.chmod(copy, stat.S_IMODE(os.lstat(copy).st_mode) & ~FOR_OTHERS)
            except FileNotFoundError:
                continue
            except OSError as exc:
                raise cannot(verb, "backup", copy, f"it is refused ({exc.strerror})", "Run the task with become: true", code="no_rights") from exc
