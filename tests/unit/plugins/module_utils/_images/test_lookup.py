# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which image a name stands for when its data is to be read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.xenstack.image_services.plugins.module_utils._core.errors import ImageServicesError
from ansible_collections.xenstack.image_services.plugins.module_utils._glance.properties import INCOMING
from ansible_collections.xenstack.image_services.plugins.module_utils._images.lookup import FAIL, NEWEST, find_readable

ID = "7a2b5f0e-6c0c-4f0d-9d1e-3a5f4f3d2c1b"


class Glance:
    """Lists what it was given."""

    def __init__(self, *images: dict[str, Any]) -> None:
        self._images = [{"name": "debian", "status": "active", "os_hidden": False, **image} for image in images]

    def images_and_hidden(self, filters: object) -> Iterator[dict[str, Any]]:
        return iter(self._images)

    def image(self, image_id: str) -> dict[str, Any] | None:
        return next((image for image in self._images if image["id"] == image_id), None)


def found(*images: dict[str, Any], wanted: str = "debian", on_duplicate: str = FAIL) -> str:
    return str(find_readable(Glance(*images), wanted, "name", on_duplicate)["id"])  # type: ignore[arg-type]


OLD, NEW = {"id": "old", "created_at": "2026-01-01T00:00:00Z"}, {"id": "new", "created_at": "2026-02-01T00:00:00Z"}


def test_of_several_the_newest_that_is_active_is_taken_when_told() -> None:
    building = {"id": "building", "created_at": "2026-03-01T00:00:00Z", "status": "saving"}
    assert found(NEW, OLD, building, on_duplicate=NEWEST) == "new"
    assert found(OLD, NEW, on_duplicate=NEWEST) == "new"
    with pytest.raises(ImageServicesError, match="Cannot find image 'debian': images of this name: new, old. Give the id."):
        found(OLD, NEW)


def test_hidden_and_incomplete_ones_are_not_meant_by_a_name() -> None:
    hidden, incoming = {**NEW, "id": "hidden", "os_hidden": True}, {**NEW, "id": "incoming", INCOMING: "true"}
    assert found(OLD, hidden, incoming) == "old"
    assert found(OLD, hidden, incoming, on_duplicate=NEWEST) == "old"
    with pytest.raises(ImageServicesError, match="there is no image of this name or id that the project may see"):
        found(hidden, incoming, on_duplicate=NEWEST)


def test_an_id_finds_what_a_name_does_not() -> None:
    assert found({**NEW, "id": ID, "os_hidden": True}, wanted=ID) == ID


@pytest.mark.parametrize("on_duplicate", [FAIL, NEWEST])
def test_data_that_cannot_be_read_is_refused(on_duplicate: str) -> None:
    with pytest.raises(ImageServicesError, match="Cannot read image 'debian': its status is 'queued', so that its data cannot be read."):
        found({**NEW, "status": "queued"}, on_duplicate=on_duplicate)
