# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Paste files that follow the one of Glance, and stay as they are where it cannot have the filter."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.xenstack.image_services.plugins.module_utils._core.errors import ImageServicesError
from ansible_collections.xenstack.image_services.plugins.module_utils._core.runner import carry_out
from ansible_collections.xenstack.image_services.plugins.module_utils._instances.filter_config import FILTER
from ansible_collections.xenstack.image_services.plugins.module_utils._instances.paste import derive
from ansible_collections.xenstack.image_services.plugins.module_utils._instances.paste_job import DerivedPasteJob

PASTE = "[pipeline:glance-api-keystone]\r\npipeline = authtoken context rootapp\r\n[filter:authtoken]\r\nadmin_password = s3cret\r\n"


class Plain:
    """Attributes of files that belong to whoever runs the test."""

    def move(self, temporary: str, path: str) -> None:
        os.rename(temporary, path)

    def keep_copy(self, path: str) -> str:
        raise AssertionError("derived files have no copies")

    def settle(self, path: str, changed: bool, diff: dict[str, Any] | None) -> bool:
        return changed


def keep(base: Path, flavor: str | None = "keystone", check_mode: bool = False) -> dict[str, Any]:
    files = [str(base / "one.ini"), str(base / "two.ini")]
    params = {"path": str(base / "paste.ini"), "files": files, "flavor": flavor, "group": None, "mode": "0640"}
    return carry_out(DerivedPasteJob(params, lambda _given: Plain()), check_mode)


def test_the_files_follow_that_of_glance(tmp_path: Path) -> None:
    (tmp_path / "paste.ini").write_bytes(PASTE.encode())
    predicted = keep(tmp_path, check_mode=True)
    assert not (tmp_path / "one.ini").exists()
    written = keep(tmp_path)
    assert written == predicted
    assert (written["changed"], written["finding"], [file["created"] for file in written["files"]]) == (True, None, [True, True])
    for name in ("one.ini", "two.ini"):
        assert (tmp_path / name).read_bytes().decode() == derive(PASTE, "keystone", FILTER)
    assert not keep(tmp_path)["changed"]
    (tmp_path / "paste.ini").write_bytes(PASTE.replace("authtoken context", "cors authtoken context").replace("s3cret", "an0ther").encode())
    changed = keep(tmp_path)
    assert "cors authtoken context instance_aware rootapp" in changed["diff"][0]["after"]
    assert [word for word in ("s3cret", "an0ther") if word in str(written) + str(changed)] == []


@pytest.mark.parametrize("text", ["[pipeline:glance-api-keystone]\npipeline = authtoken rootapp\n", "[filter:instance_aware]\npaste.filter_factory = mine\n"])
def test_a_pipeline_that_cannot_have_it_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "paste.ini").write_text(text)
    with pytest.raises(
        ImageServicesError, match=r"^Cannot extend paste file '.*/paste\.ini': .* Correct the file, or flavor and config_file of \[paste_deploy\]\.$"
    ):
        keep(tmp_path)
    assert os.listdir(tmp_path) == ["paste.ini"]


def test_without_a_flavor_the_files_stay_and_the_cause_is_told(tmp_path: Path) -> None:
    (tmp_path / "paste.ini").write_text("[filter:instance_aware]\npaste.filter_factory = mine\n")
    (tmp_path / "one.ini").write_text("as it was")
    found = keep(tmp_path, None)
    assert (found["changed"], found["files"], (tmp_path / "one.ini").read_text()) == (False, [], "as it was")
    assert "it has the filter already" in found["finding"]


def test_a_missing_paste_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ImageServicesError, match=r"^Cannot read paste file '.*/paste\.ini': no such file or directory\. Deploy Glance first"):
        keep(tmp_path)
