# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What defaults/main.yml sets and what meta/argument_specs.yml documents are the same, for every role."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROLES = sorted(path for path in (Path(__file__).parents[3] / "roles").iterdir() if (path / "tasks").is_dir())

CHOICES = re.compile(r"\b(?:if|not) \w+(?: \| \w+)?")


def load(path: Path) -> dict[str, Any]:
    return yaml.safe_load(path.read_text()) or {}


def documented(role: Path) -> dict[str, dict[str, Any]]:
    """All options of all entry points; an option of several has to be the same in each."""
    options: dict[str, dict[str, Any]] = {}
    for entry_point in load(role / "meta" / "argument_specs.yml")["argument_specs"].values():
        for name, option in entry_point.get("options", {}).items():
            assert options.setdefault(name, option) == option, f"{name} differs between entry points"
    return options


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_every_default_is_documented_with_its_value(role: Path) -> None:
    """A default that is worked out from other variables may be described in words instead."""
    options = documented(role)
    defaults = load(role / "defaults" / "main.yml")
    assert set(defaults) <= set(options)
    assert {name: option["default"] for name, option in options.items() if "default" in option} == {
        name: value for name, value in defaults.items() if "default" in options[name]
    }
    assert [name for name, value in defaults.items() if "default" not in options[name] and "{{" not in str(value)] == []


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_an_option_is_required_or_optional_but_not_both(role: Path) -> None:
    for name, option in documented(role).items():
        assert not (option.get("required") and "default" in option), name


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_public_variables_carry_the_name_of_their_role(role: Path) -> None:
    assert [name for name in documented(role) if name != role.name and not name.startswith(f"{role.name}_")] == []


def conditions(node: Any) -> Iterator[str]:
    """Every expression that has to be true or false in tasks."""
    if isinstance(node, list):
        for item in node:
            yield from conditions(item)
    elif isinstance(node, dict):
        for key, value in node.items():
            if key in ("when", "that", "failed_when", "changed_when", "until"):
                yield from map(str, value if isinstance(value, list) else [value])
            else:
                yield from conditions(value)


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_a_boolean_option_may_come_from_the_command_line_where_all_is_text(role: Path) -> None:
    """Ansible takes no text for a condition, and Jinja takes the text «false» for true."""
    booleans = [name for name, option in documented(role).items() if option["type"] == "bool"]
    tasks = [path.read_text() for path in (role / "tasks").glob("*.yml")]
    found = [each for text in tasks for each in conditions(yaml.safe_load(text))]
    found += [choice for text in [*tasks, *(path.read_text() for path in (role / "vars").rglob("*.yml"))] for choice in CHOICES.findall(text)]
    assert [each for each in found for name in booleans if re.search(rf"\b{name}\b(?! \| bool)", each)] == []
