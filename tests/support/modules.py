# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a module of the collection as a process of its own, as a target host does, with its options on standard input."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.xenstack.image_services.tests.support.deployment import ROOT
from ansible_collections.xenstack.image_services.tests.support.module_process import ModuleProcess

PACKAGE = "ansible_collections.xenstack.image_services.plugins.modules"


@dataclass(frozen=True)
class Result:
    """What a module has answered, and everything that it has written."""

    returncode: int
    values: dict[str, Any]
    output: str

    @property
    def failed(self) -> bool:
        return bool(self.values.get("failed"))

    def succeeded(self) -> dict[str, Any]:
        assert not self.failed, self.values
        return self.values

    def sentence(self) -> str:
        """The failure's message, which is one sentence or more and never a traceback."""
        assert self.failed, self.values
        message = str(self.values["msg"])
        assert "Traceback" not in self.output, self.output
        assert message.endswith((".", "!", "?")), message
        return message


class RunningModule:
    """A module that has been started and not yet waited for."""

    process: ModuleProcess | subprocess.Popen[str]

    def __init__(self, name: str, options: Mapping[str, Any], *, check: bool = False, prefix: Sequence[str] = ()) -> None:
        arguments = json.dumps({"ANSIBLE_MODULE_ARGS": {**options, "_ansible_check_mode": check, "_ansible_diff": True}})
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("ANSIBLE_", "OS_"))}
        environment, module = {**kept, "PYTHONPATH": str(ROOT / ".build")}, f"{PACKAGE}.{name}"
        # Coverage looks at what a process imports.
        if prefix or "COVERAGE_PROCESS_START" in os.environ:
            self.process = _program([*prefix, sys.executable, "-W", "ignore", "-m", module], arguments, environment)
        else:
            self.process = ModuleProcess(module, arguments, environment, ROOT)

    def kill(self) -> None:
        """As the kernel's out-of-memory killer would: without a chance to clean up."""
        self.process.kill()
        self.process.communicate()

    def result(self) -> Result:
        output, _nothing = self.process.communicate()
        lines = [line for line in output.splitlines() if line.startswith("{")]
        assert lines, output
        assert self.process.returncode is not None
        return Result(self.process.returncode, json.loads(lines[-1]), output)


def _program(command: Sequence[str], arguments: str, environment: Mapping[str, str]) -> subprocess.Popen[str]:
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert process.stdin is not None
    process.stdin.write(arguments)
    process.stdin.close()
    process.stdin = None
    return process


def kill_first(running: Sequence[RunningModule]) -> None:
    """For the hook of a fault, which is made before the module is started."""
    running[0].process.kill()
    running[0].process.wait()


def run_module(name: str, options: Mapping[str, Any], *, check: bool = False, prefix: Sequence[str] = ()) -> Result:
    """``prefix`` is a command that runs the module, with other rights for example."""
    return RunningModule(name, options, check=check, prefix=prefix).result()
