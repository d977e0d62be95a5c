# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""oslo.config's dialect of INI files, as oslo.config.iniparser reads it, and the one way in which values are written for it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

Sections = dict[str, dict[str, list[str]]]
QUOTES = ("'", '"')


class Unwritable(Exception):
    """Why a value cannot be written so that it is read as it is; the message is the cause, without the value."""


def lines_of(text: str) -> list[str]:
    """The lines of a file as Python's open() gives them; other separators of Unicode are part of a line."""
    lines = re.split(r"\r\n|\r|\n", text)
    return lines[:-1] if not lines[-1] else lines


def parse(text: str) -> Sections:
    """Values by section and option, as they are written; an option that occurs several times has several values."""
    sections: Sections = {}
    options: dict[str, list[str]] | None = None
    values: list[str] | None = None
    for line in lines_of(text):
        stripped = line.strip()
        if not stripped:
            values = None
        elif line[0] in " \t":
            if values:
                values[-1] += "\n" + stripped
        elif stripped[0] in "#;":
            values = None
        elif stripped.startswith("["):
            options, values = sections.setdefault(stripped.strip("[]").strip(), {}), None
        elif options is not None:
            name, value = _split(stripped)
            values = options.setdefault(name, [])
            values.append(value)
    return sections


def _split(line: str) -> tuple[str, str]:
    ends = [position for position in (line.find("="), line.find(":")) if position >= 0]
    position = min(ends, default=len(line))
    return line[:position].strip(), line[position + 1 :].strip()


def escape(value: str) -> str:
    """A text as oslo.config gives it back: a dollar sign is no reference, outer quotes and blanks belong to the text."""
    if "\r" in value or "\0" in value:
        raise Unwritable("it holds a control character")
    # oslo.config takes a backslash before a dollar sign for an escape as well.
    first, *others = re.sub(r"(\\?)\$", lambda found: r"\\$" if found[1] else "$$", value).split("\n")
    if any(not line or line != line.strip() for line in others):
        raise Unwritable("it holds a line break beside an empty line or blanks")
    if first != first.strip() or (first and first[0] in QUOTES and first[0] == first[-1]):
        first = f'"{first}"'
    return "\n    ".join([first, *others])


def literal(written: str) -> str:
    """What oslo.config makes of a written value without references, the opposite of escape()."""
    first, *others = written.split("\n")
    if first and first[0] in QUOTES and first[0] == first[-1]:
        first = first[1:-1]
    return "\n".join([first, *map(str.strip, others)]).replace(r"\$", "$$").replace("$$", "$")


def scalar(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def section(name: str, options: Sequence[tuple[str, str]]) -> str:
    return "".join([f"[{name}]\n", *(f"{option} = {value}".rstrip() + "\n" for option, value in options)])


def document(header: str, sections: Mapping[str, Sequence[tuple[str, str]]]) -> str:
    """A complete file; sections without options are left out."""
    return "\n".join([*([header.rstrip("\n") + "\n"] if header else []), *(section(name, options) for name, options in sections.items() if options)])
