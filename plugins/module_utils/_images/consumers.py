# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""Who uses an image: servers and volumes, asked of Nova and Cinder where the cloud has them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from .._glance.connection import Cloud
from .._glance.http import GlanceError, HttpClient, glance_errors

PAGE_SIZE = 1000
Record = dict[str, Any]


class Consumers:
    """Servers that were created from an image and volumes that hold one."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._project_only: set[str] = set()

    @property
    def warnings(self) -> list[str]:
        return [f"Only {what} of the task's own project could be looked at for images in use." for what in sorted(self._project_only)]

    def of(self, image_ids: Iterable[str]) -> dict[str, list[str]]:
        """By image id, what uses it; images that nothing uses are left out. Nothing is asked for no images."""
        wanted = set(image_ids)
        found: dict[str, list[str]] = {}
        if not wanted:
            return found
        compute, volumes = self._cloud.service("compute"), self._cloud.service("block-storage")
        if compute is not None:
            for image_id in sorted(wanted):
                for server in self._servers(compute, image_id):
                    found.setdefault(image_id, []).append(f"server {server['id']}")
        if volumes is not None:
            for volume in self._all_volumes(volumes):
                image = str((volume.get("volume_image_metadata") or {}).get("image_id"))
                if image in wanted:
                    found.setdefault(image, []).append(f"volume {volume['id']}")
        return found

    def _servers(self, compute: HttpClient, image_id: str) -> list[Record]:
        with glance_errors("list", "servers of image", image_id, "Let the task's user read servers, or leave keep and prune out"):
            return self._as_far_as_allowed("servers", compute, "/servers", [("image", image_id), ("limit", 1)])

    def _all_volumes(self, volumes: HttpClient) -> Iterator[Record]:
        with glance_errors("list", "volumes", "*", "Let the task's user read volumes, or leave keep and prune out"):
            # A service may give out smaller pages than it is asked for, so only an empty one is the last.
            marker: list[tuple[str, Any]] = []
            while True:
                page = self._as_far_as_allowed("volumes", volumes, "/volumes/detail", [("limit", PAGE_SIZE), *marker])
                if not page:
                    return
                yield from page
                marker = [("marker", page[-1]["id"])]

    def _as_far_as_allowed(self, what: str, client: HttpClient, path: str, filters: list[tuple[str, Any]]) -> list[Record]:
        """Those of all projects for an administrator, else those of the caller's."""
        if what not in self._project_only:
            try:
                return list(client.get(path, [*filters, ("all_tenants", "1")]).json()[what])
            except GlanceError as exc:
                if exc.status != 403:
                    raise
            self._project_only.add(what)
        return list(client.get(path, filters).json()[what])
