# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""The host that a plugin goes to: what is asked of it, and what its refusals mean."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleConnectionFailure

from ..module_utils._core.errors import ImageServicesError, cannot
from . import dom0_scripts as scripts
from .dom0_archive import INTERPRETERS, MARKER
from .dom0_call import read_version, refused, version_call
from .dom0_plan import MARKED_LINES, DesiredFile, PluginPaths, PluginPlan, Seen, mode_of

# Runs a command with this standard input; rc, stdout and stderr are answered.
Execute = Callable[[str, "bytes | None"], "dict[str, Any]"]
AGAIN = "Run the task again"


class Dom0Host:
    """One plugin on one host. ``name`` is for sentences."""

    def __init__(self, execute: Execute, name: str, plugin: PluginPaths, config: PluginPaths) -> None:
        self._execute = execute
        self._name = name
        self._plugin, self._config = plugin, config
        self._verb = "install"
        self._tool = self._user = ""
        self._uid = -1
        self._writable = False

    def look(self, verb: str) -> tuple[Seen, Seen] | None:
        """The plugin and its settings, or None without a directory to hold them."""
        self._verb = verb
        done = self._execute(
            scripts.command(
                "look",
                {
                    "directory": self._plugin.directory,
                    "plugin": self._plugin.path,
                    "plugin_record": self._plugin.record,
                    "config": self._config.path,
                    "config_record": self._config.record,
                    "marker": MARKER,
                    "lines": str(MARKED_LINES),
                },
            ),
            None,
        )
        if done["rc"] != 0:
            raise self._cannot(f"the host runs no commands for this task ({_last(done)})", "See that its shell, and become where that is set, work")
        facts = scripts.facts(done["stdout"])
        if facts.get("directory") != "yes":
            return None
        self._tool, self._user, self._uid = facts["tool"], facts["user"] or facts["uid"], int(facts["uid"])
        self._writable = facts.get("writable") == "yes"
        if not self._tool:
            raise self._cannot("the host has none of sha256sum, openssl and md5sum to compare files by", "Install one of them there", code="no_digest")
        return self._seen("plugin", facts), self._seen("config", facts)

    def no_directory(self) -> ImageServicesError:
        cause = f"the host has no directory {self._plugin.directory} (is this a Dom0?)"
        return self._cannot(cause, "Run the task on the hosts of a Xen pool, or give the path of their plugins", code="no_directory")

    @property
    def warning(self) -> str | None:
        if self._tool != "md5sum":
            return None
        return f"Files are compared by md5: the host of the plugin '{self._name}' has neither sha256sum nor openssl."

    def digest(self, content: bytes) -> str:
        """In the terms of the host."""
        return (hashlib.md5(content, usedforsecurity=False) if self._tool == "md5sum" else hashlib.sha256(content)).hexdigest()

    def check_rights(self, uid: int) -> None:
        """Before the first change, and in check mode as well."""
        if not self._writable and self._uid != 0:
            raise self._not_allowed(f"write to {self._plugin.directory}")
        if self._uid not in (0, uid):
            raise self._not_allowed(f"give files to the user with the number {uid}")

    def apply(self, place: PluginPaths, plan: PluginPlan, seen: Seen, wanted: DesiredFile | None, content: bytes, verify: bool) -> str:
        """Carry out the plan of one file; what the plugin answered is returned where it was to be tried, which it is before it replaces anything."""
        if plan.action == "nothing" and not verify:
            return ""
        owner = {"owner": f"{wanted.uid}:{wanted.gid}", "mode": wanted.mode, "wanted": wanted.digest} if wanted else {}
        variables = {
            "tool": self._tool,
            "path": place.path,
            "record": place.record,
            "seen": seen.digest,
            "backup": plan.backup_file or "",
            "call": version_call() if verify else "",
            "interpreters": " ".join(INTERPRETERS),
            **owner,
        }
        script = "try" if plan.action == "nothing" else plan.action
        try:
            done = self._execute(scripts.command(script, variables), content if script == "install" else None)
        except AnsibleConnectionFailure as exc:
            cause = f"the connection was lost ({' '.join(str(exc).split())})"
            advice = f"{AGAIN}: {place.path} is unchanged or complete"
            # Not chained: Ansible would put the cause behind the sentence again.
            raise AnsibleConnectionFailure(str(self._cannot(cause, advice))) from None
        if done["rc"] != 0:
            raise self._failure(place, plan, done)
        return str(done["stdout"])

    def _failure(self, place: PluginPaths, plan: PluginPlan, done: dict[str, Any]) -> ImageServicesError:
        code, said = done["rc"], done["stderr"]
        if code == scripts.NOT_RUN:
            return self._not_run(done["stdout"], said)
        if code == scripts.NOT_WHOLE:
            return self._cannot("the file arrived incomplete", AGAIN, code="incomplete")
        if code == scripts.CHANGED_MEANWHILE:
            return self._cannot(f"another process changed {place.path} meanwhile", AGAIN, code="changed_meanwhile")
        doing = {
            scripts.NO_OWNER: f"set owner and mode of {place.path}",
            scripts.NO_BACKUP: f"keep the other file as {plan.backup_file}",
            scripts.NO_RECORD: f"note its digest in {place.record}",
            scripts.NOT_MOVED: f"put the new file in the place of {place.path}",
            scripts.NOT_REMOVED: f"remove {place.path}",
        }.get(code, f"write to {place.directory}")
        if "No space left" in said:
            return self._cannot(f"the host could not {doing}, since no space is left there", "Make room on the host", code="no_space")
        if "Read-only file system" in said:
            return self._cannot(f"the host could not {doing}, since that file system is read-only", "Mount it for writing on the host", code="read_only")
        if "Permission denied" in said or "not permitted" in said:
            return self._not_allowed(doing)
        return self._cannot(f"the host could not {doing} ({_last(done)})", "Look at it on the host", code="failed")

    def _not_run(self, answer: str, said: str) -> ImageServicesError:
        lines = said.splitlines()
        code = next((line for line in lines if line.startswith("ended with code ")), "ended")
        if code.endswith(" 0"):
            try:
                read_version(self._name, answer)
            except ImageServicesError as exc:
                return exc
        if not any(line.startswith("found ") for line in lines):
            cause = f"it does not run there, since the host has none of {', '.join(INTERPRETERS)}"
            return cannot("verify", "plugin", self._name, cause, "Install a Python on the host", code="no_python")
        heard = [line.strip() for line in lines if line.strip() and not line.startswith(("found ", "ended with code "))]
        return refused(self._name, f"it {code}{': ' + heard[-1] if heard else ''}")

    def _not_allowed(self, doing: str) -> ImageServicesError:
        return self._cannot(f"the user '{self._user}' may not {doing}", "Connect as root, or set become: true", code="not_allowed")

    def _cannot(self, cause: str, advice: str, *, code: str = "failed") -> ImageServicesError:
        return cannot(self._verb, "plugin", self._name, cause, advice, code=code)

    def _seen(self, which: str, facts: dict[str, str]) -> Seen:
        kind = facts.get(f"{which}.kind", "missing")
        if kind != "file":
            return Seen(kind, recorded=facts.get(f"{which}.recorded", ""))
        listed, dummy, uid, gid = facts[f"{which}.ls"].split()[:4]
        digest, told, recorded = (facts.get(f"{which}.{fact}", "") for fact in ("digest", "told", "recorded"))
        return Seen(kind, digest, mode_of(listed), int(uid), int(gid), told.strip(), recorded)


def _last(done: dict[str, Any]) -> str:
    lines = [line.strip() for line in (done["stderr"] or done["stdout"]).splitlines() if line.strip()]
    return lines[-1].rstrip(".") if lines else f"code {done['rc']}"
