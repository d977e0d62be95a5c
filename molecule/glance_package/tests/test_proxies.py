# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Large images through the proxies of examples/proxies, as they are shipped."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Api
    from testinfra.host import Host

MIB = 1024 * 1024
PORTS = {"nginx": 443, "haproxy": 9443}
# Sends an image to an image that is there, in chunks or with its length, takes it back, and prints both answers with both digests.
TRANSFER = """
import hashlib, http.client, json, socket, ssl, sys
port, path, token, mebibytes, chunked = json.loads(sys.argv[1])
trust = ssl.create_default_context(cafile="/etc/ssl/glance/fullchain.pem")

class Proxy(http.client.HTTPSConnection):
    def connect(self):
        self.sock = trust.wrap_socket(socket.create_connection(("127.0.0.1", port), 120), server_hostname="glance.example.com")

sent, received = hashlib.sha256(), hashlib.sha256()

def content():
    for number in range(mebibytes):
        block = hashlib.sha512(b"%d" % number).digest() * (1 << 14)
        sent.update(block)
        yield block

proxy = Proxy("glance.example.com", port)
headers = {"X-Auth-Token": token, "Content-Type": "application/octet-stream"}
if not chunked:
    headers["Content-Length"] = str(mebibytes << 20)
proxy.request("PUT", path, content(), headers, encode_chunked=chunked)
answer = proxy.getresponse()
put = [answer.status, answer.read().decode()]
proxy.request("GET", path, headers={"X-Auth-Token": token})
answer = proxy.getresponse()
while block := answer.read(1 << 20):
    received.update(block)
print(json.dumps([put, answer.status, sent.hexdigest(), received.hexdigest()]))
"""


@pytest.mark.parametrize("chunked", [True, False], ids=["chunks", "length"])
@pytest.mark.parametrize("proxy", PORTS)
def test_an_image_of_200_mib_passes_unchanged(host: Host, admin: Api, proxy: str, chunked: bool) -> None:
    wanted = '{"name": "through a proxy", "disk_format": "raw", "container_format": "bare"}'
    image = admin.glance("POST", "/v2/images", wanted, content_type="application/json").json()["id"]
    try:
        arguments = json.dumps([PORTS[proxy], f"/v2/images/{image}/file", admin.token, 200, chunked])
        put, got, sent, received = json.loads(host.check_output("python3 -c %s %s", TRANSFER, arguments))
        assert put == [204, ""]
        assert got == 200
        shown = admin.glance("GET", f"/v2/images/{image}").json()
        assert (shown["size"], shown["os_hash_value"], received) == (200 * MIB, sent, sent)
    finally:
        assert admin.glance("DELETE", f"/v2/images/{image}").status == 204
