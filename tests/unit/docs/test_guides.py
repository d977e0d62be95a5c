# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each guide is in the table of contents and on the front page, and begins with a diagram."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from ansible_collections.xenstack.image_services.tests.support.deployment import ROOT

GUIDES = sorted(ROOT.glob("docs/docsite/rst/*.rst"))
ANCHOR = "ansible_collections.xenstack.image_services.docsite."


@pytest.mark.parametrize("guide", GUIDES, ids=lambda guide: guide.stem)
def test_a_guide_is_found_and_has_a_diagram(guide: Path) -> None:
    (section,) = yaml.safe_load((ROOT / "docs/docsite/extra-docs.yml").read_text(encoding="utf-8"))["sections"]
    text = guide.read_text(encoding="utf-8")
    assert guide.stem in section["toctree"]
    assert f".. _{ANCHOR}{guide.stem}:" in text
    assert f"<{ANCHOR}{guide.stem}>`" in (ROOT / "docs/site/index.rst").read_text(encoding="utf-8")
    assert f"/docs/docsite/rst/{guide.name})" in (ROOT / "README.md").read_text(encoding="utf-8")
    assert "    :class: diagram\n" in text


def test_there_are_guides() -> None:
    assert len(GUIDES) >= 8
