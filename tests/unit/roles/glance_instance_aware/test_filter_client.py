# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The client over keystoneauth's own adapter and a server of HTTP, with the filter behind it."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

import pytest
from fake_glance import ALPHA, PATCH, A, Asked, Aware, B, environ_of, make_table
from glance_instance_aware.client import ImageService, NotInstanceAware
from keystoneauth1 import adapter, exceptions, session, token_endpoint


class Quiet(WSGIRequestHandler):
    def log_message(self, *_arguments: Any) -> None:
        pass


class Served:
    """The filter and what is behind it at an address; data of images too."""

    def __init__(self, aware: Aware) -> None:
        self.aware = aware
        self.data: dict[str, bytes] = {}
        self.paths: list[str] = []
        self.has_filter = True
        self.data_fails = False
        self.server = make_server("127.0.0.1", 0, self.application, handler_class=Quiet)
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    def application(self, environ: dict[str, Any], start_response: Any) -> Any:
        path = environ["PATH_INFO"]
        self.paths.append(f"{environ['REQUEST_METHOD']} {path}")
        if path.endswith("/file"):
            return self.file(environ, start_response, path.split("/")[-2])
        environ["webob.adhoc_attrs"] = environ_of(ALPHA, "", "")["webob.adhoc_attrs"]
        return (self.aware.filter if self.has_filter else self.aware.glance)(environ, start_response)

    def file(self, environ: dict[str, Any], start_response: Any, image: str) -> list[bytes]:
        if environ["REQUEST_METHOD"] == "GET":
            start_response("200 OK", [("Content-Type", "application/octet-stream"), ("Content-Length", str(len(self.data[image])))])
            return [self.data[image]]
        self.data[image] = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
        start_response("507 Insufficient Storage" if self.data_fails else "204 No Content", [("Content-Length", "0")])
        return [b""]

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join(60)
        self.server.server_close()


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    aware = Aware(make_table(tmp_path))
    made = Served(aware)
    yield made
    made.close()
    aware.close()


@pytest.fixture(params=["", "/v2", "/v2/"])
def images(served: Served, request: pytest.FixtureRequest) -> Iterator[ImageService]:
    """With each form of endpoint that clouds have in their catalogues."""
    keystone = session.Session(auth=token_endpoint.Token(served.url + request.param, "token"))
    yield ImageService(adapter.Adapter(keystone, service_type="image"), A)
    keystone.session.close()


def test_that_images_are_created_found_changed_and_deleted(served: Served, images: ImageService) -> None:
    made = images.create({"name": "one"}, data=b"bytes", instance_id=123)
    assert (made["name"], made["nova_installation_uuid"], made["instance_id"]) == ("one", A, "123")
    assert served.data == {made["id"]: b"bytes"}
    other = images.create({"name": "two"})
    assert [image["id"] for image in images.detail(instance_id=123)] == [made["id"]]
    assert images.index(instance_id=[123, "7"]) == [{"id": made["id"], "name": "one"}]
    assert images.detail(instance_id=[]) == []
    assert sorted(image["id"] for image in images.detail()) == sorted([made["id"], other["id"]])
    changed = images.update(other["id"], {"name": "drei/~"}, data=io.BytesIO(b"file"), instance_id="7")
    assert (changed["name"], changed["instance_id"]) == ("drei/~", "7")
    assert images.show(other["id"])["instance_id"] == "7"
    target = io.BytesIO()
    assert images.download(other["id"], target) is None
    pieces = images.download(made["id"])
    assert pieces is not None
    assert (target.getvalue(), b"".join(pieces)) == (b"file", b"bytes")
    images.delete(made["id"])
    assert images.detail(instance_id=123) == []
    with pytest.raises(exceptions.NotFound):
        images.show(made["id"])


def test_that_all_pages_are_read(images: ImageService) -> None:
    made = sorted(images.create({}, instance_id="5")["id"] for _number in range(5))
    assert [image["id"] for image in images.detail(instance_id="5", limit=2)] == made
    assert [image["id"] for image in images.index(limit=2, marker=None)] == made


def test_that_another_installation_has_instances_of_its_own(images: ImageService) -> None:
    images.create({}, instance_id="5")
    assert ImageService(images.adapter, B).detail(instance_id="5") == []


def test_that_properties_are_removed_when_asked_to(served: Served, images: ImageService) -> None:
    made = images.create({"name": "one", "a/b": "x", "kept": "y"}, instance_id="5")["id"]
    served.aware.glance.asked.clear()
    sent: list[Asked] = []
    served.aware.glance.before = lambda asked: sent.append(asked) if asked.method == "PATCH" else None
    served.aware.glance.update = lambda *_arguments: ("200 OK", {})  # type: ignore[method-assign]
    images.update(made, {"name": "two", "kept": "z", "id": "ignored"}, purge_props=True)
    [asked] = sent
    assert asked.environ["CONTENT_TYPE"] == PATCH
    assert json.loads(asked.body) == [
        {"op": "add", "path": "/name", "value": "two"},
        {"op": "add", "path": "/kept", "value": "z"},
        {"op": "remove", "path": "/a~1b"},
    ]


def test_that_an_image_whose_data_do_not_arrive_does_not_stay(served: Served, images: ImageService) -> None:
    served.data_fails = True
    with pytest.raises(exceptions.HttpError):
        images.create({"name": "one"}, data=b"bytes", instance_id="5")
    assert not served.aware.glance.images
    assert not served.aware.rows()


def test_that_a_glance_without_the_filter_gets_nothing(served: Served, images: ImageService) -> None:
    served.has_filter = False
    for call in (
        lambda: images.create({}, instance_id="5"),
        lambda: images.detail(instance_id="5"),
        lambda: images.update("x", {}, instance_id="5"),
        images.version,
    ):
        with pytest.raises(NotInstanceAware, match="has no filter"):
            call()
    assert not served.aware.glance.images
    assert images.create({"name": "plain"})["name"] == "plain"


def test_that_the_filter_is_looked_for_once(served: Served, images: ImageService) -> None:
    assert images.version() == "0.2.0"
    images.create({}, instance_id="5")
    images.detail(instance_id="5")
    assert served.paths.count("GET /v2/info/instance-aware") == 1
