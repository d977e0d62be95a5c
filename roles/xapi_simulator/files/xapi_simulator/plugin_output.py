# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a plugin of Dom0 has printed, read as strictly as XAPI reads it: a complete methodResponse, and a string in it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from xml.parsers import expat

from .errors import Failure, internal

BLANK = " \t\n"


class Refused(Exception):
    """The answer has another structure than the server wants; the text is what it says of that."""


@dataclass
class Element:
    name: str
    plain: bool
    children: list[Any] = field(default_factory=list)


class Reader:
    """Builds the tree of the first element, without texts that are blank. What follows the element is not looked at."""

    def __init__(self) -> None:
        self.root: Element | None = None
        self.line = 0
        self.complete = False
        self._open: list[Element] = []
        self._text = ""
        self._parser = expat.ParserCreate()
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._data

    def read(self, output: bytes) -> Element:
        try:
            self._parser.Parse(output, True)
        except expat.ExpatError as exc:
            if not self.complete:
                raise unreadable(output, self._complaint(exc), exc.lineno) from exc
        if self.root is None:
            raise unreadable(output, "unexpected end of input", 1)
        return self.root

    def _complaint(self, error: expat.ExpatError) -> str:
        if error.code in (expat.errors.codes[expat.errors.XML_ERROR_NO_ELEMENTS], expat.errors.codes[expat.errors.XML_ERROR_UNCLOSED_TOKEN]):
            return "unexpected end of input"
        if self.root is None:
            return "expected root element"
        return str(error).partition(":")[0]

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if self.complete:
            return
        self._flush()
        element = Element(name, not attributes)
        if self._open:
            self._open[-1].children.append(element)
        else:
            self.root = element
        self._open.append(element)

    def _end(self, name: str) -> None:
        if self.complete:
            return
        self._flush()
        self._open.pop()
        self.complete = not self._open

    def _data(self, text: str) -> None:
        self._text += text

    def _flush(self) -> None:
        if self._open and self._text.strip(BLANK):
            self._open[-1].children.append(self._text)
        self._text = ""


def unreadable(output: bytes, complaint: str, line: int) -> Failure:
    return Failure("XENAPI_PLUGIN_FAILURE", "failed to parse plugin output", output.decode("utf-8", "replace"), f"{complaint} line {line}")


def named(node: Any) -> str:
    return f"Element={node.name}" if isinstance(node, Element) else f"PCData={node}"


def unbox(node: Any, *wanted: str) -> list[Any]:
    if not isinstance(node, Element) or not node.plain or node.name not in wanted:
        raise Refused(f"unbox: {named(node)} should contain '{wanted[0]}'")
    return node.children


def single(node: Any, *wanted: str) -> Any:
    children = unbox(node, *wanted)
    if len(children) != 1:
        raise Refused(f"singleton: {{{', '.join(map(named, children))}}} should be the singleton {{{wanted[0]}}}")
    return children[0]


def text(node: Any) -> str:
    if not isinstance(node, str):
        raise Refused("pcdata")
    return node


def string(node: Any) -> str:
    if isinstance(node, Element) and node.name == "value" and node.plain:
        inner = node.children
        if not inner:
            return ""
        if len(inner) == 1 and isinstance(inner[0], str):
            return inner[0]
        if len(inner) == 1 and isinstance(inner[0], Element) and inner[0].name == "string" and inner[0].plain and not inner[0].children:
            return ""
    return text(single(single(node, "value"), "string"))


def structure(node: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for member in unbox(single(node, "value"), "struct"):
        pair = unbox(member, "member")
        if len(pair) != 2:
            raise Refused("pair ")
        name = unbox(pair[0], "name")
        found.setdefault(text(name[0]) if name else "", pair[1])
    return found


def result(output: bytes) -> str:
    """The string that a plugin returned; raises what the caller of the plugin is told instead."""
    root = Reader().read(output)
    try:
        return _result(root)
    except Refused as exc:
        quoted = str(exc).replace("\\", "\\\\").replace('"', '\\"')
        raise internal(f'XMLRPC.RunTimeTypeError("{quoted}", _)') from exc


def _result(root: Element) -> str:
    response = single(root, "methodResponse")
    if isinstance(response, Element) and response.name == "fault":
        fault = structure(single(response, "fault"))
        if not {"faultCode", "faultString"} <= set(fault):
            raise internal("Not_found")
        code = text(single(single(fault["faultCode"], "value"), "i4", "int"))
        raise Failure("XENAPI_PLUGIN_FAILURE", "fault", code, string(fault["faultString"]))
    if not isinstance(response, Element) or response.name != "params":
        raise Refused("response")
    values = [single(each, "param") for each in unbox(response, "params")]
    if len(values) != 1:
        raise Refused("Expected single return value (struct status)")
    return status(structure(values[0]))


def status(answer: dict[str, Any]) -> str:
    kind = string(answer["Status"]) if "Status" in answer else ""
    if kind == "Success" and "Value" in answer:
        return string(answer["Value"])
    if kind == "Failure" and "ErrorDescription" in answer:
        described = unbox(single(single(answer["ErrorDescription"], "value"), "array"), "data")
        if not described:
            raise Refused("Empty array of error strings")
        raise Failure(*map(string, described))
    raise Refused("Status")
