# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""Where the present images are looked up: asked for one by one, or read once for very many."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from .._core.errors import cannot
from .._glance.api import Glance, Record
from .._glance.http import glance_errors
from .._glance.properties import INCOMING
from .selection import UUID, is_called, name_filter

# Without it, listings leave out community images of others, an administrator's too.
EVERYONE = (("visibility", "all"),)
# What becomes of a name that several images have.
FAIL, NEWEST = "fail", "newest"


class ImageLookup(Protocol):
    """Present images, hidden ones included."""

    def named(self, name: str, everyone: bool = False) -> Sequence[Record]:
        """Every image of this name that listings show the project; with ``everyone``, for an administrator, community images of others as well."""

    def image(self, image_id: str) -> Record | None:
        """The image of this id, if the project may see it."""


class LiveImageLookup:
    """Two requests for each name."""

    def __init__(self, glance: Glance) -> None:
        self._glance = glance

    def named(self, name: str, everyone: bool = False) -> Sequence[Record]:
        found = self._glance.images_and_hidden([("name", name_filter(name)), *(EVERYONE if everyone else ())])
        return [record for record in found if is_called(record, name)]

    def image(self, image_id: str) -> Record | None:
        return self._glance.image(image_id)


class PreloadedImageLookup:
    """One listing for any number of names."""

    def __init__(self, glance: Glance) -> None:
        self._glance = glance
        self.records = list(glance.images_and_hidden(EVERYONE if glance.administrator else ()))
        self._by_id = {record["id"]: record for record in self.records}
        self._by_name: dict[str, list[Record]] = {}
        for record in self.records:
            self._by_name.setdefault(str(record.get("name")), []).append(record)

    def named(self, name: str, everyone: bool = False) -> Sequence[Record]:
        found = self._by_name.get(name, [])
        return found if everyone else [record for record in found if record.get("visibility") != "community" or record.get("owner") == self._glance.project_id]

    def image(self, image_id: str) -> Record | None:
        # A listing leaves out community images of others, and an id may be one of those.
        return self._by_id.get(image_id) or self._glance.image(image_id)


def find_readable(glance: Glance, wanted: str, options: str, on_duplicate: str = FAIL) -> Record:
    """The image of this id or name whose data is to be read; one that is hidden or incomplete has to be named by its id.

    ``options`` are those of the task to check where there is none. Of several that are active, NEWEST takes the one that was created last.
    """
    with glance_errors("read", "image", wanted):
        by_id = glance.image(wanted) if UUID.fullmatch(wanted) else None
        found = [by_id] if by_id else [image for image in LiveImageLookup(glance).named(wanted) if not image.get("os_hidden") and INCOMING not in image]
    if not found:
        raise cannot("find", "image", wanted, "there is no image of this name or id that the project may see", f"Check {options}", code="not_found")
    if on_duplicate == NEWEST:
        found = sorted((image for image in found if image["status"] == "active"), key=_age)[-1:] or found[:1]
    if len(found) > 1:
        ids = ", ".join(sorted(image["id"] for image in found))
        raise cannot("find", "image", wanted, f"images of this name: {ids}", "Give the id", code="duplicate")
    (image,) = found
    if image["status"] != "active":
        cause = f"its status is '{image['status']}', so that its data cannot be read"
        raise cannot("read", "image", wanted, cause, "Give an image that is active", code="not_active")
    return dict(image)


def _age(image: Record) -> tuple[str, str]:
    return str(image["created_at"]), str(image["id"])
