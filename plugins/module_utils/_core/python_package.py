# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""A Python package in a directory of its own, which an interpreter finds by a .pth file, so that it outlives the environment of that interpreter."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from .errors import ImageServicesError, cannot
from .runner import Job, Params

STATES = ("present", "absent", "restored")
METADATA = "Metadata-Version: 2.1\nName: {name}\nVersion: {version}+x{digest}\nLicense: GPL-3.0-or-later\n"
VERSION = re.compile(r"^__version__ = [\"']([^\"']+)", re.MULTILINE)
SITE_PACKAGES = "import site; print(site.getsitepackages()[0])"


def digest_of(files: Mapping[str, str]) -> str:
    return hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class PackagePath:
    """Where a package belongs."""

    # The directory that the interpreter searches; other packages may be in it as well.
    directory: str
    # Empty where the directory alone is meant, whatever packages it has.
    name: str
    # The file that names the directory to the interpreter. Empty where there is no interpreter yet, None where no interpreter is told.
    pth: str | None
    # A container mounts the file, and does not start without it: it stays when the package is removed.
    keeps_pth: bool = False

    @property
    def package(self) -> str:
        return os.path.join(self.directory, self.name) if self.name else self.directory

    @property
    def previous(self) -> str:
        return os.path.join(self.directory, f".previous-{self.name}")

    @property
    def incomplete(self) -> str:
        return os.path.join(self.directory, f".new-{self.name}")

    @property
    def line(self) -> str:
        return self.directory + "\n"

    def is_named(self) -> bool:
        """Whether an interpreter is told of the directory."""
        return self.pth is not None and _text(self.pth) == self.line

    def is_found(self) -> bool:
        return self.pth is None or self.is_named()

    def exists(self) -> bool:
        return os.path.isdir(self.package) or (self.is_named() and not self.keeps_pth)


def program_fault(exc: BaseException) -> str:
    """What became of a program that was started and gave no answer of use."""
    if isinstance(exc, subprocess.TimeoutExpired):
        return f"it does not answer within {exc.timeout:.3g} s"
    if isinstance(exc, subprocess.CalledProcessError):
        return f"it was ended by signal {-exc.returncode}" if exc.returncode < 0 else f"it ends with exit code {exc.returncode}"
    if isinstance(exc, OSError):
        return (exc.strerror or "it cannot be started").lower()
    return "its answer cannot be read"


def site_packages(python: str) -> str:
    """The directory in which the interpreter looks for .pth files."""
    try:
        done = subprocess.run([python, "-c", SITE_PACKAGES], cwd="/", capture_output=True, timeout=60, check=True)
    except (OSError, subprocess.SubprocessError) as exc:
        raise _cannot("use", "interpreter", python, f"it does not run ({program_fault(exc)})", "Give the path of a Python interpreter") from exc
    return done.stdout.decode().strip()


def content(directory: str) -> dict[str, str]:
    """Text of every file, by its path, without what interpreters have compiled."""
    found: dict[str, str] = {}
    for base, directories, names in os.walk(directory):
        directories[:] = [name for name in directories if name != "__pycache__"]
        for name in names:
            if not name.endswith(".pyc"):
                path = os.path.join(base, name)
                with open(path, encoding="utf-8", errors="surrogateescape") as stream:
                    found[os.path.relpath(path, directory)] = stream.read()
    return found


class PythonPackage:
    """``distribution`` is the name under which tools list the package; without it they do not list it."""

    def __init__(self, path: PackagePath, files: Mapping[str, str], python: str = "", distribution: str = "") -> None:
        self.path = path
        self.files = files
        self.python = python or sys.executable
        self.distribution = distribution
        self.metadata = os.path.join(path.directory, distribution.replace("-", "_") + ".dist-info", "METADATA") if distribution else ""

    @property
    def digest(self) -> str:
        return digest_of(self.files)

    def is_installed(self) -> bool:
        """Whether exactly these files are where the interpreter finds them."""
        if not self.path.name:
            return self.path.is_found()
        is_listed = not self.distribution or _text(self.metadata) == self._metadata(self.files)
        return os.path.isdir(self.path.package) and content(self.path.package) == self.files and self.path.is_found() and is_listed

    def install(self, keep_previous: bool, check_mode: bool) -> bool:
        """The files that were installed first since the last call without ``keep_previous`` are those that ``restore`` brings back."""
        stale = not keep_previous and os.path.isdir(self.path.previous)
        differs = not self.is_installed()
        if check_mode:
            return differs or stale
        if differs:
            self._exchange()
        if stale or not keep_previous:
            shutil.rmtree(self.path.previous, ignore_errors=True)
        return differs or stale

    def restore(self, check_mode: bool) -> bool:
        """Bring back the previous package; a package without one is removed."""
        if not os.path.isdir(self.path.previous):
            return self.remove(check_mode)
        if not check_mode:
            shutil.rmtree(self.path.package, ignore_errors=True)
            os.rename(self.path.previous, self.path.package)
            self._describe()
        return True

    def remove(self, check_mode: bool) -> bool:
        """The .pth file stays while the directory has other packages."""
        path = self.path
        directories = [each for each in (path.package, path.previous, path.incomplete, os.path.dirname(self.metadata)) if os.path.isdir(each)]
        others = set(_entries(path.directory)) - {os.path.basename(each) for each in directories}
        ends = not path.keeps_pth and not others
        if not check_mode:
            for each in directories:
                shutil.rmtree(each)
        changed = bool(directories)
        if ends and os.path.isdir(path.directory):
            changed = True
            if not check_mode:
                os.rmdir(path.directory)
        if ends and path.pth is not None and path.is_named():
            changed = True
            if not check_mode:
                os.remove(path.pth)
        return changed

    def _exchange(self) -> None:
        path = self.path
        former_mask = os.umask(0o022)
        try:
            os.makedirs(path.directory, mode=0o755, exist_ok=True)
            if path.name:
                self._exchange_files()
            if path.pth is not None and not path.is_named():
                os.makedirs(os.path.dirname(path.pth), mode=0o755, exist_ok=True)
                _write(path.pth, path.line)
        except OSError as exc:
            advice = "Check the file system, and that the task's user may write there"
            raise _cannot("install", "package", path.name or path.directory, f"{(exc.strerror or str(exc)).lower()} ({exc.filename})", advice) from exc
        finally:
            os.umask(former_mask)

    def _exchange_files(self) -> None:
        """Complete beside its place first: an interpreter that starts meanwhile finds the former package or the new one."""
        path = self.path
        shutil.rmtree(path.incomplete, ignore_errors=True)
        self._write_files(path.incomplete)
        if os.path.isdir(path.previous):
            # The previous package is the last that was verified, whatever came after it.
            shutil.rmtree(path.package, ignore_errors=True)
        elif os.path.isdir(path.package):
            os.rename(path.package, path.previous)
        os.rename(path.incomplete, path.package)
        self._describe()

    def _write_files(self, directory: str) -> None:
        os.makedirs(directory, mode=0o755)
        for name, text in self.files.items():
            path = os.path.join(directory, name)
            os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
            _write(path, text)
        # By the interpreter that will import it. An interpreter that cannot compile it reports that when it imports it.
        subprocess.run([self.python, "-m", "compileall", "-q", directory], cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)

    def _metadata(self, files: Mapping[str, str]) -> str:
        version = VERSION.search(files.get("__init__.py", ""))
        return METADATA.format(name=self.distribution, version=version[1] if version else "0", digest=digest_of(files)[:12])

    def _describe(self) -> None:
        if self.distribution:
            os.makedirs(os.path.dirname(self.metadata), mode=0o755, exist_ok=True)
            _write(self.metadata, self._metadata(content(self.path.package)))


def package_of(params: Mapping[str, Any], check_mode: bool) -> PythonPackage:
    """The package that the module's options declare."""
    pth = params["pth"]
    if params["python"]:
        try:
            pth = os.path.join(site_packages(params["python"]), params["pth_name"])
        except ImageServicesError:
            # In check mode, what creates the environment has only said what it would do.
            if not check_mode:
                raise
            pth = ""
    path = PackagePath(os.path.normpath(params["path"]), params["name"] or "", pth, keeps_pth=bool(params["pth"]))
    return PythonPackage(path, params["files"] or {}, params["python"] or "", params["distribution"] or "")


@dataclass(frozen=True)
class PackagePlan:
    """Whether the package changes."""

    changed: bool


class PackageJob(Job[PythonPackage, PackagePlan, None]):
    """The work of the module python_package."""

    def __init__(self, params: Params, check_mode: bool = False) -> None:
        super().__init__(params)
        self._check_mode = check_mode

    @classmethod
    def of(cls, module: AnsibleModule) -> PackageJob:
        return cls(module.params, module.check_mode)

    def look(self) -> PythonPackage:
        return package_of(self.params, self._check_mode)

    def plan(self, seen: PythonPackage) -> PackagePlan:
        return PackagePlan(self._do(seen, check_mode=True))

    def apply(self, seen: PythonPackage, plan: PackagePlan) -> None:
        self._do(seen, check_mode=False)

    def result(self, seen: PythonPackage, plan: PackagePlan, done: None) -> dict[str, Any]:
        return {
            "changed": plan.changed,
            "installed": seen.is_installed(),
            "exists": seen.path.exists(),
            "path": seen.path.package,
            "pth": seen.path.pth,
            "digest": seen.digest,
        }

    def _do(self, package: PythonPackage, check_mode: bool) -> bool:
        if self.params["state"] == "present":
            return package.install(self.params["keep_previous"], check_mode)
        return package.restore(check_mode) if self.params["state"] == "restored" else package.remove(check_mode)


def _entries(directory: str) -> list[str]:
    return os.listdir(directory) if os.path.isdir(directory) else []


def _text(path: str) -> str | None:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as stream:
            return stream.read()
    except OSError:
        return None


def _write(path: str, text: str) -> None:
    """All of the file or nothing."""
    with open(path + ".new", "w", encoding="utf-8", errors="surrogateescape") as stream:
        stream.write(text)
    os.chmod(path + ".new", 0o644)
    os.replace(path + ".new", path)


def _cannot(verb: str, kind: str, name: str, cause: str, advice: str) -> ImageServicesError:
    return cannot(verb, kind, name, cause, advice, code="bad_package")
