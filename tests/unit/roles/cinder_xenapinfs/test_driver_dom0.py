# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images that the host moves by itself: none of their bytes pass through the driver."""

from __future__ import annotations

import contextlib
import hashlib
import json
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from backend import MIB, Backend, ImageService, install_plugin
from cinder import context, exception
from oslo_config import cfg
from test_driver_images import image, noise, qemu
from xapi import PoolUnderTest

TOKEN = "the-token"


class Elsewhere(ImageService):
    """Images that a host may have, and the driver not."""

    def download(self, dummy: Any, image_id: str, data: Any = None) -> Any:
        raise AssertionError("the driver fetched the image")

    def update(self, *_args: Any, **_more: Any) -> None:
        raise AssertionError("the driver sent the image")


class Glance(BaseHTTPRequestHandler):
    """As much of Glance as a host sees."""

    protocol_version = "HTTP/1.1"
    images: ImageService

    def log_message(self, *_args: Any) -> None:
        """In silence."""

    def answer(self, status: int, body: bytes = b"", kind: str = "application/json") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def image(self) -> str | None:
        name = self.path.removeprefix("/v2/images/").removesuffix("/file")
        return name if self.headers["X-Auth-Token"] == TOKEN and name in self.images.images else None

    def body(self) -> bytes:
        if self.headers.get("Content-Length"):
            return self.rfile.read(int(self.headers["Content-Length"]))
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def do_GET(self) -> None:
        name = self.image()
        if name is None:
            self.answer(404)
        elif self.path.endswith("/file"):
            # Who has seen enough of it hangs up.
            with contextlib.suppress(ConnectionError):
                self.answer(200, self.images.data[name], "application/octet-stream")
        else:
            self.answer(200, json.dumps({"status": "queued"} | self.images.images[name]).encode())

    def do_PATCH(self) -> None:
        name, changes = self.image(), json.loads(self.body())
        for change in changes:
            self.images.images[str(name)][change["path"].lstrip("/")] = change["value"]
        self.answer(200, json.dumps(self.images.images[str(name)]).encode())

    def do_PUT(self) -> None:
        name, data = str(self.image()), self.body()
        self.images.data[name] = data
        self.images.images[name] |= {"size": len(data), "status": "active", "os_hash_algo": "sha512", "os_hash_value": hashlib.sha512(data).hexdigest()}
        self.answer(204)


@pytest.fixture(scope="module")
def images(pool: PoolUnderTest, configured: Path) -> Iterator[Elsewhere]:
    """With the plugin in the pool, and a Glance that it reaches."""
    plugin = install_plugin(pool.server.state)
    made = Elsewhere()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Served", (Glance,), {"images": made}))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    cfg.CONF.set_override("glance_api_servers", [f"http://127.0.0.1:{server.server_port}"])
    try:
        yield made
    finally:
        cfg.CONF.clear_override("glance_api_servers")
        server.shutdown()
        thread.join()
        server.server_close()
        plugin.unlink()


@pytest.fixture
def asked() -> Any:
    return context.RequestContext(auth_token=TOKEN, is_admin=True)


@pytest.mark.parametrize("kind", ["vhd", "tarball", "raw"])
def test_a_host_pulls_an_image(backend: Backend, pool: PoolUnderTest, images: Elsewhere, asked: Any, tmp_path: Path, kind: str) -> None:
    driver, data = backend.set_up(), noise()
    content, disk_format, container_format = image(kind, data, tmp_path)
    digest = {"os_hash_algo": "sha512", "os_hash_value": hashlib.sha512(content).hexdigest()}
    meta = images.show(None, images.add(content, disk_format, container_format, **digest))
    with pool.nothing_left():
        volume = backend.volume(1)
        update, cloned = driver.clone_image(asked, volume, None, meta, images)
        assert cloned
        volume.update(update)
        assert backend.holds(volume, data)
        driver.extend_volume(volume, 2)
        driver.delete_volume(volume)
    assert backend.share == []


def test_an_image_over_a_volume_that_exists(make_backend: Callable[..., Backend], pool: PoolUnderTest, images: Elsewhere, asked: Any, tmp_path: Path) -> None:
    backend = make_backend(xenapi_image_transport="dom0")
    driver, data = backend.set_up(), noise()
    with pool.nothing_left():
        volume = backend.made(1)
        where = volume.provider_location
        driver.copy_image_to_volume(asked, volume, images, images.add(*image("tarball", data, tmp_path)))
        assert volume.provider_location == where
        assert backend.holds(volume, data)
        driver.delete_volume(volume)
    assert backend.share == []


def test_a_host_sends_a_volume(backend: Backend, pool: PoolUnderTest, images: Elsewhere, asked: Any) -> None:
    driver, data = backend.set_up(), noise()
    with pool.nothing_left():
        volume, again = backend.volume(1), backend.volume(1)
        volume.update(driver.clone_image(asked, volume, None, images.show(None, images.add(data, "raw")), images)[0])
        meta = images.empty("vhd", "ovf")
        driver.copy_volume_to_image(asked, volume, images, meta)
        sent = images.show(None, meta["id"])
        assert (sent["disk_format"], sent["container_format"]) == ("vhd", "ovf")
        again.update(driver.clone_image(asked, again, None, sent, images)[0])
        assert backend.holds(again, data)
        for each in (volume, again):
            driver.delete_volume(each)
    assert backend.share == []


@pytest.mark.parametrize("wrong", ["digest", "content", "size", "missing"])
def test_an_image_that_is_not_right_leaves_nothing(
    backend: Backend, pool: PoolUnderTest, images: Elsewhere, asked: Any, tmp_path: Path, wrong: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver = backend.set_up()
    content, more = image("vhd", noise(), tmp_path)[0], {}
    if wrong == "digest":
        more = {"os_hash_algo": "sha512", "os_hash_value": "0" * 128}
    elif wrong == "content":
        content = b"conectix" + content[8:512] + bytes(len(content) - 512)
        # What the host does not read is read by the driver.
        monkeypatch.setattr(Elsewhere, "download", ImageService.download)
    elif wrong == "size":
        content = qemu(bytes(MIB), tmp_path, "vpc", "-o", "force_size=on")
    meta = images.show(None, images.add(content, "vhd", **more))
    volume = backend.volume(1)
    if wrong == "missing":
        meta["id"] = "00000000-0000-0000-0000-000000000000"
    with pool.nothing_left():
        if wrong == "size":
            volume.update(driver.clone_image(asked, volume, None, meta, images)[0])
            assert backend.size(volume) == 1 << 30
            driver.delete_volume(volume)
        else:
            with pytest.raises(exception.CinderException) as caught:
                driver.clone_image(asked, volume, None, meta, images)
            assert TOKEN not in str(caught.value)
    assert backend.share == []


@pytest.mark.parametrize("transport", ["auto", "dom0"])
def test_what_the_host_does_not_read_is_sent_by_the_driver(
    make_backend: Callable[..., Backend],
    pool: PoolUnderTest,
    images: Elsewhere,
    asked: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    transport: str,
) -> None:
    """Unless it is told that the host alone may do it."""
    backend = make_backend(xenapi_image_transport=transport)
    driver, data = backend.set_up(), noise()
    meta = images.show(None, images.add(*image("fixed", data, tmp_path)))
    volume = backend.volume(1)
    with pool.nothing_left():
        if transport == "dom0":
            with pytest.raises(exception.ImageUnacceptable, match="IMAGESTORE_BAD_IMAGE"):
                driver.clone_image(asked, volume, None, meta, images)
        else:
            monkeypatch.setattr(Elsewhere, "download", ImageService.download)
            volume.update(driver.clone_image(asked, volume, None, meta, images)[0])
            assert backend.holds(volume, data)
            driver.delete_volume(volume)
    assert backend.share == []


@pytest.mark.parametrize("answer", ["[]", "hello", '"text"', "{}"])
def test_another_plugin_of_this_name_is_not_used(
    backend: Backend, images: Elsewhere, asked: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pool: PoolUnderTest, answer: str
) -> None:
    plugin = pool.server.state / "plugins/imagestore"
    ours = plugin.read_bytes()
    plugin.write_text(f"#!{sys.executable}\nimport xmlrpc.client\nprint(xmlrpc.client.dumps(({{'Status': 'Success', 'Value': {answer!r}}},), '', True))\n")
    monkeypatch.setattr(Elsewhere, "download", ImageService.download)
    try:
        volume, data = backend.volume(1), noise()
        driver = backend.set_up()
        volume.update(driver.clone_image(asked, volume, None, images.show(None, images.add(*image("vhd", data, tmp_path))), images)[0])
        assert backend.holds(volume, data)
        driver.delete_volume(volume)
    finally:
        plugin.write_bytes(ours)


def test_calls_fail_while_a_host_pulls(backend: Backend, pool: PoolUnderTest, images: Elsewhere, asked: Any, tmp_path: Path) -> None:
    driver = backend.set_up()
    meta = images.show(None, images.add(*image("tarball", noise(), tmp_path)))
    for kind in ("drop_call", "lose_answer"):
        volume = backend.volume(1)
        with pool.nothing_left():
            pool.fault(kind=kind, method="host.call_plugin", after=1)
            with pytest.raises(exception.CinderException):
                driver.clone_image(asked, volume, None, meta, images)
            assert pool.clear_faults() == []
        assert backend.share == []
