# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The README is read in minutes and complete; its pictures are those of this checkout. tests/integration/test_readme.py runs what it shows."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
from ansible_collections.xenstack.image_services.tests.support.deployment import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
INDEX = re.search(r"^## Guides.*?(?=^## )", README, re.MULTILINE | re.DOTALL)
NAMED = [f"`{path.stem}`" for path in ROOT.glob("plugins/modules/*.py")] + [f"`{path.name}`" for path in ROOT.glob("roles/*")]
PLAYBOOKS = [f"**`{path.stem}`**" for path in ROOT.glob("playbooks/*.yml") if not path.stem.startswith("demo")]
RECORDING = ROOT / "docs/site/demo.svg"


def test_it_has_at_most_900_words() -> None:
    """As somebody sees it: without comments and the addresses of links."""
    seen = re.sub(r"\]\([^)]*\)", "]", re.sub(r"<!--.*?-->", "", README, flags=re.DOTALL))
    assert 400 < len(seen.split()) <= 900


@pytest.mark.parametrize("name", sorted([*NAMED, *PLAYBOOKS]))
def test_the_index_names_it_once(name: str) -> None:
    assert INDEX is not None
    (table,) = re.findall(r"(?:^\|.*\n)+", INDEX[0], re.MULTILINE)
    # A playbook may be called like a module.
    assert len(re.findall(rf"(?<!\*){re.escape(name)}(?!\*)", table)) == 1


def test_what_it_installs_is_what_the_collection_needs() -> None:
    lines = (ROOT / "meta/ee-requirements.txt").read_text(encoding="utf-8").splitlines()
    needed = {re.split(r"[>=;]", line)[0] for line in lines if not line.startswith("#")}
    installed = {word.strip("'").split(">")[0] for found in re.findall(r"^pip install ([^#\n]+)", README, re.MULTILINE) for word in found.split()}
    assert installed - {"ansible-core"} == needed


@pytest.mark.parametrize("name", ["demo.svg", "picture.svg"])
def test_its_pictures_are_small_and_whole(name: str) -> None:
    picture = ROOT / "docs/site" / name
    assert f"/raw/main/docs/site/{name})" in README
    assert picture.stat().st_size < 200 * 1024
    assert ElementTree.parse(picture).getroot().tag.endswith("}svg")


def commands(path: Path) -> list[str]:
    return [line.strip() for line in re.findall(r"^  (\.demo[^#]*)", path.read_text(encoding="utf-8"), re.MULTILINE)]


def test_the_recording_shows_the_commands_that_the_demo_ends_with() -> None:
    tried = commands(ROOT / "playbooks/files/demo_try.txt")
    text = RECORDING.read_text(encoding="utf-8")
    assert len(tried) == 3
    assert re.findall(r'<tspan class="g">\$ </tspan><tspan class="p">([^<]*)', text) == ["make demo", *tried]
    assert re.search(r"animation:page (?:3[5-9]|4[0-5])\.\ds ", text)
