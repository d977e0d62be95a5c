# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""What has to change about one directory of a file store, decided without touching it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..._core.errors import ImageServicesError, cannot
from ..._core.sizes import parse_size as size_of
from ..paths import fault, normal, overlap

# Owners of Glance's files in deployments where no user database tells them.
PRESETS = {"xavs": (42424, 42424), "loci": (42424, 42424), "kolla": (42415, 42415)}
# Owners that the host has to be asked for.
PACKAGE, AUTO = "package", "auto"
PACKAGE_USER = "glance"
DEFAULT_MODE = 0o750
IMAGE_NAME = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


@dataclass(frozen=True)
class DirectoryAttributes:
    """What is managed of a directory; None is for what is not declared, or not there."""

    exists: bool
    uid: int | None = None
    gid: int | None = None
    mode: int | None = None
    setype: str | None = None


@dataclass(frozen=True)
class Volume:
    """The mount that holds a path."""

    mount_point: str
    filesystem: str
    read_only: bool
    free: int
    total: int

    @property
    def is_nfs(self) -> bool:
        return self.filesystem.startswith("nfs")


@dataclass(frozen=True)
class Requirements:
    """What has to hold before anything is changed."""

    require_mount: bool = False
    mount_point: str | None = None
    min_free: int | None = None
    other_stores: Sequence[str] = ()


@dataclass(frozen=True)
class Contents:
    """What is in a directory and below it."""

    images: int = 0
    image_bytes: int = 0
    others: int = 0
    # Entries below whose owner, group or SELinux type is not the declared one; only counted with `recurse`.
    strays: int = 0


@dataclass(frozen=True)
class DirectoryPlan:
    create: bool
    remove: bool
    chown: bool
    chmod: bool
    relabel: bool
    before: dict[str, Any]
    after: dict[str, Any]

    @property
    def changed(self) -> bool:
        return self.before != self.after


def refuse(path: str, cause: str, advice: str, code: str | None = None, verb: str = "keep") -> ImageServicesError:
    return cannot(verb, "store directory", path, cause, advice, code=code)


def check_path(path: str) -> str:
    """The path without doubled slashes, or a refusal of one that cannot be a store."""
    problem = fault(path)
    if problem:
        raise refuse(path, problem, "Give the absolute path of a directory that nothing else uses, for example /srv/glance/images", "bad_path")
    return normal(path)


def check_neighbours(path: str, others: Sequence[str]) -> None:
    for other in others:
        how = overlap(path, other)
        if how:
            raise refuse(path, f"it {how} '{other}' of another store", "Give each store a directory outside the other's", "overlap")


def check_volume(path: str, volume: Volume, wanted: Requirements) -> None:
    """Refuse to fill the wrong file system, or one that is too small or cannot be written."""
    if wanted.mount_point is not None and volume.mount_point != wanted.mount_point:
        cause = f"nothing is mounted at '{wanted.mount_point}': it would be on the file system at '{volume.mount_point}'"
        raise refuse(path, cause, "Mount the volume, then run the task again", "not_mounted")
    if wanted.require_mount and volume.mount_point == "/":
        raise refuse(path, "its volume is not mounted, and images would fill the root file system", "Mount the volume, then run the task again", "not_mounted")
    if volume.read_only:
        cause = f"the file system at '{volume.mount_point}' is mounted read-only"
        raise refuse(path, cause, "Mount it for writing and look in the kernel's log for why it was not", "read_only")
    if wanted.min_free is not None and volume.free < wanted.min_free:
        cause = f"{volume.free} bytes are free at '{volume.mount_point}', {wanted.min_free} are wanted"
        raise refuse(path, cause, "Free space, grow the volume or lower min_free", "no_space")


def plan_present(path: str, desired: DirectoryAttributes, current: DirectoryAttributes, contents: Contents) -> DirectoryPlan:
    """Changes that make the directory what is declared; what is not declared stays, or gets its default at creation."""
    if not current.exists and desired.mode is None:
        desired = replace(desired, mode=DEFAULT_MODE)
    target = DirectoryAttributes(
        exists=True,
        uid=current.uid if desired.uid is None else desired.uid,
        gid=current.gid if desired.gid is None else desired.gid,
        mode=current.mode if desired.mode is None else desired.mode,
        setype=current.setype if desired.setype is None else desired.setype,
    )
    return DirectoryPlan(
        create=not current.exists,
        remove=False,
        chown=(target.uid, target.gid) != (current.uid, current.gid),
        chmod=target.mode != current.mode,
        relabel=target.setype != current.setype,
        before=_shown(path, current, contents.strays),
        after=_shown(path, target, 0),
    )


def plan_absent(path: str, current: DirectoryAttributes, contents: Contents, is_mount: bool, force: bool) -> DirectoryPlan:
    """Removal, which needs `force` as soon as anything would be lost."""
    if is_mount:
        raise refuse(path, "it is a mount point", "Unmount it first", "mounted", verb="remove")
    if not force and (contents.images or contents.others):
        held = f"it holds {contents.images} image(s) with {contents.image_bytes} bytes, and {contents.others} other entries"
        raise refuse(path, held, "Delete the images through Glance, or set force: true to lose them", "not_empty", verb="remove")
    shown = _shown(path, current, 0)
    if current.exists:
        shown.update(images=contents.images, bytes=contents.image_bytes)
    return DirectoryPlan(False, current.exists, False, False, False, before=shown, after={"path": path, "state": "absent"})


def _shown(path: str, attributes: DirectoryAttributes, strays: int) -> dict[str, Any]:
    if not attributes.exists:
        return {"path": path, "state": "absent"}
    shown: dict[str, Any] = {"path": path, "state": "present", "uid": attributes.uid, "gid": attributes.gid}
    shown["mode"] = None if attributes.mode is None else f"{attributes.mode:04o}"
    shown["other_owners_below"] = strays
    if attributes.setype is not None:
        shown["setype"] = attributes.setype
    return shown


def parse_mode(path: str, value: str | None) -> int | None:
    """Octal digits; a number that lost its quotes on the way is refused instead of guessed."""
    if value is None:
        return None
    if not re.fullmatch(r"0?[0-7]{3}|[0-7]{4}", value):
        raise refuse(path, f"mode '{value}' is not three or four octal digits", 'Quote it, for example mode: "0750"', "bad_mode")
    mode = int(value, 8)
    if mode & 0o300 != 0o300 or mode & 0o400 == 0:
        raise refuse(path, f"mode '{value}' keeps the owner out", 'Give the owner all rights, for example mode: "0750"', "bad_mode")
    return mode


def parse_size(path: str, value: str | None) -> int | None:
    """Bytes with an optional binary unit: 500M, 1.5G, 2TiB."""
    if value is None:
        return None
    size = size_of(value)
    if size is None:
        raise refuse(path, f"min_free '{value}' is no size", "Write a number with K, M, G, T or P, for example 50G", "bad_size")
    return size


def owner_preset(owner: str | None) -> tuple[int, int] | None:
    return PRESETS.get(owner or "")


def summary(path: str, attributes: DirectoryAttributes, contents: Contents, volume: Volume, names: Mapping[str, Any]) -> dict[str, Any]:
    """The directory as the module returns it, with the same keys whether it exists or not."""
    return {
        "path": path,
        "state": "present" if attributes.exists else "absent",
        "uid": attributes.uid,
        "gid": attributes.gid,
        **names,
        "mode": None if attributes.mode is None else f"{attributes.mode:04o}",
        "setype": attributes.setype,
        "images": contents.images,
        "bytes": contents.image_bytes,
        "other_entries": contents.others,
        "free_bytes": volume.free,
        "total_bytes": volume.total,
        "mount_point": volume.mount_point,
        "filesystem": volume.filesystem,
    }
