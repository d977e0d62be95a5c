# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""Complete configuration files from sections and options, and single values for files that are templates. Every value is literal. No I/O."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .errors import cannot
from .ini import Unwritable, document, escape, scalar

ONE_LINE = "it holds a line break or another control character"
EDGES = "it begins or ends with a blank"


def _one_line(value: str) -> str:
    # As Python ends lines, and what readers in C take for the end of a text.
    if re.search(r"[\x00-\x08\x0a-\x1f\x7f\x85\u2028\u2029]", value):
        raise Unwritable(ONE_LINE)
    return value


def _bare(value: str) -> str:
    if value != value.strip():
        raise Unwritable(EDGES)
    return _one_line(value)


def _percent(value: str) -> str:
    """For Python's configparser, which takes % for a reference."""
    return _bare(value).replace("%", "%%")


def _supervisor(value: str) -> str:
    if re.search(r"(^|\s)[;#]", value):
        raise Unwritable("supervisor takes what follows a blank and ';' or '#' for a comment")
    return _percent(value)


def _supervisor_command(arguments: Sequence[str]) -> str:
    """supervisor reads it as the shell would, but takes its comments out before."""
    quoted = " ".join(shlex.quote(_one_line(str(argument))) for argument in arguments)
    return re.sub(r"(\s)([;#])", r"\1''\2", quoted).replace("%", "%%")


def _uwsgi(value: str) -> str:
    if "$(" in value or "@(" in value:
        raise Unwritable("uWSGI takes '$(' and '@(' for references")
    return _bare(value).replace("%", "%%")


def _systemd(value: str) -> str:
    """A setting that is one text; a backslash at its end would join the next line to it."""
    if value.endswith("\\"):
        raise Unwritable("it ends with a backslash")
    return _bare(value).replace("%", "%%")


def _systemd_word(value: str) -> str:
    """One word of a setting that knows quotes and C's escapes."""
    return '"' + _one_line(value).replace("%", "%%").replace("\\", "\\\\").replace('"', '\\"') + '"'


def _systemd_command(arguments: Sequence[str]) -> str:
    # The program's own path is not searched for variables.
    return " ".join(_systemd_word(str(argument).replace("$", "$$") if number else str(argument)) for number, argument in enumerate(arguments))


def _systemd_path(value: str) -> str:
    """One path of a list: quotes are known there, escapes are not."""
    if '"' in value and "'" in value or value.endswith("\\"):
        raise Unwritable("systemd cannot hold both kinds of quotes or a backslash at the end of a path")
    quote = "'" if '"' in value else '"'
    return quote + _one_line(value).replace("%", "%%") + quote


def _python(value: str) -> str:
    return ascii(str(value))


def _items(values: Sequence[Any]) -> str:
    """A list with commas, for configparser."""
    if any("," in str(item) or str(item) != str(item).strip() for item in values):
        raise Unwritable("an entry of the list holds a comma or blanks around it")
    return _percent(",".join(map(str, values)))


def _section(value: str) -> str:
    if value == "DEFAULT" or not value:
        raise Unwritable("this cannot be the name of a section")
    return _bare(value)


def _uwsgi_item(value: str) -> str:
    if "," in value:
        raise Unwritable("uWSGI takes a comma for the end of a path")
    return _uwsgi(value)


VALUES: Mapping[str, Callable[[Any], str]] = {
    "oslo": lambda value: escape(scalar(value)),
    # From the environment, oslo.config takes references alone.
    "oslo_environment": lambda value: re.sub(r"(\\?)\$", lambda found: r"\\$" if found[1] else "$$", _one_line(str(value))),
    "paste": lambda value: _percent(str(value)),
    "configparser_items": _items,
    "configparser_section": lambda value: _section(str(value)),
    "supervisor": lambda value: _supervisor(str(value)),
    "supervisor_command": _supervisor_command,
    "uwsgi": lambda value: _uwsgi(str(value)),
    "uwsgi_item": lambda value: _uwsgi_item(str(value)),
    "systemd": lambda value: _systemd(str(value)),
    "systemd_word": lambda value: _systemd_word(str(value)),
    "systemd_path": lambda value: _systemd_path(str(value)),
    "systemd_command": _systemd_command,
    "python": _python,
}


def written_value(value: Any, dialect: str) -> str:
    """A value for a template; refused with a sentence where the dialect cannot hold it."""
    try:
        return VALUES[dialect](value)
    except Unwritable as unwritable:
        raise cannot("write", "value", dialect, f"{unwritable}", "Choose another one") from unwritable


@dataclass(frozen=True)
class ConfigFile:
    """The text, and why it must not be written."""

    text: str
    findings: tuple[str, ...]


def config_file(sections: Mapping[str, Any], header: str) -> ConfigFile:
    """A complete file for oslo.config; an option that is null or empty is left to the program's own default."""
    findings: list[str] = []
    lines: dict[str, list[tuple[str, str]]] = {}
    for name in sorted(sections, key=str):
        options = sections[name] if sections[name] is not None else {}
        if not re.fullmatch(r"[^\s\[\]](?:[^\r\n]*[^\s\[\]])?", str(name)):
            findings.append(str(cannot("write", "section", ascii(str(name))[1:-1], "this cannot be the name of a section", "Correct it")))
        elif not isinstance(options, Mapping):
            findings.append(str(cannot("write", "section", str(name), "it is not a dictionary", "Give its options and their values")))
        else:
            lines[str(name)] = []
            for option in sorted(options, key=str):
                try:
                    lines[str(name)].extend((_option(option), value) for value in _values(options[option]))
                except Unwritable as unwritable:
                    label = ascii(str(option))[1:-1]
                    findings.append(str(cannot("write", "option", f"{label} of [{name}]", str(unwritable), "Give another value")))
    return ConfigFile("" if findings else document(header, lines), tuple(findings))


def _option(name: Any) -> str:
    if not re.fullmatch(r"[^\s=:\[#;](?:[^=:\r\n]*[^\s=:])?", str(name)):
        raise Unwritable("this cannot be the name of an option")
    return str(name)


def _values(value: Any) -> Iterator[str]:
    """What follows the option in each of its lines."""
    if isinstance(value, Mapping):
        if value:
            yield escape(_pairs(value))
    elif isinstance(value, (list, tuple)):
        yield from (escape(scalar(item)) for item in value)
    elif value is not None and value != "":
        yield escape(scalar(value))


def _pairs(value: Mapping[Any, Any]) -> str:
    """A dictionary as oslo.config reads it: no escapes are known there."""
    for key, item in value.items():
        if isinstance(item, (Mapping, list, tuple)):
            raise Unwritable("it is a dictionary of more than texts")
        if not str(key) or ":" in str(key) or any("," in text or text != text.strip() for text in (str(key), scalar(item))):
            raise Unwritable("a key or value of it holds a comma or blanks around it, or a key a colon")
    return ",".join(f"{key}:{scalar(value[key])}" for key in sorted(value, key=str))
