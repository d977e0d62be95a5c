# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The simulated data model is the published one."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.xenstack.image_services.roles.xapi_simulator.files.xapi_simulator import schema
from ansible_collections.xenstack.image_services.tests.support.xapi_facts import MODEL, REMOVED, digest, field_fact, message_fact

SIMULATED = schema.load()
PUBLISHED: dict[str, dict[str, dict[str, str]]] = json.loads(MODEL.read_text(encoding="utf-8"))
QUALIFIERS = {"rw": "RW", "constructor": "RO/constructor", "runtime": "RO/runtime"}


def fact_of_message(message: Any) -> str:
    if message.kind == "removed":
        return REMOVED
    return message_fact([(param.type.text, param.required) for param in message.params], message.result.text, message.session, message.kind != "custom")


@pytest.mark.parametrize("name", sorted(SIMULATED.classes))
def test_fields_and_messages_are_the_published_ones(name: str) -> None:
    cls = SIMULATED.classes[name]
    fields = {each.name: field_fact(each.type.text, QUALIFIERS[each.qualifier], each.default) for each in cls.fields.values()}
    assert fields == PUBLISHED[name]["fields"]
    messages = {each.name: fact_of_message(each) for each in cls.messages.values() if not each.unpublished}
    assert messages == PUBLISHED[name]["messages"]


def test_enums_and_classes_are_the_published_ones() -> None:
    enums = {name: fact for cls in PUBLISHED.values() for name, fact in cls["enums"].items()}
    assert {name: enums[name] for name in SIMULATED.enums} == {name: digest(values) for name, values in SIMULATED.enums.items()}
    assert set(PUBLISHED) == set(SIMULATED.classes) | SIMULATED.others


@pytest.mark.parametrize("name", sorted(SIMULATED.classes))
def test_every_default_fits_the_type_of_its_field(name: str) -> None:
    kinds = {"int": int, "float": float, "bool": bool, "set": list, "map": dict}
    for field in SIMULATED.classes[name].fields.values():
        value = SIMULATED.default(field)
        assert value.__class__ is kinds.get(field.type.kind, str), field.name
        if field.type.kind == "enum":
            assert value.lower() in [known.lower() for known in SIMULATED.enums[field.type.name]]
