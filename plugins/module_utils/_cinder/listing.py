# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""The work of the module cinder_backend_info."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .._core.runner import Params, ReadJob
from .._glance.http import glance_errors
from .api import Cinder

SERVICE = ("host", "zone", "status", "state", "updated_at")
ADVICE = "Check that the task runs as an administrator"


class BackendInfoJob(ReadJob[dict[str, Any]]):
    """The work of the module cinder_backend_info."""

    def __init__(self, params: Params, connect: Callable[[Params], Cinder] = Cinder.connect) -> None:
        super().__init__(params)
        self._connect = connect

    def look(self) -> dict[str, Any]:
        backend = self.params["backend"]
        cinder = self._connect(self.params)
        with glance_errors("look at", "backend", backend, ADVICE):
            return {
                "services": [{key: each.get(key) for key in SERVICE} for each in cinder.services(backend)],
                "pools": [{"name": each["name"], "capabilities": each.get("capabilities", {})} for each in cinder.pools(backend)],
                "volumes": [
                    {"id": each["id"], "name": each["name"], "size": each["size"], "status": each["status"], "host": each["os-vol-host-attr:host"]}
                    for each in cinder.volumes(backend)
                ],
            }

    def shown(self, seen: dict[str, Any]) -> dict[str, Any]:
        return seen
