# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images are shown as openstacksdk shows them."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.xenstack.image_services.plugins.module_utils._glance.results import _FIELDS, present_image
from hypothesis import given
from hypothesis import strategies as st
from openstack.image.v2.image import Image

TEXT = st.text(min_size=1, max_size=20)
ATTRIBUTES = {
    "id": st.uuids().map(str),
    "name": TEXT,
    "status": st.sampled_from(["active", "queued", "deactivated"]),
    "visibility": st.sampled_from(["public", "private", "shared"]),
    "protected": st.booleans(),
    "os_hidden": st.booleans(),
    "min_disk": st.integers(0, 99),
    "min_ram": st.integers(0, 99),
    "size": st.none() | st.integers(0, 2**50),
    "virtual_size": st.none() | st.integers(0, 2**50),
    "owner": st.uuids().map(lambda value: value.hex),
    "checksum": st.none() | TEXT,
    "os_hash_algo": st.none() | TEXT,
    "os_hash_value": st.none() | TEXT,
    "disk_format": st.sampled_from(["raw", "qcow2"]),
    "container_format": st.just("bare"),
    "created_at": TEXT,
    "updated_at": TEXT,
    "file": TEXT,
    "schema": TEXT,
    "tags": st.lists(TEXT, unique=True, max_size=3),
    "hw_disk_bus": TEXT,
    # openstacksdk itself fails with digits that are no decimals.
    "hw_cpu_cores": TEXT.filter(lambda text: not text.isdigit() or text.isdecimal()),
    "os_distro": TEXT,
    "kernel_id": TEXT,
    "architecture": TEXT,
}
OPERATORS = st.dictionaries(st.text("abcdefgh_", min_size=4, max_size=9), TEXT, max_size=4)


@given(st.fixed_dictionaries({}, optional=ATTRIBUTES), OPERATORS)
def test_every_field_is_what_openstacksdk_shows(record: dict[str, Any], properties: dict[str, str]) -> None:
    whole = {**properties, **record}
    expected = dict(Image.existing(**whole).to_dict(computed=False, original_names=False))
    expected.pop("location", None)
    shown = present_image({**whole, "stores": "fast,archive"})
    assert shown.pop("stores") == ["fast", "archive"]
    assert shown["properties"].pop("stores") == "fast,archive"
    assert {**shown, "properties": None} == {**expected, "tags": sorted(expected["tags"] or ()), "properties": None}
    assert shown["properties"] == (expected["properties"] or {})


@pytest.mark.parametrize("texts", [("²", "4"), ("4", "²"), ("①",)])
def test_a_text_that_openstacksdk_cannot_make_a_number_of_is_shown_as_a_property(texts: tuple[str, ...]) -> None:
    _FIELDS.pop(("hw_cpu_cores", str), None)
    for text in texts:
        shown = present_image({"hw_cpu_cores": text})
        assert (shown["hw_cpu_cores"], shown["properties"]) == ((int(text), {}) if text.isdecimal() else (None, {"hw_cpu_cores": text}))
