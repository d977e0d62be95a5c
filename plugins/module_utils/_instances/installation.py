# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""The UUID of a Nova installation in a file of its own or in an option of nova.conf: found, or put there once. No I/O."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from .._core.errors import ImageServicesError, cannot
from .._glance.relation import parse_uuid

# As Python's universal newlines cut a file, which is what oslo.config reads it by.
_LINE = re.compile(r"([^\r\n]*)(\r\n|\r|\n|\Z)")
_OPTION = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_SECTION = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:-]*")


@dataclass(frozen=True)
class Option:
    """Where in an INI file the UUID is kept."""

    section: str
    name: str


@dataclass(frozen=True)
class Line:
    """One line of a file: its number, its text without the ending, the ending, and where it begins and ends."""

    number: int
    text: str
    ending: str
    begin: int
    end: int


@dataclass(frozen=True)
class Assignment:
    section: str | None
    name: str
    value: str
    line: int


@dataclass(frozen=True)
class Header:
    section: str
    line: Line


def check_option(path: str, section: str, name: str) -> Option:
    """Refuse what could not be read again."""
    for what, text, form in (("section", section, _SECTION), ("option", name, _OPTION)):
        if not form.fullmatch(text):
            raise refuse(path, f"{what} '{text}' is no name of {'a section' if what == 'section' else 'an option'} in an INI file", "Correct it", "bad_option")
    return Option(section, name)


def check_uuid(path: str, text: str | None) -> str | None:
    """The UUID that the task gives, normalised."""
    if text is None:
        return None
    found = parse_uuid(text)
    if found is None:
        raise refuse(path, f"uuid '{text}' is no UUID", "Write 32 hexadecimal digits, with or without dashes", "bad_uuid")
    return found


def find(path: str, content: bytes | None, option: Option | None) -> str | None:
    """The UUID that is there, normalised; anything else in its place is refused, for whoever wrote it meant something."""
    if content is None:
        return None
    text = _decoded(content)
    return _find_alone(path, text) if option is None else _find_option(path, text, option)


def choose(path: str, present: str | None, given: str | None) -> str | None:
    """What the file is to hold; None is for one that is still to be drawn."""
    if present is not None and given is not None and present != given:
        raise refuse(
            path,
            f"it is {present}, and uuid is {given}",
            "Give the one that is right to all hosts of the installation, and remove the other by hand",
            "differs",
        )
    return present or given


def put(path: str, content: bytes | None, option: Option | None, uuid: str) -> bytes:
    """The file with the UUID added, and every other byte as it was."""
    if option is None:
        return f"{uuid}\n".encode()
    text = _decoded(content or b"")
    at, more = _addition(path, text, option, f"{option.name} = {uuid}")
    return (text[:at] + more + text[at:]).encode("utf-8", "surrogateescape")


def refuse(path: str, cause: str, advice: str, code: str | int) -> ImageServicesError:
    return cannot("keep", "installation UUID in", path, cause, advice, code=code)


def _decoded(content: bytes) -> str:
    """Bytes that are no text come back as they were."""
    return content.decode("utf-8", "surrogateescape")


def _find_alone(path: str, text: str) -> str:
    filled = [line for line in _lines(text) if line.text.strip()]
    if not filled:
        raise refuse(path, "line 1 is empty", "Remove the file to have a UUID made, or write the right one into it", "malformed")
    if len(filled) > 1:
        raise refuse(path, f"line {filled[1].number} holds more than the UUID", "Leave only the UUID in the file", "malformed")
    return _parsed(path, filled[0].text, filled[0].number)


def _find_option(path: str, text: str, option: Option) -> str | None:
    found = [item for item in _read(path, text) if isinstance(item, Assignment) and item.name == option.name and item.section in (None, option.section)]
    for item in found:
        if item.section is None:
            raise refuse(path, f"line {item.line} sets {option.name} before any section", f"Put it below [{option.section}]", "malformed")
    if len(found) > 1:
        places = " and ".join(str(item.line) for item in found)
        raise refuse(path, f"lines {places} of [{option.section}] set {option.name}", "Leave the one that is right", "twice")
    return _parsed(path, found[0].value, found[0].line) if found else None


def _parsed(path: str, value: str, line: int) -> str:
    found = parse_uuid(value)
    if found is None:
        # What the file holds is not shown: it may be anything.
        raise refuse(path, f"line {line} holds no UUID", "Correct it by hand, or remove it to have one made", "malformed")
    return found


def _addition(path: str, text: str, option: Option, line: str) -> tuple[int, str]:
    """Where to add what; first thing in the section, where it is in the way of no other line."""
    header = next((item for item in _read(path, text) if isinstance(item, Header) and item.section == option.section), None)
    if header is None:
        ending = _usual_ending(text)
        gap = "" if not text else ending if text[-1] in "\r\n" else ending * 2
        return len(text), f"{gap}[{option.section}]{ending}{line}{ending}"
    following = next(_lines(text[header.line.end :]), None)
    if following is not None and following.text[:1] in (" ", "\t") and following.text.strip():
        cause = f"line {header.line.number + 1} is indented and continues no option"
        raise refuse(path, cause, "Nova cannot read that: correct it", "malformed")
    ending = header.line.ending or _usual_ending(text)
    return header.line.end, ("" if header.line.ending else ending) + line + ending


def _usual_ending(text: str) -> str:
    return next((line.ending for line in _lines(text) if line.ending), "\n")


def _lines(text: str) -> Iterator[Line]:
    number, position = 0, 0
    while position < len(text):
        match = _LINE.match(text, position)
        if match is None:
            break
        number += 1
        yield Line(number, match[1], match[2], position, match.end())
        position = match.end()


def _read(path: str, text: str) -> Iterator[Assignment | Header]:
    """Headers and assignments as oslo.config's parser sees them; an indented line belongs to the value above it."""
    section: str | None = None
    pending: Assignment | None = None
    for line in _lines(text):
        stripped = line.text.rstrip()
        if stripped and stripped[0] in " \t" and pending is not None:
            pending = Assignment(pending.section, pending.name, f"{pending.value}\n{stripped.lstrip()}", pending.line)
            continue
        if pending is not None:
            yield pending
            pending = None
        if stripped.startswith("["):
            if not stripped.endswith("]"):
                raise refuse(path, f"line {line.number} begins a section and lacks its closing bracket", "Nova cannot read that: correct it", "malformed")
            section = stripped[1:-1]
            yield Header(section, line)
        elif stripped and stripped[0] not in "#; \t":
            name, value = _split(stripped)
            pending = Assignment(section, name, value, line.number)
    if pending is not None:
        yield pending


def _split(line: str) -> tuple[str, str]:
    ends = [position for position in (line.find("="), line.find(":")) if position >= 0]
    position = min(ends, default=len(line))
    value = line[position + 1 :].strip()
    if value and value[0] == value[-1] and value[0] in "\"'":
        value = value[1:-1]
    return line[:position].strip(), value
