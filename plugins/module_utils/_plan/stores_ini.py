# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""oslo.config's dialect of INI files, as oslo.config.iniparser reads it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Sections = dict[str, dict[str, list[str]]]


def parse(text: str) -> Sections:
    """Values by section and option; an option that occurs several times has several values."""
    sections: Sections = {}
    options: dict[str, list[str]] | None = None
    values: list[str] | None = None
    for line in text.splitlines():
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


def backends(text: str) -> dict[str, str]:
    """Type of each store that a configuration enables, by its name."""
    stores: dict[str, str] = {}
    for value in parse(text).get("DEFAULT", {}).get("enabled_backends", [])[-1:]:
        for pair in value.split(","):
            name, colon, kind = pair.partition(":")
            if colon:
                stores[name.strip()] = kind.strip()
    return stores


def escape(value: str) -> str:
    """A text as oslo.config gives it back: a dollar sign is no reference, outer quotes and blanks belong to the text."""
    value = value.replace("$", "$$")
    if value != value.strip() or (value and value[0] in "\"'" and value[0] == value[-1]):
        return f'"{value}"'
    return value


def scalar(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def section(name: str, options: Sequence[tuple[str, str]]) -> str:
    return "".join([f"[{name}]\n", *(f"{option} = {value}".rstrip() + "\n" for option, value in options)])


def document(header: str, sections: Mapping[str, Sequence[tuple[str, str]]]) -> str:
    """A whole file; sections without options are left out."""
    return "\n".join([header.rstrip("\n") + "\n", *(section(name, options) for name, options in sections.items() if options)])
