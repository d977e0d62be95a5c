# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""A session with a pool over XML-RPC, by the standard library alone: who answers is verified, and no call is sent twice where it could be carried out twice.

The modules and the Cinder driver use it alike. The driver's package has a copy of this file, which `make xapi-client` writes.
"""

from __future__ import annotations

import hashlib
import http.client
import re
import select
import socket
import ssl
import time
import xmlrpc.client
from collections.abc import Callable, Collection, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any
from xml.parsers.expat import ExpatError

API = "1.0"
SESSION_INVALID, HOST_IS_SLAVE = "SESSION_INVALID", "HOST_IS_SLAVE"
# Seconds until a host takes the connection; what takes long on it afterwards has a silence of its own.
CONNECT = 30.0
# Seconds after which a host may be about to close a connection that is kept for the next call, so that it is not used again.
IDLE = 5.0
# A coordinator that changes while a client looks for it is found after one more step.
STEPS = 3
# What a connection fails with, and an answer that is none of XAPI.
LOST = (OSError, http.client.HTTPException, xmlrpc.client.Error, ExpatError, ValueError)
# Older Pythons have the flag of OpenSSL without its name.
PARTIAL_CHAIN = getattr(ssl, "VERIFY_X509_PARTIAL_CHAIN", 0x80000)


class Refusal(Exception):
    """A call or a task has failed: the code and parameters of its ErrorDescription."""

    def __init__(self, code: str, params: Sequence[object] = ()) -> None:
        self.code = code
        self.params = [str(each) for each in params]
        super().__init__(": ".join([code, ", ".join(self.params)]) if self.params else code)


class WrongFingerprint(ssl.SSLError):
    """The host has shown a certificate that is not among those given."""

    def __init__(self, seen: str) -> None:
        super().__init__(f"certificate with the fingerprint {seen}")
        self.seen = seen


def fingerprint_of(sock: Any) -> str:
    digest = hashlib.sha256(sock.getpeercert(True)).hexdigest().upper()
    return ":".join(digest[at : at + 2] for at in range(0, 64, 2))


def tls_context(verify: bool, ca_path: str | None) -> ssl.SSLContext:
    """How certificates are checked by their chain. ``ca_path`` is a file or directory of the only authorities to trust, or of hosts' own certificates."""
    is_dir = bool(ca_path) and Path(str(ca_path)).is_dir()
    context = ssl.create_default_context(cafile=None if is_dir else ca_path or None, capath=ca_path if is_dir else None)
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif ca_path:
        # What hosts sign themselves is no authority's certificate in the strict sense of newer OpenSSL.
        context.verify_flags |= PARTIAL_CHAIN
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context


class PlainConnection(http.client.HTTPConnection):
    """Waits less for a connection than for an answer, and notices within two minutes that a host died during a long call."""

    def connect(self) -> None:
        silence, self.timeout = self.timeout, min(self.timeout or CONNECT, CONNECT)
        try:
            super().connect()
        finally:
            self.timeout = silence
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 6)):
            if hasattr(socket, name):
                self.sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
        self.sock.settimeout(silence)


class TlsConnection(PlainConnection, http.client.HTTPSConnection):
    """Closed again, before anything is sent, when the certificate is another one than the fingerprints say, as lower-case digits."""

    fingerprints: Collection[str] = ()

    def connect(self) -> None:
        super().connect()
        if self.fingerprints:
            seen = fingerprint_of(self.sock)
            if seen.replace(":", "").lower() not in self.fingerprints:
                self.close()
                raise WrongFingerprint(seen)


class Transport(xmlrpc.client.Transport):
    """Keeps one connection, and never sends a call twice: the library would, and create two disks."""

    user_agent = "xenstack.image_services"

    def __init__(self, connect: Callable[[float], http.client.HTTPConnection], silence: float) -> None:
        super().__init__()
        self._connect = connect
        # Seconds that the host may be silent in the next call.
        self.silence = silence
        self._used = 0.0
        # True would print passwords.
        self.verbose = False

    def open(self) -> None:
        """Connect now; else the first call does."""
        self.make_connection(None).connect()
        self._used = time.monotonic()

    def make_connection(self, host: Any) -> http.client.HTTPConnection:
        kept = self._connection[1]
        if kept is not None and (time.monotonic() - self._used > IDLE or _is_closed(kept)):
            self.close()
            kept = None
        if kept is None:
            kept = self._connect(self.silence)
            self._connection = host, kept
        kept.timeout = self.silence
        if kept.sock is not None:
            kept.sock.settimeout(self.silence)
        # The base class puts them into each request, and fills them only in a make_connection of its own.
        self._extra_headers: Any = []
        return kept

    def request(self, host: Any, handler: str, request_body: Any, verbose: bool = False) -> Any:
        try:
            connection = self.send_request(host, handler, request_body, False)
            with closing(connection.getresponse()) as response:
                if response.status != 200:
                    raise xmlrpc.client.ProtocolError(str(host), response.status, response.reason, {})
                return self.parse_response(response)
        except BaseException:
            # An answer that was not read to its end spoils the connection for the next call.
            self.close()
            raise
        finally:
            self._used = time.monotonic()


def _is_closed(connection: http.client.HTTPConnection) -> bool:
    """Whether the far end has closed a connection that it kept: nothing else makes an idle one readable."""
    return connection.sock is not None and bool(select.select([connection.sock], [], [], 0)[0])


def is_lost(exc: BaseException) -> bool:
    """Whether a connection has failed in a way that another one may not."""
    if isinstance(exc, ssl.SSLError):
        return isinstance(exc, ssl.SSLEOFError) or exc.reason == "UNEXPECTED_EOF_WHILE_READING"
    return isinstance(exc, (OSError, http.client.IncompleteRead))


def sendable(value: Any) -> Any:
    """Integers travel as texts: XML-RPC's own end at 2**31."""
    if isinstance(value, dict):
        return {key: sendable(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(sendable(item) for item in value)
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def plain(value: Any) -> Any:
    """Times as ISO 8601 texts, which a module can return."""
    if isinstance(value, xmlrpc.client.DateTime):
        return re.sub(r"^(\d{4})(\d{2})(\d{2})T", r"\1-\2-\3T", value.value)
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value


class Client:
    """One session with the coordinator. A call that is refused raises ``refusal``, and anything else that fails one of LOST."""

    refusal: type[Refusal] = Refusal

    def __init__(self, address: Any, credentials: tuple[str, str], originator: str, silence: float) -> None:
        self.address = address
        self.silence = silence
        self._credentials = (*credentials, API, originator)
        self._transport: Transport | None = None
        self._server: Any = None
        self._session = ""

    # What a subclass says

    def connect(self, address: Any, silence: float) -> http.client.HTTPConnection:
        """A connection to a host of the pool, not yet open."""
        raise NotImplementedError

    def near(self, host: str) -> Any:
        """The address of another host, as the pool names it."""
        raise NotImplementedError

    def repeats(self, method: str) -> bool:
        """Whether a call is made again in a new session. XAPI refuses a call without a session before it does anything of it."""
        return True

    def reads_again(self, method: str) -> bool:
        """Whether a call is made again on a new connection, where it is unknown whether the pool has carried it out."""
        return method.rpartition(".")[2].startswith("get_")

    def proxy(self, transport: Transport) -> Any:
        """What turns methods into requests; it asks its transport for the address."""
        return xmlrpc.client.ServerProxy("http://pool", transport=transport)

    # What a subclass or its users call

    @property
    def session_ref(self) -> str:
        """A secret: whoever has it has the pool."""
        if not self._session:
            self.login()
        return self._session

    def login(self) -> None:
        failure = self.refusal(HOST_IS_SLAVE)
        for _step in range(STEPS):
            self._open()
            try:
                self._start()
                return
            except Refusal as exc:
                if exc.code != HOST_IS_SLAVE or not exc.params:
                    raise
                failure = exc
                self.address = self.near(exc.params[0])
        raise failure

    def call(self, method: str, *arguments: Any, silence: float | None = None) -> Any:
        """Make a call, once more where ``repeats`` or ``reads_again`` say so."""
        lost = False
        while True:
            session = self.session_ref
            try:
                return self.ask(method, session, *arguments, silence=silence)
            except Refusal as exc:
                if exc.code != SESSION_INVALID:
                    raise self.refusal(exc.code, [each.replace(session, "(session)") for each in exc.params]) from None
                # What the caller has to give back is given back in the next session.
                self._session = ""
                if lost or not self.repeats(method):
                    raise
            except LOST as exc:
                if lost or not is_lost(exc) or not self.reads_again(method):
                    raise
            lost = True

    def ask(self, method: str, *arguments: Any, silence: float | None = None) -> Any:
        """One request, without a session of its own."""
        if self._transport is None:
            raise AssertionError("a request comes after login")
        self._transport.silence = self.silence if silence is None else silence
        try:
            answer = getattr(self._server, method)(*sendable(arguments))
        except xmlrpc.client.Fault as exc:
            raise self.refusal("FAULT", [exc.faultString]) from exc
        if isinstance(answer, dict) and answer.get("Status") == "Success" and "Value" in answer:
            return plain(answer["Value"])
        description = answer.get("ErrorDescription") if isinstance(answer, dict) else None
        if not isinstance(description, list) or not description:
            raise ValueError("no answer of XAPI")
        raise self.refusal(str(description[0]), description[1:])

    def end(self) -> None:
        """End the session; one that has ended already is no failure. The session is known until the pool has said that it ended."""
        if self._session:
            try:
                self.ask("session.logout", self._session, silence=CONNECT)
            except Refusal as exc:
                if exc.code != SESSION_INVALID:
                    raise
        self._session = ""

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()
        self._transport = self._server = None

    def _start(self) -> None:
        self._session = self.ask("session.login_with_password", *self._credentials)

    def _open(self) -> None:
        self.close()
        address = self.address
        self._transport = Transport(lambda silence: self.connect(address, silence), self.silence)
        self._server = self.proxy(self._transport)
        self._transport.open()
