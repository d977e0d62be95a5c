# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The data model: classes, fields, messages and enums, read from schema/*.txt.

A line there is one of: enum, a field (rw, constructor, runtime), implicit, hidden, call (takes a session), open (takes none), unpublished (a call that servers
have and their published model does not), removed.
The messages of a field follow from its qualifier and type, so they are not listed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .errors import NULL

DIRECTORY = Path(__file__).parent / "schema"
BASE = ("string", "int", "float", "bool", "datetime", "void")


@dataclass(frozen=True)
class Type:
    """kind: one of BASE, ref, record, enum, set, option, map or other; of: the name behind it, or the inner types."""

    kind: str
    name: str = ""
    inner: tuple[Type, ...] = ()

    @property
    def text(self) -> str:
        if self.kind in ("ref", "record"):
            return f"{self.name} {self.kind}"
        if self.kind in ("set", "option"):
            return f"{self.inner[0].text} {self.kind}"
        if self.kind == "map":
            return f"({self.inner[0].text} -> {self.inner[1].text}) map"
        return f"enum {self.name}" if self.kind == "enum" else self.name or self.kind


def parse_type(text: str) -> Type:
    if text in BASE:
        return Type(text)
    for kind in ("set", "option"):
        if text.endswith(f" {kind}") and not text.startswith("("):
            return Type(kind, inner=(parse_type(text[: -len(kind) - 1]),))
    if text.startswith("(") and text.endswith(") map"):
        key, dummy, value = text[1:-5].partition(" -> ")
        return Type("map", inner=(parse_type(key), parse_type(value)))
    if text.startswith("enum "):
        return Type("enum", text[5:])
    for kind in ("ref", "record"):
        if text.endswith(f" {kind}"):
            return Type(kind, text[: -len(kind) - 1])
    return Type("other", text)


def empty(kind: Type, enums: dict[str, list[str]]) -> Any:
    """What a field of the type holds when nothing was ever written to it."""
    if kind.kind == "enum":
        return enums[kind.name][0]
    return {
        "int": 0,
        "float": 0.0,
        "bool": False,
        "datetime": "19700101T00:00:00Z",
        "ref": NULL,
        "set": [],
        "map": {},
    }.get(kind.kind, "")


def literal(text: str, kind: Type) -> Any:
    """A default as the schema writes it."""
    if kind.kind == "set":
        return [literal(part.strip(), kind.inner[0]) for part in text.strip("{}").split(",") if part.strip()]
    if kind.kind == "map":
        return dict(re.findall(r'"([^"]*)" -> "([^"]*)"', text))
    if kind.kind == "ref":
        return NULL
    if kind.kind == "bool":
        return text == "true"
    if kind.kind in ("int", "float"):
        return {"int": int, "float": float}[kind.kind](text)
    return text[1:-1] if text.startswith('"') else text


@dataclass(frozen=True)
class Field:
    name: str
    type: Type
    qualifier: str
    default: str | None = None

    @property
    def writable(self) -> bool:
        return self.qualifier == "rw"


@dataclass(frozen=True)
class Param:
    name: str
    type: Type
    required: bool = True


@dataclass(frozen=True)
class Message:
    """kind: getter, setter (set, add_to, remove_from, add, remove), implicit, custom or removed. unpublished: servers have it, their data model does not."""

    name: str
    params: tuple[Param, ...]
    result: Type
    kind: str
    session: bool = True
    field: Field | None = None
    unpublished: bool = False

    @property
    def required(self) -> int:
        return sum(param.required for param in self.params)

    @property
    def asynchronous(self) -> bool:
        return self.kind == "custom" or self.name in ("create", "destroy")


@dataclass
class Class:
    name: str
    fields: dict[str, Field] = field(default_factory=dict)
    messages: dict[str, Message] = field(default_factory=dict)


@dataclass
class Schema:
    classes: dict[str, Class]
    enums: dict[str, list[str]]
    others: frozenset[str]

    def default(self, entry: Field) -> Any:
        return empty(entry.type, self.enums) if entry.default is None else literal(entry.default, entry.type)


VOID = Type("void")
STRING = Type("string")


def field_messages(name: str, entry: Field) -> list[Message]:
    me = Param("self", Type("ref", name))
    value = Param("value", entry.type)
    messages = [Message(f"get_{entry.name}", (me,), entry.type, "getter", field=entry)]
    if entry.writable:
        messages.append(Message(f"set_{entry.name}", (me, value), VOID, "setter", field=entry))
        if entry.type.kind == "map":
            key = Param("key", entry.type.inner[0])
            messages.append(Message(f"add_to_{entry.name}", (me, key, Param("value", entry.type.inner[1])), VOID, "setter", field=entry))
            messages.append(Message(f"remove_from_{entry.name}", (me, key), VOID, "setter", field=entry))
        if entry.type.kind == "set":
            item = Param("value", entry.type.inner[0])
            messages += [Message(f"{verb}_{entry.name}", (me, item), VOID, "setter", field=entry) for verb in ("add", "remove")]
    return messages


def implicit_message(name: str, verb: str) -> Message:
    ref, record = Type("ref", name), Type("record", name)
    params, result = {
        "create": ((Param("args", record),), ref),
        "destroy": ((Param("self", ref),), VOID),
        "get_all": ((), Type("set", inner=(ref,))),
        "get_all_records": ((), Type("map", inner=(ref, record))),
        "get_all_records_where": ((Param("expr", STRING),), Type("map", inner=(ref, record))),
        "get_by_name_label": ((Param("label", STRING),), Type("set", inner=(ref,))),
        "get_by_uuid": ((Param("uuid", STRING),), ref),
        "get_record": ((Param("self", ref),), record),
    }[verb]
    return Message(verb, params, result, "implicit", unpublished=verb == "get_all_records_where")


SIGNATURE = re.compile(r"(call|open|unpublished) (\w+)\((.*)\) -> (.*)")


def custom_message(line: str) -> Message:
    match = SIGNATURE.fullmatch(line)
    if match is None:
        raise ValueError(f"not a message: {line}")
    kind, name, listed, result = match.groups()
    params = []
    # A comma inside a type does not occur, so a comma always ends a parameter.
    for part in filter(None, listed.split(", ")):
        label, dummy, text = part.partition(": ")
        params.append(Param(label.rstrip("?"), parse_type(text), not label.endswith("?")))
    return Message(name, tuple(params), parse_type(result), "custom", kind != "open", unpublished=kind == "unpublished")


def read_class(path: Path, enums: dict[str, list[str]]) -> Class:
    made = Class(path.stem)
    hidden: set[str] = set()
    for line in path.read_text(encoding="utf-8").splitlines():
        word, dummy, rest = line.partition(" ")
        if word == "enum":
            name, dummy, values = rest.partition(": ")
            enums[name] = values.split(", ")
        elif word in ("rw", "constructor", "runtime"):
            head, dummy, default = rest.partition(" = ")
            name, dummy, text = head.partition(": ")
            made.fields[name] = Field(name, parse_type(text), word, default or None)
        elif word == "implicit":
            verbs = rest.split()
            verbs += ["get_all_records_where"] if "get_all_records" in verbs else []
            made.messages.update({verb: implicit_message(made.name, verb) for verb in verbs})
        elif word == "hidden":
            hidden.update(rest.split())
        elif word == "removed":
            made.messages.update({name: Message(name, (), VOID, "removed") for name in rest.split()})
        elif word in ("call", "open", "unpublished"):
            message = custom_message(line)
            made.messages[message.name] = message
    for entry in made.fields.values():
        for message in field_messages(made.name, entry):
            if message.name not in hidden:
                made.messages.setdefault(message.name, message)
    return made


def load() -> Schema:
    enums: dict[str, list[str]] = {}
    paths = sorted(path for path in DIRECTORY.glob("*.txt") if path.stem != "OTHERS")
    classes = {path.stem: read_class(path, enums) for path in paths}
    lines = (DIRECTORY / "OTHERS.txt").read_text(encoding="utf-8").splitlines()
    return Schema(classes, enums, frozenset(line for line in lines if not line.startswith("#")))
