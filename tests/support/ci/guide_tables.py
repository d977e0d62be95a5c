# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tables that are written into a guide, between two comments, from the data that they document."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[3]


def restructured(text: str) -> str:
    """Ansible's markup as reStructuredText."""
    text = re.sub(r"M\(([^)]+)\)", r":ansplugin:`\1#module`", text)
    text = re.sub(r"P\(([^)]+)\)", r":ansplugin:`\1`", text)
    return re.sub(r"[VOCE]\(([^)]+)\)", r"``\1``", text)


def table(widths: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield ".. list-table::"
    yield "    :header-rows: 1"
    yield f"    :widths: {widths}"
    for first, *others in (head, *rows):
        yield ""
        yield f"    * - {first}"
        yield from (f"      - {cell}".rstrip() for cell in others)
    yield ""


def keep(mode: str, target: str, guide: str, source: Path, tables: str) -> int:
    """Write the tables into the guide, or check that it has them; ``target`` is that of make."""
    path = ROOT / "docs/docsite/rst" / guide
    begin, end = f".. The tables below are written by make {target}.\n", f".. End of what make {target} writes.\n"
    text = path.read_text(encoding="utf-8")
    before, _begin, rest = text.partition(begin)
    _tables, _end, after = rest.partition(end)
    wanted = before + begin + tables + end + after
    if mode == "write":
        path.write_text(wanted, encoding="utf-8")
    elif text != wanted:
        print(f"Cannot accept {path.relative_to(ROOT)}: its tables differ from {source.relative_to(ROOT)}. Run make {target}.", file=sys.stderr)
        return 1
    return 0
