# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""What an error number means for a store's directory, and what helps."""

from __future__ import annotations

import errno
import os
import stat

from ..._core.errors import ImageServicesError
from .plan import Volume, refuse

UNKNOWN = Volume(mount_point="?", filesystem="unknown", read_only=False, free=0, total=0)
DENIED = frozenset({errno.EPERM, errno.EACCES})
FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
REPLACED = frozenset({errno.ELOOP, errno.ENOTDIR, errno.ENOENT})


def directory_error(path: str, exc: OSError, volume: Volume = UNKNOWN, at: str | None = None) -> ImageServicesError:
    """The refusal for a failed change at a path in or above the store's directory."""
    where = f" at '{at}'" if at and at != path else ""
    number = exc.errno
    if number == errno.EROFS:
        cause, advice, code = f"the file system at '{volume.mount_point}' is mounted read-only{where}", "Mount it for writing", "read_only"
    elif number in DENIED and os.geteuid() != 0:
        cause, advice, code = f"this user may not change it{where}", "Run the task with become: true", "no_rights"
    elif number in DENIED and volume.is_nfs:
        cause = f"the NFS server treats root as nobody (root_squash) and refuses the change{where}"
        advice = "Export the volume to this host with no_root_squash, or set owner and mode on the server and run the task again"
        code = "root_squash"
    elif number in DENIED:
        cause = f"the file system ({volume.filesystem} at '{volume.mount_point}') refuses the change even to root{where}"
        advice = "Look for an immutable flag (lsattr), and whether this file system keeps owners at all"
        code = "no_rights"
    elif number in FULL:
        cause, advice, code = f"the file system at '{volume.mount_point}' is full, or a quota is used up{where}", "Free space", "no_space"
    elif number in REPLACED:
        cause = f"something was moved, removed or replaced by a link while the task was at it{where}"
        advice, code = "See who else works there, then run the task again", "replaced"
    else:
        cause, advice, code = f"{os.strerror(number or errno.EIO)}{where}", "Look in the kernel's log", f"errno_{number}"
    return refuse(path, cause, advice, code)


def explain_probe(path: str, exc: OSError, volume: Volume, uid: int, gid: int, groups: list[int]) -> ImageServicesError:
    """The refusal when the service's user cannot write in its own directory."""
    if exc.errno not in DENIED:
        return directory_error(path, exc, volume)
    closed = closed_ancestor(path, uid, groups)
    if closed:
        cause, advice = f"user {uid}:{gid} cannot reach it: '{closed}' does not let it pass", f"Give that user the right to enter '{closed}' (chmod o+x)"
    elif volume.is_nfs:
        cause = f"user {uid}:{gid} cannot write in it: the NFS server maps this user to another one"
        advice = "Export the volume without all_squash, and with the same numbers on both sides"
    else:
        cause = f"user {uid}:{gid} cannot write in it"
        advice = "Set owner and mode so that it can, and look for access lists and SELinux denials"
    return refuse(path, cause, advice, "not_writable")


def closed_ancestor(path: str, uid: int, groups: list[int]) -> str | None:
    """The first directory above a path that a user has no right to enter, as far as plain modes tell."""
    here = "/"
    for part in [part for part in os.path.dirname(path).split("/") if part]:
        here = os.path.join(here, part)
        status = os.stat(here)
        right = stat.S_IXUSR if status.st_uid == uid else stat.S_IXGRP if status.st_gid in groups else stat.S_IXOTH
        if uid != 0 and not status.st_mode & right:
            return here
    return None
