# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A package in a directory of its own beside a real interpreter: how it is exchanged, brought back, listed and removed."""

from __future__ import annotations

import subprocess
import venv
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.xenstack.image_services.plugins.module_utils._core.errors import ImageServicesError
from ansible_collections.xenstack.image_services.plugins.module_utils._core.python_package import PackageJob, program_fault
from ansible_collections.xenstack.image_services.plugins.module_utils._core.runner import carry_out

ACTIONS: dict[str, dict[str, Any]] = {
    "install": {"state": "present", "keep_previous": True},
    "settle": {"state": "present"},
    "restore": {"state": "restored"},
    "remove": {"state": "absent"},
}


def manage(given: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    return carry_out(PackageJob(given, check_mode), check_mode)


class Host:
    """An interpreter of its own, as Glance has."""

    def __init__(self, base: Path) -> None:
        venv.create(base / "venv", symlinks=True, with_pip=False)
        self.python = base / "venv" / "bin" / "python"
        self.root = base / "home" / "extensions"
        [packages] = (base / "venv").glob("lib/python*/site-packages")
        self.pth = packages / "image_services_extensions.pth"
        self.options: dict[str, Any] = {"python": str(self.python), "pth": None, "pth_name": self.pth.name, "distribution": None}

    def do(self, action: str, **texts: str) -> dict[str, Any]:
        """``look`` is an installation in check mode."""
        files = {name.replace("__", "/") + ".py": text for name, text in texts.items()}
        given = {"path": str(self.root), "name": "added", "files": files, "keep_previous": False, **self.options, **ACTIONS.get(action, ACTIONS["install"])}
        return manage(given, check_mode=action == "look")

    def ask(self, program: str) -> str:
        asked = subprocess.run([self.python, "-c", program], stdout=subprocess.PIPE, text=True, check=False, timeout=60)
        return asked.stdout.strip()

    def value(self) -> str:
        return self.ask("import added.inner.value as v; print(v.VALUE)")


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


OLD = {"init": "", "inner__value": "VALUE = 'old'\n", "inner__gone": ""}
NEW = {"init": "", "inner__value": "VALUE = 'new'\n"}


def test_it_comes_is_found_and_goes_without_a_trace(host: Host) -> None:
    assert (host.do("look", **OLD)["changed"], host.root.exists()) == (True, False)
    found = host.do("install", **OLD)
    assert (found["changed"], found["exists"], found["pth"]) == (True, True, str(host.pth))
    assert (host.do("look", **OLD)["changed"], host.do("install", **OLD)["changed"], host.value()) == (False, False, "old")
    found = host.do("remove", **OLD)
    assert (found["changed"], found["exists"], found["pth"]) == (True, False, str(host.pth))
    assert (host.root.exists(), host.pth.exists(), host.value()) == (False, False, "")
    assert not host.do("remove", **OLD)["changed"]


def test_what_was_proved_last_comes_back(host: Host) -> None:
    host.do("install", **OLD)
    host.do("install", **NEW)
    assert (host.value(), (host.root / "added" / "inner" / "gone.py").exists()) == ("new", False)
    # Another try that nothing proves either: the old one is still what comes back.
    host.do("install", **{**NEW, "inner__value": "VALUE = 'newer'\n"})
    assert host.do("restore", **NEW)["changed"]
    assert host.value() == "old"
    host.do("install", **NEW)
    assert host.do("settle", **NEW)["changed"]
    assert (host.value(), [path.name for path in host.root.iterdir()]) == ("new", ["added"])


def test_what_was_not_there_before_goes_again(host: Host) -> None:
    host.do("install", **NEW)
    host.do("restore", **NEW)
    assert (host.root.exists(), host.pth.exists()) == (False, False)


def test_other_extensions_stay(host: Host) -> None:
    host.do("install", **NEW)
    (host.root / "other.py").write_text("")
    assert host.do("remove", **NEW)["changed"]
    assert (host.pth.exists(), [path.name for path in host.root.iterdir()]) == (True, ["other.py"])


def test_what_was_changed_by_hand_is_repaired(host: Host) -> None:
    host.do("install", **OLD)
    (host.root / "added" / "inner" / "value.py").write_text("VALUE = 'other'\n")
    assert host.do("look", **OLD)["changed"]
    host.do("install", **OLD)
    assert host.value() == "old"


def test_a_mounted_pth_file_stays(host: Host) -> None:
    host.options.update(python=None, pth=str(host.root.parent / "mounted.pth"))
    assert host.do("install", **NEW)["pth"] == str(host.root.parent / "mounted.pth")
    found = host.do("remove", **NEW)
    assert (found["changed"], found["exists"], (host.root.parent / "mounted.pth").read_text()) == (True, False, f"{host.root}\n")
    assert not host.do("remove", **NEW)["changed"]


def test_a_new_environment_finds_the_packages_that_are_there(host: Host) -> None:
    host.do("install", **NEW)
    host.pth.unlink()
    given = {"path": str(host.root), "name": None, "files": {}, "keep_previous": False, "state": "present", **host.options}
    assert (manage(given, True)["changed"], host.value()) == (True, "")
    named = manage(given, False)
    assert (named["changed"], named["path"], named["pth"], host.value()) == (True, str(host.root), str(host.pth), "new")
    assert (manage(given, False)["changed"], manage(given, False)["installed"]) == (False, True)
    assert [path.name for path in host.root.iterdir()] == ["added"]
    assert manage({**given, "python": str(host.root / "none")}, True)["changed"]


def test_no_interpreter_is_told_where_none_is_given(host: Host) -> None:
    host.options.update(python=None)
    found = host.do("install", **NEW)
    assert (found["changed"], found["exists"], found["pth"], host.value()) == (True, True, None, "")
    assert host.ask(f"import sys; sys.path.append({str(host.root)!r}); import added.inner.value as v; print(v.VALUE)") == "new"
    assert (host.do("install", **NEW)["changed"], host.do("install", **NEW)["installed"]) == (False, True)
    found = host.do("remove", **NEW)
    assert (found["changed"], found["exists"], host.root.exists()) == (True, False, False)


def test_its_version_tells_its_content(host: Host) -> None:
    """As whoever lists what an environment has, or asks for the version, sees it."""
    listed = "import added, importlib.metadata as m; print(added.VALUE, m.version('added'), *{d.version for d in m.distributions() if d.name == 'added'})"
    given = {"path": str(host.root), "name": "added", "keep_previous": True, "state": "present", **host.options, "distribution": "added"}
    told = []
    for value in (7, 8):
        files = {"__init__.py": f'__version__ = "1.0.0"\nVALUE = {value}\n'}
        assert manage({**given, "files": files}, False)["changed"]
        assert not manage({**given, "files": files}, False)["changed"]
        told.append(host.ask(listed).split())
    assert [found[0] for found in told] == ["7", "8"]
    assert told[0][1] == told[0][2] != told[1][1] == told[1][2]
    assert all(found[1].startswith("1.0.0+x") for found in told)
    manage({**given, "files": {}, "state": "restored"}, False)
    assert host.ask(listed).split() == told[0]
    manage({**given, "files": {}, "state": "absent"}, False)
    assert (host.ask("import importlib.metadata as m; print(*[d for d in m.distributions() if d.name == 'added'])"), host.root.exists()) == ("", False)


def test_check_mode_changes_nothing_and_needs_no_interpreter(host: Host) -> None:
    host.do("settle", **OLD)
    before = sorted(host.root.rglob("*"))
    for action in ACTIONS.values():
        given = {"path": str(host.root), "name": "added", "files": {"__init__.py": ""}, "keep_previous": False, **host.options, **action}
        assert manage(given, check_mode=True)["changed"]
        assert manage({**given, "python": str(host.root / "none"), "path": str(host.root / "new")}, True)["changed"] == (action["state"] == "present")
    assert (sorted(host.root.rglob("*")), host.value()) == (before, "old")


def test_an_interpreter_that_does_not_run_is_named(host: Host) -> None:
    host.options["python"] = str(host.root / "none")
    with pytest.raises(ImageServicesError, match=r"Cannot use interpreter '.*/none': it does not run \(no such file or directory\)\."):
        host.do("install", **NEW)


@pytest.mark.parametrize(
    ("script", "fault"),
    [
        ("exit 3", "it ends with exit code 3"),
        ("kill -9 $$", "it was ended by signal 9"),
        ("sleep 60", "it does not answer within 0.2 s"),
    ],
)
def test_what_became_of_a_program_is_said_without_a_class(script: str, fault: str) -> None:
    with pytest.raises(subprocess.SubprocessError) as raised:
        subprocess.run(["sh", "-c", script], check=True, timeout=0.2 if "sleep" in script else 60)
    assert program_fault(raised.value) == fault


def test_a_program_that_is_not_there_or_talks_nonsense_is_told_apart() -> None:
    assert program_fault(FileNotFoundError(2, "No such file or directory")) == "no such file or directory"
    assert program_fault(ValueError("Expecting value: line 1 column 1 (char 0)")) == "its answer cannot be read"
