# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""An image record as the modules return it: openstacksdk's field names, so that it reads as openstack.cloud's does."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from .properties import OWN_PROPERTIES
from .relation import described, relation_of, without_relation

# Key of a record and type of its value -> fields that show the value as it is; None where openstacksdk converts it.
# It takes milliseconds for an image, and a catalogue has thousands.
_FIELDS: dict[tuple[str, type], tuple[str, ...] | None] = {}


def present_image(record: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of openstacksdk's Image, with ``stores`` as a list beside them."""
    properties: dict[str, Any] = {}
    shown = {**_empty(), "properties": properties}
    for key, value in record.items():
        # "self" is a link in the record and the instance in the constructor.
        if key in OWN_PROPERTIES or key in ("self", "tags") or value is None:
            continue
        kind = (key, type(value))
        if kind not in _FIELDS:
            _learn(kind, value)
        fields = _FIELDS.get(kind)
        if fields is None:
            seen = _shown(key, value)
            properties.update(seen.pop("properties", None) or {})
            shown.update(seen)
        elif fields == ("properties",):
            properties[key] = value
        else:
            shown.update(dict.fromkeys(fields, value))
    shown["tags"] = sorted(record.get("tags") or ())
    shown["stores"] = [store for store in str(record.get("stores", "")).split(",") if store]
    return shown


def present_related(record: Mapping[str, Any]) -> dict[str, Any]:
    """The same of an image that was asked for with its relation: what the filter adds is no property."""
    return {**present_image(without_relation(record)), **described(relation_of(record))}


def _learn(kind: tuple[str, type], value: Any) -> None:
    try:
        seen = _changed(kind[0], value)
    except ValueError:
        _FIELDS[kind] = None
        return
    if seen:
        as_it_is = all(shown == ({kind[0]: value} if field == "properties" else value) for field, shown in seen.items())
        _FIELDS[kind] = tuple(seen) if as_it_is else None


def _shown(key: str, value: Any) -> dict[str, Any]:
    try:
        return _changed(key, value)
    except ValueError:
        # A digit that is no decimal, such as ², where openstacksdk has a number: Glance keeps any text.
        return {"properties": {key: value}}


def _changed(key: str, value: Any) -> dict[str, Any]:
    """The fields that openstacksdk shows otherwise for a key than without it."""
    empty = _empty()
    return {field: shown for field, shown in _fields({key: value}).items() if shown != empty[field]}


@cache
def _empty() -> dict[str, Any]:
    return _fields({})


def _fields(record: Mapping[str, Any]) -> dict[str, Any]:
    from openstack.image.v2.image import Image

    shown = dict(Image.existing(**record).to_dict(computed=False, original_names=False))
    shown.pop("location", None)
    return shown
