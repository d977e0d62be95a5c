# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The environments that the tests' clouds share: built once, whole, and of one cloud alone where a path is written into a file."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.xenstack.image_services.tests.support import environments
from ansible_collections.xenstack.image_services.tests.support.deployment import Run

FILES = {"lib/python3.11/site-packages/module.py": "1", "etc/glance/paste.ini": "[paste]", "requirements.lock": "lock", "pyvenv.cfg": "home = /usr/bin"}


class Builds:
    """Stands for the role: makes what it would make, and may end early."""

    def __init__(self) -> None:
        self.count = 0
        self.is_cut_short = False

    def __call__(self, plays: list[dict[str, Any]]) -> Run:
        for play in plays:
            variables = play["tasks"][1]["ansible.builtin.include_role"] and play["tasks"][1]["vars"]
            venv = Path(variables["wsgi_service_home"]) / "venvs" / variables["wsgi_service_version"]
            self.count += 1
            for name, content in {**FILES, "bin/server": f"#!{venv}/bin/python\n"}.items():
                (venv / name).parent.mkdir(parents=True, exist_ok=True)
                (venv / name).write_text(content)
            (venv / "bin" / "python").symlink_to("/usr/bin/python3")
            if self.is_cut_short:
                return Run(1, "cut short")
            (venv / ".installed-0").write_text("")
        return Run(0, "")


@pytest.fixture
def builds(monkeypatch: pytest.MonkeyPatch) -> Builds:
    made = Builds()
    monkeypatch.setattr(environments, "run_plays", made)
    return made


def handed_on(cloud: Path) -> Path:
    [venv] = (cloud / "glance" / "venvs").iterdir()
    return venv


def provide(tmp_path: Path, cloud: str) -> Path:
    environments.provide(tmp_path / cloud, ["glance"], tmp_path / "shared")
    return handed_on(tmp_path / cloud)


def test_clouds_at_the_same_time_share_one_build(tmp_path: Path, builds: Builds) -> None:
    threads = [threading.Thread(target=provide, args=(tmp_path, f"cloud{number}")) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert builds.count == 1
    for number in range(4):
        venv = handed_on(tmp_path / f"cloud{number}")
        assert (venv / "bin" / "server").read_text() == f"#!{venv}/bin/python\n"
        assert os.readlink(venv / "bin" / "python") == "/usr/bin/python3"
        assert {name: (venv / name).read_text() for name in FILES} == FILES
        assert (venv / ".installed-0").exists()
        # The build itself and four clouds.
        assert [(venv / name).stat().st_nlink for name in FILES] == [5, 5, 1, 1]


def test_a_build_that_was_cut_short_starts_from_nothing(tmp_path: Path, builds: Builds) -> None:
    builds.is_cut_short = True
    with pytest.raises(AssertionError, match="cut short"):
        provide(tmp_path, "cloud")
    assert not (tmp_path / "cloud").exists()
    [left] = (tmp_path / "shared").glob("glance-*")
    (left / "rest").write_text("")
    builds.is_cut_short = False
    provide(tmp_path, "cloud")
    assert not (left / "rest").exists()


def test_an_environment_of_an_earlier_build_is_replaced_and_one_that_is_there_is_left(tmp_path: Path, builds: Builds) -> None:
    venv = provide(tmp_path, "cloud")
    (venv / "mine").write_text("")
    provide(tmp_path, "cloud")
    assert (venv / "mine").exists()
    (venv / ".installed-0").rename(venv / ".installed-1")
    provide(tmp_path, "cloud")
    assert not (venv / "mine").exists()
    assert builds.count == 1


def test_a_file_that_was_written_through_a_link_is_noticed(tmp_path: Path, builds: Builds) -> None:
    venv = provide(tmp_path, "cloud")
    module = venv / "lib" / "python3.11" / "site-packages" / "module.py"
    # Another file in its place, as the roles write, is seen by this cloud alone.
    module.unlink()
    module.write_text("2")
    (provide(tmp_path, "other") / "lib" / "python3.11" / "site-packages" / "module.py").write_text("3")
    with pytest.raises(AssertionError, match="module.py was written after the build"):
        provide(tmp_path, "third")


@pytest.mark.parametrize("changed", ["roles/glance/files/requirements-33.0.0.txt", "roles/glance/vars/main/install.yml", "roles/wsgi_service/tasks/build.yml"])
def test_what_the_build_depends_on_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changed: str) -> None:
    before = environments.Environment("glance", tmp_path).base
    assert environments.Environment("glance", tmp_path).base == before
    path = environments.ROOT / changed
    read = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda self: read(self) + b"\n" if self == path else read(self))
    assert environments.Environment("glance", tmp_path).base != before
