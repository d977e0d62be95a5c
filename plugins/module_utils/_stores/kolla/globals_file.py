# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""One variable of a Kolla-style globals.yml set in its text; every other byte stays."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Union

Value = Union[str, list[str]]
Load = Callable[[str], Any]


class NotEditable(Exception):
    """The text has a form that cannot be changed safely."""


def set_variable(text: str, name: str, value: Value, load: Load) -> str:
    """The text with this variable. ``load`` reads YAML and is asked whether exactly that has changed."""
    current = _loaded(text, load)
    if current.get(name) == value:
        return text
    edited = _edit(text, name, value, current.get(name), name in current)
    if _loaded(edited, load) != {**current, name: value}:
        raise NotEditable
    return edited


def _loaded(text: str, load: Load) -> Mapping[str, Any]:
    try:
        values = load(text)
    except ValueError as exc:
        raise NotEditable from exc
    if values is None:
        return {}
    if not isinstance(values, Mapping):
        raise NotEditable
    return values


def _edit(text: str, name: str, value: Value, current: Any, there: bool) -> str:
    ending = "\r\n" if "\r\n" in text else "\n"
    if not there:
        gap = "" if not text or text.endswith("\n") else ending
        return text + gap + line_of(name, value).replace("\n", ending) + ending
    line = re.search(rf"^{re.escape(name)}[ \t]*:(?P<value>[^\r\n]*)", text, re.MULTILINE)
    if line is None:
        raise NotEditable
    begin, end = line.span("value")
    if isinstance(value, str):
        comment = re.search(r"[ \t]+#.*$", line["value"])
        return text[:begin] + " " + quoted(value) + (comment[0] if comment else "") + text[end:]
    more = _new_items(current, value)
    shown = re.sub(r"(?:^|[ \t]+)#.*$", "", line["value"]).strip()
    if shown.startswith("[") and shown.endswith("]"):
        close = begin + line["value"].rindex("]", 0, line["value"].index(shown) + len(shown))
        inside = shown[1:-1].strip()
        comma = "" if not inside or inside.endswith(",") else ", "
        return text[:close].rstrip(" ") + comma + ", ".join(map(quoted, more)) + text[close:]
    if shown:
        raise NotEditable
    return _after_block_list(text, end, more, ending)


def _new_items(current: Any, value: Sequence[str]) -> list[str]:
    """What is to be added at the end of a list; nothing else can be done to one."""
    kept = list(current or [])
    if not isinstance(current, (list, type(None))) or list(value[: len(kept)]) != kept:
        raise NotEditable
    return list(value[len(kept) :])


def _after_block_list(text: str, end: int, more: Sequence[str], ending: str) -> str:
    items = re.compile(r"\r?\n(?P<indent>[ ]*)- [^\r\n]*(?:\r?\n(?P=indent)[ ]+[^\r\n]*)*")
    blank = re.compile(r"(?:\r?\n[ \t]*(?:#[^\r\n]*)?(?=\r?\n))*")
    indent, position = "  ", end
    while True:
        gap = blank.match(text, position)
        item = items.match(text, gap.end() if gap else position)
        if item is None:
            break
        indent, position = item["indent"], item.end()
    return text[:position] + "".join(f"{ending}{indent}- {quoted(entry)}" for entry in more) + text[position:]


def line_of(name: str, value: Value) -> str:
    """The line that a sentence tells an operator to write."""
    if isinstance(value, str):
        return f"{name}: {quoted(value)}"
    return f"{name}: [{', '.join(map(quoted, value))}]"


def quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
