# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The data model is the published one, where the published one is at hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.xenstack.image_services.roles.xapi_simulator.files.xapi_simulator import schema

PUBLISHED = Path(__file__).resolve().parents[4] / "shared/reference/xapi/xenapi.json"
SIMULATED = schema.load()
QUALIFIERS = {"rw": "RW", "constructor": "RO/constructor", "runtime": "RO/runtime"}


def removed(entry: dict[str, Any]) -> bool:
    return entry["lifecycle"].get("state") == "Removed_s"


@pytest.fixture(scope="module")
def published() -> dict[str, dict[str, Any]]:
    if not PUBLISHED.exists():
        pytest.skip("the published data model is not beside the checkout")
    return {cls["name"]: cls for cls in json.loads(PUBLISHED.read_text())}


def published_messages(cls: dict[str, Any]) -> dict[str, Any]:
    found = {}
    for message in cls["messages"]:
        params = [(param["type"], param["required"]) for param in message["params"] if param["name"] != "session_id"]
        session = any(param["name"] == "session_id" for param in message["params"])
        found[message["name"]] = None if removed(message) else (params, message["result"][0], session, message["implicit"])
    return found


def test_fields_and_messages_are_the_published_ones(published: dict[str, dict[str, Any]]) -> None:
    for name, cls in SIMULATED.classes.items():
        there = {field["name"]: (field["type"], field["qualifier"], field.get("default")) for field in published[name]["fields"] if not removed(field)}
        assert {field.name: (field.type.text, QUALIFIERS[field.qualifier], field.default) for field in cls.fields.values()} == there
        here = {}
        for message in (each for each in cls.messages.values() if not each.unpublished):
            params = [(param.type.text, param.required) for param in message.params]
            here[message.name] = None if message.kind == "removed" else (params, message.result.text, message.session, message.kind != "custom")
        assert here == published_messages(published[name])


def test_enums_and_classes_are_the_published_ones(published: dict[str, dict[str, Any]]) -> None:
    enums = {enum["name"]: [value["name"] for value in enum["values"]] for cls in published.values() for enum in cls["enums"]}
    assert {name: enums[name] for name in SIMULATED.enums} == SIMULATED.enums
    assert set(published) == set(SIMULATED.classes) | SIMULATED.others


@pytest.mark.parametrize("name", sorted(SIMULATED.classes))
def test_every_default_fits_the_type_of_its_field(name: str) -> None:
    kinds = {"int": int, "float": float, "bool": bool, "set": list, "map": dict}
    for field in SIMULATED.classes[name].fields.values():
        value = SIMULATED.default(field)
        assert value.__class__ is kinds.get(field.type.kind, str), field.name
        if field.type.kind == "enum":
            assert value.lower() in [known.lower() for known in SIMULATED.enums[field.type.name]]
