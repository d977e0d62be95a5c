# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which files and addresses a program and all of its children open, as the kernel is asked for them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

CALLS = "trace=open,openat,openat2,creat,connect,link,linkat,symlink,symlinkat,rename,renameat,renameat2,unlink,unlinkat,truncate"
_PATH = re.compile(r'"((?:[^"\\]|\\.)*)"')


def opened(command: Sequence[str], *, python: bool = True, variables: Mapping[str, str] | None = None, output: bool = False) -> list[str]:
    """Paths that were opened or changed, and addresses that were asked, whether that succeeded or not."""
    program = shutil.which("strace")
    assert program, "strace is missing: install the package strace"
    with tempfile.TemporaryDirectory() as directory:
        log = Path(directory) / "log"
        full = [program, "-f", "-qq", "-s", "4096", "-e", CALLS, "-o", str(log), *([sys.executable] if python else []), *command]
        done = subprocess.run(full, env={**os.environ, **(variables or {})}, capture_output=not output, text=True, timeout=300, check=False)
        text = log.read_text(errors="replace")
    assert text, f"nothing was traced: {done.stderr}"
    return found_in(text)


def found_in(log: str) -> list[str]:
    """What a log of strace tells: paths, and addresses as `connect …`."""
    found = []
    for line in log.splitlines():
        call = line.partition(" ")[2].strip()
        if call.startswith("connect("):
            found.append("connect " + call)
        elif "resumed>" not in call:
            found += _PATH.findall(call)
    return found
