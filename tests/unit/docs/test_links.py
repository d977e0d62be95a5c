# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Links in Markdown: what Galaxy shows has absolute ones only, all name the repository of galaxy.yml, and each leads to a file that exists."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from ansible_collections.xenstack.image_services.tests.support.deployment import ROOT

REPOSITORY = yaml.safe_load((ROOT / "galaxy.yml").read_text(encoding="utf-8"))["repository"]
# Galaxy shows these apart from the files beside them.
ON_GALAXY = sorted([ROOT / "README.md", *ROOT.glob("roles/*/README.md")])
PAGES = sorted({*ON_GALAXY, *ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/**/*.md"), *ROOT.glob(".github/**/*.md")})
LINK = re.compile(r"\]\(([^)\s]+)\)|^\[[^]]+\]:\s+(\S+)", re.MULTILINE)
CODE = re.compile(r"^```.*?^```$|`[^`\n]*`", re.MULTILINE | re.DOTALL)
IN_REPOSITORY = re.compile(re.escape(REPOSITORY) + r"/(?:blob|tree)/main/(.+)")


def links(page: Path) -> Iterator[str]:
    for bracketed, referenced in LINK.findall(CODE.sub("", page.read_text(encoding="utf-8"))):
        yield bracketed or referenced


def wrong(page: Path, link: str) -> str:
    """What is wrong with a link; empty if nothing is."""
    address, _mark, anchor = link.partition("#")
    if not address:
        headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
        return "" if anchor in [re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings] else "no such heading"
    if "://" not in address:
        if page in ON_GALAXY:
            return "relative"
        return "" if (page.parent / address).exists() else "no such file"
    found = IN_REPOSITORY.fullmatch(address)
    return "no such file in the repository" if found and not (ROOT / found[1]).exists() else ""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    assert {link: wrong(page, link) for link in links(page) if wrong(page, link)} == {}


@pytest.mark.parametrize(
    ("link", "said"),
    [
        ("docs/development.md", "relative"),
        ("#no-such", "no such heading"),
        (f"{REPOSITORY}/blob/main/docs/none.md", "no such file in the repository"),
        ("#licence", ""),
        (f"{REPOSITORY}/blob/main/LICENSE", ""),
        (f"{REPOSITORY}/issues", ""),
    ],
)
def test_a_wrong_link_is_found(link: str, said: str) -> None:
    assert wrong(ROOT / "README.md", link) == said


def test_no_page_names_another_repository() -> None:
    host, _slash, name = REPOSITORY.rpartition("/")
    named = {link for page in PAGES for link in links(page) if link.startswith(host.rsplit("/", 1)[0]) and name in link}
    assert named
    assert {link for link in named if not link.startswith(REPOSITORY)} == set()


def test_pages_have_links() -> None:
    assert len(list(links(ROOT / "README.md"))) > 10
