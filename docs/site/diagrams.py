# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Draws code blocks of the class ``diagram`` as SVG. Where this extension does not run, on Galaxy for example, readers see the text."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform
from sphinxcontrib.svgbob._svgbob import to_svg

CLASS = "diagram"


class DrawDiagrams(SphinxTransform):
    # Before Sphinx collects the images of a page.
    default_priority = 10

    def apply(self, **_kwargs: Any) -> None:
        for block in list(self.document.findall(nodes.literal_block)):
            if CLASS in block["classes"]:
                text = block.astext()
                name = f"_diagrams/{hashlib.sha256(text.encode()).hexdigest()[:16]}.svg"
                path = Path(self.env.srcdir, name)
                path.parent.mkdir(exist_ok=True)
                path.write_text(to_svg(text, font_family="sans-serif"), encoding="utf-8")
                # Who hears the page gets the words, which are in quotes.
                block.replace_self(nodes.image(uri=f"/{name}", alt="; ".join(re.findall('"([^"]+)"', text)), classes=[CLASS]))


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_transform(DrawDiagrams)
    return {"parallel_read_safe": True}
