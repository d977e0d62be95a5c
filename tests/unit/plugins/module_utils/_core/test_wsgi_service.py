# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host has of a service, as the roles decide by it."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.xenstack.image_services.plugins.module_utils._core import wsgi_service
from ansible_collections.xenstack.image_services.plugins.module_utils._core.errors import ImageServicesError
from ansible_collections.xenstack.image_services.plugins.module_utils._core.runner import carry_out
from ansible_collections.xenstack.image_services.plugins.module_utils._core.wsgi_service import WsgiServiceInfoJob

NOBODY_HAS = "64999"


def inspect(home: Path, check_mode: bool = False, systemd: bool = False, **given: Any) -> dict[str, Any]:
    options: dict[str, Any] = {
        "name": "app",
        "version": "2.0",
        "home": str(home),
        "user": "app",
        "group": "apps",
        "manager": "auto",
        "directories": [],
        "paths": {},
        "config_dir": None,
        "marker": None,
        "marked_files": [],
    }
    return carry_out(WsgiServiceInfoJob({**options, **given}, check_mode, systemd), check_mode)


@pytest.fixture
def as_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)


def test_a_fresh_host_has_nothing(tmp_path: Path) -> None:
    found = inspect(tmp_path / "none", directories=[str(tmp_path / "none")], paths={"schema": str(tmp_path / "schema")})
    assert found.items() >= {"active": "", "installed": [], "existing": [], "unmarked": [], "derived": [], "would_create": False}.items()
    assert inspect(tmp_path / "none", True, directories=[str(tmp_path / "none")])["would_create"] is True
    assert inspect(tmp_path / "none", True, directories=[str(tmp_path)])["would_create"] is False


def test_debian_is_known_by_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mark = tmp_path / "debian_version"
    monkeypatch.setattr(wsgi_service, "DEBIAN", str(mark))
    assert inspect(tmp_path)["is_debian"] is False
    mark.write_text("12.0\n")
    assert inspect(tmp_path)["is_debian"] is True


def test_what_former_runs_left_is_found_in_a_directory_of_any_name(tmp_path: Path) -> None:
    home = tmp_path / "[a]*?"
    for version, record in (("2.0", ".installed-b"), ("2.0", ".installed-a"), ("1.0", ".installed-c"), ("2.0", "installed")):
        (home / "venvs" / version).mkdir(parents=True, exist_ok=True)
        (home / "venvs" / version / record).touch()
    (home / "current").symlink_to("venvs/1.0")
    (home / "schema").touch()
    found = inspect(home, paths={"schema": str(home / "schema"), "metadefs": str(home / "metadefs")})
    assert found["installed"] == [".installed-a", ".installed-b"]
    assert (found["active"], found["existing"]) == ("1.0", ["schema"])


@pytest.mark.usefixtures("as_root")
def test_root_serves_as_another_user_by_systemd_where_it_runs(tmp_path: Path) -> None:
    assert inspect(tmp_path)["manager"] == "supervisor"
    assert inspect(tmp_path, systemd=True)["manager"] == "systemd"
    assert inspect(tmp_path, systemd=True, manager="supervisor")["manager"] == "supervisor"
    assert inspect(tmp_path)["run_as"] == ["setpriv", "--reuid=app", "--regid=apps", "--init-groups", "--"]
    assert inspect(tmp_path, user="42424")["run_as"] == ["setpriv", "--reuid=42424", "--regid=apps", "--clear-groups", "--"]
    assert inspect(tmp_path, user="root")["run_as"] == inspect(tmp_path, user="0")["run_as"] == []


def test_an_ordinary_user_serves_as_himself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    found = inspect(tmp_path, systemd=True, user=NOBODY_HAS)
    assert (found["is_root"], found["manager"], found["run_as"]) == (False, "supervisor", [])


@pytest.mark.usefixtures("as_root")
def test_systemd_needs_an_entry_for_a_number(tmp_path: Path) -> None:
    with pytest.raises(
        ImageServicesError, match=f"^Cannot serve 'app' as user {NOBODY_HAS}: systemd starts services only as users that the host knows.* Create one"
    ):
        inspect(tmp_path, systemd=True, user=NOBODY_HAS)
    assert inspect(tmp_path, user=NOBODY_HAS)["manager"] == "supervisor"
    assert inspect(tmp_path, systemd=True, user="0")["manager"] == "systemd"


def test_files_without_the_marker_are_named(tmp_path: Path) -> None:
    config = tmp_path / "[conf]"
    (config / "policy.d" / "directory").mkdir(parents=True)
    for name, text in (("policy.yaml", "# ours\n{}"), ("policy.json", "{}"), ("policy.d/x.yaml", "a: b\n"), ("policy.d/y.yaml", "# ours"), ("other", "")):
        (config / name).write_text(text)
    given = {"config_dir": str(config), "marker": "# ours", "marked_files": ["policy.yaml", "policy.json", "policy.d/*"]}
    assert inspect(tmp_path, **given)["unmarked"] == [f"{config}/policy.d/x.yaml", f"{config}/policy.json"]
    assert inspect(tmp_path, **{**given, "marker": None})["unmarked"] == []


def test_packages_of_other_roles_name_the_paste_files_that_they_derive(tmp_path: Path) -> None:
    for name, declared in (("one", {"paste_file": "/etc/b.ini"}), ("two", {"paste_file": "/etc/a.ini"}), ("three", {"paste_file": "/etc/a.ini"}), ("four", {})):
        (tmp_path / "extensions" / name).mkdir(parents=True)
        (tmp_path / "extensions" / name / "extension.json").write_text(json.dumps(declared))
    assert inspect(tmp_path)["derived"] == ["/etc/a.ini", "/etc/b.ini"]
    broken = tmp_path / "extensions" / "one" / "extension.json"
    for text in ("{", "[]", "\xff"):
        broken.write_text(text, encoding="latin-1")
        with pytest.raises(ImageServicesError, match=re.escape(f"Cannot read file '{broken}': it is not a JSON object.")):
            inspect(tmp_path)
