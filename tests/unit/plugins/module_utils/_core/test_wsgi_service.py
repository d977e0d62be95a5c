# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host has of a service, as the roles decide by it."""

from __future__ import annotations

import grp
import json
import os
import pwd
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
        "user_uid": None,
        "tls_certificate": None,
        "tls_key": None,
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


def failed(home: Path, **given: Any) -> str:
    with pytest.raises(ImageServicesError) as caught:
        inspect(home, **given)
    return str(caught.value)


@pytest.fixture
def users(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host with the user and group glance as 998 and 997, user images 42415 and group images 42416."""
    passwd = {name: pwd.struct_passwd((name, "x", uid, gid, "", "/", "/")) for name, uid, gid in (("glance", 998, 997), ("images", 42415, 42416))}
    groups = {name: grp.struct_group((name, "x", gid, [])) for name, gid in (("glance", 997), ("images", 42416))}
    numbers = {entry.pw_uid: entry for entry in passwd.values()}
    monkeypatch.setattr(wsgi_service.pwd, "getpwnam", lambda name: passwd[name])
    monkeypatch.setattr(wsgi_service.pwd, "getpwuid", lambda uid: numbers[uid])
    monkeypatch.setattr(wsgi_service.grp, "getgrnam", lambda name: groups[name])
    monkeypatch.setattr(wsgi_service.grp, "getgrall", lambda: list(groups.values()))


@pytest.mark.usefixtures("as_root", "users")
@pytest.mark.parametrize(
    ("user", "group", "number", "cause"),
    [
        ("glance", "glance", 42424, "this host has this user with number 998"),
        ("new", "new", 42415, "the number is that of user 'images'"),
        ("new", "new", 42416, "the number is that of group 'images'"),
        ("glance", "glance", 998, "this host has group 'glance' with number 997"),
        ("glance", "other", 998, None),
        ("new", "images", 42416, None),
        ("new", "new", 42424, None),
        ("42415", "42415", 42424, None),
        ("new", "new", None, None),
    ],
)
def test_the_number_of_the_user_that_will_be_created(tmp_path: Path, user: str, group: str, number: int | None, cause: str | None) -> None:
    given = {"user": user, "group": group, "user_uid": number}
    if cause is None:
        inspect(tmp_path, **given)
    else:
        assert failed(tmp_path, **given).startswith(f"Cannot create user '{user} with number {number}': {cause}. Choose the number")


def test_an_ordinary_user_needs_directories_that_it_can_create(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(os, "access", lambda path, mode: str(path) != str(tmp_path / "etc"))
    (tmp_path / "etc").mkdir()
    inspect(tmp_path, directories=[str(tmp_path / "home" / "glance"), str(tmp_path / "etc")])
    sentence = failed(tmp_path, directories=[str(tmp_path / "home"), str(tmp_path / "etc" / "more" / "glance")])
    assert sentence.startswith(f"Cannot deploy service 'app': this user may not create '{tmp_path}/etc/more/glance'. Run the role with become: true")


@pytest.mark.parametrize("option", ["tls_certificate", "tls_key"])
@pytest.mark.parametrize(
    ("user", "status", "there", "asks"),
    [
        ("54321", 0, True, True),
        ("54321", 1, True, True),
        # A file that is not there yet may be another role's.
        ("54321", 1, False, False),
        # Nobody can run as a user who is not there yet.
        ("not-there-yet", 1, True, False),
    ],
)
def test_a_key_that_the_user_of_the_service_cannot_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, option: str, user: str, status: int, there: bool, asks: bool
) -> None:
    """As root it is read by a program that runs as that user, here by one that says what it was asked."""
    key, asked, program = tmp_path / "site key.pem", tmp_path / "asked", tmp_path / "bin" / "setpriv"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\necho \"$@\" > '{asked}'\nexit {status}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    if there:
        key.touch()
    given = {"user": user, "group": "0", option: str(key)}
    if asks and status:
        words = f"Cannot serve service 'app with TLS': user '{user}', whom the service runs as, cannot read '{key}'. Give the file"
        assert failed(tmp_path, **given).startswith(words)
    else:
        inspect(tmp_path, **given)
    assert asked.exists() == asks
    if asks:
        assert asked.read_text() == f"--reuid={user} --regid=0 --clear-groups -- test -r {key}\n"
