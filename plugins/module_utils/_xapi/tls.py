# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""Connections to a pool's hosts, used alike by calls and by transfers: no byte is sent to a host that is not verified."""

from __future__ import annotations

import http.client
import re
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .._core.errors import ImageServicesError, cannot
from .client import CONNECT, PlainConnection, TlsConnection, WrongFingerprint, fingerprint_of, tls_context

PORTS = {"https": 443, "http": 80}


@dataclass(frozen=True)
class Address:
    """Where a host of the pool answers."""

    scheme: str
    host: str
    port: int

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self}"

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"


def parse_address(text: str, near: Address | None = None) -> Address:
    """The option hostname, or with ``near`` what a host of the pool has said about another one."""
    scheme, mark, rest = text.strip().rpartition("://")
    scheme = scheme.lower() if mark else near.scheme if near else "https"
    rest = rest.rstrip("/")
    match = re.fullmatch(r"(?:\[(?P<six>[0-9A-Fa-f:.]+)\]|(?P<name>[^\s/:@?#\[\]]+))(?::(?P<port>\d{1,5}))?", rest)
    if re.fullmatch(r"[0-9A-Fa-f.]*:[0-9A-Fa-f.]*:[0-9A-Fa-f:.]*", rest):
        host, port = rest, None
    elif match:
        host, port = match["six"] or match["name"], match["port"]
    else:
        host, port = "", None
    number = int(port) if port else near.port if near and near.scheme == scheme else PORTS.get(scheme, 0)
    if scheme not in PORTS or not host or not 0 < number < 65536:
        raise cannot(
            "use", "hostname", text, "it is not the address of a host", "Give a name or an IP address, with :port and https:// or http:// where needed"
        )
    return Address(scheme, host, number)


def pins(params: Mapping[str, Any]) -> frozenset[str]:
    """The option fingerprint, in one spelling."""
    found = set()
    for given in params.get("fingerprint") or ():
        digits = re.sub(r"^sha-?256[:=/ ]", "", given.strip(), flags=re.IGNORECASE).replace(":", "").replace(" ", "").lower()
        if not re.fullmatch(r"[0-9a-f]{64}", digits):
            raise cannot("use", "fingerprint", given, "it is not a SHA-256 fingerprint", "Give its 64 hexadecimal digits, with or without colons")
        found.add(digits)
    return frozenset(found)


def context_for(params: Mapping[str, Any]) -> ssl.SSLContext:
    """How certificates are checked: by their chain unless a fingerprint, checked after the handshake, replaces that."""
    if pins(params) or params.get("validate_certs") is False:
        return tls_context(False, None)
    ca_path = params.get("ca_path")
    try:
        return tls_context(True, ca_path)
    except OSError as exc:
        cause = "it holds no certificate in PEM form" if isinstance(exc, ssl.SSLError) else exc.strerror or str(exc)
        raise cannot("read", "ca_path", str(ca_path), cause, "Give a file or a directory with certificates") from exc


class Connector:
    """Makes connections that all are checked in the same way."""

    def __init__(self, params: Mapping[str, Any]) -> None:
        self.pins = pins(params)
        self.context = context_for(params)
        self.wants_proof = bool(self.pins or params.get("ca_path"))

    def connection(self, address: Address, timeout: float) -> http.client.HTTPConnection:
        """Not yet open; ``timeout`` is how many seconds the host may be silent."""
        if address.scheme == "http":
            if self.wants_proof:
                raise cannot("connect to", "pool", address.url, "ca_path or fingerprint is given, and http:// shows no certificate", "Use https://")
            return PlainConnection(address.host, address.port, timeout=timeout)
        made = TlsConnection(address.host, address.port, timeout=timeout, context=self.context)
        made.fingerprints = self.pins
        return made


def connection_error(exc: Exception, address: Address) -> ImageServicesError:
    """Why there is no connection, or none any more, in words."""
    name, again = str(address) if address.scheme == "https" else address.url, "See that the host is up and reachable, then run the task again"
    if isinstance(exc, WrongFingerprint):
        cause = f"its certificate has the SHA-256 fingerprint {exc.seen}, which is not the one given"
        return cannot(
            "trust", "pool", name, cause, "If the certificate was replaced, give the new fingerprint; else another host answers there", code="fingerprint"
        )
    if isinstance(exc, ssl.SSLCertVerificationError):
        seen = _seen(address)
        cause = f"its certificate is not trusted ({exc.verify_message.rstrip('.') or 'no reason given'})" + (
            f" and has the SHA-256 fingerprint {seen}" if seen else ""
        )
        advice = "Give the certificate of its authority, or its own, as ca_path, or the fingerprint as fingerprint after comparing it on the host"
        return cannot("trust", "pool", name, cause, advice, code="certificate")
    if isinstance(exc, ssl.SSLEOFError) or (isinstance(exc, ssl.SSLError) and exc.reason == "UNEXPECTED_EOF_WHILE_READING"):
        return cannot("talk to", "pool", name, "it has closed the connection", again, code="connection")
    if isinstance(exc, ssl.SSLError):
        cause = f"it does not speak TLS as expected ({exc.reason or exc})"
        return cannot("talk to", "pool", name, cause, "Check the port; a server without TLS needs http:// in hostname", code="tls")
    if isinstance(exc, (TimeoutError, socket.timeout)):
        return cannot("reach", "pool", name, "it does not answer", again, code="connection")
    if isinstance(exc, socket.gaierror):
        return cannot("reach", "pool", name, f"its name is not found ({exc.strerror})", "Check hostname", code="connection")
    if isinstance(exc, (http.client.RemoteDisconnected, http.client.IncompleteRead, ConnectionResetError, BrokenPipeError)):
        return cannot("talk to", "pool", name, "it has closed the connection", again, code="connection")
    if isinstance(exc, http.client.HTTPException):
        return cannot("talk to", "pool", name, "what answers there is no XAPI", "Check hostname and its port", code="not_xapi")
    if isinstance(exc, OSError):
        return cannot("reach", "pool", name, (exc.strerror or str(exc) or "no reason given").lower(), again, code="connection")
    return cannot("talk to", "pool", name, "what answers there is no XAPI", "Check hostname and its port", code="not_xapi")


def _seen(address: Address) -> str:
    """The fingerprint that an operator is to compare; nothing is sent on this connection."""
    look = ssl.create_default_context()
    look.check_hostname = False
    look.verify_mode = ssl.CERT_NONE
    try:
        with socket.create_connection((address.host, address.port), timeout=CONNECT) as plain, look.wrap_socket(plain, server_hostname=address.host) as sock:
            return fingerprint_of(sock)
    except OSError:
        return ""
