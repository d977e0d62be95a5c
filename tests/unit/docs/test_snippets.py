# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The YAML that guides and READMEs show: it is read, and each module, option, role and variable of ours in it exists."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.xenstack.image_services.tests.support.deployment import ROOT

OURS = "xenstack.image_services."
PAGES = sorted([ROOT / "README.md", *ROOT.glob("docs/**/*.rst"), *ROOT.glob("docs/*.md"), *ROOT.glob("roles/*/README.md"), *ROOT.glob("examples/**/*.md")])
FENCED = re.compile(r"^```yaml\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INDENTED = re.compile(r"^\.\. code-block:: (?:yaml|yaml\+jinja)\n\n((?:[ ]{2,}.*\n|\n)+)", re.MULTILINE)


class _Loader(yaml.SafeLoader):
    """Takes the tags of Ansible as what they mark."""


_Loader.add_multi_constructor("!", lambda loader, _suffix, node: loader.construct_scalar(node))


def snippets() -> Iterator[Any]:
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for number, found in enumerate([*FENCED.findall(text), *INDENTED.findall(text)], 1):
            yield pytest.param(textwrap.dedent(found), id=f"{page.relative_to(ROOT)}-{number}")


@cache
def options_of_modules() -> dict[str, set[str]]:
    names = [f"{OURS}{path.stem}" for path in (ROOT / "plugins/modules").glob("*.py")]
    command = [str(Path(sys.executable).with_name("ansible-doc")), "--type", "module", "--json", *names]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    told = json.loads(done.stdout)
    return {name: {word for option, about in told[name]["doc"]["options"].items() for word in [option, *about.get("aliases", [])]} for name in names}


@cache
def variables_of_roles() -> dict[str, set[str]]:
    found = {}
    for path in ROOT.glob("roles/*/meta/argument_specs.yml"):
        entries = yaml.safe_load(path.read_text(encoding="utf-8"))["argument_specs"].values()
        found[path.parents[1].name] = {option for entry in entries for option in entry.get("options", {})}
    return found


def nodes(value: Any) -> Iterator[dict[str, Any]]:
    """All dictionaries in there."""
    if isinstance(value, dict):
        yield value
    for each in value.values() if isinstance(value, dict) else value if isinstance(value, list) else []:
        yield from nodes(each)


@pytest.mark.parametrize("text", list(snippets()))
def test_what_a_snippet_names_exists(text: str) -> None:
    for node in nodes(yaml.load(text, Loader=_Loader)):
        for key, value in node.items():
            if str(key).startswith(OURS):
                assert key in options_of_modules(), f"no module {key}"
                assert set(value or {}) - options_of_modules()[key] == set(), key
            if str(key).startswith(tuple(f"{role}_" for role in variables_of_roles())):
                assert key in set().union(*variables_of_roles().values()), f"no role has the variable {key}"
        named = node.get("role") or (node.get("ansible.builtin.include_role") or node.get("ansible.builtin.import_role") or {}).get("name", "")
        if str(named).startswith(OURS):
            assert str(named).removeprefix(OURS) in variables_of_roles()


def test_there_are_snippets() -> None:
    assert len(list(snippets())) > 20
