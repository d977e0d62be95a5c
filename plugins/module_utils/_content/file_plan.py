# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""Whether a file holds the content that a task declares. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Kept:
    """A file as it is found: its size, and the mark that was left on it, if it is still the one that was written then."""

    exists: bool = False
    mark: str | None = None
    size: int | None = None


@dataclass(frozen=True)
class FilePlan:
    """What becomes of a file."""

    # Whether the content has to be read and written to it.
    moves: bool
    before: Mapping[str, Any] = field(default_factory=dict)
    after: Mapping[str, Any] = field(default_factory=dict)


def plan_file(path: str, content: str, fingerprint: str | None, kept: Kept, same: bool | None) -> FilePlan:
    """``content`` is what the file is to hold, in words, and ``fingerprint`` the mark of it, None where it is not known; ``same`` is whether the file was
    found to hold it."""
    after = {"dest": path, "content": content}
    if same or (fingerprint is not None and kept.mark == fingerprint):
        return FilePlan(False, after, after)
    return FilePlan(True, {"dest": path, "content": kept.mark or "unknown"} if kept.exists else {}, after)
