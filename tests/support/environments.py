# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The virtual environments of Keystone and Glance: the role builds each of them once, and every further cloud gets it by hard links.

The role finds its own record of a finished build in there and skips the build. `test_upgrade.py` and the demo deploy without this module, so that the
whole role is tested as well.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from ansible_collections.xenstack.image_services.tests.support.deployment import LOCAL, ROOT, Run, run_plays, service_variables

OWN_UV = ROOT / ".venv-uv" / "bin" / "uv"
UV = str(OWN_UV) if OWN_UV.exists() else shutil.which("uv") or ""
SHARED = ROOT / ".build" / "services"
ROLES = ROOT / "roles"
SERVICES = ("keystone", "glance")
LOCK_FILE = re.compile(r"requirements-([0-9.]+)\.txt")
BUILDS = "wsgi_service : Build | Create the virtual environment]"


class Environment:
    """What one service runs in, as the defaults and the lock file of its role have it."""

    def __init__(self, role: str, shared: Path = SHARED, **variables: Any) -> None:
        """``variables`` are those of the role that decide on packages, where they are not its defaults."""
        self.role = role
        self._more = variables
        [(self.version, self._lock)] = [(name[1], path) for path in (ROLES / role / "files").iterdir() if (name := LOCK_FILE.fullmatch(path.name))]
        self._variables = [ROLES / role / "defaults" / "main.yml", ROLES / role / "vars" / "main" / "install.yml"]
        self.base = shared / f"{role}-{self.version}-{self._fingerprint()}"
        self.venv = self.base / "wsgi_service" / "venvs" / self.version

    def _fingerprint(self) -> str:
        """Of everything that the build depends on: where one of it changes, the role builds from nothing."""
        build = [path for place in ("defaults", "files", "tasks", "vars") for path in sorted((ROLES / "wsgi_service" / place).iterdir())]
        found = hashlib.sha256(os.path.realpath("/usr/bin/python3").encode() + repr(self._more).encode())
        for path in [self._lock, *self._variables, *build]:
            found.update(hashlib.sha256(path.read_bytes()).digest())
        return found.hexdigest()[:16]

    def is_built(self) -> bool:
        return bool(_records(self.venv))

    def play(self) -> dict[str, Any]:
        """The role's build."""
        return installing_play(
            self.base,
            self._variables,
            wsgi_service_name=self.role,
            wsgi_service_version=self.version,
            wsgi_service_packages=f"{{{{ __{self.role}_packages }}}}",
            wsgi_service_application="none:none",
            wsgi_service_python=f"{{{{ {self.role}_python }}}}",
            wsgi_service_lock_file=str(self._lock),
            **self._more,
        )

    def hand_on(self, cloud: Path) -> None:
        """Put it where the role installs for a cloud below this directory; whole or not at all, and never over another one."""
        target = cloud / self.role / "venvs" / self.version
        if _records(target) == _records(self.venv):
            return
        self.check()
        partial = target.with_name(f".{target.name}.partial")
        for rest in (partial, target):
            shutil.rmtree(rest, ignore_errors=True)
        partial.mkdir(parents=True)
        for path in self.venv.iterdir():
            if path.is_dir() and not path.is_symlink():
                # Scripts name their interpreter by its path.
                shutil.copytree(path, partial / path.name, symlinks=True, copy_function=shutil.copy2 if path.name == "bin" else os.link)
            else:
                shutil.copy2(path, partial, follow_symlinks=False)
        for script in (partial / "bin").iterdir():
            if not script.is_symlink() and bytes(self.venv) in (content := script.read_bytes()):
                script.write_bytes(content.replace(bytes(self.venv), bytes(target)))
        partial.rename(target)

    def check(self) -> None:
        """Clouds share files with each other and with uv's cache: nobody may have written to one since the build."""
        [record] = _records(self.venv)
        built = (self.venv / record).stat().st_mtime_ns
        written = [name for name in _files(self.venv) if name.lstat().st_mtime_ns > built]
        assert not written, f"Cannot share '{self.venv}': {written[0]} was written after the build. Find out by what, and remove {self.base}."


def installing_play(base: Path, vars_files: Iterable[Path] = (), **given: Any) -> dict[str, Any]:
    """A play of the role wsgi_service up to the finished environment, below one directory."""
    variables = {
        **service_variables("wsgi_service", base),
        "wsgi_service_listen_port": 1,
        "wsgi_service_manager": "supervisor",
        "wsgi_service_uv": UV,
        **given,
    }
    role = "xenstack.image_services.wsgi_service"
    return {
        "hosts": "localhost",
        "gather_facts": False,
        "vars": LOCAL,
        "vars_files": [str(path) for path in vars_files],
        "tasks": [{"ansible.builtin.include_role": {"name": role, "tasks_from": entry}, "vars": variables} for entry in ("inspect", "prepare", "install")],
    }


def provide(cloud: Path, roles: Sequence[str] = SERVICES, shared: Path = SHARED, **variables: Any) -> None:
    """Hand the services' environments on to a cloud below this directory, after their build where this is the first of a run."""
    environments = [Environment(role, shared, **variables) for role in roles]
    shared.mkdir(parents=True, exist_ok=True)
    with (shared / ".lock").open("w") as lock:
        # Who comes second waits, and finds them.
        fcntl.flock(lock, fcntl.LOCK_EX)
        missing = [environment for environment in environments if not environment.is_built()]
        for environment in missing:
            for former in shared.glob(f"{environment.role}-*"):
                shutil.rmtree(former)
            environment.base.mkdir()
        if missing:
            run_plays([environment.play() for environment in missing]).succeeded()
        for environment in environments:
            environment.hand_on(cloud)


def built_nothing(run: Run) -> Run:
    """The role has found what was handed on to be what it would have built."""
    assert BUILDS not in run.output, "the role has built an environment that was handed on to it"
    return run


def _records(venv: Path) -> list[str]:
    """The role's records of finished builds, which it writes last."""
    return sorted(path.name for path in venv.glob(".installed-*"))


def _files(venv: Path) -> list[Path]:
    return [Path(root, name) for top in ("lib", "etc", "include", "share") for root, _directories, names in os.walk(venv / top) for name in names]
