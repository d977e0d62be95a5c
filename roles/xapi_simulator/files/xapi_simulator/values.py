# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Values between the wire and the data model, with the texts of the real server for what does not fit."""

from __future__ import annotations

from typing import Any
from xmlrpc.client import DateTime

from .errors import internal
from .schema import Schema, Type


def shown(value: Any) -> str:
    """A wire value as the real server prints it."""
    if value is None:
        return "N"
    if isinstance(value, bool):
        return f"B({str(value).lower()})"
    for kind, letter in ((int, "I"), (float, "F"), (str, "S")):
        if isinstance(value, kind):
            return f"{letter}({value})"
    if isinstance(value, DateTime):
        return f"D({value.value})"
    if isinstance(value, list):
        return f"E([{';'.join(shown(item) for item in value)}])"
    return f"D({{{';'.join(f'{key}:{shown(item)}' for key, item in value.items())}}})"


def wrong(expected: str, value: Any) -> Exception:
    return internal(f"Failure(\"Expected {expected}, got '{shown(value)}'\")")


def whole(value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if not isinstance(value, str):
        raise wrong("int64", value)
    text = value.replace("_", "")
    digits = text[1:] if text[:1] in ("-", "+") else text
    if not (digits.isascii() and digits.isdigit()) or not -(2**63) <= int(text) < 2**63:
        raise internal('Failure("Int64.of_string")')
    return int(text)


def simple(kind: str, value: Any) -> Any:
    if kind == "int":
        return whole(value)
    if kind == "float":
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return float(value)
        raise wrong("float", value)
    if kind == "bool":
        if isinstance(value, bool):
            return value
        raise wrong("bool", value)
    if kind == "datetime":
        if isinstance(value, DateTime):
            return value.value
        if isinstance(value, str):
            return value
        raise wrong("datetime", value)
    if isinstance(value, str):
        return value
    raise wrong("string", value)


def accept(schema: Schema, kind: Type, value: Any) -> Any:
    """The value of the type; INTERNAL_ERROR where the wire carries something else."""
    if kind.kind == "enum":
        if not isinstance(value, str):
            raise wrong("string", value)
        for known in schema.enums[kind.name]:
            if known.lower() == value.lower():
                return known
        raise internal('Failure("Unknown tag/contents")')
    if kind.kind == "set":
        if not isinstance(value, list):
            raise wrong("list", value)
        return [accept(schema, kind.inner[0], item) for item in value]
    if kind.kind == "map":
        if not isinstance(value, dict):
            raise wrong("dictionary", value)
        return {accept(schema, kind.inner[0], key): accept(schema, kind.inner[1], item) for key, item in value.items()}
    if kind.kind == "record":
        if not isinstance(value, dict):
            raise internal('Failure("bad __structure")')
        return constructor(schema, kind.name, value)
    return simple(kind.kind, value)


def constructor(schema: Schema, name: str, value: dict[str, Any]) -> dict[str, Any]:
    """What a create may give: unknown and runtime fields are ignored, a missing one without default is an error."""
    taken = {}
    for entry in schema.classes[name].fields.values():
        if entry.qualifier == "runtime":
            continue
        if entry.name in value:
            taken[entry.name] = accept(schema, entry.type, value[entry.name])
        elif entry.default is None:
            raise internal(f'Server_helpers.Dispatcher_FieldNotFound("{entry.name}")')
    return taken


def emit(schema: Schema, kind: Type, value: Any, xml: bool) -> Any:
    """The value for the wire: an int is a string in XML, a void is an empty string."""
    if kind.kind == "void":
        return ""
    if kind.kind == "int":
        return str(value) if xml else value
    if kind.kind == "datetime":
        return DateTime(value) if xml else value
    if kind.kind == "set":
        return [emit(schema, kind.inner[0], item, xml) for item in value]
    if kind.kind == "map":
        return {key: emit(schema, kind.inner[1], item, xml) for key, item in value.items()}
    if kind.kind == "record" and kind.name in schema.classes:
        fields = schema.classes[kind.name].fields
        return {name: emit(schema, fields[name].type, item, xml) for name, item in value.items()}
    return value
