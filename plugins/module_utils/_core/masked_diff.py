# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""What changes in a configuration file, line by line, without the values of options that may be secrets."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher

from .ini import lines_of

MASK = "********"


@dataclass(frozen=True)
class Line:
    """A line in its section; ``raw`` is compared and never shown."""

    section: str
    name: str
    shown: str
    raw: str


def masked_diff(before: str, after: str, shown: Collection[str]) -> tuple[str, str]:
    """The lines that differ, each under its section. Only values of the options in ``shown`` are in them; of the others it is said that they changed."""
    old, new = list(_lines(before, shown)), list(_lines(after, shown))
    matcher = SequenceMatcher(None, [(line.section, line.raw) for line in old], [(line.section, line.raw) for line in new], autojunk=False)
    removed: list[Line] = []
    added: list[Line] = []
    for operation, first, last, new_first, new_last in matcher.get_opcodes():
        if operation != "equal":
            removed += old[first:last]
            added += new[new_first:new_last]
    return _text(removed), _text(added, Counter((line.section, line.shown) for line in removed if line.shown.endswith(MASK)))


def _lines(text: str, shown: Collection[str]) -> Iterator[Line]:
    section, name = "", ""
    for line in lines_of(text):
        stripped = line.strip()
        if stripped.startswith("["):
            section, name = stripped.strip("[]").strip(), ""
        elif stripped[:1] in ("#", ";"):
            yield Line(section, "", _comment(line, shown), line)
        # What continues an option is indented, or an entry of a list of YAML.
        elif stripped and name and (line[0] in " \t" or line.startswith("- ")):
            yield Line(section, name, line if name in shown else f"{line[: len(line) - len(line.lstrip())]}{MASK}", line)
        elif stripped:
            found = re.match(r"[^=:]*(?=[=:])", stripped)
            name = found[0].strip() if found else ""
            yield Line(section, name, stripped if name in shown else f"{name} = {MASK}" if name else MASK, stripped)


def _comment(line: str, shown: Collection[str]) -> str:
    """A comment, unless it looks like an option that is switched off."""
    found = re.match(r"[#;\s]*([^=]*?)\s*=|[#;\s]*([^\s:]+)\s*:", line)
    name = (found[1] or found[2] or "") if found else ""
    return f"# {name} = {MASK}" if found and name not in shown else line


def _text(lines: list[Line], masked_before: Counter[tuple[str, str]] | None = None) -> str:
    shown: list[str] = []
    section = ""
    left = Counter(masked_before or {})
    for line in lines:
        # A comment needs none: the one above the block of the role would name a section of the operator.
        if line.name and line.section != section:
            section = line.section
            shown.append(f"[{section}]")
        changed = left[line.section, line.shown] > 0
        left[line.section, line.shown] -= changed
        shown.append(f"{line.shown} (changed)" if changed else line.shown)
    return "".join(f"{line}\n" for line in shown)
