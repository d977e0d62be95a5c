# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""XML-RPC and JSON-RPC bodies."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from xml.parsers.expat import ExpatError
from xml.sax.saxutils import escape
from xmlrpc.client import DateTime, Error, loads

from .errors import Failure


class Malformed(Exception):
    """A body that no call can be read from."""


@dataclass
class Call:
    method: str
    params: list[Any]
    dialect: str  # xml, 1.0 or 2.0
    id: Any = None

    @property
    def xml(self) -> bool:
        return self.dialect == "xml"


def read_xml(body: bytes) -> Call:
    try:
        params, method = loads(body)
    except (Error, ExpatError, ValueError, TypeError, IndexError, KeyError, LookupError) as exc:
        raise Malformed("Xmlm.Error") from exc
    if method is None:
        raise Malformed("Xmlm.Error")
    return Call(method, list(params), "xml")


def read_json(body: bytes) -> Call:
    try:
        given = json.loads(body)
    except (ValueError, RecursionError) as exc:
        raise Malformed("Jsonrpc.Parse_error") from exc
    if not isinstance(given, dict) or not isinstance(given.get("method"), str) or not isinstance(given.get("params"), list):
        raise Malformed("Jsonrpc.Malformed_method_request")
    dialect = given.get("jsonrpc", "1.0")
    if dialect not in ("1.0", "2.0") or "id" not in given:
        raise Malformed("Jsonrpc.Malformed_method_request")
    return Call(given["method"], given["params"], dialect, given["id"])


def xml_value(value: Any) -> str:
    """No white space between elements: some clients take it for text."""
    if isinstance(value, bool):
        inner = f"<boolean>{int(value)}</boolean>"
    elif isinstance(value, int):
        inner = f"<i4>{value}</i4>"
    elif isinstance(value, float):
        inner = f"<double>{value!r}</double>"
    elif isinstance(value, DateTime):
        inner = f"<dateTime.iso8601>{value.value}</dateTime.iso8601>"
    elif isinstance(value, list):
        inner = f"<array><data>{''.join(xml_value(item) for item in value)}</data></array>"
    elif isinstance(value, dict):
        members = (f"<member><name>{escape(str(key))}</name>{xml_value(item)}</member>" for key, item in value.items())
        inner = f"<struct>{''.join(members)}</struct>"
    else:
        inner = escape(str(value))
    return f"<value>{inner}</value>"


def write_xml(value: Any) -> bytes:
    head = "<?xml version='1.0'?><methodResponse><params><param>"
    return f"{head}{xml_value(value)}</param></params></methodResponse>".encode("utf-8", "replace")


def success(call: Call, value: Any, bare: bool = False) -> bytes:
    """bare: the value without the struct around it, in XML-RPC only."""
    if call.xml:
        return write_xml(value if bare else {"Status": "Success", "Value": value})
    if call.dialect == "2.0":
        return json.dumps({"jsonrpc": "2.0", "result": value, "id": call.id}).encode()
    return json.dumps({"result": value, "error": None, "id": call.id}).encode()


def failure(call: Call, error: Failure) -> bytes:
    if call.xml:
        return write_xml({"Status": "Failure", "ErrorDescription": error.description})
    if call.dialect == "2.0":
        answer = {"code": 1, "message": error.code, "data": error.params}
        return json.dumps({"jsonrpc": "2.0", "error": answer, "id": call.id}).encode()
    return json.dumps({"result": None, "error": error.description, "id": call.id}).encode()
