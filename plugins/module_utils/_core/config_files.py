# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""Files, directories and links of a configuration, brought into their declared state in the given order."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from ansible.module_utils.basic import AnsibleModule

from .atomic_file import Attributes, FileAttributes, beside, move
from .config_backups import find_backups, prune_backups
from .errors import ImageServicesError, cannot
from .masked_diff import masked_diff
from .runner import Job, Params

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
    # The options whose values the diff shows; without them, the diff shows everything.
    shown_options: tuple[str, ...] | None = None


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
            raise _cannot("remove", entry, "it is a directory", "Remove it by hand if it is not needed")
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
            # No one can read a new file before it has its owner and mode.
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


class EntryPlan(NamedTuple):
    """One path: what is declared, what it is now, and whether its content has to be written."""

    entry: Entry
    attributes: Attributes
    found: Found
    wanted: bool


class ConfigFilesJob(Job["list[Found]", "list[EntryPlan]", "dict[str, Any]"]):
    """The work of the module config_files: bring all paths into their state, or predict what would be written."""

    def __init__(self, params: Params, attributes: Callable[[Mapping[str, Any]], Attributes], shows_diff: bool = True) -> None:
        """``attributes`` are those of the owner, group and mode that one entry declares."""
        super().__init__(params)
        if (params["keep_backups"] or 0) < 0:
            raise cannot("keep", "backups", str(params["keep_backups"]), "there cannot be fewer than none", "Give 0 or more")
        self._declared = [(entry, attributes(given)) for entry, given in entries_of(params)]
        self._shows_diff = shows_diff

    @classmethod
    def of(cls, module: AnsibleModule) -> ConfigFilesJob:
        job = cls(module.params, lambda given: FileAttributes(module, given), bool(module._diff))
        for option in module.params["files"]:
            # Neither the log of the host nor the result repeats the contents; the diff shows what changes.
            module.no_log_values.discard(option["content"])
            option["content"] = None
        return job

    def look(self) -> list[Found]:
        return [look(entry) for entry, _attributes in self._declared]

    def plan(self, seen: list[Found]) -> list[EntryPlan]:
        return [EntryPlan(entry, attributes, found, differs(entry, found)) for (entry, attributes), found in zip(self._declared, seen)]

    def must_apply(self, plan: list[EntryPlan]) -> bool:
        # Ansible finds out about owner, group and mode when it sets them.
        return True

    def apply(self, seen: list[Found], plan: list[EntryPlan]) -> dict[str, Any]:
        return self._each(plan, check_mode=False)

    def result(self, seen: list[Found], plan: list[EntryPlan], done: dict[str, Any] | None) -> dict[str, Any]:
        result = self._each(plan, check_mode=True) if done is None else done
        if not self._shows_diff:
            # Ansible prints it at high verbosity without --diff as well.
            del result["diff"]
        return result

    def _each(self, plan: Sequence[EntryPlan], check_mode: bool) -> dict[str, Any]:
        """In check mode nothing is written, and Ansible itself only tells which attributes differ."""
        files: list[dict[str, Any]] = []
        diffs: list[dict[str, Any]] = []
        try:
            for each in plan:
                entry, found, wanted = each.entry, each.found, each.wanted
                copy = write(entry, found, each.attributes) if wanted and not check_mode else None
                diff = {"before": {"path": entry.path}, "after": {"path": entry.path}}
                managed = _has_attributes(entry, found) and not (check_mode and found.state == ABSENT)
                changed = each.attributes.settle(entry.path, wanted, None if wanted else diff) if managed else wanted
                files.append({"path": entry.path, "changed": changed, "created": entry.state != ABSENT and found.state == ABSENT, "backup_file": copy})
                if wanted:
                    diffs.append(_difference(entry, found))
                elif changed:
                    diffs.append(diff)
            removed = self._prune(check_mode, diffs)
        except ImageServicesError as exc:
            exc.result = {"files": files, "changed": any(file["changed"] for file in files)}
            raise
        return {"changed": bool(removed) or any(file["changed"] for file in files), "files": files, "removed_backups": removed, "diff": diffs}

    def _prune(self, check_mode: bool, diffs: list[dict[str, Any]]) -> list[str]:
        """Remove the copies that are too many, and keep others from reading the rest, a former user of the service too. Of an absent file, no copy is kept."""
        keep, removed = self.params["keep_backups"], []
        for state, number in (("file", keep), (ABSENT, 0)) if keep is not None else ():
            # Those of a file that is not replaced are of whoever writes it.
            owners = {entry.path: attributes.owner_of(entry.path) for entry, attributes in self._declared if entry.state == state and entry.replace}
            backups = find_backups(owners, number)
            if backups.changed:
                removed += [*backups.removed, *backups.closed]
                diffs.append(backups.diff)
                if not check_mode:
                    prune_backups(backups)
        return removed


def _has_attributes(entry: Entry, found: Found) -> bool:
    """Whether the module keeps the owner, group and mode of the path."""
    return entry.state not in ("link", ABSENT) and (entry.replace or found.state == ABSENT)


def _difference(entry: Entry, found: Found) -> dict[str, Any]:
    # The content of what is removed was not read.
    before = f"{found.state}\n" if entry.state == ABSENT else _text(found)
    after = _text(Found(entry.state, entry.content, entry.target))
    if entry.state == "file" and entry.shown_options is not None:
        before, after = masked_diff(before, after, entry.shown_options)
    return {"before_header": entry.path, "after_header": entry.path, "before": before, "after": after}


def _text(found: Found) -> str:
    if found.state == "file":
        return found.content.decode("utf-8", "replace")
    return "" if found.state == ABSENT else f"{found.state} {found.target}".strip() + "\n"


def _cannot(verb: str, entry: Entry, cause: str, advice: str) -> ImageServicesError:
    kind = "file" if entry.state == ABSENT else entry.state
    return cannot(verb, kind, entry.path, cause[:1].lower() + cause[1:], advice, code="bad_path")


def entries_of(params: Params) -> list[tuple[Entry, dict[str, Any]]]:
    """What the module's options declare of each path, with its owner, group and mode."""
    found = []
    for option in params["files"]:
        path = os.path.join(params["directory"] or "", option["path"])
        if not os.path.isabs(path):
            raise cannot("write", option["state"], path, "its path is not absolute", "Give an absolute path, or directory", code="bad_path")
        is_file = option["state"] == "file"
        shown = params["shown_options"] if option["shown_options"] is None else option["shown_options"]
        entry = Entry(
            # Whoever made a link of a file keeps it.
            path=os.path.realpath(path) if is_file or option["state"] == "directory" else os.path.normpath(path),
            state=option["state"],
            content=(option["content"] or "").encode("utf-8", "surrogateescape"),
            target=option["target"] or "",
            # One that would be removed at once is not made.
            backup=(params["backup"] if option["backup"] is None else option["backup"]) and params["keep_backups"] != 0,
            replace=option["replace"],
            shown_options=None if shown is None else tuple(shown),
        )
        given = {name: option[name] or params[name] for name in ("owner", "group")}
        found.append((entry, {**given, "mode": option["mode"] or (params["mode"] if is_file else None)}))
    return found
