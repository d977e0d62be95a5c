# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Modules of archives are compiled once in the environments of the tests, and run as if they had been compiled each time."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
import zipimport
from pathlib import Path

import pytest
from ansible_collections.xenstack.image_services.tests.support.deployment import ROOT

SOURCE = "def where():\n    raise ValueError(__file__)\n"
SCRIPT = """
import sys, traceback
sys.path[:0] = sys.argv[1:]
import quick_tasks
compiled = []
quick_tasks._compile = lambda path, source, compile=quick_tasks._compile: compiled.append(path) or compile(path, source)
import sent
print("compiled" if compiled else "stored")
try:
    sent.where()
except ValueError:
    print(traceback.format_exc())
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """An environment of its own, with what venv.sh installs."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "venv")], check=True)
    (tmp_path / "quick_tasks.py").write_bytes((ROOT / "tests/support/ci/quick_tasks.py").read_bytes())
    return tmp_path


def run(home: Path, archive: str, source: str = SOURCE) -> tuple[bool, str]:
    """Whether the module was compiled, and the traceback."""
    with zipfile.ZipFile(home / archive, "w") as stream:
        stream.writestr("sent.py", source)
    command = [str(home / "venv/bin/python"), "-c", SCRIPT, str(home), str(home / archive)]
    given = {name: value for name, value in os.environ.items() if name != "COVERAGE_PROCESS_START"}
    said, _newline, trace = subprocess.run(command, env=given, stdout=subprocess.PIPE, text=True, check=True).stdout.partition("\n")
    return said == "compiled", trace


def test_second_archive_with_the_same_module_is_not_compiled(home: Path) -> None:
    assert run(home, "first.zip")[0]
    compiled, trace = run(home, "second.zip")
    assert not compiled
    assert f"ValueError: {home}/second.zip/sent.py" in trace
    assert f'File "{home}/second.zip/sent.py", line 2' in trace


def test_other_source_is_compiled(home: Path) -> None:
    run(home, "first.zip")
    compiled, trace = run(home, "first.zip", SOURCE.replace("ValueError(", "ValueError('changed', "))
    assert compiled
    assert "changed" in trace


def test_stored_file_that_is_incomplete_is_made_good(home: Path) -> None:
    run(home, "first.zip")
    [stored] = (home / "venv/module-bytecode").iterdir()
    stored.write_bytes(stored.read_bytes()[:-20])
    assert run(home, "first.zip")[0]
    assert not run(home, "first.zip")[0]


def test_who_may_not_write_there_compiles(home: Path) -> None:
    (home / "venv/module-bytecode").write_text("no directory")
    assert run(home, "first.zip")[0]
    assert run(home, "first.zip")[0]


def test_this_environment_has_it() -> None:
    if sys.prefix != sys.base_prefix and "COVERAGE_PROCESS_START" not in os.environ:
        assert zipimport._compile_source.__module__ == "quick_tasks"  # type: ignore[attr-defined]


def test_garbage_waits_in_modules_and_playbooks_alone(home: Path) -> None:
    say = "import gc; print(gc.get_threshold()[0] > 100_000)"
    python = [str(home / "venv/bin/python")]
    (home / "ansible-playbook").write_text(say)
    for packages in (home / "venv/lib").glob("python*/site-packages"):
        (packages / "quick_tasks.pth").write_text(f"import sys; sys.path.append({str(home)!r}); import quick_tasks\n")
    for command, text, waits in ((python, say, True), ([*python, str(home / "ansible-playbook")], "", True), ([*python, "-c", say], "", False)):
        assert subprocess.run(command, input=text, stdout=subprocess.PIPE, text=True, check=True).stdout.strip() == str(waits)
