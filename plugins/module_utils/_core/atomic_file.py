# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""A file that is made beside its place, so that it can be moved there when it is whole."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Protocol


class Attributes(Protocol):
    """What Ansible itself does with files."""

    def move(self, temporary: str, path: str) -> None:
        """Into its place, with the owner and mode that are usual there."""

    def keep_copy(self, path: str) -> str:
        """A copy of the file beside it; its path."""

    def settle(self, path: str, changed: bool, diff: dict[str, Any] | None) -> bool:
        """Owner, group, mode and the like as the task declares them; whether anything has changed so far."""


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
