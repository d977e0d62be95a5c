# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""Which interpreter cinder-volume runs with, and what a host has of Cinder and of the driver; changes nothing."""

from __future__ import annotations

import glob
import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from typing import Any

from .._core.config_reader import read, texts
from .._core.python_package import PackagePath, PythonPackage, program_fault
from .._core.runner import ReadJob
from .backend_plan import BackendReading, plan_backend

NAME, DISTRIBUTION, PTH = "cinder_xenapinfs", "cinder-xenapinfs", "cinder_xenapinfs.pth"
# As old as Cinder may be.
ASK = r"""
import json, site, sys
def version(name):
    try:
        from importlib.metadata import PackageNotFoundError, version as ask
    except ImportError:
        try:
            import pkg_resources
            return pkg_resources.get_distribution(name).version
        except Exception:
            return None
    try:
        return ask(name)
    except PackageNotFoundError:
        return None
base = getattr(sys, "base_prefix", sys.prefix)
found = {"cinder": version("cinder"), "package": version("cinder-xenapinfs")}
found["venv"] = sys.prefix != base or hasattr(sys, "real_prefix")
found["packages"] = site.getsitepackages()[0] if hasattr(site, "getsitepackages") else ""
print(json.dumps(found))
"""


class BackendPlanJob(ReadJob["tuple[BackendReading, str]"]):
    """The work of the module cinder_backend_plan."""

    def look(self) -> tuple[BackendReading, str]:
        return read_host(self.params)

    def shown(self, seen: tuple[BackendReading, str]) -> dict[str, Any]:
        reading, digest = seen
        return plan_backend(self.params, reading, digest)


def read_host(options: Mapping[str, Any]) -> tuple[BackendReading, str]:
    """What is read, and the digest of the package's files."""
    found = environment(options["python"] or "")
    packages = found.get("packages") or ""
    pth = os.path.join(packages, PTH) if packages else ""
    path = PackagePath(os.path.join(options["home"], "packages"), NAME, pth)
    package = PythonPackage(path, options["files"], distribution=DISTRIBUTION)
    here = texts(read([options["config_file"], options["record"], options["hypervisor_uuid"]]))
    vm = here.get(options["hypervisor_uuid"])
    reading = BackendReading(
        config=here.get(options["config_file"]),
        record=here.get(options["record"]),
        python=found["python"] or "",
        error=found["error"],
        cinder=found.get("cinder"),
        pth=pth,
        package_changes=not package.is_installed(),
        package_exists=path.exists(),
        vm=vm.strip() if vm else None,
        is_root=os.geteuid() == 0,
    )
    return reading, package.digest


def environment(given: str) -> dict[str, Any]:
    """The interpreter of cinder-volume and what is installed for it. ``given`` is that interpreter, or empty to look for it."""
    program = None if given else shutil.which("cinder-volume")
    python = given or running() or (of_program(program) if program else None)
    found: dict[str, Any] = {"python": python, "error": None}
    if python is None:
        found["error"] = "no cinder-volume runs on this host, and none is on its PATH"
        return found
    try:
        done = subprocess.run([python, "-c", ASK], cwd="/", capture_output=True, timeout=60, check=True)
        found.update(json.loads(done.stdout.decode()))
    except (OSError, ValueError, subprocess.SubprocessError) as exc:
        found["error"] = f"the interpreter '{python}' cannot be asked ({program_fault(exc)})"
    else:
        if not found["cinder"]:
            found["error"] = f"the interpreter '{python}' has no Cinder"
    return found


def running() -> str | None:
    """The interpreter in the command line of a running cinder-volume: the link /proc/PID/exe would lead out of a virtual environment."""
    for path in glob.glob("/proc/[0-9]*/cmdline"):
        try:
            with open(path, "rb") as stream:
                words = stream.read().decode("utf-8", "replace").split("\0")
        except OSError:
            continue
        if len(words) > 1 and os.path.basename(words[1]) == "cinder-volume" and os.path.isabs(words[0]):
            return words[0]
    return None


def of_program(path: str) -> str | None:
    """What the first lines of a script say of its interpreter; those of uv and pip look beside themselves."""
    try:
        with open(path, "rb") as stream:
            head = stream.read(4096).decode("utf-8", "replace")
    except OSError:
        return None
    first = head.splitlines()[0] if head else ""
    if first.startswith("#!") and "python" in first:
        words = first[2:].split()
        return shutil.which(words[1]) if words[0].endswith("/env") and len(words) > 1 else words[0]
    beside = re.search(r"exec'.*/'(python[0-9.]*)'", head)
    if beside:
        return os.path.join(os.path.dirname(os.path.realpath(path)), beside.group(1))
    absolute = re.search(r"exec' \"?(/[^\"\s]*python[0-9.]*)", head)
    return absolute.group(1) if absolute else None
