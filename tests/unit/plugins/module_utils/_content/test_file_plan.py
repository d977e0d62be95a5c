# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""When a file is written anew, and what a diff shows of it."""

from __future__ import annotations

import pytest
from ansible_collections.xenstack.image_services.plugins.module_utils._content.file_plan import Kept, plan_file


@pytest.mark.parametrize(
    ("fingerprint", "kept", "same", "write", "before"),
    [
        ("mark", Kept(), None, True, None),
        ("mark", Kept(True, "mark"), None, False, "VDI"),
        ("mark", Kept(True, "other"), None, True, "other"),
        ("mark", Kept(True), None, True, "unknown"),
        ("mark", Kept(True), True, False, "VDI"),
        ("mark", Kept(True), False, True, "unknown"),
        (None, Kept(True), None, True, "unknown"),
    ],
    ids=["no file", "marked", "marked as another", "not marked", "compared, the same", "compared, another", "a running disk"],
)
def test_when_a_file_is_written(fingerprint: str | None, kept: Kept, same: bool | None, write: bool, before: str | None) -> None:
    made = plan_file("/srv/disk.vhd", "VDI as vhd", fingerprint, kept, same)
    assert made.moves == write
    assert (made.before == made.after) != write
    assert made.before.get("content", "").startswith(before) if before is not None else made.before == {}
