# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""Which directories a store may have, judged by their names alone."""

from __future__ import annotations

# Nothing at or below these may become a store.
SYSTEM_TREES = ("/bin", "/boot", "/dev", "/etc", "/lib", "/lib32", "/lib64", "/libx32", "/proc", "/run", "/sbin", "/sys", "/usr", "/var/run")
# Directories below these may, they themselves may not.
SYSTEM_DIRECTORIES = frozenset(
    "/ /home /lost+found /media /mnt /opt /root /srv /tmp /var /var/cache /var/lib /var/local /var/log /var/mail /var/opt /var/spool /var/tmp".split()
)


def normal(path: str) -> str:
    """The path without doubled and trailing slashes; `..` is not resolved here, it is refused."""
    return "/" + "/".join(part for part in path.split("/") if part not in ("", "."))


def fault(path: str) -> str | None:
    """Why a path cannot be a store's directory."""
    if not path.startswith("/"):
        return f"'{path}' is not an absolute path"
    if ".." in path.split("/"):
        return f"'{path}' contains '..'"
    if not path.isprintable():
        return "it holds a control character"
    path = normal(path)
    if path in SYSTEM_DIRECTORIES or any(within(path, tree) for tree in SYSTEM_TREES):
        return f"'{path}' belongs to the system"
    return None


def within(path: str, parent: str) -> bool:
    """Whether a path is the parent or is below it."""
    path, parent = normal(path), normal(parent)
    return path == parent or path.startswith(parent.rstrip("/") + "/")


def overlap(one: str, other: str) -> str | None:
    """How two directories get in each other's way: as the same one, or one in the other."""
    if normal(one) == normal(other):
        return "is the same as"
    if within(one, other):
        return "lies inside"
    if within(other, one):
        return "contains"
    return None
