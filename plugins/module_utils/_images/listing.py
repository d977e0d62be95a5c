# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""The work of the module glance_image_info."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from .._core.query import compile_query
from .._core.runner import Params, ReadJob
from .._glance.api import Glance, Record
from .._glance.connection import Cloud
from .._glance.http import glance_errors
from .._glance.relation import no_filter, related_filters
from .._glance.results import present_image, present_related
from .filters import ListFilters, list_filters
from .selection import UUID, is_called

Filter = tuple[str, str]


class Seen(NamedTuple):
    images: list[dict[str, Any]]
    project_id: str | None


class ImageInfoJob(ReadJob[Seen]):
    """Every image that fits, through all pages; none is an empty list."""

    def __init__(self, params: Params, connect: Callable[[Params], Cloud] = Cloud) -> None:
        super().__init__(params)
        self._connect = connect
        self._select = compile_query(params["query"])
        self._relation = related_filters(params)
        self._filters = list_filters(params)

    def look(self) -> Seen:
        params, fits = self.params, self._filters.fits
        cloud = self._connect(params)
        glance = cloud.glance
        with glance_errors("list", "images", params["name"] or params["id"] or "*"):
            asked = _by_project_ids(cloud, self._filters)
            if self._relation is not None:
                images = [present_related(record) for record in _related(glance, asked, self._relation, params["name"]) if fits(record)]
            else:
                images = [present_image(record) for record in _found(glance, asked, params) if fits(record)]
        return Seen(images, glance.project_id)

    def shown(self, seen: Seen) -> dict[str, Any]:
        return {"images": self._select(seen.images), "project_id": seen.project_id}


def _by_project_ids(cloud: Cloud, filters: ListFilters) -> list[Filter]:
    """Glance knows projects by their ids alone, and finds nothing of a name."""
    return [(key, cloud.identity.project_id(value) if key == "owner" else value) for key, value in filters.sent]


def _found(glance: Glance, filters: Sequence[Filter], params: Mapping[str, Any]) -> Sequence[Record]:
    if params["id"] is not None:
        found = [glance.image(params["id"])]
    else:
        found = [record for record in glance.images(filters) if params["name"] is None or is_called(record, params["name"])]
        if not found and params["name"] is not None and UUID.fullmatch(params["name"]):
            others = [(key, value) for key, value in filters if key != "name"]
            # Without other filters, hidden images and community images of others as well.
            found = list(glance.images([("id", params["name"]), *others])) if others else [glance.image(params["name"])]
    return [record for record in found if record is not None]


def _related(glance: Glance, filters: Sequence[Filter], related: Sequence[Sequence[Filter]], name: str | None) -> Sequence[Record]:
    """Images of instances; a Glance without the filter would take the instance for a property, and find none."""
    if not glance.instance_aware():
        raise no_filter("list related images")
    found = [record for part in related for record in glance.images([*filters, *part]) if name is None or is_called(record, name)]
    if not found and name is not None and UUID.fullmatch(name):
        by_id = [("id", value) if key == "name" else (key, value) for key, value in filters]
        found = [record for part in related for record in glance.images([*by_id, *part])]
    # The newest first, as Glance lists them, also where it took several listings.
    return sorted(found, key=lambda record: str(record["created_at"]), reverse=True) if len(related) > 1 else found
