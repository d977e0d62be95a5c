# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What filters of a listing become for Glance: its own names with values that it compares rightly, or a refusal, never a filter that matches nothing."""

from __future__ import annotations

import re
from typing import Any

import pytest
from ansible_collections.xenstack.image_services.plugins.module_utils._core.errors import ImageServicesError
from ansible_collections.xenstack.image_services.plugins.module_utils._images.filters import ListFilters, list_filters
from hypothesis import given
from hypothesis import strategies as st
from openstack.image.v2.image import Image

# Fields of openstacksdk that Glance cannot filter by.
UNFILTERABLE = {"file", "locations", "direct_url", "url", "metadata", "schema", "store", "location", "properties"}


def filters(given: dict[str, Any] | None = None, **options: Any) -> ListFilters:
    return list_filters({"name": None, "hidden": None, "tags": None, "properties": None, "filters": given, **options})


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ({"is_protected": False}, [("protected", "false")]),
        ({"is_protected": "True"}, [("protected", "true")]),
        ({"protected": "no"}, [("protected", "false")]),
        ({"is_hidden": True}, [("os_hidden", "true")]),
        ({"os_hidden": 0}, [("os_hidden", "false")]),
        ({"hidden": True}, [("os_hidden", "true")]),
        ({"hash_algo": "sha512"}, [("os_hash_algo", "sha512")]),
        ({"hash_value": "aa"}, [("os_hash_value", "aa")]),
        ({"owner_id": "p"}, [("owner", "p")]),
        ({"size_min": 1, "min_ram_max": "512"}, [("min_ram_max", "512"), ("size_min", "1")]),
        ({"min_disk": 0}, [("min_disk", "0")]),
        ({"status": "active"}, [("status", "active")]),
        ({"status": ["active", "queued"]}, [("status", 'in:"active","queued"')]),
        ({"status": "in:active,queued"}, [("status", "in:active,queued")]),
        ({"id": ["a", "b"]}, [("id", 'in:"a","b"')]),
        ({"name": "debian"}, [("name", "debian")]),
        ({"name": "ubuntu:24.04"}, [("name", "eq:ubuntu:24.04")]),
        ({"name": "in:a,b"}, [("name", "in:a,b")]),
        ({"name": ["a:b", "c"]}, [("name", 'in:"a:b","c"')]),
        ({"visibility": "all", "member_status": "all"}, [("member_status", "all"), ("visibility", "all")]),
        ({"created_at": "gt:2026-01-01T00:00:00Z"}, [("created_at", "gt:2026-01-01T00:00:00Z")]),
        ({"tag": "a"}, [("tag", "a")]),
        ({"tags": ["a", "b"]}, [("tag", "a"), ("tag", "b")]),
        ({"os_distro": "debian"}, [("os_distro", "debian")]),
        ({"hw_cpu_cores": 4}, [("hw_cpu_cores", "4")]),
        ({"needs_config_drive": "mandatory"}, [("img_config_drive", "mandatory")]),
        ({"properties": {"my_own": 1, "os_distro": "debian"}}, [("my_own", "1"), ("os_distro", "debian")]),
    ],
)
def test_a_filter_is_sent_as_glance_knows_it(given: dict[str, Any], sent: list[tuple[str, str]]) -> None:
    assert filters(given) == ListFilters(sent)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"filters": {"is_protectd": False}}, "Glance has no filter 'is_protectd'. Give properties of images in the option properties, and in filters "),
        ({"filters": {"image_type": "backup"}}, "Glance has no filter 'image_type'."),
        ({"filters": {"store": "fast"}}, "Glance has no filter 'store'."),
        ({"filters": {"deleted": True}}, "Glance has no filter 'deleted'."),
        ({"filters": {"limit": 1}}, "filter 'limit' is a matter of paging, and all pages are read. Remove it from filters."),
        ({"filters": {"is_protected": "perhaps"}}, "filter 'is_protected' is 'perhaps', not true or false. Correct it."),
        ({"filters": {"size_min": "1GiB"}}, "filter 'size_min' is '1GiB', not a whole number."),
        ({"filters": {"status": "Active"}}, "filter 'status' is 'Active', not one of queued, saving,"),
        ({"filters": {"status": "in:active,gone"}}, "filter 'status' is 'in:active,gone', not one of"),
        ({"filters": {"visibility": ["public", "private"]}}, "filter 'visibility' is '['public', 'private']', not a single value."),
        ({"filters": {"checksum": None}}, "filter 'checksum' is 'None', not a text."),
        ({"filters": {"name": ['a"b']}}, "not a list of values without quotation marks."),
        ({"filters": {"is_hidden": True, "os_hidden": True}}, "'os_hidden' and another name of 'os_hidden' are given in filters. Give it once."),
        ({"filters": {"is_hidden": True}, "hidden": True}, "'is_hidden' is given as an option and in filters. Give it once."),
        ({"filters": {"os_distro": "a"}, "properties": {"os_distro": "a"}}, "property 'os_distro' is given twice. Give it once."),
        ({"properties": {"is_protected": False}}, "'is_protected' is an attribute of images, not a property. Give it in filters."),
    ],
)
def test_what_would_match_nothing_or_anything_is_refused(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ImageServicesError, match=re.escape(sentence)):
        filters(**{"given": options.pop("filters", None), **options})


def test_every_field_of_openstacksdk_is_a_filter_or_refused() -> None:
    values = {"visibility": "public", "status": "active", "is_hidden": True, "is_protected": True}
    numbers = {"size", "virtual_size", "min_disk", "min_ram"}
    for field in Image.existing().to_dict(computed=False, original_names=False):
        value = 1 if field in numbers else values.get(field, "x")
        if field in UNFILTERABLE:
            with pytest.raises(ImageServicesError, match=f"Glance has no filter '{field}'"):
                filters({field: value})
        else:
            assert len(filters({field: value}).sent) == 1, field


@given(st.booleans(), st.sampled_from(["true", "True", "TRUE", "false", "False", None, "yes"]))
def test_a_flag_among_properties_is_true_in_whatever_letters(wanted: bool, stored: str | None) -> None:
    for found in (filters({"is_hw_boot_menu_enabled": wanted}), filters(properties={"hw_boot_menu": wanted})):
        assert (found.sent, found.flags) == ([], {"hw_boot_menu": wanted})
        record = {} if stored is None else {"hw_boot_menu": stored}
        assert found.fits(record) is (stored is not None and stored.lower() == str(wanted).lower())
