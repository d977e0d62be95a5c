# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""What one host has of a service that the role wsgi_service deploys: who may run it, by what, and what former runs left of it."""

from __future__ import annotations

import glob
import grp
import json
import os
import pwd
import subprocess
from collections.abc import Iterable
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from .accounts import gid_of, uid_of
from .errors import ImageServicesError, cannot
from .run_as import run_as
from .runner import Params, ReadJob

# sd_booted(3): systemd is process 1 exactly where this directory exists.
SYSTEMD_RUNS = "/run/systemd/system"
# Every distribution of the family of Debian has it.
DEBIAN = "/etc/debian_version"
RECORDS = ".installed-*"
EXTENSION = "extension.json"


class WsgiServiceInfoJob(ReadJob[dict[str, Any]]):
    """Everything that the roles decide by, read before they change anything."""

    def __init__(self, params: Params, check_mode: bool = False, systemd: bool | None = None) -> None:
        super().__init__(params)
        self._check_mode = check_mode
        self._systemd = os.path.isdir(SYSTEMD_RUNS) if systemd is None else systemd

    @classmethod
    def of(cls, module: AnsibleModule) -> WsgiServiceInfoJob:
        return cls(module.params, module.check_mode)

    def look(self) -> dict[str, Any]:
        options = self.params
        is_root = os.geteuid() == 0
        manager, user, home = options["manager"], options["user"], options["home"]
        if manager == "auto":
            manager = "systemd" if is_root and self._systemd else "supervisor"
        if manager == "systemd" and user.isdecimal() and not _is_known(int(user)):
            raise ImageServicesError(
                f"Cannot serve '{options['name']}' as user {user}: systemd starts services only as users that the host knows, "
                f"and there is none with this number. Create one, for example with ansible.builtin.user and uid {user}.",
                code="no_user",
            )
        if is_root and options["user_uid"] is not None and not user.isdecimal():
            _check_number(user, options["group"], options["user_uid"])
        command = run_as(user, options["group"]) if is_root else []
        # A user who is created later is looked at then.
        if not is_root:
            _check_directories(options["name"], options["directories"])
        if not is_root or _exists(user, options["group"]):
            _check_readable(options["name"], filter(None, (options["tls_certificate"], options["tls_key"])), user if is_root else "", command)
        current = os.path.join(home, "current")
        return {
            "is_root": is_root,
            "is_debian": os.path.exists(DEBIAN),
            "manager": manager,
            "run_as": command,
            "would_create": self._check_mode and not all(os.path.isdir(path) for path in options["directories"]),
            "active": os.path.basename(os.readlink(current)) if os.path.islink(current) else "",
            "installed": sorted(map(os.path.basename, glob.glob(os.path.join(glob.escape(home), "venvs", glob.escape(options["version"]), RECORDS)))),
            "existing": sorted(name for name, path in options["paths"].items() if os.path.exists(path)),
            "unmarked": _unmarked(options["marker"], options["config_dir"], options["marked_files"]),
            "derived": _derived(os.path.join(home, "extensions")),
        }

    def shown(self, seen: dict[str, Any]) -> dict[str, Any]:
        return seen


def _exists(user: str, group: str) -> bool:
    """Whether a program can run as them: a number needs no entry."""
    return (user.isdecimal() or uid_of(user) is not None) and (group.isdecimal() or gid_of(group) is not None)


def _check_number(user: str, group: str, uid: int) -> None:
    """Refuse a number that the user, or the group of the same name, cannot get; files that either has would be another's then."""
    present, cause = uid_of(user), ""
    if present is not None and present != uid:
        cause = f"this host has this user with number {present}"
    elif present is None and _is_known(uid):
        cause = f"the number is that of user '{pwd.getpwuid(uid).pw_name}'"
    elif group == user:
        # The number of a group with another name does not matter.
        gid = gid_of(group)
        if gid is None:
            cause = next((f"the number is that of group '{other.gr_name}'" for other in grp.getgrall() if other.gr_gid == uid), "")
        elif gid != uid:
            cause = f"this host has group '{group}' with number {gid}"
    if cause:
        advice = "Choose the number that is there, or free the name or number first: files of the old number have to be given to the new one"
        raise cannot("create", "user", f"{user} with number {uid}", cause, advice, code="number_taken")


def _check_directories(name: str, directories: Iterable[str]) -> None:
    """Refuse an ordinary user who cannot create what the service needs; directories that are there are looked at by the tasks that write to them."""
    for directory in directories:
        parent = os.path.abspath(directory)
        while not os.path.lexists(parent):
            parent = os.path.dirname(parent)
        if parent != os.path.abspath(directory) and not os.access(parent, os.W_OK | os.X_OK):
            cause = f"this user may not create '{directory}'"
            raise cannot("deploy", "service", name, cause, "Run the role with become: true, or set its directories to some of this user", code="no_rights")


def _check_readable(name: str, paths: Iterable[str], user: str, command: list[str]) -> None:
    for path in paths:
        # What is not there yet may be written by an earlier role.
        if os.path.exists(path) and subprocess.run([*command, "test", "-r", path], stdin=subprocess.DEVNULL, capture_output=True, check=False).returncode:
            cause = f"{f'user {user!r}' if user else 'this user'}, whom the service runs as, cannot read '{path}'"
            advice = "Give the file to a group of that user with mode 0640, and let the user pass the directories above it"
            raise cannot("serve", "service", f"{name} with TLS", cause, advice, code="unreadable_key")


def _is_known(uid: int) -> bool:
    try:
        pwd.getpwuid(uid)
    except KeyError:
        return False
    return True


def _unmarked(marker: str | None, directory: str | None, patterns: Iterable[str]) -> list[str]:
    """Files that do not hold the marker."""
    if not marker or not directory:
        return []
    found = []
    for path in sorted(path for pattern in patterns for path in glob.glob(os.path.join(glob.escape(directory), pattern)) if os.path.isfile(path)):
        with open(path, "rb") as stream:
            if marker.encode() not in stream.read():
                found.append(path)
    return found


def _derived(extensions: str) -> list[str]:
    """Paste files that packages of other roles derive, as the extension.json of each package says."""
    found = set()
    for path in glob.glob(os.path.join(glob.escape(extensions), "*", EXTENSION)):
        try:
            with open(path, "rb") as stream:
                declared = json.load(stream).get("paste_file")
        except (ValueError, AttributeError) as exc:
            raise cannot(
                "read", "file", path, "it is not a JSON object", "Install the package again with the role that it is of", code="bad_extension"
            ) from exc
        found.update([str(declared)] if declared else [])
    return sorted(found)
