# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters are for playbooks: what one role alone computes is the work of a module."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[4]
FILTERS = sorted(path.stem for path in (ROOT / "plugins" / "filter").glob("*.py"))


def roles_with(name: str) -> set[str]:
    texts = [path for path in (ROOT / "roles").rglob("*") if path.suffix in (".yml", ".j2")]
    applied = re.compile(rf"""[|('"]\s*xenstack\.image_services\.{name}\b""")
    return {path.relative_to(ROOT / "roles").parts[0] for path in texts if applied.search(path.read_text())}


@pytest.mark.parametrize("name", FILTERS)
def test_no_filter_serves_one_role_alone(name: str) -> None:
    """A role of the same name is the filter itself, for those who run roles in a pipeline."""
    assert len(roles_with(name) - {name}) != 1, roles_with(name)


def test_the_filters_of_roles_are_found() -> None:
    assert roles_with("config_value") >= {"glance", "wsgi_service"}
