# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""The data of an image in Glance as a source of bytes, whichever store holds it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._content.source import HttpSource
from .._core.errors import cannot
from .._glance.api import Glance, Record
from .._glance.http import GlanceError

if TYPE_CHECKING:
    import requests


class ImageData(HttpSource):
    """As what lies behind an address; an image's data never changes, so a broken transfer always goes on where it stopped."""

    def __init__(self, glance: Glance, image: Record) -> None:
        super().__init__(str(image.get("name") or image["id"]), glance.http.clock)
        self._glance = glance
        self._image = image

    @property
    def size(self) -> int | None:
        return None if self._image.get("size") is None else int(self._image["size"])

    @property
    def fingerprint(self) -> str | None:
        return None

    @property
    def _resumable(self) -> bool:
        return True

    def _get(self, headers: dict[str, str]) -> requests.Response:
        import requests

        try:
            return self._glance.download(str(self._image["id"]), headers)
        except GlanceError as exc:
            if "Range" in headers and exc.retryable:
                raise requests.ConnectionError(str(exc)) from exc
            raise exc.explained("read", "image", str(self._image["id"]), exc.advice) from exc

    def _unreadable(self, cause: str) -> Exception:
        return cannot("read", "image", str(self._image["id"]), cause, "See that Glance and its store answer, then run the task again", code="bad_source")
