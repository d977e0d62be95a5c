# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""From the options of an info module to the filters of Glance's listing. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .._common.errors import ImageServicesError
from .image_desired import SCHEMA_ATTRIBUTES, check_properties, property_text
from .image_select import name_filter

PAGING = frozenset({"limit", "marker", "sort", "sort_key", "sort_dir"})


def list_filters(params: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Filters in the order of the options; a tag is one filter each, and all must match."""
    check_properties("*", params["properties"])
    filters: list[tuple[str, str]] = []
    if params["name"] is not None:
        filters.append(("name", name_filter(params["name"])))
    if params["hidden"] is not None:
        filters.append(("os_hidden", property_text(params["hidden"])))
    filters += [("tag", tag) for tag in params["tags"] or ()]
    filters += [(key, property_text(value)) for key, value in sorted((params["properties"] or {}).items())]
    for key, value in sorted((params["filters"] or {}).items()):
        if key in PAGING:
            raise ImageServicesError(
                f"Cannot list images: filter '{key}' is a matter of paging, and all pages are read. Remove it from filters.", code="bad_filter"
            )
        if key in {name for name, _value in filters} and key in SCHEMA_ATTRIBUTES:
            raise ImageServicesError(f"Cannot list images: '{key}' is given as an option and in filters. Give it once.", code="bad_filter")
        filters.append((key, property_text(value)))
    return filters
