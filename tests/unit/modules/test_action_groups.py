# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whoever shares options through a fragment shares their defaults through a group, and says so."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.xenstack.image_services.tests.support.deployment import ROOT

FRAGMENTS = {"openstack": "_cloud", "xapi": "_pool"}


def documentation(path: Path) -> dict[str, Any]:
    """What a module or a doc fragment says in its literal of this name."""
    (text,) = (
        node.value.value
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant) and ast.unparse(node.targets[0]) == "DOCUMENTATION"
    )
    found: dict[str, Any] = yaml.safe_load(str(text))
    return found


@pytest.mark.parametrize("group", FRAGMENTS)
def test_a_group_has_the_modules_of_its_fragment(group: str) -> None:
    members = yaml.safe_load((ROOT / "meta" / "runtime.yml").read_text(encoding="utf-8"))["action_groups"][group]
    listed = [member for member in members if isinstance(member, str)]
    documented = {path.stem: documentation(path) for path in (ROOT / "plugins" / "modules").glob("*.py")}
    fragment = f"xenstack.image_services.{FRAGMENTS[group]}"
    assert listed == sorted(name for name, text in documented.items() if fragment in text.get("extends_documentation_fragment", ()))
    shared = documentation(ROOT / "plugins" / "doc_fragments" / f"{FRAGMENTS[group]}.py")
    assert shared["attributes"]["action_group"]["membership"] == [f"xenstack.image_services.{group}"]
