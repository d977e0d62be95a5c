# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""Cinder's v3 API, one method a call. Source: the Block Storage API reference, checked against Cinder 29."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from .._core.errors import cannot
from .._glance.connection import Cloud
from .._glance.http import GlanceError, HttpClient
from .type_plan import on_backend

Record = dict[str, Any]
# User messages came with this version; every cloud since Ocata has it.
VERSION = {"OpenStack-API-Version": "volume 3.3"}
PAGE_SIZE = 1000


class Cinder:
    """The block storage service as the administrator sees it."""

    def __init__(self, http: HttpClient) -> None:
        self.http = http

    @classmethod
    def connect(cls, params: Mapping[str, Any]) -> Cinder:
        http = Cloud(params).service("block-storage", "Cinder")
        if http is None:
            raise cannot("find", "service", "block-storage", "the catalogue has no endpoint of it", "Check region_name and interface")
        return cls(http)

    # Types

    def types(self) -> list[Record]:
        """Public ones and those of single projects, with their extra specs."""
        return list(self._read("/types", {"is_public": "None"})["volume_types"])

    def create_type(self, body: Mapping[str, Any]) -> Record:
        return dict(self._send("POST", "/types", {"volume_type": dict(body)})["volume_type"])

    def update_type(self, type_id: str, body: Mapping[str, Any]) -> None:
        self._send("PUT", f"/types/{type_id}", {"volume_type": dict(body)})

    def delete_type(self, type_id: str) -> None:
        self._delete(f"/types/{type_id}")

    def set_specs(self, type_id: str, specs: Mapping[str, str]) -> None:
        self._send("POST", f"/types/{type_id}/extra_specs", {"extra_specs": dict(specs)})

    def delete_spec(self, type_id: str, key: str) -> None:
        self._delete(f"/types/{type_id}/extra_specs/{key}")

    # Services

    def services(self, backend: str) -> list[Record]:
        """The processes that serve a backend, one for each host that has it."""
        found = self._read("/os-services", {"binary": "cinder-volume"})["services"]
        return [each for each in found if on_backend(each["host"], backend)]

    def pools(self, backend: str) -> list[Record]:
        """What the scheduler may choose of a backend."""
        found = self._read("/scheduler-stats/get_pools", {"detail": "true"})["pools"]
        return [each for each in found if on_backend(each["name"], backend)]

    # Volumes and snapshots

    def volumes(self, backend: str) -> Iterator[Record]:
        """Those of all projects that are on a backend, page by page."""
        params: dict[str, Any] = {"all_tenants": 1, "limit": PAGE_SIZE, "sort": "id"}
        while True:
            page = self._read("/volumes/detail", params)["volumes"]
            yield from (each for each in page if on_backend(each.get("os-vol-host-attr:host") or "", backend))
            if len(page) < PAGE_SIZE:
                return
            params["marker"] = page[-1]["id"]

    def volume(self, volume_id: str) -> Record | None:
        return self._find(f"/volumes/{volume_id}", "volume")

    def create_volume(self, body: Mapping[str, Any]) -> Record:
        return dict(self._send("POST", "/volumes", {"volume": dict(body)})["volume"])

    def extend_volume(self, volume_id: str, size: int) -> None:
        self._send("POST", f"/volumes/{volume_id}/action", {"os-extend": {"new_size": size}})

    def delete_volume(self, volume_id: str) -> None:
        self._delete(f"/volumes/{volume_id}")

    def snapshot(self, snapshot_id: str) -> Record | None:
        return self._find(f"/snapshots/{snapshot_id}", "snapshot")

    def create_snapshot(self, body: Mapping[str, Any]) -> Record:
        return dict(self._send("POST", "/snapshots", {"snapshot": dict(body)})["snapshot"])

    def delete_snapshot(self, snapshot_id: str) -> None:
        self._delete(f"/snapshots/{snapshot_id}")

    def messages(self, resource_id: str) -> list[str]:
        """What Cinder tells its users of a resource that has failed, the newest first; an older Cinder tells nothing."""
        try:
            found = self._read("/messages", {"resource_uuid": resource_id})["messages"]
        except GlanceError:
            return []
        newest = sorted(found, key=lambda each: str(each.get("created_at")), reverse=True)
        return [each["user_message"] for each in newest if each.get("resource_uuid") == resource_id]

    def _read(self, path: str, params: Mapping[str, Any] | None = None) -> Any:
        return self.http.repeat(lambda: self.http.request("GET", path, params=params, headers=VERSION).json())

    def _find(self, path: str, key: str) -> Record | None:
        try:
            return dict(self._read(path)[key])
        except GlanceError as exc:
            if exc.status == 404:
                return None
            raise

    def _send(self, method: str, path: str, body: Any) -> Any:
        """A change is sent once: what became of one without an answer is not known."""
        answer = self.http.request(method, path, json=body, headers=VERSION)
        return answer.json() if answer.content else {}

    def _delete(self, path: str) -> None:
        def once() -> None:
            try:
                self.http.request("DELETE", path, headers=VERSION)
            except GlanceError as exc:
                if exc.status != 404:
                    raise

        self.http.repeat(once)
