# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What reading a configuration finds, and what it says where it may not."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.xenstack.image_services.plugins.module_utils._core import config_reader
from ansible_collections.xenstack.image_services.plugins.module_utils._core.errors import ImageServicesError


def test_files_links_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "a.conf").write_bytes(b"\xff\n")
    (tmp_path / ".hidden.conf").write_text("hidden")
    (tmp_path / "b.conf").symlink_to(tmp_path / "a.conf")
    os.mkfifo(tmp_path / "pipe.conf")
    paths = config_reader.matching(str(tmp_path), ["*.conf"])
    assert [Path(path).name for path in paths] == ["a.conf", "b.conf", "pipe.conf"]
    found = config_reader.read([*paths, str(tmp_path / "missing")])
    assert [(each["path"], each["real_path"]) for each in found] == [(paths[0], paths[0]), (paths[1], paths[0])]
    assert config_reader.texts(found)[paths[0]] == "\udcff\n"
    assert config_reader.matching(str(tmp_path / "missing"), ["*"]) == []


@pytest.mark.parametrize("kind", ["file", "directory"])
def test_what_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    """Root may read everything, so the refusal is put in."""

    def refuse(*_args: Any, **_more: Any) -> Any:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(config_reader.os, "stat", refuse)
    monkeypatch.setattr(config_reader.os, "listdir", refuse)
    with pytest.raises(ImageServicesError) as excinfo:
        config_reader.read([str(tmp_path)]) if kind == "file" else config_reader.matching(str(tmp_path), ["*"])
    assert str(excinfo.value) == f"Cannot read {kind} '{tmp_path}': Permission denied. Run the task as a user who may read it."
