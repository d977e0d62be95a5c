# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""One pass over everything in a store's directory: count the images, find or repair what belongs to somebody else.

The walk goes from one open directory to the next and never follows a link, so that nobody who may write there can
lead a pass of root somewhere else.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from stat import S_IFDIR, S_IFREG

from .._plan.store_dir import IMAGE_NAME, Contents, refuse
from . import selinux
from .parallel import spread

DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
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
    """What was met in one directory."""

    images: int = 0
    image_bytes: int = 0
    others: int = 0
    foreign: int = 0
    subdirectories: list[str] = field(default_factory=list)


class Pass:
    """One walk. ``at`` is where it works, for the sentence about a failure."""

    def __init__(self, wanted: Ownership | None, repair: bool) -> None:
        self._wanted = wanted
        self._repair = repair
        self._device = 0
        self._total = Tally()
        self.at = ""

    def run(self, top: int, path: str) -> Contents:
        self._device = os.fstat(top).st_dev
        self._walk(top, path, 0)
        total = self._total
        return Contents(total.images, total.image_bytes, total.others, total.foreign)

    def _walk(self, directory: int, path: str, depth: int) -> None:
        if depth > DEEPEST:
            raise refuse(path, f"directories are nested more than {DEEPEST} deep below it", "Look at what made them", "too_deep")
        self.at = path
        for tally in spread(os.listdir(directory), lambda names: self._examine(directory, names)):
            if depth == 0:
                self._total.images += tally.images
                self._total.image_bytes += tally.image_bytes
                self._total.others += tally.others
            self._total.foreign += tally.foreign
            for name in tally.subdirectories:
                self._enter(directory, path, name, depth)

    def _enter(self, directory: int, path: str, name: str, depth: int) -> None:
        self.at = f"{path}/{name}"
        inner = os.open(name, DIRECTORY, dir_fd=directory)
        try:
            # What is mounted below is another volume, or a snapshot that nobody can change.
            if os.fstat(inner).st_dev == self._device:
                self._walk(inner, self.at, depth + 1)
        finally:
            os.close(inner)

    def _examine(self, directory: int, names: Sequence[str]) -> Tally:
        """Every syscall of a large store happens here, so the loop does nothing twice."""
        tally = Tally()
        wanted, repair, device = self._wanted or Ownership(), self._repair, self._device
        recurse, label = self._wanted is not None, wanted.setype is not None
        uid, gid = wanted.uid, wanted.gid
        new_uid, new_gid = -1 if uid is None else uid, -1 if gid is None else gid
        image_bytes, stat, is_image = 0, os.stat, IMAGE_NAME.fullmatch
        for name in names:
            try:
                status = stat(name, dir_fd=directory, follow_symlinks=False)
            except FileNotFoundError:
                # Glance has deleted it since the listing.
                continue
            kind = status.st_mode & FORMAT
            if kind == S_IFREG and is_image(name):
                tally.images += 1
                image_bytes += status.st_size
            elif name == NOT_OURS:
                continue
            else:
                tally.others += 1
            if not recurse or status.st_dev != device:
                continue
            if (uid is not None and status.st_uid != uid) or (gid is not None and status.st_gid != gid):
                tally.foreign += 1
                if repair:
                    os.chown(name, new_uid, new_gid, dir_fd=directory, follow_symlinks=False)
            if label:
                tally.foreign += self._relabel(f"/proc/self/fd/{directory}/{name}")
            if kind == S_IFDIR:
                tally.subdirectories.append(name)
        tally.image_bytes = image_bytes
        return tally

    def _relabel(self, reference: str) -> bool:
        setype = (self._wanted or Ownership()).setype
        if setype is None or selinux.get_type(reference) in (setype, None):
            return False
        if self._repair:
            selinux.set_type(reference, setype)
        return True
