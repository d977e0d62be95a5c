# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""Our part of a file that an operator writes too: Kolla's override of glance-api.conf, as its merge_configs reads it.

merge_configs renders the file as a Jinja template, reads it with oslo.config's parser, where sections of one name are one, and lets later files win.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .declaration import Declaration, given
from .options import BACKENDS, SWIFT_ACCOUNT, Option

BEGIN = "# BEGIN of the stores: the role xenstack.image_services.glance_stores writes this block."
END = "# END of the stores"
# Options whose values may be shown; what is unknown may be a secret.
SHOWN_KINDS = ("str", "int", "bool")
SHOWN = {name for options in BACKENDS.values() for name, option in options.items() if option.kind in SHOWN_KINDS and not option.secret}
SHOWN |= {"enabled_backends", "default_backend", "store_description", "weight", "filesystem_store_datadirs"}
LONG_ENOUGH_TO_BE_SECRET = 6


@dataclass(frozen=True)
class Override:
    """A file in its three parts. Joined they are the file, byte for byte."""

    before: str
    block: str
    after: str

    @property
    def own(self) -> str:
        """The operator's lines."""
        return self.before + self.after

    @property
    def body(self) -> str:
        """Our lines without the marks around them."""
        return "".join(_lines(self.block)[1:-1])


class Unclear(Exception):
    """Why the lines of the role cannot be told from others; the message is the cause."""


def split(text: str, around: tuple[str, str] = (BEGIN, END)) -> Override:
    """``around`` are the first and the last line of the block."""
    lines = _lines(text)
    marks = [(number, line.strip()) for number, line in enumerate(lines) if line.strip() in around]
    if not marks:
        return Override(text, "", "")
    if [mark for _number, mark in marks] != list(around):
        raise Unclear(f"the lines '{around[0]}' and '{around[1]}' are not there once each, in this order")
    (first, _begin), (last, _end) = marks
    found = Override("".join(lines[:first]), "".join(lines[first : last + 1]), "".join(lines[last + 1 :]))
    stray = _first_option(found.after)
    if stray is not None:
        raise Unclear(f"the option {stray} follows the block of {around[1].removeprefix('# END of ')} without a section of its own")
    return found


def merge(text: str, body: str, around: tuple[str, str] = (BEGIN, END)) -> str:
    """The file with our lines in it, where they were before or at its end; without any the block goes."""
    found = split(text, around)
    if not body.strip():
        return found.own
    ending = "\r\n" if "\r\n" in text else "\n"
    block = "\n".join([around[0], *body.rstrip("\n").split("\n"), around[1]]) + "\n"
    before = found.before
    if before and not before.endswith(("\n", "\r")):
        before += ending
    return before + block.replace("\n", ending) + found.after


@dataclass(frozen=True)
class Settled:
    """A file with the stores in it; ``own`` are the operator's lines, ``block`` the stores that are in it now, ``fault`` why they cannot be told apart."""

    text: str
    own: str
    block: str = ""
    fault: str = ""


def settle(text: str, stores: str) -> Settled:
    """Put the stores into the file; empty ones remove the block."""
    try:
        found = split(text)
        return Settled(merge(text, for_merge(stores)), found.own, found.body)
    except Unclear as unclear:
        return Settled(text, text, fault=str(unclear))


def for_merge(text: str) -> str:
    """A text of the role that comes out of merge_configs as it is: quotes are taken off once more there, and braces begin a template."""
    return re.sub(r"\{(?=[{%#])", "{{ '{' }}", "".join(_quoted_again(line) for line in _lines(text)))


def _quoted_again(line: str) -> str:
    name, equal, value = line.rstrip("\n").partition(" = ")
    if not equal or line.startswith(("#", "[")) or not (value and value[0] in "\"'" and value[0] == value[-1]):
        return line
    return f'{name} = "{value}"\n'


def _lines(text: str) -> list[str]:
    """Lines as oslo.config sees them, with their ends."""
    return re.findall(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+", text)


def _first_option(text: str) -> str | None:
    """An option that is before the first section of a text."""
    for line in _lines(text):
        if line.startswith("["):
            return None
        if line.strip() and not line.lstrip().startswith(("#", ";", "{%", "{#")):
            return re.split(r"[=:]", line.strip())[0].strip()
    return None


def secrets(declaration: Declaration) -> list[str]:
    """Every value that must not be repeated, the longest first."""
    known: dict[str, Option] = {name: option for options in BACKENDS.values() for name, option in options.items()}
    values = [*_secret(declaration.backend_defaults, known)]
    for store in declaration.stores:
        values += _secret(store, known)
    for account in declaration.swift_accounts:
        values += _secret(account, SWIFT_ACCOUNT)
    for options in declaration.extra_config.values():
        values += [value for value in _texts(options) if len(value) >= LONG_ENOUGH_TO_BE_SECRET]
    escaped = [value.replace("$", "$$") for value in values]
    return sorted({value for value in [*values, *escaped] if value}, key=len, reverse=True)


def _secret(values: Mapping[str, Any], known: Mapping[str, Option]) -> Iterator[str]:
    for name, value in given(values).items():
        if name in known and known[name].secret:
            yield str(value)


def _texts(options: object) -> Iterator[str]:
    for value in options.values() if isinstance(options, Mapping) else ():
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, str):
                yield item
