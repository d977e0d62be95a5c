# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""Copies of configuration files that Ansible's modules leave beside them: which there are, which go, and who may read the rest."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
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


class Access(NamedTuple):
    """Owner, group and mode of a copy."""

    uid: int
    gid: int
    mode: int

    def __str__(self) -> str:
        return f"{self.uid}:{self.gid} {self.mode:04o}"


class Backups(NamedTuple):
    """The copies of all files, which of them are removed, and from which others are kept: the access that each has and is to have."""

    found: tuple[str, ...]
    removed: tuple[str, ...]
    closed: Mapping[str, tuple[Access, Access]]

    @property
    def changed(self) -> bool:
        return bool(self.removed or self.closed)

    @property
    def diff(self) -> dict[str, Any]:
        return {"before": {"backups": self._shown(0, self.found)}, "after": {"backups": self._shown(1, set(self.found) - set(self.removed))}}

    def _shown(self, state: int, copies: Iterable[str]) -> list[str]:
        return [f"{copy} {self.closed[copy][state]}" if copy in self.closed else copy for copy in sorted(copies)]


def find_backups(owners: Mapping[str, tuple[int, int] | None], keep: int) -> Backups:
    """The copies of these files, of each of which the ``keep`` newest stay, with the user and group that the file itself has where they are known."""
    found: list[str] = []
    removed: list[str] = []
    closed: dict[str, tuple[Access, Access]] = {}
    for path, owner in {os.path.normpath(path): owner for path, owner in owners.items()}.items():
        try:
            copies = backups_of(path)
            found += copies
            removed += copies[keep:]
            for copy in copies[:keep]:
                status = os.lstat(copy)
                now = Access(status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode))
                wanted = Access(*(owner or now[:2]), now.mode & ~FOR_OTHERS)
                if wanted != now:
                    closed[copy] = (now, wanted)
        except OSError as exc:
            raise cannot("keep", "backups", path, f"its directory cannot be read ({exc.strerror})", "Run the task with become: true") from exc
    return Backups(tuple(found), tuple(removed), closed)


def prune_backups(backups: Backups) -> None:
    """Remove those that are too many, and keep others from reading the rest."""
    for copy in backups.removed:
        with _refusals("remove", copy):
            os.unlink(copy)
    for copy, (_now, wanted) in backups.closed.items():
        with _refusals("close", copy):
            _close(copy, wanted)


def _close(copy: str, wanted: Access) -> None:
    """By what is open: in a directory of another user, the name may lead to another file by now."""
    descriptor = os.open(copy, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_nlink > 1:
            raise cannot("close", "backup", copy, "it has further names, and may be another file", "Remove it", code="bad_path")
        if status.st_uid != wanted.uid or status.st_gid != wanted.gid:
            os.fchown(descriptor, wanted.uid, wanted.gid)
        os.fchmod(descriptor, wanted.mode)
    finally:
        os.close(descriptor)


@contextmanager
def _refusals(verb: str, copy: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        pass
    except OSError as exc:
        raise cannot(verb, "backup", copy, f"it is refused ({exc.strerror})", "Run the task with become: true", code="no_rights") from exc
