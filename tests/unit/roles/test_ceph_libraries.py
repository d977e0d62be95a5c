# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which of the distribution's libraries of Ceph an interpreter may load: those that were built for it, and no other."""

from __future__ import annotations

import json
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

PROBE = (Path(__file__).parents[3] / "roles" / "glance" / "files" / "ceph_probe.py").read_text(encoding="utf-8")
SUFFIX = str(sysconfig.get_config_var("EXT_SUFFIX"))


def probe(directory: Path) -> dict[str, Any]:
    done = subprocess.run([sys.executable, "-I", "-c", PROBE, str(directory)], capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout))


def test_libraries_of_the_same_interpreter_are_linked(tmp_path: Path) -> None:
    for name in ("rados", "rbd"):
        (tmp_path / (name + SUFFIX)).touch()
    found = probe(tmp_path)
    assert found["missing"] == []
    assert found["links"] == [
        {"src": str(tmp_path / file), "dest": str(Path(sysconfig.get_path("platlib")) / file)} for file in ("rados" + SUFFIX, "rbd" + SUFFIX)
    ]


def test_libraries_of_another_interpreter_are_missing(tmp_path: Path) -> None:
    (tmp_path / "rados.cpython-399-x86_64-linux-gnu.so").touch()
    (tmp_path / ("rbd" + SUFFIX)).touch()
    assert probe(tmp_path)["missing"] == ["rados"]


def test_without_the_packages_both_are_missing(tmp_path: Path) -> None:
    found = probe(tmp_path)
    assert (found["links"], found["missing"]) == ([], ["rados", "rbd"])
