# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""picture.py write|check: the diagram of the documentation's front page as the file that the README shows, where nothing draws text."""

from __future__ import annotations

import re
import sys
import textwrap
from pathlib import Path

from sphinxcontrib.svgbob._svgbob import to_svg

PAGE = Path("docs/site/index.rst")
PICTURE = Path("docs/site/picture.svg")
BLOCK = re.compile(r"^    :class: diagram\n\n((?:    .*\n|\n)+)", re.MULTILINE)
NOTE = """<!-- SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
     SPDX-License-Identifier: GPL-3.0-or-later
     Written by make picture from docs/site/index.rst. -->
"""


def drawn(page: str) -> str:
    found = BLOCK.search(page)
    assert found is not None, "the front page has no diagram"
    opening, rest = to_svg(textwrap.dedent(found[1]).rstrip(), font_family="sans-serif").split("\n", 1)
    # The lines are black, and pages may be dark.
    return f'{opening}\n{NOTE}<rect class="backdrop" width="100%" height="100%"/>\n{rest}\n'


def main() -> None:
    picture = drawn(PAGE.read_text(encoding="utf-8"))
    if sys.argv[1] == "write":
        PICTURE.write_text(picture, encoding="utf-8")
    elif PICTURE.read_text(encoding="utf-8") != picture:
        raise SystemExit(f"{PICTURE} is not the diagram of {PAGE}. Run make picture.")


if __name__ == "__main__":
    main()
