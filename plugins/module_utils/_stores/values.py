# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""Whether the value of one option can be written, and the forms that drivers accept beyond its type."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import Any

from .declaration import TRUE_WORDS, split_priority
from .options import Option
from .paths import fault

BOOLEAN_WORDS = TRUE_WORDS | {"false", "no", "off", "0"}
Finding = tuple[str, str]  # cause and what to do


def value_fault(name: str, option: Option, value: Any) -> Finding | None:
    """What is wrong with a value. The value itself is never repeated: it may be a secret."""
    finding = TYPES[option.kind](option, value)
    if finding is None and name in FORMS:
        finding = FORMS[name](value)
    if finding is None:
        return None
    return f"{name} {finding[0]}", finding[1]


def _text_fault(value: Any) -> Finding | None:
    if isinstance(value, (dict, list, bool)):
        return "is not a text", "Give one quoted text"
    if re.search(r"[\x00-\x08\x0a-\x1f\x7f\x85\u2028\u2029]", str(value)):
        return "holds a line break or a control character", "Give it in one line"
    return None


def _str_fault(option: Option, value: Any) -> Finding | None:
    finding = _text_fault(value)
    if finding is None and option.choices and str(value) not in option.choices:
        return f"is none of {', '.join(option.choices)}", "Choose one of them, or remove the option"
    if finding is None and option.required and not str(value).strip():
        return "is empty", "Give its value"
    return finding


def _int_fault(option: Option, value: Any) -> Finding | None:
    if isinstance(value, bool) or not re.fullmatch(r"-?[0-9]+", str(value)):
        return "is not a whole number", "Give a number"
    if option.minimum is not None and int(value) < option.minimum:
        return f"is below {option.minimum}", f"Give {option.minimum} or more"
    if option.maximum is not None and int(value) > option.maximum:
        return f"is above {option.maximum}", f"Give {option.maximum} or less"
    return None


def _bool_fault(option: Option, value: Any) -> Finding | None:
    if isinstance(value, bool) or (isinstance(value, (str, int)) and str(value).lower() in BOOLEAN_WORDS):
        return None
    return "is neither true nor false", "Give true or false"


def _list_fault(option: Option, value: Any) -> Finding | None:
    finding = _lines_fault(option, value)
    if finding is None and any("," in str(item) for item in value):
        return "has an entry with a comma", "Make it one entry each"
    return finding


def _lines_fault(option: Option, value: Any) -> Finding | None:
    if not isinstance(value, list):
        return "is not a list", "Give a list of texts"
    return next((finding for finding in map(_text_fault, value) if finding), None)


def _dict_fault(option: Option, value: Any) -> Finding | None:
    if not isinstance(value, Mapping):
        return "is not a dictionary", "Give a dictionary"
    if any(re.search(r"[:,\s]", str(key)) for key in value) or any("," in str(item) for item in value.values()):
        return "has a key with a colon or an entry with a comma", "Remove them: Glance separates by these"
    return next((finding for finding in map(_text_fault, value.values()) if finding), None)


TYPES: dict[str, Callable[[Option, Any], Finding | None]] = {
    "str": _str_fault,
    "int": _int_fault,
    "bool": _bool_fault,
    "list": _list_fault,
    "lines": _lines_fault,
    "dict": _dict_fault,
}


def _file_perm(value: Any) -> Finding | None:
    digits = str(int(value))
    if digits == "0":
        return None
    if not re.fullmatch(r"[0-7]{3,4}", digits):
        return f"'{digits}' is no mode in octal digits", "Write the digits as a quoted text, for example '640'"
    owner, others = int(digits[-3]), int(digits[-1])
    if not owner & 4:
        return f"'{digits}' keeps Glance from reading its own images", "Give the owner the right to read, for example '640'"
    if others & 2:
        # An unquoted 0640 arrives as 416, which reads as a mode again.
        return f"'{digits}' lets everybody write images", "Quote the digits, for example '640': an unquoted 0640 is the number 416"
    return None


def _power_of_two(value: Any) -> Finding | None:
    number = int(value)
    return None if number & (number - 1) == 0 else ("is no power of two", "Give 4, 8, 16 or another power of two")


def _url(value: Any) -> Finding | None:
    if re.match(r"https?://[^/\s]", str(value)):
        return None
    return "has no scheme", "Write it as a URL with http:// or https://, so that it is clear whether TLS is used"


def _identity_url(value: Any) -> Finding | None:
    old = re.search(r"/(?:auth/)?v([12])(?:\.\d+)?/?$", str(value))
    if old:
        return f"is an address of version {old.group(1)} authentication, which Glance has dropped", "Give the identity service's address that ends with /v3"
    return _url(value)


def _swift_user(value: Any) -> Finding | None:
    project, colon, user = str(value).partition(":")
    return None if colon and project and user else ("is not of the form project:user", "Write the project, a colon and the user")


def _datastores(value: Any) -> Finding | None:
    for entry in value:
        parts = [part.strip() for part in str(entry).rsplit(":", 2)]
        if len(parts) < 2 or not all(parts[:2]) or not re.fullmatch(r"-?[0-9]*", "".join(parts[2:])):
            return f"has the entry '{entry}'", "Write datacenter path:datastore or datacenter path:datastore:weight"
    return None


def _datadir(value: Any) -> Finding | None:
    problem = fault(str(value))
    return None if problem is None else (f": {problem}", "Give a directory of its own, for example /srv/glance/images")


def _datadirs(value: Any) -> Finding | None:
    for entry in value:
        path, priority = split_priority(str(entry))
        if priority and not re.fullmatch(r"[0-9]+", priority):
            return f"has the priority '{priority}'", "Write path:priority with a number"
        finding = _datadir(path)
        if finding:
            return finding
    return None


FORMS: dict[str, Callable[[Any], Finding | None]] = {
    "filesystem_store_file_perm": _file_perm,
    "filesystem_store_datadir": _datadir,
    "filesystem_store_datadirs": _datadirs,
    "rbd_store_chunk_size": _power_of_two,
    "s3_store_host": _url,
    "swift_store_auth_address": _identity_url,
    "auth_address": _identity_url,
    "cinder_store_auth_address": _identity_url,
    "swift_store_user": _swift_user,
    "user": _swift_user,
    "vmware_datastores": _datastores,
}


def unknown(name: str, known: Mapping[str, Any], others: Mapping[str, str] | None = None) -> Finding:
    """An option that Glance does not read, with the option that was probably meant."""
    if others and name in others:
        return f"{name} is an option of type {others[name]}", "Remove it, or change the type"
    close = get_close_matches(name, [*known, *(others or {})], n=1, cutoff=0.6)
    return f"{name} is no option that Glance knows", f"Did you mean {close[0]}?" if close else "Remove it"
