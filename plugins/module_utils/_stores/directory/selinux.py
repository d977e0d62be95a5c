# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""SELinux types of files, read and written as the extended attributes that they are."""

from __future__ import annotations

import os
from pathlib import Path

ATTRIBUTE = "security.selinux"
ENFORCE = Path("/sys/fs/selinux/enforce")


def enabled() -> bool:
    return ENFORCE.exists()


def get_type(path: str | int) -> str | None:
    """Type of a file, a link itself included; None where the file system keeps none."""
    try:
        label = os.getxattr(path, ATTRIBUTE) if isinstance(path, int) else os.getxattr(path, ATTRIBUTE, follow_symlinks=False)
    except OSError:
        return None
    return label.rstrip(b"\0").decode().split(":")[2]


def set_type(path: str | int, setype: str) -> None:
    """Change the type and keep user, role and level."""
    if isinstance(path, int):
        os.setxattr(path, ATTRIBUTE, _changed(os.getxattr(path, ATTRIBUTE), setype))
    else:
        os.setxattr(path, ATTRIBUTE, _changed(os.getxattr(path, ATTRIBUTE, follow_symlinks=False), setype), follow_symlinks=False)


def _changed(label: bytes, setype: str) -> bytes:
    parts = label.rstrip(b"\0").decode().split(":")
    parts[2] = setype
    return ":".join(parts).encode() + b"\0"
