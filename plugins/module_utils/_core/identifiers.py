# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""Names and ids that say nothing are refused, whatever the module: a template makes '' or 'None' of a variable that is not there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .argspec import Rules
from .errors import cannot

Options = Mapping[str, Mapping[str, Any]]

# Options that tell one object from others, by their names, in every module and at every depth. Of a list of them each item is checked.
IDENTIFYING = frozenset(
    {
        "backend",
        "base",
        "boot_disk",
        "checksum_name",
        "cloud",
        "container",
        "device",
        "domain",
        "drop_snapshots",
        "function",
        "group",
        "host",
        "hostname",
        "id",
        "image",
        "kernel",
        "members",
        "name",
        "network",
        "owner",
        "owner_domain",
        "plugins",
        "project",
        "project_name",
        "pth_name",
        "ramdisk",
        "region",
        "region_name",
        "remote_image_id",
        "remote_region",
        "revert",
        "role",
        "server",
        "serverpath",
        "service_name",
        "snapshot",
        "source_sr",
        "sr",
        "store",
        "stores",
        "tag",
        "target",
        "template",
        "to",
        "user",
        "username",
        "uuid",
        "vdi",
        "version",
        "vm",
        "volume_type",
        "without",
    }
)
# Options of these names whose empty value has a meaning of its own, by their path.
EMPTY_MEANS = frozenset({"boot.kernel", "boot.ramdisk"})
# What templates make of nothing.
NOTHING = frozenset({"None"})


@dataclass(frozen=True)
class Fault:
    """An option that is to name something and does not."""

    option: str
    cause: str
    advice: str


def refuse_blank(options: Options, params: Mapping[str, Any], one_of: Rules = ()) -> None:
    """Refuse the first option that names nothing, before anything is asked or changed."""
    fault = find_blank(options, params, one_of)
    if fault is not None:
        raise cannot("use", "option", fault.option, fault.cause, fault.advice, code="blank_name")


def find_blank(options: Options, params: Mapping[str, Any], one_of: Rules = ()) -> Fault | None:
    return next(_faults(options, params, one_of, ""), None)


def is_blank(text: str) -> bool:
    return not text.strip() or text.strip() in NOTHING


def _faults(options: Options, params: Mapping[str, Any], one_of: Rules, prefix: str) -> Iterator[Fault]:
    for name, option in options.items():
        path, value, nested = prefix + name, params.get(name), option.get("options")
        if nested:
            items = {path: value} if isinstance(value, Mapping) else {f"{path}[{number}]": item for number, item in enumerate(value or ())}
            for place, item in items.items():
                yield from _faults(nested, item, option.get("required_one_of", ()), f"{place}.")
        elif name in IDENTIFYING and path not in EMPTY_MEANS:
            yield from _faults_of(path, option, value)
    for group in one_of:
        # An option that is given as null passes Ansible's own check.
        if all(params.get(option) is None for option in group):
            yield Fault(prefix + group[0], "it is empty", f"Give {' or '.join(group)}")


def _faults_of(path: str, option: Mapping[str, Any], value: Any) -> Iterator[Fault]:
    advice = "Give it a value" if option.get("required") else "Give it a value, or leave it out"
    texts = value if isinstance(value, list) else [value]
    if value is None:
        texts = [""] if option.get("required") else []
    for text in texts:
        if isinstance(text, str) and is_blank(text):
            cause = "it is empty" if not text.strip() else f"it is '{text}', which a template makes of a variable without a value"
            yield Fault(path, cause, advice)
