# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the role cinder_xenapinfs finds the interpreter of cinder-volume."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.xenstack.image_services.plugins.module_utils._cinder import backend_host

OLD = next(iter(sorted(Path.home().glob(".pyenv/versions/2.7.*/bin/python2.7"))), None)
Look = Callable[..., dict[str, Any]]


@pytest.fixture
def look(monkeypatch: pytest.MonkeyPatch) -> Look:
    """No running cinder-volume is told apart here: a test must not depend on what else runs on its machine."""

    def environment(given: str, **variables: str) -> dict[str, Any]:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        return backend_host.environment(given)

    monkeypatch.setattr(backend_host, "running", lambda: None)
    return environment


@pytest.mark.parametrize(
    "head",
    ["#!{python}\n", "#!/usr/bin/env python3\n", "#!/bin/sh\n'''exec' \"$(dirname -- \"$(realpath -- \"$0\")\")\"/'python3' \"$0\" \"$@\"\n' '''\n"],
    ids=["absolute", "env", "beside"],
)
def test_the_program_tells_its_interpreter(tmp_path: Path, head: str, look: Look) -> None:
    beside = tmp_path / "python3"
    beside.symlink_to(sys.executable)
    program = tmp_path / "cinder-volume"
    program.write_text(head.format(python=beside))
    program.chmod(0o755)
    found = look("", PATH=f"{tmp_path}:{os.environ['PATH']}")
    assert found["python"] == str(beside)
    assert found["error"] == f"the interpreter '{beside}' has no Cinder"


def test_a_host_without_the_program(tmp_path: Path, look: Look) -> None:
    assert look("", PATH=str(tmp_path))["error"] == "no cinder-volume runs on this host, and none is on its PATH"


if OLD is not None:

    def test_an_old_interpreter_tells_its_cinder(tmp_path: Path, look: Look) -> None:
        (tmp_path / "cinder-2014.1.3.egg-info").write_text("Metadata-Version: 1.1\nName: cinder\nVersion: 2014.1.3\n")
        found = look(str(OLD), PYTHONPATH=str(tmp_path))
        assert (found["error"], found["cinder"], found["package"], found["venv"]) == (None, "2014.1.3", None, False)
