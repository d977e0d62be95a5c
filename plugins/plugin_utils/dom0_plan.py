# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""What is to be done to a plugin of Dom0 and to its settings. Pure: no I/O."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..module_utils._core.errors import cannot
from .dom0_archive import MARKER

# Where the marker is looked for.
MARKED_LINES = 5


@dataclass(frozen=True)
class PluginPaths:
    """A file that is kept on the host, the record of its digest there, and where another file of its name is kept."""

    path: str
    record: str
    backups: str

    @property
    def directory(self) -> str:
        return posixpath.dirname(self.path)

    @property
    def name(self) -> str:
        return posixpath.basename(self.path)

    def backup(self, digest: str) -> str:
        """The same content is kept once."""
        return f"{self.backups}/{self.name}.{digest[:12]}"


def places(path: str, name: str) -> tuple[PluginPaths, PluginPaths]:
    """Of the plugin and of its settings. Backups and records are beside the directory, so that XAPI finds nothing of them in it."""
    records, backups = f"{path}.installed", f"{path}.backup"
    plugin = PluginPaths(f"{path}/{name}", f"{records}/{name}.plugin", backups)
    return plugin, PluginPaths(f"{posixpath.dirname(path)}/{name}.json", f"{records}/{name}.config", backups)


@dataclass(frozen=True)
class Seen:
    """What the host has there: nothing, a file, or something that is none."""

    kind: str = "missing"
    digest: str = ""
    mode: str = ""
    uid: int = -1
    gid: int = -1
    # What follows the marker.
    told: str = ""
    # The digest of what was installed last.
    recorded: str = ""

    def is_own(self, name: str) -> bool:
        if self.recorded:
            return self.recorded == self.digest
        return self.told.partition(" ")[0] == name


@dataclass(frozen=True)
class DesiredFile:
    digest: str
    mode: str
    uid: int
    gid: int
    version: str | None = None


@dataclass(frozen=True)
class PluginPlan:
    """``action`` is install, adjust, remove or nothing."""

    action: str = "nothing"
    backup_file: str | None = None
    before: Mapping[str, Any] = field(default_factory=dict)
    after: Mapping[str, Any] = field(default_factory=dict)

    @property
    def changed(self) -> bool:
        return self.action != "nothing"


def told(content: bytes) -> str:
    """What the marker in a plugin's first lines says: its name, and its version behind a space."""
    for line in content.split(b"\n", MARKED_LINES)[:MARKED_LINES]:
        text = line.decode("utf-8", "replace")
        if text.startswith(MARKER):
            return text[len(MARKER) :].strip()
    return ""


def version_of(told: str) -> str | None:
    found = re.fullmatch(r"\S+ ([0-9A-Za-z.+-]+)", told)
    return found[1] if found else None


def plan_present(place: PluginPaths, seen: Seen, wanted: DesiredFile, name: str, *, backup: bool) -> PluginPlan:
    """A file of others is moved to the backups before it is replaced."""
    _refuse_other(place, seen, "install")
    before, after = _shown(seen), _wanted(wanted)
    if seen.kind == "missing" or seen.digest != wanted.digest:
        kept = place.backup(seen.digest) if backup and seen.kind == "file" and not seen.is_own(name) else None
        return PluginPlan("install", kept, before, after)
    if (seen.mode, seen.uid, seen.gid) != (wanted.mode, wanted.uid, wanted.gid):
        return PluginPlan("adjust", None, before, after)
    return PluginPlan("nothing", None, before, before)


def plan_absent(place: PluginPaths, seen: Seen, name: str, *, backup: bool, force: bool) -> PluginPlan:
    """A file of others is removed only where that is requested."""
    _refuse_other(place, seen, "remove")
    if seen.kind == "missing":
        return PluginPlan()
    own = seen.is_own(name)
    if not own and not force:
        cause = "it was changed after this module had installed it" if seen.recorded else "this module did not install it"
        raise cannot("remove", "file", place.path, cause, "Set force: true to remove it all the same", code="unmanaged")
    return PluginPlan("remove", place.backup(seen.digest) if backup and not own else None, _shown(seen), {})


def plan_settings_absent(place: PluginPaths, seen: Seen, name: str, *, backup: bool) -> PluginPlan:
    """Settings go with their plugin if they were written by us; what others have changed in them since is kept."""
    return plan_absent(place, seen, name, backup=backup, force=True) if seen.recorded else PluginPlan()


def mode_of(listed: str) -> str:
    """The mode of a file in digits, out of what ls shows, for example -rwxr-xr-x."""
    special = {"s": 1, "t": 1, "S": 0, "T": 0}
    bits = ["1" if char not in "-ST" else "0" for char in listed[1:10]]
    first = sum(weight for char, weight in zip(listed[3:10:3], (4, 2, 1)) if char in special)
    return f"{first}{int(''.join(bits), 2):03o}"


def is_name(name: str) -> bool:
    """XAPI finds a plugin by the name of its file; a hidden one is an incomplete one of this collection."""
    return re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", name) is not None


def _refuse_other(place: PluginPaths, seen: Seen, verb: str) -> None:
    if seen.kind == "other":
        raise cannot(verb, "file", place.path, "what has this name is no regular file", "Look at it on the host, and remove it there", code="no_file")


def _shown(seen: Seen) -> dict[str, Any]:
    if seen.kind == "missing":
        return {}
    return _wanted(DesiredFile(seen.digest, seen.mode, seen.uid, seen.gid, version_of(seen.told)))


def _wanted(wanted: DesiredFile) -> dict[str, Any]:
    shown: dict[str, Any] = {"checksum": wanted.digest, "mode": wanted.mode, "uid": wanted.uid, "gid": wanted.gid}
    return {**shown, "version": wanted.version} if wanted.version else shown
