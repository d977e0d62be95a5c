# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""Which instance an image belongs to: the installation of Nova and the id that the instance has there. No I/O."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from .._core.errors import ImageServicesError

# The two halves under one name each, as options, keys of an image and filters of a listing.
INSTALLATION = "nova_installation_uuid"
INSTANCE = "instance_id"
HEADERS: Mapping[str, str] = {INSTALLATION: "X-Nova-Installation-UUID", INSTANCE: "X-Instance-ID"}

# Few enough in one listing that its address stays within what every server takes.
MAX_IN_ONE = 100
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|[0-9a-f]{32}", re.ASCII)
_NUMBER = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)


# An installation and an instance under the two names above; empty where an image has no relation.
Relation = Mapping[str, str]
# Asks the filter to show relations; a Glance without it takes no notice.
INCLUDED = ("include_relation", "true")


def parse_uuid(text: str) -> str | None:
    """A UUID in lower case with dashes; None where it is none."""
    lower = text.strip().lower()
    if not _UUID.fullmatch(lower):
        return None
    digits = lower.replace("-", "")
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def parse_instance(text: str) -> str | None:
    """An id of an instance: one of the numbers that Nova once counted by, or a UUID."""
    stripped = text.strip()
    return stripped if _NUMBER.fullmatch(stripped) else parse_uuid(stripped)


def declared(label: str, params: Mapping[str, Any]) -> Relation | None:
    """The relation that the image of a task is to have; None where the task does not manage it."""
    given = [params[INSTALLATION], params[INSTANCE]]
    if None in given:
        return None
    what = f"relate image '{label}'"
    if given == ["", ""]:
        return {}
    if "" in given:
        raise _refusal(what, f"one of {INSTALLATION} and {INSTANCE} is empty", "Give both, or both empty for an image without a relation")
    twice = sorted({INSTALLATION, INSTANCE} & set(params["properties"] or ()))
    if twice:
        raise _refusal(what, f"{twice[0]} is given as an option and in properties", "Give it once")
    return {INSTALLATION: _installation(what, given[0]), INSTANCE: _instance(what, given[1])}


def relation_of(record: Mapping[str, Any]) -> Relation:
    """The relation of an image that was asked for with it."""
    shown = {key: str(record[key]) for key in (INSTALLATION, INSTANCE) if record.get(key) is not None}
    return shown if len(shown) == 2 else {}


def without_relation(record: Mapping[str, Any]) -> dict[str, Any]:
    """The image without what the filter has added to it."""
    return {key: value for key, value in record.items() if key not in (INSTALLATION, INSTANCE)}


def described(relation: Relation) -> dict[str, str | None]:
    """Both keys, for results and diffs."""
    return {key: relation.get(key) for key in (INSTALLATION, INSTANCE)}


def headers_of(relation: Relation | None) -> dict[str, str]:
    return {HEADERS[key]: value for key, value in (relation or {}).items()}


def removal() -> dict[str, str]:
    """The operation of a patch that takes the relation away; either half does."""
    return {"op": "remove", "path": f"/{INSTANCE}"}


def related_filters(params: Mapping[str, Any]) -> list[list[tuple[str, str]]] | None:
    """Filters that find the images of instances, one list for each listing that it takes; None where the task asks for no instance."""
    if params[INSTALLATION] is None:
        return None
    what = "list related images"
    installation = _installation(what, params[INSTALLATION])
    for place in ("properties", "filters"):
        twice = sorted({INSTALLATION, INSTANCE, INCLUDED[0]} & set(params[place] or ()))
        if twice:
            raise _refusal(what, f"{twice[0]} is given in {place} beside the options", f"Remove it from {place}")
    instances = list(dict.fromkeys(_instance(what, text) for text in params[INSTANCE]))
    return [[(INSTALLATION, installation), (INSTANCE, "in:" + ",".join(part) if len(part) > 1 else part[0]), INCLUDED] for part in _parts(instances)]


def no_filter(what: str) -> ImageServicesError:
    advice = "Deploy it with the role xenstack.image_services.glance_instance_aware, or leave instance_id out"
    return ImageServicesError(f"Cannot {what}: this Glance has no instance-aware filter. {advice}.", code="no_filter")


def _parts(instances: Sequence[str]) -> list[Sequence[str]]:
    return [instances[start : start + MAX_IN_ONE] for start in range(0, len(instances), MAX_IN_ONE)]


def _installation(what: str, text: str) -> str:
    found = parse_uuid(text)
    if found is None:
        raise _refusal(what, f"{INSTALLATION} '{text}' is no UUID", "Give the one that the module nova_installation_uuid keeps")
    return found


def _instance(what: str, text: str) -> str:
    found = parse_instance(text)
    if found is None:
        raise _refusal(what, f"{INSTANCE} '{text}' is neither a UUID nor a number of at most 19 digits without leading zeros", "Correct it")
    return found


def _refusal(what: str, cause: str, advice: str) -> ImageServicesError:
    return ImageServicesError(f"Cannot {what}: {cause}. {advice}.", code="bad_relation")
