# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands of the guides, for the tests that run them as a reader would.

python3 guide.py <guide> <heading>: prints the first block of shell commands below the heading.
"""

from __future__ import annotations

import re
import sys
import textwrap
from pathlib import Path

GUIDES = Path(__file__).parents[2] / "docs/docsite/rst"
BLOCK = re.compile(r"^ *\.\. code-block:: shell\n\n((?: {4,}.*\n|\n)+)", re.MULTILINE)


def blocks(guide: str, heading: str) -> list[str]:
    """The blocks of shell commands of a section."""
    text = (GUIDES / f"{guide}.rst").read_text(encoding="utf-8")
    sections = re.split(r"^(.+)\n-+\n", text, flags=re.MULTILINE)
    found = dict(zip(sections[1::2], sections[2::2], strict=True)).get(heading, "")
    commands = [textwrap.dedent(block).strip() + "\n" for block in BLOCK.findall(found)]
    assert commands, f"guide '{guide}' has no commands below '{heading}'"
    return commands


if __name__ == "__main__":
    print(blocks(*sys.argv[1:])[0], end="")
