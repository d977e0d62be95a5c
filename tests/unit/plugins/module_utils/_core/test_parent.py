# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who waits for a module's result, and how the module notices that nobody does."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from ansible_collections.xenstack.image_services.plugins.module_utils._core.parent import ParentWatch

ROOT = Path(__file__).parents[5]
# Waits for the signal that the watch sends, and says in a file that it came.
MODULE = """
import sys, time
sys.path.insert(0, {path!r})
from ansible_collections.xenstack.image_services.plugins.module_utils._core import errors, parent, signals as interrupt
try:
    with interrupt.signals_as_errors("test", "module", "x"), parent.ending_with_parent(0.05):
        open({told!r}, "w").write("begun")
        time.sleep(30)
except errors.ImageServicesError:
    open({told!r}, "w").write("ended")
"""


def wait_for(path: Path, text: str, seconds: float = 20) -> None:
    subprocess.run(
        ["sh", "-c", f'for i in $(seq {int(seconds * 20)}); do [ "$(cat {path} 2>/dev/null)" = {text} ] && exit 0; sleep 0.05; done; exit 1'], check=True
    )


@pytest.fixture
def told(tmp_path: Path) -> Path:
    return tmp_path / "told"


def module(told: Path) -> list[str]:
    return [sys.executable, "-c", MODULE.format(path=str(ROOT / ".build"), told=str(told))]


def playbook(told: Path) -> list[str]:
    """As ansible-playbook, its worker in a session of its own, a shell and the module."""
    worker = textwrap.dedent(f"""
        import os, subprocess, sys
        if os.fork() == 0:
            os.setsid()
            subprocess.run(["sh", "-c", '"$@" && true', "sh", *{module(told)!r}], stdout=subprocess.PIPE)
        else:
            os.wait()
        """)
    return [sys.executable, "-c", worker]


def child_of(pid: int) -> int:
    (child,) = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    return int(child)


@pytest.mark.parametrize("levels", ["worker", "the worker's parent"])
def test_who_has_started_it_is_gone(told: Path, levels: str) -> None:
    with subprocess.Popen(playbook(told), stdout=subprocess.DEVNULL) as main:
        wait_for(told, "begun")
        os.kill(child_of(main.pid) if levels == "worker" else main.pid, signal.SIGKILL)
        wait_for(told, "ended")


def test_the_shell_of_a_job_that_goes_on_may_end(told: Path) -> None:
    """As a terminal that is closed behind nohup."""
    with subprocess.Popen(["sh", "-c", '"$@" & wait', "sh", *playbook(told)], stdout=subprocess.DEVNULL) as shell:
        wait_for(told, "begun")
        main = child_of(shell.pid)
        shell.kill()
        shell.wait()
        time.sleep(0.5)
        assert told.read_text() == "begun"
        os.kill(main, signal.SIGKILL)
        wait_for(told, "ended")


def test_nobody_reads_the_result(told: Path) -> None:
    """As sshd closes the pipe of a session whose connection others go on using."""
    with subprocess.Popen(module(told), stdout=subprocess.PIPE) as process:
        wait_for(told, "begun")
        assert process.stdout is not None
        process.stdout.close()
        wait_for(told, "ended")


@pytest.mark.parametrize("kind", ["file", "null", "pipe"])
def test_a_result_that_is_read_is_waited_for(tmp_path: Path, kind: str) -> None:
    reader, writer = os.pipe()
    output = {"file": os.open(tmp_path / "out", os.O_CREAT | os.O_WRONLY), "null": os.open(os.devnull, os.O_WRONLY), "pipe": writer}
    assert not ParentWatch(output[kind]).gone()
    for descriptor in {*output.values(), reader}:
        os.close(descriptor)
