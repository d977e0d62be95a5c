# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The expressions of get_all_records_where: true, false, a comparison of fields and texts, not, and, or, parentheses."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from .context import Context
from .errors import internal
from .schema import Class

TOKEN = re.compile(r'[ \t\n]*(?:(=|\(|\)|true|false|field|and|or|not)|"([^"]*)"|($))')
# The database keeps these groups of fields under a name with two underscores, and its names are the ones that count here.
GROUPS = ("API_version", "HVM", "PV", "VCPUs", "actions", "memory", "name", "qos")
DEEPEST = 100

Lookup = Callable[[str], str]
Value = tuple[bool, str]  # whether it is the name of a field
Test = Callable[[Lookup], bool]


def column(field: str) -> str:
    group = next((each for each in GROUPS if field.startswith(f"{each}_")), "")
    return f"{group}__{field[len(group) + 1 :]}" if group else field


def marshalled(value: Any) -> str:
    """As the database keeps it: everything is a text."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"({' '.join(quoted(item) for item in value)})"
    if isinstance(value, dict):
        return f"({' '.join(f'({quoted(key)} {quoted(item)})' for key, item in value.items())})"
    return str(value)


def quoted(value: Any) -> str:
    return "'{}'".format(marshalled(value).replace("\\", "\\\\").replace("'", "\\'"))


class Parser:
    """One expression. ``not`` takes in all that follows; ``and`` and ``or`` bind alike, from the left."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens: list[tuple[str, str]] = []  # the word, or '"' and the text in quotes
        at = 0
        while at < len(text):
            match = TOKEN.match(text, at)
            if match is None:
                raise self.wrong()
            at = match.end()
            if match.group(1):
                self.tokens.append((match.group(1), ""))
            elif match.group(2) is not None:
                self.tokens.append(('"', match.group(2)))
        self.tokens.reverse()
        self.depth = 0

    def wrong(self) -> Exception:
        return internal(f'Db_filter.Expression_error("{self.text}", Parsing.Parse_error)')

    def take(self, *words: str) -> str | None:
        """The next token where it is one of these."""
        if self.tokens and self.tokens[-1][0] in words:
            return self.tokens.pop()[0]
        return None

    def whole(self) -> Test:
        found = self.expression()
        if self.tokens:
            raise self.wrong()
        return found

    def expression(self) -> Test:
        self.depth += 1
        if self.depth > DEEPEST:
            raise self.wrong()
        found = self.term()
        while word := self.take("and", "or"):
            found = joined(word, found, self.term())
        self.depth -= 1
        return found

    def term(self) -> Test:
        if self.take("not"):
            return negated(self.expression())
        if self.take("true"):
            return lambda lookup: True
        if self.take("false"):
            return lambda lookup: False
        if self.take("("):
            inner = self.expression()
            if not self.take(")"):
                raise self.wrong()
            return inner
        left = self.value()
        if not self.take("="):
            raise self.wrong()
        return compared(left, self.value())

    def value(self) -> Value:
        named = bool(self.take("field"))
        if not self.tokens or self.tokens[-1][0] != '"':
            raise self.wrong()
        return named, self.tokens.pop()[1]


def joined(word: str, left: Test, right: Test) -> Test:
    if word == "and":
        return lambda lookup: left(lookup) and right(lookup)
    return lambda lookup: left(lookup) or right(lookup)


def negated(inner: Test) -> Test:
    return lambda lookup: not inner(lookup)


def compared(left: Value, right: Value) -> Test:
    def read(value: Value, lookup: Lookup) -> str:
        return lookup(value[1]) if value[0] else value[1]

    return lambda lookup: read(left, lookup) == read(right, lookup)


def matching(context: Context, cls: Class, expression: str) -> dict[str, dict[str, Any]]:
    """The records of a class for which the expression is true."""
    test = Parser(expression).whole()
    columns = {column(name): name for name in cls.fields}
    found = {}
    for ref in list(context.db.objects[cls.name]):
        record = context.db.record(cls.name, ref)

        def lookup(name: str, ref: str = ref, record: dict[str, Any] = record) -> str:
            if name == "_ref":
                return ref
            if name not in columns:
                raise internal(f'Db_exn.DBCache_NotFound("missing field", "{name}", "")')
            return marshalled(record[columns[name]])

        if test(lookup):
            found[ref] = record
    return found
