# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""The variables of playbooks as playbooks/vars/argument_specs.yml declares them, and what is wrong with those that are given."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from ansible.module_utils.common.validation import check_type_bool, check_type_dict, check_type_int
from ansible.module_utils.errors import AnsibleFallbackNotFound
from ansible_collections.xenstack.image_services.plugins.module_utils._core.nearest import nearest
from ansible_collections.xenstack.image_services.plugins.module_utils._xapi.argspec import create_pool_argspec

SPECS = Path(__file__).parents[2] / "playbooks" / "vars" / "argument_specs.yml"
FRAGMENTS = {"xenstack.image_services._pool": create_pool_argspec}
MAX_SHOWN = 40
# One letter of the shortest prefix.
MISSPELT = 0.87

Option = Mapping[str, Any]


@cache
def specs() -> Mapping[str, Mapping[str, Any]]:
    found: Mapping[str, Mapping[str, Any]] = yaml.safe_load(SPECS.read_text(encoding="utf-8"))["argument_specs"]
    return found


def suboptions(option: Option) -> Mapping[str, Option] | None:
    """Those that it declares, and those of modules that it extends; None where it is no dictionary with known keys."""
    fragment = option.get("extends_documentation_fragment")
    if fragment is None:
        return option.get("options")
    return {**FRAGMENTS[fragment]().options, **option.get("options", {})}


def unknown_variables(playbook: str, names: Iterable[str]) -> list[str]:
    """A sentence for each variable that has the prefix of the playbook, or nearly so, and that it does not read."""
    prefix = f"{playbook}_"
    # Names without the prefix, so that it does not make all of them alike.
    own = {name.removeprefix(prefix): name for name in specs()[playbook]["options"] if name.startswith(prefix)}
    given = set(names) if own else set()
    sentences = []
    for name in sorted(given):
        if name.startswith(prefix):
            if (end := name.removeprefix(prefix)) in own:
                continue
            close = nearest(end, own)
        else:
            close = next((end for end in own if _is_misspelt(name, prefix, end)), None)
            if close is None or own[close] in given:
                continue
        advice = f"Write {own[close]} instead" if close else "Remove or rename it"
        sentences.append(f"{name} is no variable of the playbook. {advice}.")
    return sentences


def _is_misspelt(name: str, prefix: str, end: str) -> bool:
    """Whether the name has this end after nearly that prefix, and not after the one of another playbook or of a second one with a number."""
    start = name.removesuffix(end)
    if start == name or prefix in start or start.rstrip("_") in specs() or any(letter.isdigit() for letter in start):
        return False
    return nearest(start, [prefix], MISSPELT) is not None


def wrong_values(playbook: str, given: Mapping[str, Any]) -> list[str]:
    """A sentence for each value that is not of its type, and for each required one that is missing."""
    return [sentence for name, option in specs()[playbook]["options"].items() for sentence in _option(name, option, given.get(name))]


def _option(path: str, option: Option, value: Any) -> Iterator[str]:
    if value is None and option.get("apply_defaults"):
        value = {}
    if value is None or (option.get("required") and (value == [] or (isinstance(value, str) and not value.strip()))):
        if option.get("required") and not _falls_back(option):
            yield f"{path} is not given. Set it."
    else:
        yield from _value(path, option, value)


def _falls_back(option: Option) -> bool:
    if "fallback" not in option:
        return False
    function, names = option["fallback"]
    try:
        function(*names)
    except AnsibleFallbackNotFound:
        return False
    return True


def _value(path: str, option: Option, value: Any) -> Iterator[str]:
    kind = option.get("type", "str")
    if kind == "list":
        yield from _list(path, option, value)
    elif kind == "dict":
        yield from _dictionary(path, option, value)
    elif kind == "bool" and not _converts(check_type_bool, value):
        yield f"{path} is {_shown(option, value)}. Give true or false."
    elif kind == "int" and (isinstance(value, bool) or not _converts(check_type_int, value)):
        yield f"{path} is {_shown(option, value)}. Give a whole number."
    elif kind in ("str", "path") and isinstance(value, bool):
        yield f"{path} is {_shown(option, value)}. Write it in quotes."
    elif kind in ("str", "path") and isinstance(value, (list, tuple, Mapping)):
        yield f"{path} is {_kind(value)}. Write it as text."
    elif "choices" in option and value not in option["choices"]:
        yield f"{path} is {_shown(option, value)}. Choose {', '.join(option['choices'][:-1])} or {option['choices'][-1]}."


def _list(path: str, option: Option, value: Any) -> Iterator[str]:
    if isinstance(value, str) and option["elements"] != "dict":
        value = value.split(",")
    if not isinstance(value, (list, tuple)):
        yield f"{path} is {_kind(value)}. Write it as a list."
        return
    element = {name: entry for name, entry in option.items() if name not in ("elements", "required")} | {"type": option["elements"]}
    for number, each in enumerate(value):
        yield from _value(f"{path}[{number}]", element, each)


def _dictionary(path: str, option: Option, value: Any) -> Iterator[str]:
    known = suboptions(option)
    if known is None:
        if not _converts(check_type_dict, value):
            yield f"{path} is {_kind(value)}. Write it as a dictionary."
    elif not isinstance(value, Mapping):
        yield f"{path} is {_kind(value)}. Write it as a dictionary."
    elif unknown := sorted(str(key) for key in value if key not in known):
        # A required key may be missing because it is the misspelt one.
        for key in unknown:
            close = nearest(key, known)
            yield f"{path} has the key '{key}', which is not known. {f'Write {close} instead' if close else 'Remove it'}."
    else:
        for name, entry in known.items():
            yield from _option(f"{path}.{name}", entry, value.get(name))


def _converts(check: Any, value: Any) -> bool:
    try:
        check(value)
    except (TypeError, ValueError):
        return False
    return True


def _shown(option: Option, value: Any) -> str:
    """The value where it can be no secret and is short, else what it is."""
    if isinstance(value, bool):
        return str(value).lower()
    text = str(value)
    if option.get("no_log") or isinstance(value, (list, tuple, Mapping)) or len(text) > MAX_SHOWN or not text.isprintable():
        return _kind(value)
    return f"'{text}'"


def _kind(value: Any) -> str:
    if isinstance(value, Mapping):
        return "a dictionary"
    if isinstance(value, (list, tuple)):
        return "a list"
    return "nothing" if value is None else "text" if isinstance(value, str) else "a single value"
