# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A module in a process of its own that does not import its libraries anew: they take most of a module's time, and tests run some thousand.

The process is a fork of one that has only imported them, which Python's `multiprocessing` keeps for each process of tests.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import multiprocessing
import os
import runpy
import signal
import sys
import threading
import time
import warnings
from collections.abc import Mapping
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from pathlib import Path

# What modules import, and nothing of what they do.
LIBRARIES = ("ansible.module_utils.basic", "openstack", "ansible_collections.xenstack.image_services.plugins.module_utils._glance.connection")
for library in LIBRARIES:
    importlib.import_module(library)

BUILD = Path(__file__).parents[2].resolve() / ".build"
CONTEXT = multiprocessing.get_context("forkserver")


class ModuleProcess:
    """What tests use of `subprocess.Popen`, for a module that has its options on standard input."""

    def __init__(self, module: str, arguments: str, environment: Mapping[str, str], cwd: Path) -> None:
        _start_server()
        # Who kills it waits for it as well, beside who started it; the code can be read once.
        self._ended = threading.Lock()
        self._output, written = CONTEXT.Pipe(duplex=False)
        self._process = CONTEXT.Process(target=_run, args=(module, arguments, dict(environment), str(cwd), written))
        self._process.start()
        written.close()

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        with self._ended:
            return self._process.exitcode

    def poll(self) -> int | None:
        return self.returncode

    def wait(self, timeout: float | None = None) -> None:
        until = None if timeout is None else time.monotonic() + timeout
        while self.returncode is None:
            time.sleep(0.005)
            assert until is None or time.monotonic() < until, f"the module still runs after {timeout} s"

    def communicate(self, timeout: float | None = None) -> tuple[str, None]:
        """All that it has written, once it has ended."""
        with open(self._output.fileno(), encoding="utf-8", closefd=False) as stream:
            output = stream.read()
        self._output.close()
        self.wait(timeout)
        return output, None

    def send_signal(self, number: signal.Signals) -> None:
        if self.returncode is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def _start_server() -> None:
    """With the path of the collection: it is given to the processes only, and what cannot be imported beforehand is imported in silence by each."""
    given = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = str(BUILD)
    try:
        forkserver.set_forkserver_preload([__name__])
        forkserver.ensure_running()
    finally:
        del os.environ["PYTHONPATH"]
        if given is not None:
            os.environ["PYTHONPATH"] = given


def _run(module: str, arguments: str, environment: dict[str, str], cwd: str, written: Connection) -> None:
    """In the new process: as `python -W ignore -m <module>` would be."""
    with open(os.memfd_create("arguments"), "r+", encoding="utf-8") as given:
        given.write(arguments)
        given.seek(0)
        os.dup2(given.fileno(), 0)
    os.dup2(written.fileno(), 1)
    os.dup2(written.fileno(), 2)
    written.close()
    sys.stdin = os.fdopen(0, encoding="utf-8", closefd=False)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(cwd)
    warnings.simplefilter("ignore")
    sys.argv = [module]
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    finally:
        atexit._run_exitfuncs()


# What is there now is there for all of them, and no garbage.
gc.collect()
gc.freeze()
