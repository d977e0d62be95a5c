# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""Walk to a directory without following a link that another user could have put there."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass

from .plan import refuse

STEP = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
READ = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True)
class Location:
    """How far a path exists."""

    existing: str
    missing: tuple[str, ...]

    @property
    def exists(self) -> bool:
        return not self.missing


def locate(path: str) -> Location:
    """The part of a path that exists; a link or a file on the way is refused."""
    parts = [part for part in path.split("/") if part]
    here = "/"
    for position, part in enumerate(parts):
        step = os.path.join(here, part)
        try:
            status = os.lstat(step)
        except FileNotFoundError:
            return Location(here, tuple(parts[position:]))
        check_step(path, step, status.st_mode)
        here = step
    return Location(here, ())


def check_step(path: str, step: str, mode: int) -> None:
    if stat.S_ISLNK(mode):
        target = os.path.realpath(step)
        raise refuse(path, f"'{step}' is a symbolic link to '{target}'", "Give the real path, or set follow: true", "symlink")
    if not stat.S_ISDIR(mode):
        raise refuse(path, f"'{step}' is not a directory", "Remove the file, or give another path", "not_a_directory")


def make(location: Location, mode: int = 0o755) -> list[str]:
    """Create what is missing, outermost first, each inside the directory that was opened before; what was created is returned."""
    created: list[str] = []
    here, directory = location.existing, _open_chain(location.existing)
    try:
        for part in location.missing:
            os.mkdir(part, mode, dir_fd=directory)
            here = os.path.join(here, part)
            created.append(here)
            inner = os.open(part, STEP, dir_fd=directory)
            os.close(directory)
            directory = inner
    except OSError:
        unmake(created)
        raise
    finally:
        os.close(directory)
    return created


def unmake(created: list[str]) -> None:
    """Take back directories that were created a moment ago and are still empty."""
    for path in reversed(created):
        os.rmdir(path)


def open_directory(path: str) -> int:
    """A readable handle of an existing directory; each step is opened inside the one before, and no link is followed."""
    parent, _slash, name = path.rpartition("/")
    directory = _open_chain(parent or "/")
    try:
        return os.open(name, READ, dir_fd=directory)
    finally:
        os.close(directory)


def _open_chain(path: str) -> int:
    directory = os.open("/", STEP)
    for part in [part for part in path.split("/") if part]:
        try:
            inner = os.open(part, STEP, dir_fd=directory)
        finally:
            os.close(directory)
        directory = inner
    return directory
