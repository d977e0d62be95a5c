# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""One backend in a cinder.conf that others write to as well: every line that is not of this backend stays as it is. No I/O."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .._core.ini import Unwritable, escape, lines_of, parse, scalar

MARK = "# Ansible managed: the role xenstack.image_services.cinder_xenapinfs writes these lines."
PACKAGE = "cinder_xenapinfs."
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
# Sections that every Cinder has; a backend of this name would mix its options with those.
TAKEN = frozenset(
    "DEFAULT backend backend_defaults barbican brcd_fabric_example coordination cors database fc-zone-manager healthcheck key_manager "
    "keystone_authtoken nova oslo_concurrency oslo_messaging_notifications oslo_messaging_rabbit oslo_middleware oslo_policy oslo_reports "
    "oslo_versionedobjects privsep profiler sample_castellan_source sample_remote_file_source service_user ssl vault".split()
)


@dataclass(frozen=True)
class Edited:
    """The new text, and what else follows from it; with findings the text is the old one."""

    text: str
    changed: bool
    findings: tuple[str, ...]
    # Names in enabled_backends afterwards.
    backends: tuple[str, ...]
    # Whether a backend is left that the package of this collection drives.
    package: bool


def edit(text: str, backend: str, options: Mapping[str, Any] | None) -> Edited:
    """Declare a backend and enable it; without options remove both, where the role has written them."""
    findings = tuple(_findings(text, backend, options))
    if findings:
        return _edited(text, text, findings)
    lines = lines_of(text)
    if options is None:
        lines = _without_section(lines, backend)
        enabled = [name for name in _enabled(text) if name != backend]
    else:
        lines = _with_section(lines, backend, [f"{name} = {_value(value)}".rstrip() for name, value in _given(options).items()])
        enabled = [*_enabled(text), *([] if backend in _enabled(text) else [backend])]
    if enabled != _enabled(text):
        lines = _with_enabled(lines, enabled)
    return _edited(text, "".join(f"{line}\n" for line in lines), ())


def _edited(before: str, after: str, findings: tuple[str, ...]) -> Edited:
    drivers = [value for options in parse(after).values() for value in options.get("volume_driver", [])[-1:]]
    package = any(driver.startswith(PACKAGE) for driver in drivers)
    return Edited(after, before != after, findings, tuple(_enabled(after)), package)


def _findings(text: str, backend: str, options: Mapping[str, Any] | None) -> Iterator[str]:
    verb = "remove" if options is None else "configure"
    if not NAME.fullmatch(backend) or backend.lower() in {name.lower() for name in TAKEN}:
        yield f"Cannot {verb} backend '{backend}': Cinder cannot have a backend of this name. Use letters, digits, - and _, and no name of another section."
        return
    lines, sections = lines_of(text), parse(text)
    spans = list(_spans(lines, backend))
    if len(spans) > 1:
        yield f"Cannot {verb} backend '{backend}': the section stands {len(spans)} times in the file. Join them by hand."
    elif spans and not _is_ours(lines, spans[0]):
        unknown = sorted(set(sections.get(backend, {})) - set(_given(options or {})))
        if options is None:
            yield f"Cannot remove backend '{backend}': this role has not written its section. Remove it by hand."
        elif unknown:
            yield (
                f"Cannot configure backend '{backend}': its section was written by others and holds {', '.join(unknown)} too. "
                "Say these in cinder_xenapinfs_extra_config, or choose another cinder_xenapinfs_backend."
            )
    for name, value in _given(options or {}).items():
        try:
            _value(value)
        except Unwritable as unwritable:
            yield f"Cannot write option '{name}' of backend '{backend}': {unwritable}. Give another value."
    default = sections.get("DEFAULT", {})
    if options is not None and not _enabled(text) and default.get("volume_driver"):
        yield (
            f"Cannot enable backend '{backend}': the driver in the section DEFAULT would not be used any more, because enabled_backends is not set. "
            "Move its options to a section of its own, and name that in enabled_backends."
        )


def _given(options: Mapping[str, Any]) -> dict[str, Any]:
    """Without those that nothing is said of."""
    return {name: value for name, value in options.items() if value is not None and value not in ("", [])}


def _value(value: Any) -> str:
    return escape(",".join(map(scalar, value)) if isinstance(value, (list, tuple)) else scalar(value))


def _header(line: str) -> str | None:
    """The name of the section that a line begins; indented, it would be part of a value."""
    return line.strip().strip("[]").strip() if line.startswith("[") else None


def _spans(lines: Sequence[str], section: str) -> Iterator[tuple[int, int]]:
    """First line after the header, and the one after the last."""
    start: int | None = None
    for number, line in enumerate([*lines, "[end"]):
        name = _header(line)
        if name is not None:
            if start is not None:
                yield start, number
            start = number + 1 if name == section else None


def _is_ours(lines: Sequence[str], span: tuple[int, int]) -> bool:
    return lines[span[0] : span[0] + 1] == [MARK]


def _option(line: str) -> str | None:
    if not line.strip() or line[0] in " \t#;[":
        return None
    return re.split("[=:]", line, maxsplit=1)[0].strip()


def _is_of_option(line: str) -> bool:
    """An option, or the further lines of its value."""
    return bool(line.strip()) and line.strip()[0] not in "#;"


def _block_end(lines: Sequence[str], span: tuple[int, int]) -> int:
    """Where the lines of the role end: others may have added lines after a blank line or a comment."""
    at = span[0] + 1
    while at < span[1] and _is_of_option(lines[at]):
        at += 1
    return at


def _with_section(lines: Sequence[str], section: str, wanted: Sequence[str]) -> list[str]:
    spans = list(_spans(lines, section))
    if not spans:
        gap = [""] if lines and lines[-1].strip() else []
        return [*lines, *gap, f"[{section}]", MARK, *wanted]
    start, end = spans[0]
    if _is_ours(lines, spans[0]):
        rest = list(lines[_block_end(lines, spans[0]) : end])
    else:
        rest = [line for line in lines[start:end] if not _is_of_option(line)]
        # What was written right above the options must not become part of the block.
        rest = ["", *rest] if rest and rest[0].strip() else rest
    return [*lines[:start], MARK, *wanted, *rest, *lines[end:]]


def _without_section(lines: Sequence[str], section: str) -> list[str]:
    spans = list(_spans(lines, section))
    if not spans:
        return list(lines)
    start, end = spans[0]
    rest = list(lines[_block_end(lines, spans[0]) : end])
    if any(_is_of_option(line) for line in rest):
        return [*lines[:start], *rest, *lines[end:]]
    before = list(lines[: start - 1])
    if before and not before[-1].strip() and (not rest or not rest[0].strip()):
        before.pop()
    return [*before, *rest, *lines[end:]]


def _enabled(text: str) -> list[str]:
    for value in parse(text).get("DEFAULT", {}).get("enabled_backends", [])[-1:]:
        return [name.strip() for name in value.replace("\n", ",").split(",") if name.strip()]
    return []


def _with_enabled(lines: Sequence[str], names: Sequence[str]) -> list[str]:
    wanted = [f"enabled_backends = {','.join(names)}"] if names else []
    found = [number for start, end in _spans(lines, "DEFAULT") for number in range(start, end) if _option(lines[number]) == "enabled_backends"]
    if found:
        # The last one is used.
        after = found[-1] + 1
        while after < len(lines) and lines[after].strip() and lines[after][0] in " \t":
            after += 1
        return [*lines[: found[-1]], *wanted, *lines[after:]]
    spans = list(_spans(lines, "DEFAULT"))
    if spans:
        return [*lines[: spans[0][0]], *wanted, *lines[spans[0][0] :]]
    return ["[DEFAULT]", *wanted, "", *lines]
