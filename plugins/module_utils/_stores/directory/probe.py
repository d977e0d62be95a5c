# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""Try what the service will do in its directory, as the user that it runs as."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from typing import NoReturn

from .owners import supplementary_groups

CONTENT = b"xenstack.image_services write probe\n"


def write_probe(path: str, uid: int, gid: int) -> None:
    """Write, read back and remove a file as that user; the OSError that the user meets is raised here."""
    _as_user(uid, gid, lambda: _write(path))


def access_probe(path: str, uid: int, gid: int) -> None:
    """Ask the system whether that user might write, without writing."""
    _as_user(uid, gid, lambda: _access(path))


def _write(path: str) -> None:
    name = os.path.join(path, f".write-probe-{os.urandom(8).hex()}")
    handle = os.open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        if os.write(handle, CONTENT) != len(CONTENT):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        os.fsync(handle)
        if os.pread(handle, len(CONTENT), 0) != CONTENT:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
    finally:
        os.close(handle)
        os.unlink(name)


def _access(path: str) -> None:
    if not os.access(path, os.R_OK | os.W_OK | os.X_OK):
        raise OSError(errno.EACCES, os.strerror(errno.EACCES))


def _as_user(uid: int, gid: int, attempt: Callable[[], None]) -> None:
    """Run in a child with that user's ids; it reports by the error number that is its exit status."""
    if os.geteuid() != 0:
        # Only root can take on another user; the caller has checked that the user is this one.
        attempt()
        return
    groups = supplementary_groups(uid, gid)
    child = os.fork()
    if child == 0:
        _be_child(uid, gid, groups, attempt)
    _pid, status = os.waitpid(child, 0)
    number = os.WEXITSTATUS(status) if os.WIFEXITED(status) else errno.EIO
    if number:
        raise OSError(number, os.strerror(number))


def _be_child(uid: int, gid: int, groups: list[int], attempt: Callable[[], None]) -> NoReturn:
    """The child's whole life: whatever happens it ends here, because the rest of the module belongs to its parent."""
    number = errno.EIO
    try:
        os.setgroups(groups)
        os.setgid(gid)
        os.setuid(uid)
        attempt()
        number = 0
    except OSError as exc:
        number = exc.errno or errno.EIO
    finally:
        os._exit(number)
