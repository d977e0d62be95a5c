# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bytes of images pass the filter as they come: neither kept back, nor read in other pieces, nor changed."""

from __future__ import annotations

import hashlib
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import webob
from glance_app import Caller, Chunks, GlanceUnderTest, Probe
from requests_of import A, create, find, tuple_headers

ALPHA = Caller("alpha")
DEADLINE = 60.0
PIECE = 256 * 1024
OCTETS = {"Content-Type": "application/octet-stream"}
# Wrong wherever the filter has a say, and ignored by Glance.
NONSENSE = {"X-Nova-Installation-UUID": "not-a-uuid", "X-Instance-ID": "web1"}


def content(size: int) -> bytes:
    return random.Random(6).randbytes(size)


class Watched(Chunks):
    """A body that remembers in what sizes it is read."""

    def __init__(self, parts: Any) -> None:
        super().__init__(parts)
        self.sizes: list[int] = []

    def read(self, size: int = -1) -> bytes:
        self.sizes.append(size)
        return super().read(size)


@pytest.mark.parametrize("place", ["file", "stage"])
def test_that_an_upload_reaches_the_store_while_it_is_sent(glance: GlanceUnderTest, place: str) -> None:
    data = content(8 * 1024 * 1024)
    directory = glance.directory / ("images" if place == "file" else "staging")
    reads = []
    for app in (glance.aware, glance.plain):
        image = create(glance, ALPHA, (A, "123"))
        path = Path(directory, image)
        arrived: list[int] = []

        def parts(arrived: list[int], path: Path) -> Iterator[bytes]:
            for start in range(0, len(data), PIECE):
                # What was sent is there, up to what the store itself gathers, before more of it exists.
                arrived.append(start - path.stat().st_size if path.exists() else start)
                yield data[start : start + PIECE]

        body = Watched(parts(arrived, path))
        answer = glance.call(app, "PUT", f"/v2/images/{image}/{place}", ALPHA, body=body, headers=OCTETS)
        assert answer.status_int == 204, answer.text
        assert max(arrived) <= 2 * PIECE
        assert path.read_bytes() == data
        reads.append(body.sizes)
    assert reads[0] == reads[1]


def test_that_a_download_comes_as_the_store_gives_it(glance: GlanceUnderTest) -> None:
    data = content(3 * 1024 * 1024 + 7)
    image = create(glance, ALPHA, (A, "123"))
    assert glance.call(glance.aware, "PUT", f"/v2/images/{image}/file", ALPHA, body=data, headers=OCTETS).status_int == 204
    for headers in ({}, {"Range": "bytes=100-1048675"}, {"Range": "bytes=99999999-"}, NONSENSE):
        came = []
        for app in (glance.aware, glance.plain):
            request = webob.Request.blank(f"/v2/images/{image}/file")
            request.headers.update({**ALPHA.headers, "X-Openstack-Request-ID": "req-of-a-test", **headers})
            status, answer_headers, pieces = request.call_application(app)
            came.append((status, answer_headers, list(pieces)))
            close = getattr(pieces, "close", None)
            if close:
                close()
        assert came[0] == came[1]
        if "Range" not in headers:
            assert b"".join(came[0][2]) == data
            assert len(came[0][2]) > 1


def test_that_a_download_can_be_left_in_the_middle(glance: GlanceUnderTest) -> None:
    image = create(glance, ALPHA, (A, "123"))
    glance.call(glance.aware, "PUT", f"/v2/images/{image}/file", ALPHA, body=content(1024 * 1024), headers=OCTETS)
    request = webob.Request.blank(f"/v2/images/{image}/file", headers=ALPHA.headers)
    status, _headers, pieces = request.call_application(glance.aware)
    assert status.startswith("200")
    assert next(iter(pieces))
    close = getattr(pieces, "close", None)
    if close:
        close()
    assert find(glance, ALPHA, A, "123") == {image}


def test_that_headers_and_queries_of_ours_mean_nothing_to_data(glance: GlanceUnderTest) -> None:
    data = content(100_000)
    image = create(glance, ALPHA, visibility="shared")
    path = f"/v2/images/{image}/file?nova_installation_uuid=x&instance_id=y&include_relation=z"
    assert glance.call(glance.aware, "PUT", path, ALPHA, body=data, headers={**OCTETS, **NONSENSE}).status_int == 204
    answer = glance.call(glance.aware, "GET", path, ALPHA, headers=NONSENSE)
    assert answer.body == data
    assert glance.relations() == {}
    for tail in ("members", "tags/nightly", "actions/deactivate", "actions/reactivate"):
        method = {"members": "GET", "tags/nightly": "PUT"}.get(tail, "POST")
        assert glance.call(glance.aware, method, f"/v2/images/{image}/{tail}", Caller("alpha", "admin,member,reader"), headers=NONSENSE).status_int < 300
    assert glance.relations() == {}


def test_an_import_of_staged_data(glance: GlanceUnderTest) -> None:
    data = content(2 * 1024 * 1024)
    image = create(glance, ALPHA, (A, "123"))
    assert glance.call(glance.aware, "PUT", f"/v2/images/{image}/stage", ALPHA, body=Chunks([data[:1000], data[1000:]]), headers=OCTETS).status_int == 204
    seen: list[dict[str, Any]] = []
    Probe.listeners.append(seen.append)
    try:
        answer = glance.call(
            glance.aware,
            "POST",
            f"/v2/images/{image}/import",
            ALPHA,
            body={"method": {"name": "glance-direct"}, "stores": ["images"]},
            headers=tuple_headers("not-a-uuid", "web1"),
        )
    finally:
        Probe.listeners.clear()
    assert answer.status_int == 202, answer.text
    # Glance gets the request that came, our headers and all.
    assert [environ["HTTP_X_INSTANCE_ID"] for environ in seen] == ["web1"]
    deadline = time.monotonic() + DEADLINE
    while True:
        shown = glance.call(glance.aware, "GET", f"/v2/images/{image}?include_relation=true", ALPHA).json
        if shown["status"] == "active" and not shown.get("os_glance_importing_to_stores"):
            break
        assert shown["status"] in ("uploading", "importing", "active"), shown
        assert time.monotonic() < deadline, shown
        time.sleep(0.05)
    assert shown["os_hash_value"] == hashlib.sha512(data).hexdigest()
    assert shown["instance_id"] == "123"
    assert glance.call(glance.aware, "GET", f"/v2/images/{image}/file", ALPHA).body == data
    wait_for_tasks(glance, image)


def wait_for_tasks(glance: GlanceUnderTest, image: str) -> None:
    """A task is over a little later than its image is active."""
    deadline = time.monotonic() + DEADLINE
    while any(task["status"] not in ("success", "failure") for task in glance.call(glance.plain, "GET", f"/v2/images/{image}/tasks", ALPHA).json["tasks"]):
        assert time.monotonic() < deadline
        time.sleep(0.05)
