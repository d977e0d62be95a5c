# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The requests that these tests make most."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import webob
from glance_app import TABLE, Caller, GlanceUnderTest

A = "0a0a0a0a-0000-4000-8000-00000000000a"
B = "0b0b0b0b-0000-4000-8000-00000000000b"
PATCH_2_1 = "application/openstack-images-v2.1-json-patch"


def tuple_headers(installation: str, instance: str) -> dict[str, str]:
    return {"X-Nova-Installation-UUID": installation, "X-Instance-ID": instance}


def create(glance: GlanceUnderTest, caller: Caller, pair: tuple[str, str] | None = None, **properties: Any) -> str:
    """An image, and its relation; returns its id."""
    body = {"id": glance.next_id(), "name": "disk", "disk_format": "raw", "container_format": "bare", "visibility": "private", **properties}
    answer = glance.call(glance.aware, "POST", "/v2/images", caller, body=body, headers=tuple_headers(*pair) if pair else None)
    assert answer.status_int == 201, answer.text
    return body["id"]


def patch(
    glance: GlanceUnderTest, caller: Caller, identifier: str, operations: Any = (), headers: dict[str, str] | None = None, app: Any = None
) -> webob.Response:
    headers = {"Content-Type": PATCH_2_1, **(headers or {})}
    body = operations if isinstance(operations, bytes) else list(operations)
    return glance.call(app or glance.aware, "PATCH", f"/v2/images/{identifier}", caller, body=body, headers=headers)


def ask(glance: GlanceUnderTest, caller: Caller, installation: str, instance: str, app: Any = None, **query: str) -> webob.Response:
    words = {"nova_installation_uuid": installation, "instance_id": instance, **query}
    return glance.call(app or glance.aware, "GET", f"/v2/images?{urlencode(words)}", caller)


def ids_of(answer: webob.Response) -> set[str]:
    assert answer.status_int == 200, answer.text
    return {image["id"] for image in answer.json["images"]}


def find(glance: GlanceUnderTest, caller: Caller, installation: str, instance: str, **query: str) -> set[str]:
    return ids_of(ask(glance, caller, installation, instance, **query))


def insert_rows(glance: GlanceUnderTest, count: int, pair: tuple[str, str], project: str, state: str = "active") -> None:
    """Rows of images that nobody has made."""
    values = ", ".join(
        f"('{number:08d}-aaaa-4000-8000-000000000000', '{pair[0]}', '{pair[1]}', '{project}', '{state}', '2026-01-01 00:00:00', '2026-01-01 00:00:00')"
        for number in range(count)
    )
    glance.rows(f"INSERT INTO {TABLE} (image_id, nova_installation_uuid, instance_id, project_id, state, created_at, updated_at) VALUES {values}")
