# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Modules as forks: each is a process as the one that `python -m` starts, and none knows of another."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from ansible_collections.xenstack.image_services.tests.support.module_process import ModuleProcess
from ansible_collections.xenstack.image_services.tests.support.modules import RunningModule, kill_first, run_module


@pytest.fixture
def silent() -> Iterator[socket.socket]:
    """A server that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(30)
        yield listener


def running(listener: socket.socket, monkeypatch: pytest.MonkeyPatch) -> RunningModule:
    """A module that waits for an answer; the environment of this moment alone says where."""
    monkeypatch.setenv("XENSERVER_HOST", f"http://127.0.0.1:{listener.getsockname()[1]}")
    return RunningModule("xen_sr_info", {"username": "root", "password": "p"})


def test_it_answers_as_a_program_does() -> None:
    for options in ({"name": 1, "unknown": 2}, {"name": "x", "cloud": "none of these"}):
        forked, program = run_module("glance_image_info", options), run_module("glance_image_info", options, prefix=["env"])
        assert forked == program
        assert forked.failed


def test_it_reads_and_writes_as_it_is_told(tmp_path: Path) -> None:
    text = '"' + "é" * 300_000 + '"'
    output, _none = ModuleProcess("json.tool", text, {}, tmp_path).communicate(30)
    assert len(output) == len("\\u00e9") * 300_000 + len('""\n')


def test_it_ends_by_a_signal(silent: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    module = running(silent, monkeypatch)
    connection, _address = silent.accept()
    with connection:
        assert module.process.poll() is None
        module.kill()
    assert module.process.returncode == -signal.SIGKILL
    with contextlib.suppress(ProcessLookupError):
        os.kill(module.process.pid, 0)
        pytest.fail("it is still there")


def exit_code(module: RunningModule) -> int | None:
    module.process.wait(30)
    return module.process.returncode


def test_its_end_is_the_same_for_all_who_wait_for_it(silent: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    for _again in range(20):
        module = running(silent, monkeypatch)
        connection, _address = silent.accept()
        with connection, ThreadPoolExecutor(4) as pool:
            waiting = [pool.submit(exit_code, module) for _each in range(3)]
            kill_first([module])
            assert [each.result() for each in waiting] == [-signal.SIGKILL] * 3
        module.process.communicate()


def test_it_ends_by_itself_when_it_is_told_to(silent: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    module = running(silent, monkeypatch)
    connection, _address = silent.accept()
    with connection:
        module.process.terminate()
        module.process.communicate(30)
    assert module.process.returncode in (1, -signal.SIGTERM)


def test_the_environment_is_that_of_the_moment(silent: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    first = running(silent, monkeypatch)
    silent.accept()[0].close()
    first.kill()
    monkeypatch.delenv("XENSERVER_HOST")
    assert run_module("xen_sr_info", {"username": "root", "password": "p"}).values["msg"] == "missing required arguments: hostname"
