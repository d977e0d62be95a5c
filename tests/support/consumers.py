# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A stand-in for the reads of Nova and Cinder that tell who uses an image.

Stricter than the real services: it knows two paths and their documented filters, wants a token, and fails on anything else.
Sources: the Compute API reference (GET /servers) and the Block Storage API reference, v3 (GET /v3/{project}/volumes/detail).
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

SERVER_FILTERS = {"image", "limit", "all_tenants"}
# A service may be set to give out less than a client asks for (osapi_max_limit).
MAX_ROWS = 700
VOLUME_FILTERS = {"limit", "marker", "all_tenants"}


@dataclass
class Consumers:
    """Servers by the image that they were made from, and volumes by the image that they hold."""

    servers: dict[str, str] = field(default_factory=dict)
    volumes: dict[str, str] = field(default_factory=dict)
    admin: bool = True
    requests: list[str] = field(default_factory=list)
    url: str = ""

    def overrides(self) -> dict[str, str]:
        """Settings of a cloud that has these services."""
        return {"compute_endpoint_override": f"{self.url}/v2.1", "block_storage_endpoint_override": f"{self.url}/v3/project"}

    def answer(self, target: str, token: str | None) -> tuple[int, dict[str, Any]]:
        parts = urlsplit(target)
        filters = {key: values[0] for key, values in parse_qs(parts.query, strict_parsing=True).items()}
        if not token:
            return 401, {}
        if filters.get("all_tenants") and not self.admin:
            return 403, {"forbidden": {"message": "Policy doesn't allow all_tenants"}}
        limit = min(int(filters.get("limit", MAX_ROWS)), MAX_ROWS)
        if parts.path == "/v2.1/servers" and set(filters) <= SERVER_FILTERS:
            found = [{"id": server, "name": server} for server, image in self.servers.items() if image == filters["image"]]
            return 200, {"servers": found[:limit]}
        if parts.path == "/v3/project/volumes/detail" and set(filters) <= VOLUME_FILTERS:
            volumes = [{"id": volume, "volume_image_metadata": {"image_id": image}} for volume, image in self.volumes.items()]
            known = [volume["id"] for volume in volumes]
            start = known.index(filters["marker"]) + 1 if "marker" in filters else 0
            return 200, {"volumes": volumes[start : start + limit]}
        return 400, {"badRequest": {"message": f"the stand-in does not know {target}"}}


@contextmanager
def serving(consumers: Consumers) -> Iterator[Consumers]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            consumers.requests.append(self.path)
            status, body = consumers.answer(self.path, self.headers.get("X-Auth-Token"))
            data = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    consumers.url = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield consumers
    finally:
        server.shutdown()
        server.server_close()
