# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the role cinder_xenapinfs finds the interpreter of cinder-volume, and the wheel that it makes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

HOST = Path(__file__).parents[3] / "roles" / "cinder_xenapinfs" / "files" / "host"
OLD = next(iter(sorted(Path.home().glob(".pyenv/versions/2.7.*/bin/python2.7"))), None)


def look(*arguments: str, **environment: str) -> dict[str, Any]:
    """No running cinder-volume is told apart here: a test must not depend on what else runs on its machine."""
    script = (HOST / "environment.py").read_text().replace("python or running() or", "python or")
    done = subprocess.run([sys.executable, "-c", script, *arguments], env={**os.environ, **environment}, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize(
    "head",
    ["#!{python}\n", "#!/usr/bin/env python3\n", "#!/bin/sh\n'''exec' \"$(dirname -- \"$(realpath -- \"$0\")\")\"/'python3' \"$0\" \"$@\"\n' '''\n"],
    ids=["absolute", "env", "beside"],
)
def test_the_program_tells_its_interpreter(tmp_path: Path, head: str) -> None:
    beside = tmp_path / "python3"
    beside.symlink_to(sys.executable)
    program = tmp_path / "cinder-volume"
    program.write_text(head.format(python=beside))
    program.chmod(0o755)
    found = look("", PATH=f"{tmp_path}:{os.environ['PATH']}")
    assert found["python"] == str(beside)
    assert found["error"] == f"the interpreter '{beside}' has no Cinder"


def test_a_host_without_the_program(tmp_path: Path) -> None:
    assert look("", PATH=str(tmp_path))["error"] == "no cinder-volume runs on this host, and none is on its PATH"


if OLD is not None:

    def test_an_old_interpreter_tells_its_cinder(tmp_path: Path) -> None:
        (tmp_path / "cinder-2014.1.3.egg-info").write_text("Metadata-Version: 1.1\nName: cinder\nVersion: 2014.1.3\n")
        found = look(str(OLD), PYTHONPATH=str(tmp_path))
        assert (found["error"], found["cinder"], found["package"], found["venv"]) == (None, "2014.1.3", None, False)


def test_the_wheel_is_one_and_always_the_same(tmp_path: Path) -> None:
    package = tmp_path / "package.json"
    package.write_text(json.dumps({"version": "1.0.0+x1", "texts": {"cinder_xenapinfs/__init__.py": "VALUE = 7\n"}}))
    wheels = [tmp_path / f"{number}" / "cinder_xenapinfs-1.0.0+x1-py3-none-any.whl" for number in range(2)]
    for wheel in wheels:
        wheel.parent.mkdir()
        subprocess.run([sys.executable, HOST / "wheel.py", package, wheel], check=True)
    assert wheels[0].read_bytes() == wheels[1].read_bytes()
    with zipfile.ZipFile(wheels[0]) as archive:
        assert archive.testzip() is None
        assert "Version: 1.0.0+x1" in archive.read("cinder_xenapinfs-1.0.0+x1.dist-info/METADATA").decode()
    ask = "import cinder_xenapinfs, importlib.metadata as m; print(cinder_xenapinfs.VALUE, m.version('cinder-xenapinfs'))"
    done = subprocess.run([sys.executable, "-c", ask], env={**os.environ, "PYTHONPATH": str(wheels[0])}, stdout=subprocess.PIPE, text=True, check=True)
    assert done.stdout.split() == ["7", "1.0.0+x1"]
