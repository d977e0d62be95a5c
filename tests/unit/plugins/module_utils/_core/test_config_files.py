# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of a configuration are replaced in one step, and nothing is written where one of them is refused."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.xenstack.image_services.plugins.module_utils._core.config_files import ConfigFilesJob, entries_of
from ansible_collections.xenstack.image_services.plugins.module_utils._core.errors import ImageServicesError
from ansible_collections.xenstack.image_services.plugins.module_utils._core.runner import carry_out

COMMON: dict[str, Any] = {"owner": None, "group": None, "mode": None, "backup": None, "shown_options": None, "keep_backups": None}
DEFAULTS: dict[str, Any] = {"state": "file", "content": None, "target": None, "replace": True, **COMMON}


class Recorded:
    """Attributes that tell when they were set, and what the path held at that moment."""

    def __init__(self, path: Path, fails: Exception | None = None) -> None:
        self.path, self.fails = path, fails
        self.owner: tuple[int, int] | None = None
        self.settled: list[tuple[str, bool]] = []

    def move(self, temporary: str, path: str) -> None:
        if self.fails:
            # As Ansible's own function does where its way around fails too.
            raise Exception("Could not replace") from self.fails
        os.rename(temporary, path)

    def keep_copy(self, path: str) -> str:
        copy = f"{path}.copy"
        Path(copy).write_bytes(Path(path).read_bytes())
        return copy

    def settle(self, path: str, changed: bool, diff: dict[str, Any] | None) -> bool:
        self.settled.append((path, self.path.exists()))
        return changed

    def owner_of(self, path: str) -> tuple[int, int] | None:
        return self.owner


def run(*files: dict[str, Any], attributes: Recorded | None = None, check_mode: bool = False, **common: Any) -> dict[str, Any]:
    params = {**COMMON, "backup": False, "directory": None, **common, "files": [{**DEFAULTS, **file} for file in files]}
    paths = iter([entry.path for entry, _given in entries_of(params)])
    return carry_out(ConfigFilesJob(params, lambda _given: attributes or Recorded(Path(next(paths)))), check_mode)


def refusal(*files: dict[str, Any], **common: Any) -> str:
    with pytest.raises(ImageServicesError) as caught:
        run(*files, **common)
    return str(caught.value)


def test_new_file_has_its_attributes_before_its_name(tmp_path: Path) -> None:
    path = tmp_path / "secret.conf"
    attributes = Recorded(path)
    run({"path": str(path), "content": "password"}, attributes=attributes)
    (temporary, existed), (final, _exists) = attributes.settled
    assert (os.path.dirname(temporary), existed, final) == (str(tmp_path), False, str(path))
    assert (path.read_text(), path.stat().st_mode & 0o777) == ("password", 0o600)


def test_file_that_cannot_be_replaced_keeps_its_content(tmp_path: Path) -> None:
    path = tmp_path / "a.conf"
    path.write_text("before")
    text = refusal({"path": str(path), "content": "after"}, attributes=Recorded(path, PermissionError(13, "Permission denied")))
    assert text == f"Cannot write file '{path}': permission denied. Check the file system, and that the task's user may write there."
    assert (path.read_text(), os.listdir(tmp_path)) == ("before", ["a.conf"])


@pytest.mark.parametrize("check_mode", [False, True])
def test_one_refused_path_stops_all_of_them(tmp_path: Path, check_mode: bool) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "folder").mkdir()
    new = {"path": str(tmp_path / "new.conf")}
    assert "it is a special file and not a file" in refusal(new, {"path": str(tmp_path / "fifo")}, check_mode=check_mode)
    assert "it is a directory and not a link" in refusal(new, {"path": str(tmp_path / "folder"), "state": "link", "target": "x"}, check_mode=check_mode)
    assert "it is a directory. Remove it by hand" in refusal(new, {"path": str(tmp_path / "folder"), "state": "absent"}, check_mode=check_mode)
    assert "its path is not absolute" in refusal(new, {"path": "relative.conf"}, check_mode=check_mode)
    assert sorted(os.listdir(tmp_path)) == ["fifo", "folder"]


def test_missing_directory_is_told(tmp_path: Path) -> None:
    assert "no such file or directory. Create its directory first." in refusal({"path": str(tmp_path / "none" / "a.conf")})
    assert "not a directory" in refusal({"path": "/proc/version/a.conf"})


def test_what_was_done_before_a_failure_is_returned(tmp_path: Path) -> None:
    first = {"path": str(tmp_path / "first.conf")}
    with pytest.raises(ImageServicesError) as caught:
        run(first, {"path": str(tmp_path / "none" / "second.conf")})
    assert caught.value.result == {"changed": True, "files": [{**first, "changed": True, "created": True, "backup_file": None}]}


def test_link_of_a_file_stays(tmp_path: Path) -> None:
    real, link = tmp_path / "real.conf", tmp_path / "link.conf"
    real.write_text("before")
    link.symlink_to("real.conf")
    result = run({"path": str(link), "content": "after"}, backup=True)
    assert (link.is_symlink(), real.read_text(), result["files"][0]["path"]) == (True, "after", str(real))
    assert Path(result["files"][0]["backup_file"]).read_text() == "before"


def test_link_is_pointed_elsewhere_in_one_step(tmp_path: Path) -> None:
    link = tmp_path / "current"
    link.symlink_to("old")
    declared = {"path": str(link), "state": "link", "target": "new"}
    assert run(declared, check_mode=True)["changed"]
    assert os.readlink(link) == "old"
    assert run(declared)["diff"] == [{"before_header": str(link), "after_header": str(link), "before": "link old\n", "after": "link new\n"}]
    assert (os.readlink(link), run(declared)["changed"], os.listdir(tmp_path)) == ("new", False, ["current"])


def test_link_that_cannot_be_replaced_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*paths: str) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "rename", refuse)
    assert "permission denied" in refusal({"path": str(tmp_path / "current"), "state": "link", "target": "new"})
    assert os.listdir(tmp_path) == []


def test_parents_of_a_directory_are_created(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "c"
    assert run({"path": str(path), "state": "directory"})["files"] == [{"path": str(path), "changed": True, "created": True, "backup_file": None}]
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o700, 0o755)


def test_bytes_that_are_no_text_are_compared_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "a.conf"
    path.write_bytes(b"caf\xe9")
    assert not run({"path": str(path), "content": b"caf\xe9".decode("utf-8", "surrogateescape")})["changed"]
    assert run({"path": str(path), "content": "café"})["diff"][0]["before"] == "caf\ufffd"


def copies(path: Path, *days: int) -> list[Path]:
    made = [Path(f"{path}.{day}.2026-11-{day:02}@10:00:00~") for day in days]
    for copy in made:
        copy.write_text("password")
        copy.chmod(0o640)
    return made


@pytest.mark.parametrize("check_mode", [True, False])
def test_the_newest_copies_of_what_it_writes_are_kept(tmp_path: Path, check_mode: bool) -> None:
    own, others, old = (tmp_path / name for name in ("own.conf", "others.conf", "old.conf"))
    kept, of_others, of_old = copies(own, 1, 2, 3), copies(others, 1, 2, 3), copies(old, 1)
    files = [{"path": str(own)}, {"path": str(others), "replace": False}, {"path": str(old), "state": "absent"}]
    result = run(*files, check_mode=check_mode, keep_backups=2)
    assert (result["removed_backups"], result["changed"]) == ([str(kept[0]), str(of_old[0])], True)
    assert [path.exists() for path in [*kept, *of_others, *of_old]] == [check_mode, True, True, True, True, True, check_mode]


def test_no_copy_is_made_where_none_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "a.conf"
    path.write_text("before")
    assert run({"path": str(path), "content": "after", "backup": True}, keep_backups=0)["files"][0]["backup_file"] is None
    assert os.listdir(tmp_path) == ["a.conf"]
    assert refusal({"path": str(path)}, keep_backups=-1).startswith("Cannot keep backups '-1': there cannot be fewer than none. ")
