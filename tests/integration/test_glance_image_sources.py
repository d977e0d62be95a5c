# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Content from addresses and through imports: fetched when it has changed, and only then."""

from __future__ import annotations

import hashlib
import os
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.xenstack.image_services.tests.support.authority import certificates
from ansible_collections.xenstack.image_services.tests.support.cloud import Cloud
from ansible_collections.xenstack.image_services.tests.support.disks import partitioned
from ansible_collections.xenstack.image_services.tests.support.faulty_proxy import Fault
from ansible_collections.xenstack.image_services.tests.support.mirror import span
from ansible_collections.xenstack.image_services.tests.support.modules import run_module


class Mirror(ThreadingHTTPServer):
    """Serves one image, with an ETag unless told otherwise, and counts the bytes that left it."""

    def __init__(self, content: bytes) -> None:
        super().__init__(("127.0.0.1", 0), MirrorHandler)
        self.content = content
        self.tagged = True
        self.break_after: int | None = None
        self.served = 0
        self.scheme = "http"

    @property
    def uri(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.server_address[1]}/disk.raw"

    def secure(self, certificate: Path) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        self.socket = context.wrap_socket(self.socket, server_side=True)
        self.scheme = "https"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that has seen enough is no error."""


class MirrorHandler(BaseHTTPRequestHandler):
    server: Mirror

    def do_HEAD(self) -> None:
        self._head(0, len(self.server.content))

    def do_GET(self) -> None:
        ranged = self.headers.get("Range")
        start, end = span(ranged, len(self.server.content))
        self._head(start, end)
        rest = self.server.content[start:end]
        if self.server.break_after is not None:
            rest, self.server.break_after = rest[: self.server.break_after], None
        for offset in range(0, len(rest), 65536):
            self.wfile.write(rest[offset : offset + 65536])
            self.server.served += len(rest[offset : offset + 65536])

    def _head(self, start: int, end: int) -> None:
        whole = len(self.server.content)
        self.send_response(206 if (start, end) != (0, whole) else 200)
        self.send_header("Content-Length", str(end - start))
        if (start, end) != (0, whole):
            self.send_header("Content-Range", f"bytes {start}-{end - 1}/{whole}")
        self.send_header("Content-Type", "application/octet-stream")
        if self.server.tagged:
            self.send_header("ETag", f'"{hashlib.md5(self.server.content).hexdigest()}"')
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Tests need no access log."""


@pytest.fixture
def mirror() -> Iterator[Mirror]:
    server = Mirror(partitioned(os.urandom(8 * 1024 * 1024)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def keep(cloud: Cloud, name: str, **options: Any) -> dict[str, Any]:
    return run_module("glance_image", {**cloud.auth("alice"), "name": name, **options}).succeeded()


def test_an_address_is_fetched_once_while_its_mark_stays(cloud: Cloud, image_name: str, mirror: Mirror) -> None:
    made = keep(cloud, image_name, uri=mirror.uri)
    assert made["image"]["hash_value"] == hashlib.new(made["image"]["hash_algo"], mirror.content).hexdigest()
    assert made["image"]["disk_format"] == "raw"
    mirror.served = 0
    assert not keep(cloud, image_name, uri=mirror.uri)["changed"]
    assert mirror.served < len(mirror.content) / 2, "the head alone, and what was on its way"
    mirror.content = partitioned(os.urandom(4 * 1024 * 1024))
    replaced = keep(cloud, image_name, uri=mirror.uri, on_replace="delete")
    assert replaced["replaced_image_id"] == made["image"]["id"]
    assert replaced["image"]["size"] == len(mirror.content)


def test_a_server_with_an_authority_of_its_own_is_trusted_when_told(cloud: Cloud, image_name: str, mirror: Mirror, tmp_path: Path) -> None:
    authority, certificate = certificates(tmp_path)
    mirror.secure(certificate)
    refused = run_module("glance_image", {**cloud.auth("alice"), "name": image_name, "uri": mirror.uri})
    server = mirror.uri.removeprefix("https://").removesuffix("/disk.raw")
    assert f"Cannot read uri '{mirror.uri}': the certificate of {server} is not trusted" in refused.sentence()
    assert refused.sentence().endswith("Name the file of the authority that signed it in url_ca_cert.")
    assert mirror.served == 0
    assert [image for image in cloud.images("alice") if image["name"] == image_name] == []

    made = keep(cloud, image_name, uri=mirror.uri, url_ca_cert=str(authority))
    assert made["image"]["hash_value"] == hashlib.new(made["image"]["hash_algo"], mirror.content).hexdigest()
    assert not keep(cloud, image_name, uri=mirror.uri, url_ca_cert=str(authority))["changed"]


def test_an_address_without_a_mark_is_compared_by_reading_it(cloud: Cloud, image_name: str, mirror: Mirror) -> None:
    mirror.tagged = False
    keep(cloud, image_name, uri=mirror.uri)
    mirror.served = 0
    again = keep(cloud, image_name, uri=mirror.uri)
    assert (again["changed"], again["bytes_transferred"]) == (False, 0)
    assert mirror.served >= len(mirror.content)


def test_a_declared_checksum_decides_without_a_download_and_is_verified(cloud: Cloud, image_name: str, mirror: Mirror) -> None:
    right = f"sha256:{hashlib.sha256(mirror.content).hexdigest()}"
    keep(cloud, image_name, uri=mirror.uri, checksum=right)
    mirror.tagged = False
    mirror.served = 0
    assert not keep(cloud, image_name, uri=mirror.uri, checksum=right)["changed"]
    assert mirror.served < len(mirror.content) / 2
    before = [image for image in cloud.images("alice") if image["name"] == image_name]
    wrong = run_module("glance_image", {**cloud.auth("alice"), "name": image_name, "uri": mirror.uri, "checksum": f"sha256:{'0' * 64}"})
    assert f"and checksum declares {'0' * 64}" in wrong.sentence()
    assert [image for image in cloud.images("alice") if image["name"] == image_name] == before


def test_a_mirror_that_breaks_is_resumed_and_a_glance_that_breaks_is_sent_all_again(cloud: Cloud, image_name: str, mirror: Mirror) -> None:
    mirror.break_after = 5 * 1024 * 1024
    with cloud.proxy() as proxy:
        proxy.faults.append(Fault(r"^PUT /v2/images/[^/]+/file$", answer=503))
        made = run_module("glance_image", {**cloud.through(proxy, "alice"), "name": image_name, "uri": mirror.uri}).succeeded()
    assert made["image"]["hash_value"] == hashlib.new(made["image"]["hash_algo"], mirror.content).hexdigest()


def test_glance_fetches_by_itself(cloud: Cloud, image_name: str, mirror: Mirror) -> None:
    declared = {"uri": mirror.uri, "import_method": "web-download", "disk_format": "raw", "stores": ["fast", "archive"]}
    made = keep(cloud, image_name, **declared)
    assert made["bytes_transferred"] == 0
    assert sorted(made["image"]["stores"]) == ["archive", "fast"]
    assert made["image"]["size"] == len(mirror.content)
    assert not keep(cloud, image_name, **declared)["changed"]
    declared["uri"] = mirror.uri + "?v2"
    assert keep(cloud, image_name, **declared, on_replace="delete")["replaced_image_id"] == made["image"]["id"]


def test_a_fetch_that_fails_says_so_and_leaves_nothing(cloud: Cloud, image_name: str) -> None:
    options = {"uri": "http://127.0.0.1:9/disk.raw", "import_method": "web-download", "disk_format": "raw"}
    sentence = run_module("glance_image", {**cloud.auth("alice"), "name": image_name, **options}).sentence()
    assert sentence.startswith(f"Cannot upload image '{image_name}': ")
    assert [image for image in cloud.images("alice") if image["name"] == image_name] == []


def test_a_single_store_by_import(cloud: Cloud, image_name: str, small_disk: Path) -> None:
    made = keep(cloud, image_name, src=str(small_disk), stores=["archive"], use_import=True)
    assert made["image"]["stores"] == ["archive"]
    cloud.assert_stored(made["image"], small_disk, "archive")
    assert not keep(cloud, image_name, src=str(small_disk), stores=["archive"])["changed"]


def test_an_import_that_is_not_waited_for(cloud: Cloud, image_name: str, mirror: Mirror) -> None:
    made = keep(cloud, image_name, uri=mirror.uri, import_method="web-download", disk_format="raw", wait=False)
    assert made["image"]["status"] in ("queued", "importing", "active")
    assert not made["image"]["is_hidden"]
