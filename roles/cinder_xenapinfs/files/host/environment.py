# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tells as JSON which interpreter cinder-volume runs with, and what is installed for it. The argument is that interpreter, or empty to look for it."""

import glob
import json
import os
import re
import shutil
import subprocess
import sys

# As old as Cinder may be.
ASK = r"""
import json, sys
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
found = {"cinder": version("cinder"), "package": version("cinder-xenapinfs"), "xenapi": version("XenAPI")}
found["venv"] = sys.prefix != base or hasattr(sys, "real_prefix")
print(json.dumps(found))
"""


def running():
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


def of_program(path):
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


def main():
    python = sys.argv[1] if len(sys.argv) > 1 else ""
    program = None if python else shutil.which("cinder-volume")
    python = python or running() or (of_program(program) if program else None)
    found = {"python": python, "error": None}
    if python is None:
        found["error"] = "no cinder-volume runs on this host, and none is on its PATH"
    else:
        try:
            done = subprocess.run([python, "-c", ASK], cwd="/", capture_output=True, timeout=60, check=True)
            found.update(json.loads(done.stdout.decode()))
        except (OSError, ValueError, subprocess.SubprocessError) as exc:
            found["error"] = f"the interpreter '{python}' cannot be asked ({type(exc).__name__})"
        else:
            if not found["cinder"]:
                found["error"] = f"the interpreter '{python}' has no Cinder"
    print(json.dumps(found))


if __name__ == "__main__":
    main()
