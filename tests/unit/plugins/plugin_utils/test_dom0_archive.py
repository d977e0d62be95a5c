# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A directory of modules as one executable file."""

from __future__ import annotations

import io
import os
import subprocess
import zipfile
from pathlib import Path

import pytest
from ansible_collections.xenstack.image_services.plugins.plugin_utils.dom0_archive import build
from ansible_collections.xenstack.image_services.tests.support.dom0 import FILES, pythons

MAIN = "import sys, other.thing\nprint(other.thing.VALUE)\nprint(sys.argv[1:])\nprint('%d.%d' % sys.version_info[:2])\n"


@pytest.fixture
def modules(tmp_path: Path) -> Path:
    (tmp_path / "src/other").mkdir(parents=True)
    (tmp_path / "src/__main__.py").write_text(MAIN)
    (tmp_path / "src/other/__init__.py").touch()
    (tmp_path / "src/other/thing.py").write_text("VALUE = 'ä'.encode('utf-8') if str is not bytes else 'ä'\n".replace("ä", "a"))
    return tmp_path / "src"


def run(path: Path, *arguments: str, search: str = os.defpath) -> subprocess.CompletedProcess[str]:
    return subprocess.run([path, *arguments], env={"PATH": search}, cwd="/", capture_output=True, text=True, check=False)


def write(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    path.chmod(0o755)
    return path


@pytest.mark.parametrize("version", pythons())
def test_the_file_runs_under_each_python(modules: Path, tmp_path: Path, version: str) -> None:
    plugin = write(tmp_path / "plugin with spaces", build(str(modules), ["no-such-python", pythons()[version]]))
    done = run(plugin, "two words", "$HOME")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[1:] == ["['two words', '$HOME']", version]


def test_a_host_without_python_is_told(modules: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    done = run(write(tmp_path / "plugin", build(str(modules))), search=str(tmp_path / "empty"))
    assert (done.returncode, done.stdout) == (127, "")
    assert done.stderr == f"No Python to run {tmp_path}/plugin with: looked for python3 python2 python python2.7.\n"


def test_the_bytes_depend_on_the_modules_alone(modules: Path) -> None:
    first = build(str(modules))
    os.utime(modules / "__main__.py", (0, 1_700_000_000))
    (modules / "__main__.py").chmod(0o700)
    (modules / "__pycache__").mkdir()
    (modules / "__pycache__/old.py").touch()
    (modules / "notes.txt").touch()
    assert build(str(modules)) == first
    (modules / "more.py").touch()
    assert build(str(modules)) != first


def test_a_directory_without_a_start_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"it has no __main__\.py"):
        build(str(tmp_path))


@pytest.mark.parametrize("name", ["imagestore", "glance"])
def test_our_plugins_hold_every_module(name: str) -> None:
    with zipfile.ZipFile(io.BytesIO(build(str(FILES / name)))) as archive:
        assert archive.testzip() is None
        assert set(archive.namelist()) == {path.name for path in (FILES / name).glob("*.py")}
