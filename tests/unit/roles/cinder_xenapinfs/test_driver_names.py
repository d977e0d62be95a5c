# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the driver takes out of a pool by its name or uuid carries the mark of this backend."""

from __future__ import annotations

from typing import Any

import pytest
from cinder_xenapinfs.errors import PoolFailure
from cinder_xenapinfs.repository import Leftover, Repositories

DESCRIPTIONS = {"ours": "cinder_xenapinfs owner-1 created", "another backend's": "cinder_xenapinfs owner-2 created", "somebody's": ""}


class Pool:
    """Three SRs of one name, one of which goes away."""

    def __init__(self, gone: str = "") -> None:
        self.gone = gone

    def call(self, method: str, argument: str, **_options: Any) -> Any:
        if method == "SR.get_by_name_label":
            return list(DESCRIPTIONS)
        if method == "SR.get_by_uuid":
            return argument
        assert method == "SR.get_name_description"
        if argument == self.gone:
            raise PoolFailure(method, ["HANDLE_INVALID", "SR", argument])
        return DESCRIPTIONS[argument]


@pytest.mark.parametrize(
    ("leftover", "gone", "expected"),
    [
        (Leftover("a name", by_name=True, destroy=True), "", ["ours"]),
        (Leftover("ours", by_name=False, destroy=True), "", ["ours"]),
        (Leftover("somebody's", by_name=False, destroy=True), "", []),
        (Leftover("another backend's", by_name=False, destroy=False), "", []),
        (Leftover("ours", by_name=False, destroy=True), "ours", []),
    ],
)
def test_only_srs_of_this_backend_are_taken(leftover: Leftover, gone: str, expected: list[str]) -> None:
    session: Any = Pool(gone)
    assert Repositories(None, "owner-1").refs(session, leftover) == expected  # type: ignore[arg-type]
