# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""The work of the module glance_image_info."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from .._common.query import compile_query
from .._plan.image_filters import list_filters
from .._plan.image_select import UUID
from .connection import Cloud
from .http import explaining
from .present import present_image


def list_images(params: Mapping[str, Any], connect: Callable[[Mapping[str, Any]], Cloud]) -> dict[str, Any]:
    """Every image that fits, through all pages; none is an empty list."""
    shaped = compile_query(params["query"])
    filters = list_filters(params)
    glance = connect(params).glance
    with explaining("list", "images", params["name"] or params["id"] or "*"):
        if params["id"] is not None:
            found = [glance.image(params["id"])]
        else:
            found = list(glance.images(filters))
            if not found and params["name"] is not None and UUID.fullmatch(params["name"]):
                found = [glance.image(params["name"])]
    images = [present_image(record) for record in found if record is not None]
    return {"changed": False, "images": shaped(images)}
