# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""From a name, a number, a preset or the running service to a UID and a GID."""

from __future__ import annotations

import grp
import os
import pwd
import re
from collections.abc import Iterator
from pathlib import Path

from .plan import AUTO, PACKAGE, PACKAGE_USER, owner_preset, refuse

PROC = Path("/proc")
NUMBER = re.compile(r"[0-9]+")
PROGRAMS = frozenset({"glance-api", "glance-wsgi-api"})
# Servers that name their application, and what those call themselves that rewrite their command line.
SERVERS = re.compile(
    r"\bglance\.(?:wsgi\.api|common\.wsgi_app)\b|/glance-api-uwsgi\.ini$|^gunicorn: (?:master|worker) \[glance(?:-api)?\]"
    r"|^glance-(?:api-)?uWSGI |^\(wsgi:glance-api\)"
)
SERVICE_ENVIRONMENT = b"OS_GLANCE_CONFIG_DIR="


def resolve(path: str, owner: str | None, group: str | None) -> tuple[int | None, int | None]:
    """UID and GID; without a group the owner's own one."""
    uid, gid = _owner(path, owner)
    if group is not None:
        preset = owner_preset(group)
        gid = preset[1] if preset else _gid(path, group)
    return uid, gid


def _owner(path: str, owner: str | None) -> tuple[int | None, int | None]:
    if owner is None:
        return None, None
    preset = owner_preset(owner)
    if preset:
        return preset
    if owner == AUTO:
        return service_owner(path)
    if NUMBER.fullmatch(owner):
        uid = _number(path, owner)
        try:
            return uid, pwd.getpwuid(uid).pw_gid
        except KeyError:
            return uid, uid
    name = PACKAGE_USER if owner == PACKAGE else owner
    try:
        entry = pwd.getpwnam(name)
    except KeyError as exc:
        raise refuse(path, f"this host has no user '{name}'", "Create the user, or give its number", "no_owner") from exc
    return entry.pw_uid, entry.pw_gid


def _gid(path: str, group: str) -> int:
    if NUMBER.fullmatch(group):
        return _number(path, group)
    try:
        return grp.getgrnam(group).gr_gid
    except KeyError as exc:
        raise refuse(path, f"this host has no group '{group}'", "Create the group, or give its number", "no_owner") from exc


def _number(path: str, text: str) -> int:
    # The highest number means «leave it» to chown.
    if int(text) >= 2**32 - 1:
        raise refuse(path, f"{text} is no number of a user or group", "Give a smaller one", "no_owner")
    return int(text)


def service_owner(path: str) -> tuple[int, int]:
    """Who the running Glance API works as. A process that root runs only starts the others."""
    owners = set(_service_processes())
    workers = {owner for owner in owners if owner[0] != 0} or owners
    if not workers:
        raise refuse(path, "no Glance API runs on this host, so its user is unknown", "Start Glance, or give the owner as a name, number or preset", "no_owner")
    if len(workers) > 1:
        found = ", ".join(f"{uid}:{gid}" for uid, gid in sorted(workers))
        raise refuse(path, f"Glance APIs of several users run on this host ({found})", "Give the owner as a name or number", "no_owner")
    return workers.pop()


def _service_processes() -> Iterator[tuple[int, int]]:
    for process in PROC.glob("[0-9]*"):
        try:
            if serves_glance(process):
                status = (process / "status").read_text()
                yield _effective(status, "Uid"), _effective(status, "Gid")
        except OSError:
            # Ended meanwhile, or another user's, whose environment is private.
            continue


def serves_glance(process: Path) -> bool:
    arguments = (process / "cmdline").read_bytes().decode(errors="replace").split("\0")
    # The second argument of an interpreter is the script.
    if PROGRAMS & {os.path.basename(argument) for argument in arguments[:2]} or any(map(SERVERS.search, arguments)):
        return True
    return any(entry.startswith(SERVICE_ENVIRONMENT) for entry in (process / "environ").read_bytes().split(b"\0"))


def _effective(status: str, field: str) -> int:
    match = re.search(rf"^{field}:\s+\d+\s+(\d+)", status, re.MULTILINE)
    if match is None:
        raise OSError(f"no {field} in the process status")
    return int(match.group(1))


def names(uid: int | None, gid: int | None) -> dict[str, str | None]:
    """Names of a UID and a GID as far as this host knows them."""
    owner = group = None
    if uid is not None:
        try:
            owner = pwd.getpwuid(uid).pw_name
        except KeyError:
            owner = str(uid)
    if gid is not None:
        try:
            group = grp.getgrgid(gid).gr_name
        except KeyError:
            group = str(gid)
    return {"owner": owner, "group": group}


def supplementary_groups(uid: int, gid: int) -> list[int]:
    """Groups that a service of this user has; a bare number has none but its own."""
    try:
        return os.getgrouplist(pwd.getpwuid(uid).pw_name, gid)
    except KeyError:
        return [gid]
