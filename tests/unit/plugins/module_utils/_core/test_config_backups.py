# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which copies of configuration files go, and which stay."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.xenstack.image_services.plugins.module_utils._core.config_backups import backups_of, find_backups, prune_backups
from ansible_collections.xenstack.image_services.plugins.module_utils._core.errors import ImageServicesError

ROLES = Path(__file__).parents[5] / "roles"


def prune(paths: list[str], keep: int, check_mode: bool, owner: tuple[int, int] | None = None) -> dict[str, Any]:
    found = find_backups(dict.fromkeys(paths, owner), keep)
    if not check_mode:
        prune_backups(found)
    return {"changed": found.changed, "removed": list(found.removed), "closed": list(found.closed)}


def make(directory: Path, name: str, *stamps: str, mode: int = 0o640) -> list[Path]:
    made = [directory / f"{name}.{number}.2026-11-{stamp}~" for number, stamp in enumerate(stamps, start=9)]
    for path in made:
        path.write_text("password = secret\n")
        path.chmod(mode)
    return made


def test_the_newest_stay_by_the_time_in_their_names(tmp_path: Path) -> None:
    conf = tmp_path / "a.conf"
    conf.write_text("")
    old, newest, older = make(tmp_path, "a.conf", "02@10:00:00", "20@09:00:00", "01@23:59:59")
    others = [*make(tmp_path, "a.conf.d", "01@00:00:00"), *make(tmp_path, "ba.conf", "01@00:00:00")]
    for name in ("a.conf~", "a.conf.bak", "a.conf.1.2026-11-01@10:00:00", "a.conf.x.2026-11-01@10:00:00~"):
        others.append(tmp_path / name)
        others[-1].write_text("")
    assert backups_of(str(conf)) == [str(newest), str(old), str(older)]
    planned = prune([str(conf), f"{tmp_path}/./a.conf"], 2, check_mode=True)
    assert (planned["changed"], planned["removed"], older.exists()) == (True, [str(older)], True)
    assert prune([str(conf)], 2, check_mode=False) == planned
    assert not older.exists()
    assert prune([str(conf)], 2, check_mode=False)["changed"] is False
    assert prune([str(conf)], 0, check_mode=False)["removed"] == [str(newest), str(old)]
    assert all(path.exists() for path in [conf, *others])


def test_what_stays_is_closed_to_others(tmp_path: Path) -> None:
    [copy] = make(tmp_path, "a.conf", "02@10:00:00", mode=0o666)
    assert prune([str(tmp_path / "a.conf")], 1, check_mode=True)["closed"] == [str(copy)]
    assert copy.stat().st_mode & 0o777 == 0o666
    assert prune([str(tmp_path / "a.conf")], 1, check_mode=False)["changed"]
    assert copy.stat().st_mode & 0o777 == 0o640
    [private] = make(tmp_path, "b.conf", "02@10:00:00", mode=0o600)
    assert not prune([str(tmp_path / "b.conf")], 1, check_mode=False)["changed"]
    assert private.stat().st_mode & 0o777 == 0o600


@pytest.mark.skipif(os.getuid() != 0, reason="only root gives files away")
def test_a_former_user_of_the_service_reads_no_copy(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    conf = tmp_path / "a.conf"
    copies = sorted(make(tmp_path, "a.conf", "01@10:00:00", "02@10:00:00", "03@10:00:00"))
    for copy in copies[:2]:
        os.chown(copy, 64123, 64123)
    os.chown(copies[2], 42424, 42424)
    planned = find_backups({str(conf): (42424, 42424)}, 3)
    assert planned.diff["before"]["backups"][:2] == [f"{copy} 64123:64123 0640" for copy in copies[:2]]
    assert planned.diff["after"]["backups"] == [*(f"{copy} 42424:42424 0640" for copy in copies[:2]), str(copies[2])]
    assert {copy.stat().st_uid for copy in copies[:2]} == {64123}
    assert prune([str(conf)], 3, check_mode=False, owner=(42424, 42424))["changed"]
    assert {(copy.stat().st_uid, copy.stat().st_gid) for copy in copies} == {(42424, 42424)}
    assert not prune([str(conf)], 3, check_mode=False, owner=(42424, 42424))["changed"]


@pytest.mark.skipif(os.getuid() != 0, reason="only root gives files away")
def test_a_copy_with_another_name_is_not_given_away(tmp_path: Path) -> None:
    """As a service that owns the directory could lay a file of root there."""
    secret = tmp_path / "secret"
    secret.write_text("")
    os.link(secret, tmp_path / "a.conf.1.2026-11-01@10:00:00~")
    with pytest.raises(ImageServicesError, match="Cannot close backup '.*': it has further names, and may be another file. Remove it."):
        prune([str(tmp_path / "a.conf")], 1, check_mode=False, owner=(42424, 42424))
    assert secret.stat().st_uid == 0


def test_a_link_with_such_a_name_is_no_backup_and_a_missing_directory_has_none(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_text("")
    (tmp_path / "a.conf.1.2026-11-01@10:00:00~").symlink_to(target)
    assert prune([str(tmp_path / "a.conf"), "/nonexistent/b.conf"], 0, check_mode=False)["removed"] == []


def tasks_of(role: Path) -> list[dict[str, object]]:
    found = []
    for path in (role / "tasks").glob("*.yml"):
        stack = list(yaml.safe_load(path.read_text()) or [])
        while stack:
            task = stack.pop()
            stack += [inner for key in ("block", "rescue", "always") for inner in task.get(key, [])]
            found.append(task)
    return found


@pytest.mark.parametrize("role", sorted(path.name for path in ROLES.iterdir()))
def test_every_role_that_makes_backups_prunes_them(role: str) -> None:
    """A role keeps as many as its own option says, in the task that makes them or, after a change that may be rolled back, in a later one."""
    tasks = tasks_of(ROLES / role)
    modules = ("ansible.builtin.copy", "ansible.builtin.template")
    assert [task for task in tasks for name in modules if (task.get(name) or {}).get("backup")] == []  # type: ignore[attr-defined]
    writing = {str(task): str(task["xenstack.image_services.config_files"]) for task in tasks if "xenstack.image_services.config_files" in task}
    kept = {name for each in writing.values() for name in re.findall("'keep_backups': '([^']*)'", each)}
    options = yaml.safe_load((ROLES / role / "defaults" / "main.yml").read_text())
    if f"{role}_config_backups" not in options:
        assert "backup: true" not in "".join(path.read_text() for path in (ROLES / role / "tasks").glob("*.yml"))
        return
    assert options[f"{role}_config_backups"] == 3
    assert kept == {f"{{{{ {role}_config_backups }}}}"}
    for task, options_of in writing.items():
        assert "'backup': True" not in task or "'keep_backups'" in options_of, task
