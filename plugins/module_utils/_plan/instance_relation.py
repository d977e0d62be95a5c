# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""Which instance an image belongs to: the installation of Nova and the id that the instance has there. No I/O."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .._common.errors import ImageServicesError

# The two halves under one name each, as options, keys of an image and filters of a listing.
INSTALLATION = "nova_installation_uuid"
INSTANCE = "instance_id"
HEADERS: Mapping[str, str] = {INSTALLATION: "X-Nova-Installation-UUID", INSTANCE: "X-Instance-ID"}

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|[0-9a-f]{32}", re.ASCII)
_NUMBER = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)


@dataclass(frozen=True)
class Relation:
    """What ties an image to an instance, normalised."""

    installation: str
    instance: str

    @property
    def headers(self) -> dict[str, str]:
        return {HEADERS[key]: value for key, value in self.shown.items()}

    @property
    def shown(self) -> dict[str, str]:
        return {INSTALLATION: self.installation, INSTANCE: self.instance}


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


def declared(label: str, params: Mapping[str, Any]) -> tuple[bool, Relation | None]:
    """Whether a task manages the relation of its image, and the one that it is to have; None is for none."""
    given = [params[INSTALLATION], params[INSTANCE]]
    if None in given:
        return False, None
    if given == ["", ""]:
        return True, None
    if "" in given:
        raise _refusal(
            f"relate image '{label}'", f"one of {INSTALLATION} and {INSTANCE} is empty", "Give both, or both empty so that the image has no relation"
        )
    return True, Relation(_installation(f"relate image '{label}'", given[0]), _instance(f"relate image '{label}'", given[1]))


def related_filters(params: Mapping[str, Any]) -> list[list[tuple[str, str]]]:
    """Filters that find the images of instances, one list for each listing that it takes; none where the task does not ask for any."""
    if params[INSTALLATION] is None:
        return []
    installation = _installation("list related images", params[INSTALLATION])
    instances = list(dict.fromkeys(_instance("list related images", text) for text in params[INSTANCE]))
    return [
        [(INSTALLATION, installation), (INSTANCE, "in:" + ",".join(part) if len(part) > 1 else part[0]), ("include_relation", "true")]
        for part in _parts(instances)
    ]


def _parts(instances: Sequence[str], most: int = 100) -> list[Sequence[str]]:
    """Few enough in one listing that its address stays within what every server takes."""
    return [instances[start : start + most] for start in range(0, len(instances), most)]


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
