# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the role glance_instance_aware keeps its package beside Glance, and that it brings all of it."""

from __future__ import annotations

import json
import re
import subprocess
import venv
from pathlib import Path
from typing import Any

import pytest

ROLE = Path(__file__).parents[3] / "roles" / "glance_instance_aware"
SCRIPT = ROLE / "files" / "host" / "extension.py"


class Host:
    """An interpreter of its own, as Glance has."""

    def __init__(self, base: Path) -> None:
        venv.create(base / "venv", symlinks=True, with_pip=False)
        self.python = base / "venv" / "bin" / "python"
        self.root = base / "home" / "extensions"
        [packages] = (base / "venv").glob("lib/python*/site-packages")
        self.pth = packages / "image_services_extensions.pth"

    def do(self, action: str, **texts: str) -> dict[str, Any]:
        wanted = {"root": str(self.root), "name": "added", "texts": {name.replace("__", "/") + ".py": text for name, text in texts.items()}, "pth": ""}
        done = subprocess.run(
            [self.python, "-c", SCRIPT.read_text(), action], input=json.dumps(wanted), stdout=subprocess.PIPE, text=True, check=True, timeout=60
        )
        return dict(json.loads(done.stdout))

    def value(self) -> str:
        asked = subprocess.run([self.python, "-c", "import added.inner.value as v; print(v.VALUE)"], stdout=subprocess.PIPE, text=True, check=False, timeout=60)
        return asked.stdout.strip()


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


OLD = {"init": "", "inner__value": "VALUE = 'old'\n", "inner__gone": ""}
NEW = {"init": "", "inner__value": "VALUE = 'new'\n"}


def test_it_comes_is_found_and_goes_without_a_trace(host: Host) -> None:
    assert (host.do("look", **OLD)["changed"], host.root.exists()) == (True, False)
    assert host.do("install", **OLD) == {"changed": True, "there": True, "pth": str(host.pth), "glance": False}
    assert (host.do("look", **OLD)["changed"], host.do("install", **OLD)["changed"], host.value()) == (False, False, "old")
    assert host.do("remove", **OLD) == {"changed": True, "there": False, "pth": str(host.pth), "glance": False}
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


def test_the_role_brings_every_file_of_the_package() -> None:
    named = re.findall(r"^  - (glance_instance_aware\S*)$", (ROLE / "vars" / "main.yml").read_text(), re.MULTILINE)
    there = {str(path.parent.relative_to(ROLE / "files")) for path in (ROLE / "files" / "glance_instance_aware").rglob("*") if path.suffix == ".py"}
    assert there == set(named)
