# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Modules and commands as processes of their own, with what they took."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.xenstack.image_services.tests.benchmarks.peers import peer_path
from ansible_collections.xenstack.image_services.tests.support.deployment import ROOT

OURS = "ansible_collections.xenstack.image_services.plugins.modules"
PEER = "ansible_collections.openstack.cloud.plugins.modules"
BUILTIN = "ansible.modules"
POLL = 0.01


@dataclass(frozen=True)
class Finished:
    seconds: float
    peak_kib: int
    output: str
    # Bytes that the process itself has sent to disks, as the kernel counts them.
    written: int = 0


def run_module(name: str, options: Mapping[str, Any], *, changed: bool | None = None) -> Finished:
    """Run a module by its full Python name, as a target host does; a failure or an unexpected ``changed`` ends the benchmark."""
    variables = {"PYTHONPATH": str(peer_path() if name.startswith(PEER) else ROOT / ".build")}
    finished = run_command([sys.executable, "-W", "ignore", "-m", name], standard_input=json.dumps({"ANSIBLE_MODULE_ARGS": dict(options)}), variables=variables)
    answer = json.loads(next(line for line in finished.output.splitlines() if line.startswith("{")))
    if answer.get("failed") or (changed is not None and bool(answer.get("changed")) != changed):
        raise RuntimeError(f"{name}: {answer.get('msg') or answer}")
    return finished


def run_command(command: Sequence[str], *, standard_input: str = "", variables: Mapping[str, str] | None = None) -> Finished:
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("ANSIBLE_", "OS_", "PYTHON"))}
    started = time.monotonic()
    # An answer may be larger than a pipe holds, and nobody reads it before the end.
    with tempfile.TemporaryFile("w+") as answer:
        process = subprocess.Popen(
            command, cwd=ROOT, env={**kept, **(variables or {})}, stdin=subprocess.PIPE, stdout=answer, stderr=subprocess.STDOUT, text=True
        )
        assert process.stdin is not None
        process.stdin.write(standard_input)
        process.stdin.close()
        peak = written = 0
        while process.poll() is None:
            peak = max(peak, peak_kib(process.pid))
            written = max(written, _written(process.pid))
            time.sleep(POLL)
        seconds = time.monotonic() - started
        answer.seek(0)
        output = answer.read()
    if process.returncode != 0:
        raise RuntimeError(f"{command[0]} ended with {process.returncode}: {output}")
    return Finished(seconds, peak, output, written)


def peak_kib(pid: int) -> int:
    """The process's own high-water mark; getrusage() would count what the parent had at the fork."""
    try:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1])
    except (FileNotFoundError, ProcessLookupError):
        pass
    return 0


def _written(pid: int) -> int:
    try:
        for line in Path(f"/proc/{pid}/io").read_text().splitlines():
            if line.startswith("write_bytes:"):
                return int(line.split()[1])
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        pass
    return 0
