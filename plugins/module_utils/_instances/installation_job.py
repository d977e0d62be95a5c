# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""The work of the module nova_installation_uuid: look, choose, and put the UUID there once."""

from __future__ import annotations

import errno
import fcntl
import glob
import grp
import os
import pwd
import re
import stat
import uuid
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from typing import Any, NamedTuple

from ansible.module_utils.basic import AnsibleModule

from .._core.atomic_file import Attributes, FileAttributes, beside, move
from .._core.errors import ImageServicesError
from .._core.runner import Job, Params
from .installation import Option, check_option, check_uuid, choose, find, put, refuse

DEFAULT_PATH = "/etc/nova/installation_uuid"
# A name of its own, by which what a killed run has left is known.
SUFFIX = ".installation-uuid.part"
MAX_BYTES = 16 * 2**20
# Octal, or symbolic as chmod takes it.
_CLAUSE = r"[ugoa]*(?:[-+=](?:[rwxXst]*|[ugo]))+"
_MODE = re.compile(rf"0?[0-7]{{1,4}}|{_CLAUSE}(?:,{_CLAUSE})*")
ADVICE: Mapping[int, str] = {
    errno.EACCES: "Run the task with become: true, or as the user whose file it is",
    errno.EPERM: "Run the task with become: true, or as the user whose file it is",
    errno.ENOSPC: "Free space on its file system",
    errno.EDQUOT: "Raise the quota of its file system",
    errno.EROFS: "Mount its file system for writing",
    errno.EBUSY: "It is a mount point of its own: mount its directory instead, or set unsafe_writes: true",
}


class Seen(NamedTuple):
    existed: bool
    present: str | None


class InstallationPlan(NamedTuple):
    """The UUID that the file has, or is to get; None where a new one is drawn. ``missing`` says that it has none."""

    uuid: str | None
    missing: bool


class Done(NamedTuple):
    """What the file has got; ``written`` is False where another run has just written it."""

    uuid: str | None
    written: bool
    backup: str | None
    changed: bool
    diff: dict[str, Any]


class InstallationJob(Job[Seen, InstallationPlan, Done]):
    """The work of the module nova_installation_uuid; every refusal that can be foreseen comes before the first change."""

    def __init__(self, params: Params, attributes: Attributes) -> None:
        super().__init__(params)
        self._attributes = attributes
        self._path = os.path.realpath(params["config_file"] or params["path"] or DEFAULT_PATH)
        self._option = check_option(self._path, params["section"], params["option"]) if params["config_file"] else None
        self._given = check_uuid(self._path, params["uuid"])
        _check_declared(self._path, params)

    @classmethod
    def of(cls, module: AnsibleModule) -> InstallationJob:
        return cls(module.params, FileAttributes(module))

    def look(self) -> Seen:
        self.opened.enter_context(_explained(self._path))
        return Seen(os.path.exists(self._path), find(self._path, _content(self._path, self._option), self._option))

    def plan(self, seen: Seen) -> InstallationPlan:
        return InstallationPlan(choose(self._path, seen.present, self._given), seen.present is None)

    def must_apply(self, plan: InstallationPlan) -> bool:
        # Ansible finds out about owner, group and mode when it sets them.
        return True

    def apply(self, seen: Seen, plan: InstallationPlan) -> Done:
        chosen, backup, written = plan.uuid, None, False
        if plan.missing:
            chosen, backup, written = _put(self._path, self._option, self._given, self._attributes, bool(self.params["backup"]))
        return self._settled(seen, chosen, written, backup)

    def result(self, seen: Seen, plan: InstallationPlan, done: Done | None) -> dict[str, Any]:
        if done is None:
            # In check mode, Ansible itself only tells which attributes differ.
            done = self._settled(seen, plan.uuid, plan.missing, None)
        return {"changed": done.changed, "installation_uuid": done.uuid, "path": self._path, "backup_file": done.backup, "diff": done.diff}

    def _settled(self, seen: Seen, chosen: str | None, written: bool, backup: str | None) -> Done:
        key = self._option.name if self._option else "uuid"
        diff = {"before": {key: None if written else chosen}, "after": {key: chosen or "a new one"}}
        changed = self._attributes.settle(self._path, written, diff if seen.existed else None)
        return Done(chosen, written, backup, changed, diff)


def _put(path: str, option: Option | None, given: str | None, place: Attributes, backup: bool) -> tuple[str, str | None, bool]:
    """Write the UUID, unless another run has just done so: what is there now, the copy of what was there before, and whether it was written."""
    directory, name = os.path.split(path)
    with _alone(directory) as alone:
        content = _content(path, option)
        present = find(path, content, option)
        chosen = choose(path, present, given)
        if present is not None:
            return present, None, False
        if alone:
            _remove_leftovers(directory, name)
        chosen = chosen or str(uuid.uuid4())
        copy = place.keep_copy(path) if backup and content is not None else None
        with beside(directory, name, SUFFIX) as (temporary, descriptor):
            if content is not None:
                _take_owner(path, descriptor)
            _write_all(descriptor, put(path, content, option, chosen))
            os.fsync(descriptor)
            move(place, temporary, path)
        _sync_directory(directory)
    return chosen, copy, True


def _content(path: str, option: Option | None) -> bytes | None:
    """What the file holds; None where there is none, which nova.conf may not be."""
    directory = os.path.dirname(path)
    try:
        os.stat(directory)
    except FileNotFoundError:
        raise refuse(path, f"there is no directory {directory}", "Make it first", "no_directory") from None
    try:
        status = os.stat(path)
    except FileNotFoundError:
        if option is None:
            return None
        raise refuse(path, "there is no such file", "Write Nova's configuration first, or give path instead of config_file", "no_file") from None
    if not stat.S_ISREG(status.st_mode):
        raise refuse(path, "it is no regular file", "Give the path of a file", "no_file")
    if status.st_size > MAX_BYTES:
        raise refuse(path, f"it has {status.st_size} bytes", "Give the path of a configuration file", "no_file")
    with open(path, "rb") as stream:
        return stream.read()


def _write_all(descriptor: int, content: bytes) -> None:
    left = memoryview(content)
    while left:
        left = left[os.write(descriptor, left) :]


def _take_owner(path: str, descriptor: int) -> None:
    """The file keeps its owner and group; who cannot give it to them may not replace it."""
    status = os.stat(path)
    os.fchown(descriptor, status.st_uid, status.st_gid)


def _remove_leftovers(directory: str, name: str) -> None:
    """What a run has left that was killed before it could move its file into place; it may hold what nova.conf holds."""
    for leftover in glob.glob(os.path.join(glob.escape(directory), f".{glob.escape(name[:200])}.*{SUFFIX}")):
        with suppress(FileNotFoundError):
            os.unlink(leftover)


@contextmanager
def _alone(directory: str) -> Iterator[bool]:
    """One run at a time in a directory, so that two do not both make a UUID; False where it cannot be locked."""
    with ExitStack() as opened:
        alone = False
        with suppress(OSError):
            descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            opened.callback(os.close, descriptor)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            alone = True
        yield alone


def _sync_directory(directory: str) -> None:
    with suppress(OSError):
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _check_declared(path: str, params: Mapping[str, Any]) -> None:
    """An owner, group or mode that cannot be given is refused before the UUID is there."""
    owner, group, mode = params["owner"], params["group"], params["mode"]
    try:
        uid = None if owner is None else _number(path, owner) if owner.isdecimal() else pwd.getpwnam(owner).pw_uid
    except KeyError as exc:
        raise refuse(path, f"this host has no user '{owner}'", "Create it, or give its number", "no_owner") from exc
    try:
        gid = None if group is None else _number(path, group) if group.isdecimal() else grp.getgrnam(group).gr_gid
    except KeyError as exc:
        raise refuse(path, f"this host has no group '{group}'", "Create it, or give its number", "no_owner") from exc
    if os.geteuid() != 0 and (uid not in (None, os.geteuid()) or gid not in (None, os.getegid(), *os.getgroups())):
        raise refuse(path, "only root can give it to another user or group", "Run the task with become: true, or leave out owner and group", "no_rights")
    if mode is not None and not isinstance(mode, int) and not (isinstance(mode, str) and _MODE.fullmatch(mode)):
        raise refuse(path, f"mode '{mode}' is none", 'Write it in octal digits, as "0644"', "bad_mode")


def _number(path: str, text: str) -> int:
    # The highest number means «leave it» to chown.
    if int(text) >= 2**32 - 1:
        raise refuse(path, f"{text} is no number of a user or group", "Give a smaller one", "no_owner")
    return int(text)


@contextmanager
def _explained(path: str) -> Iterator[None]:
    try:
        yield
    except ImageServicesError:
        raise
    except OSError as exc:
        number = exc.errno or errno.EIO
        raise refuse(path, os.strerror(number), ADVICE.get(number, "Look in the kernel's log"), f"errno_{number}") from exc
