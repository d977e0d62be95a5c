# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""The work of the module glance_store_info."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from .._core.query import compile_query
from .._core.runner import Params, ReadJob
from .._glance.api import Glance, Record
from .._glance.connection import Cloud
from .._glance.http import GlanceError, glance_errors
from .._glance.store_usage import count, present, stranded

# Everything that the caller may see.
EVERYTHING = ("visibility", "all"), ("member_status", "all")

NO_DETAILS = (
    "Glance cannot describe its stores, as Glance 33 cannot where one has several directories or is of type vmware: type, weight and properties are null."
)


class Seen(NamedTuple):
    """``detailed`` is None where Glance does not describe its stores."""

    offered: list[Record]
    detailed: list[Record] | None
    images: list[Record]


class StoreInfoJob(ReadJob[Seen]):
    """Every store that Glance offers; none is an empty list."""

    def __init__(self, params: Params, connect: Callable[[Params], Cloud] = Cloud) -> None:
        super().__init__(params)
        self._connect = connect
        self._select = compile_query(params["query"])

    def look(self) -> Seen:
        params = self.params
        glance = self._connect(params).glance
        with glance_errors("list", "stores", "*"):
            detailed = described(glance) if params["details"] else None
            offered = detailed if detailed is not None else glance.stores() or []
        return Seen(offered, detailed, all_images(glance) if params["usage"] or params["without"] else [])

    def shown(self, seen: Seen) -> dict[str, Any]:
        params = self.params
        usage = count(seen.images) if params["usage"] else None
        result: dict[str, Any] = {"stores": self._select([present(store, usage) for store in seen.offered])}
        if params["details"] and seen.detailed is None:
            result["warnings"] = [NO_DETAILS]
        if usage is not None:
            known = {store["id"] for store in seen.offered}
            result["unknown_stores"] = [{"id": name, **vars(found)} for name, found in sorted(usage.items()) if name not in known]
        if params["without"]:
            lost = stranded(seen.images, params["without"])
            result["stranded"] = {"images": lost.images, "bytes": lost.bytes}
        return result


def described(glance: Glance) -> list[Record] | None:
    """Stores with their settings; None where Glance allows that and then stumbles over one of them (500, which a repetition does not change)."""

    def once() -> list[Record] | None:
        try:
            return list(glance.http.request("GET", "/v2/info/stores/detail").json()["stores"])
        except GlanceError as exc:
            if exc.status == 500:
                return None
            raise

    found: list[Record] | None = glance.http.repeat(once)
    return found


def all_images(glance: Glance) -> list[Record]:
    """Images of every project, as far as the caller may see them, hidden ones included."""
    with glance_errors("list", "images", "*"):
        return list(glance.images_and_hidden(EVERYTHING))
