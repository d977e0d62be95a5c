# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Connections to the hosts of a pool: TLS is verified, and a call is never sent twice by itself."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import socket
import ssl
import time
import xmlrpc.client
from typing import Any

from .options import Settings

CONNECT = 30.0
# A host closes connections that are idle; one that may be closed is not used again.
IDLE = 5.0


class PlainConnection(http.client.HTTPConnection):
    def connect(self) -> None:
        self.timeout, wanted = CONNECT, self.timeout
        super().connect()
        self.timeout = wanted
        keep_alive(self.sock)
        self.sock.settimeout(wanted)


class TlsConnection(http.client.HTTPSConnection):
    def __init__(self, host: str, settings: Settings, timeout: float) -> None:
        super().__init__(host, timeout=timeout, context=context(settings))
        self.fingerprints = settings.fingerprints

    def connect(self) -> None:
        self.timeout, wanted = CONNECT, self.timeout
        super().connect()
        self.timeout = wanted
        if self.fingerprints:
            shown = hashlib.sha256(self.sock.getpeercert(True) or b"").hexdigest()
            if not any(hmac.compare_digest(shown, known) for known in self.fingerprints):
                self.close()
                raise ssl.SSLCertVerificationError(f"the certificate of {self.host} has the fingerprint {shown}, which xenapi_fingerprint does not name")
        keep_alive(self.sock)
        self.sock.settimeout(wanted)


def keep_alive(sock: socket.socket) -> None:
    """A host that dies during a long call is noticed after two minutes."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 6)):
        if hasattr(socket, name):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def context(settings: Settings) -> ssl.SSLContext:
    made = ssl.create_default_context(cafile=settings.ca_path or None)
    if settings.fingerprints or not settings.verify:
        made.check_hostname = False
        made.verify_mode = ssl.CERT_NONE
    return made


def connection(url: str, settings: Settings, timeout: float) -> http.client.HTTPConnection:
    scheme, dummy, host = url.partition("://")
    return TlsConnection(host, settings, timeout) if scheme == "https" else PlainConnection(host, timeout=timeout)


class Transport(xmlrpc.client.Transport):
    """As the library's own, which sends a call again when its connection is reset: the call might be carried out twice."""

    def __init__(self, url: str, settings: Settings) -> None:
        super().__init__()
        self.url, self.settings = url, settings
        self.timeout = CONNECT
        self.used = 0.0
        self.current: http.client.HTTPConnection | None = None

    def make_connection(self, host: Any) -> http.client.HTTPConnection:
        made = self.current
        if made and time.monotonic() - self.used > IDLE:
            made.close()
            made = None
        if made is None:
            self._extra_headers: list[tuple[str, str]] = []
            made = self.current = connection(self.url, self.settings, self.timeout)
        made.timeout = self.timeout
        if made.sock:
            made.sock.settimeout(self.timeout)
        return made

    def close(self) -> None:
        if self.current:
            self.current.close()
            self.current = None

    def request(self, host: Any, handler: str, request_body: Any, verbose: bool = False) -> Any:
        try:
            return self.single_request(host, handler, request_body, verbose)
        finally:
            self.used = time.monotonic()
