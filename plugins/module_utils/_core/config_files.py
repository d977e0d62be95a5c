# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""Files, directories and links of a configuration, brought into their declared state in the given order."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .atomic_file import Attributes, beside, move
from .errors import ImageServicesError, cannot

STATES = ("file", "directory", "link", "absent")
ABSENT = "absent"
_KINDS = {stat.S_IFREG: "file", stat.S_IFDIR: "directory", stat.S_IFLNK: "link"}


@dataclass(frozen=True)
class Entry:
    """What is declared of one path."""

    path: str
    state: str = "file"
    content: bytes = b""
    target: str = ""
    backup: bool = False
    # Without it, a file that exists keeps its content.
    replace: bool = True


@dataclass(frozen=True)
class Found:
    """What a path is now."""

    state: str = ABSENT
    content: bytes = b""
    target: str = ""


def look(entry: Entry) -> Found:
    try:
        status = os.lstat(entry.path)
        state = _KINDS.get(stat.S_IFMT(status.st_mode), "special file")
        if state == "link":
            return Found(state, target=os.readlink(entry.path))
        if state == "file" and entry.state == "file":
            with open(entry.path, "rb") as stream:
                return Found(state, stream.read())
    except FileNotFoundError:
        return Found()
    except OSError as exc:
        raise _cannot("read", entry, os.strerror(exc.errno or 0), "Run the task as a user who may read it") from exc
    return Found(state)


def differs(entry: Entry, found: Found) -> bool:
    """Whether something has to be written; what a path must not turn into is refused."""
    if entry.state == ABSENT:
        if found.state == "directory":
            raise _cannot("remove", entry, "it is a directory", "Remove it by hand if nobody needs it")
        return found.state != ABSENT
    if found.state == ABSENT:
        return True
    if found.state != entry.state:
        raise _cannot("write", entry, f"it is a {found.state} and not a {entry.state}", "Remove it, or give another path")
    if entry.state == "file":
        return entry.replace and found.content != entry.content
    return entry.state == "link" and found.target != entry.target


def write(entry: Entry, found: Found, attributes: Attributes) -> str | None:
    """Write it, all of it or nothing; the path of the copy that was kept."""
    copy = attributes.keep_copy(entry.path) if entry.backup and entry.state == found.state == "file" else None
    try:
        if entry.state == ABSENT:
            os.unlink(entry.path)
        elif entry.state == "directory":
            os.makedirs(os.path.dirname(entry.path), exist_ok=True)
            os.mkdir(entry.path, 0o700)
        elif entry.state == "link":
            _link(entry)
        else:
            _file(entry, found, attributes)
    except OSError as exc:
        advice = "Create its directory first" if isinstance(exc, FileNotFoundError) else "Check the file system, and that the task's user may write there"
        raise _cannot("remove" if entry.state == ABSENT else "write", entry, os.strerror(exc.errno or 0), advice) from exc
    return copy


def _file(entry: Entry, found: Found, attributes: Attributes) -> None:
    with beside(*os.path.split(entry.path)) as (temporary, descriptor):
        with open(descriptor, "wb", closefd=False) as stream:
            stream.write(entry.content)
        os.fsync(descriptor)
        if found.state == ABSENT:
            # Nobody reads a new file before it belongs to whom it must.
            attributes.settle(temporary, False, None)
            os.rename(temporary, entry.path)
        else:
            move(attributes, temporary, entry.path)


def _link(entry: Entry) -> None:
    directory, name = os.path.split(entry.path)
    temporary = os.path.join(directory, f".{name}.{os.getpid()}.new")
    os.symlink(entry.target, temporary)
    try:
        os.rename(temporary, entry.path)
    except OSError:
        os.unlink(temporary)
        raise


def manage(declared: Sequence[tuple[Entry, Attributes]], check_mode: bool) -> dict[str, Any]:
    """Bring all of them into their state, or say in check mode what would be written."""
    planned = [(entry, attributes, found, differs(entry, found)) for entry, attributes in declared for found in [look(entry)]]
    files: list[dict[str, Any]] = []
    diffs: list[dict[str, Any]] = []
    try:
        for entry, attributes, found, wanted in planned:
            copy = write(entry, found, attributes) if wanted and not check_mode else None
            diff = {"before": {"path": entry.path}, "after": {"path": entry.path}}
            changed = attributes.settle(entry.path, wanted, None if wanted else diff) if _is_managed(entry, found, check_mode) else wanted
            files.append({"path": entry.path, "changed": changed, "created": entry.state != ABSENT and found.state == ABSENT, "backup_file": copy})
            if wanted:
                diffs.append(_difference(entry, found))
            elif changed:
                diffs.append(diff)
    except ImageServicesError as exc:
        exc.result = {"files": files, "changed": any(file["changed"] for file in files)}
        raise
    return {"changed": any(file["changed"] for file in files), "files": files, "diff": diffs}


def _is_managed(entry: Entry, found: Found, check_mode: bool) -> bool:
    """Whether the path has an owner, a group and a mode that are ours to keep."""
    if entry.state in ("link", ABSENT) or (check_mode and found.state == ABSENT):
        return False
    return entry.replace or found.state == ABSENT


def _difference(entry: Entry, found: Found) -> dict[str, Any]:
    after = Found(entry.state, entry.content, entry.target)
    # The content of what is removed was not read.
    before = f"{found.state}\n" if entry.state == ABSENT else _text(found)
    return {"before_header": entry.path, "after_header": entry.path, "before": before, "after": _text(after)}


def _text(found: Found) -> str:
    if found.state == "file":
        return found.content.decode("utf-8", "replace")
    return "" if found.state == ABSENT else f"{found.state} {found.target}".strip() + "\n"


def _cannot(verb: str, entry: Entry, cause: str, advice: str) -> ImageServicesError:
    kind = "file" if entry.state == ABSENT else entry.state
    return cannot(verb, kind, entry.path, cause[:1].lower() + cause[1:], advice, code="bad_path")


def entries_of(params: Mapping[str, Any]) -> list[tuple[Entry, dict[str, Any]]]:
    """What the module's options declare of each path, with its owner, group and mode."""
    found = []
    for option in params["files"]:
        path = os.path.join(params["directory"] or "", option["path"])
        if not os.path.isabs(path):
            raise cannot("write", option["state"], path, "its path is not absolute", "Give an absolute path, or directory", code="bad_path")
        is_file = option["state"] == "file"
        entry = Entry(
            # Whoever made a link of a file keeps it.
            path=os.path.realpath(path) if is_file or option["state"] == "directory" else os.path.normpath(path),
            state=option["state"],
            content=(option["content"] or "").encode("utf-8", "surrogateescape"),
            target=option["target"] or "",
            backup=params["backup"] if option["backup"] is None else option["backup"],
            replace=option["replace"],
        )
        given = {name: option[name] or params[name] for name in ("owner", "group")}
        found.append((entry, {**given, "mode": option["mode"] or (params["mode"] if is_file else None)}))
    return found
