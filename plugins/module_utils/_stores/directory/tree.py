# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""One pass over everything in a store's directory: count the images, find or repair what belongs to another user.

The walk goes from one open directory to the next and never follows a link, so that no user who may write there can
lead a pass of root somewhere else.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from stat import S_IFDIR, S_IFREG
from typing import TypeVar

from ..._core.parallel import spread
from . import selinux
from .plan import IMAGE_NAME, Contents, refuse

Result = TypeVar("Result")

DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# Fewer names than this are not worth a process of their own.
WORTH_A_PROCESS = 5000
FORMAT = 0o170000
# The file system's own, at the top of a volume.
NOT_OURS = "lost+found"
# Each level keeps a handle open; Glance makes none.
DEEPEST = 64


@dataclass(frozen=True)
class Ownership:
    """What everything below should belong to; None is not looked at."""

    uid: int | None = None
    gid: int | None = None
    setype: str | None = None


@dataclass
class Tally:
    """What was met in a share of one directory."""

    images: int = 0
    image_bytes: int = 0
    others: int = 0
    strays: int = 0
    subdirectories: list[str] = field(default_factory=list)


class Pass:
    """One walk. An OSError of it names the entry that it was about."""

    def __init__(self, wanted: Ownership | None, repair: bool) -> None:
        self._recurse = wanted is not None
        self._wanted = wanted or Ownership()
        self._repair = repair
        self._device = 0
        self._alone = False

    def run(self, top: int, path: str) -> Contents:
        self._device = os.fstat(top).st_dev
        total, subdirectories = Tally(), []
        for tally in self._shares(os.listdir(top), lambda names: self._examine(top, path, names, counting=True), WORTH_A_PROCESS):
            total.images += tally.images
            total.image_bytes += tally.image_bytes
            total.others += tally.others
            total.strays += tally.strays
            subdirectories += tally.subdirectories
        total.strays += self._descend(top, path, subdirectories, 1)
        return Contents(total.images, total.image_bytes, total.others, total.strays)

    def _shares(self, names: Sequence[str], work: Callable[[Sequence[str]], Result], smallest: int) -> list[Result]:
        """Share work among the processors once: what one of them is given, it does alone."""
        if self._alone:
            return [work(names)]

        def do_alone(share: Sequence[str]) -> Result:
            self._alone = True
            return work(share)

        results = spread(names, do_alone, smallest)
        self._alone = False
        return results

    def _descend(self, directory: int, path: str, names: Sequence[str], depth: int) -> int:
        """Entries of other owners below some subdirectories. Where there are several, all processors get some; a single one is shared at its own level."""

        def enter(share: Sequence[str]) -> int:
            return sum(self._enter(directory, path, name, depth) for name in share)

        return enter(names) if len(names) < 2 else sum(self._shares(names, enter, smallest=1))

    def _enter(self, directory: int, path: str, name: str, depth: int) -> int:
        path = f"{path}/{name}"
        if depth > DEEPEST:
            raise refuse(path, f"directories are nested more than {DEEPEST} deep", "Look at what made them", "too_deep")
        try:
            inner = os.open(name, DIRECTORY, dir_fd=directory)
        except OSError as exc:
            raise OSError(exc.errno, exc.strerror, path) from exc
        try:
            # What is mounted below is another volume, or a snapshot that cannot be changed.
            if os.fstat(inner).st_dev != self._device:
                return 0
            tallies = self._shares(os.listdir(inner), lambda names: self._examine(inner, path, names, counting=False), WORTH_A_PROCESS)
            subdirectories = [subdirectory for tally in tallies for subdirectory in tally.subdirectories]
            return sum(tally.strays for tally in tallies) + self._descend(inner, path, subdirectories, depth + 1)
        finally:
            os.close(inner)

    def _examine(self, directory: int, path: str, names: Sequence[str], counting: bool) -> Tally:
        """Every system call of a large store is made here, so the loop does nothing twice."""
        tally, recurse, stat = Tally(), self._recurse, os.stat
        uid, gid, label = self._wanted.uid, self._wanted.gid, self._wanted.setype is not None
        any_uid, any_gid = uid is None, gid is None
        for name in names:
            try:
                status = stat(name, dir_fd=directory, follow_symlinks=False)
                kind = status.st_mode & FORMAT
                if counting:
                    if name == NOT_OURS:
                        continue
                    self._count(tally, name, kind, status.st_size)
                    if not recurse:
                        continue
                if not ((any_uid or status.st_uid == uid) and (any_gid or status.st_gid == gid)) and status.st_dev == self._device:
                    tally.strays += 1
                    if self._repair:
                        os.chown(name, -1 if uid is None else uid, -1 if gid is None else gid, dir_fd=directory, follow_symlinks=False)
                if label and status.st_dev == self._device:
                    tally.strays += self._relabel(f"/proc/self/fd/{directory}/{name}")
                if kind == S_IFDIR:
                    tally.subdirectories.append(name)
            except FileNotFoundError:
                # Glance has deleted it since the listing.
                continue
            except OSError as exc:
                raise OSError(exc.errno, exc.strerror, f"{path}/{name}") from exc
        return tally

    @staticmethod
    def _count(tally: Tally, name: str, kind: int, size: int) -> None:
        if kind == S_IFREG and IMAGE_NAME.fullmatch(name):
            tally.images += 1
            tally.image_bytes += size
        else:
            tally.others += 1

    def _relabel(self, reference: str) -> bool:
        setype = self._wanted.setype
        if setype is None or selinux.get_type(reference) in (setype, None):
            return False
        if self._repair:
            selinux.set_type(reference, setype)
        return True
