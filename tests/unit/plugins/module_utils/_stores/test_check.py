# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the image of a verification is looked for, and whom it has to belong to."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.xenstack.image_services.plugins.module_utils._core.errors import ImageServicesError
from ansible_collections.xenstack.image_services.plugins.module_utils._stores import check


@pytest.mark.parametrize(
    ("uid", "owner_of_directory", "wanted"), [(None, False, None), (None, True, 4242), (7, True, 7), (os.geteuid(), True, None), (7, False, 7)]
)
def test_the_owner_of_an_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, uid: int | None, owner_of_directory: bool, wanted: int | None) -> None:
    (tmp_path / "image").write_bytes(b"data")
    store: dict[str, Any] = {"id": "fast", "directories": [str(tmp_path)], "uid": uid, "gid": None, "owner_of_directory": owner_of_directory}
    monkeypatch.setattr(check, "os", SimpleNamespace(**{**vars(os), "stat": lambda path: SimpleNamespace(st_uid=4242) if path == str(tmp_path) else None}))
    if wanted is None:
        assert check._check_files(store, "image", b"data") == {"path": str(tmp_path / "image"), "uid": os.geteuid(), "gid": os.getegid()}
    else:
        with pytest.raises(ImageServicesError, match=f"'{tmp_path}/image' belongs to user {os.geteuid()}, not {wanted}"):
            check._check_files(store, "image", b"data")
