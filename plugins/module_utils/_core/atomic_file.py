# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""A temporary file beside its destination, which is moved there when it is complete."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, Protocol

from ansible.module_utils.basic import AnsibleModule

from .accounts import gid_of, uid_of


class Attributes(Protocol):
    """What Ansible itself does with files."""

    def move(self, temporary: str, path: str) -> None:
        """Into its place, with the owner and mode that are usual there."""

    def keep_copy(self, path: str) -> str:
        """A copy of the file beside it; its path."""

    def settle(self, path: str, changed: bool, diff: dict[str, Any] | None) -> bool:
        """Owner, group, mode and the like as the task declares them; whether anything has changed so far."""

    def owner_of(self, path: str) -> tuple[int, int] | None:
        """User and group that the path has, or is to have; None where it does not exist."""


class FileAttributes:
    """Owner, group, mode and the like as Ansible's own modules keep them.

    They are those of the options of a module with ``add_file_common_args``, or of other options of the same names.
    """

    def __init__(self, module: AnsibleModule, given: Mapping[str, Any] | None = None) -> None:
        self._module = module
        self._given = module.params if given is None else given

    def move(self, temporary: str, path: str) -> None:
        self._module.atomic_move(temporary, path, unsafe_writes=bool(self._given.get("unsafe_writes")))

    def keep_copy(self, path: str) -> str:
        """A copy of the file beside it, with the time in its name; its path."""
        return str(self._module.backup_local(path))

    def settle(self, path: str, changed: bool, diff: dict[str, Any] | None) -> bool:
        arguments = self._module.load_file_common_arguments(self._given, path=path)
        return bool(self._module.set_fs_attributes_if_different(arguments, changed, diff))

    def owner_of(self, path: str) -> tuple[int, int] | None:
        try:
            status = os.lstat(path)
        except FileNotFoundError:
            return None
        return _number(self._given.get("owner"), status.st_uid, uid_of), _number(self._given.get("group"), status.st_gid, gid_of)


def _number(declared: Any, present: int, find: Callable[[str], int | None]) -> int:
    """As Ansible reads an owner: a number, or a name of this host."""
    if declared is None:
        return present
    try:
        return int(declared)
    except ValueError:
        pass
    found = find(str(declared))
    return present if found is None else found


@contextmanager
def beside(directory: str, name: str, suffix: str = ".part") -> Iterator[tuple[str, int]]:
    """A new file in the same directory, gone again unless it was moved away."""
    descriptor, temporary = tempfile.mkstemp(prefix=f".{name[:200]}.", suffix=suffix, dir=directory)
    try:
        yield temporary, descriptor
    finally:
        os.close(descriptor)
        with suppress(FileNotFoundError):
            os.unlink(temporary)


def move(attributes: Attributes, temporary: str, path: str) -> None:
    try:
        attributes.move(temporary, path)
    except OSError:
        raise
    except Exception as exc:
        # Ansible raises no narrower one where its ways around fail as well, with the reason as its cause.
        reason = exc.__cause__ if isinstance(exc.__cause__, OSError) else OSError(errno.EIO, "it could not be moved into its place")
        raise reason from exc
