# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""XML-RPC as XAPI wants it: over its own connections, and with XAPI's spelling of numbers and times."""

from __future__ import annotations

import http.client
import re
import select
import xmlrpc.client
from collections.abc import Callable
from contextlib import closing
from typing import Any


class Transport(xmlrpc.client.Transport):
    """Keeps one connection, and never sends a call twice: the library would, and make two disks."""

    user_agent = "xenstack.image_services"

    def __init__(self, connect: Callable[[], http.client.HTTPConnection]) -> None:
        super().__init__()
        self._connect = connect
        # True would print passwords.
        self.verbose = False

    def open(self) -> None:
        """Connect now; else the first call does."""
        self.make_connection(None).connect()

    def make_connection(self, host: Any) -> http.client.HTTPConnection:
        kept = self._connection[1]
        if kept is not None and _stale(kept):
            self.close()
            kept = None
        if kept is None:
            kept = self._connect()
            self._connection = host, kept
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


def _stale(connection: http.client.HTTPConnection) -> bool:
    """Whether the far end has closed a connection that it kept for us: nothing else makes an idle one readable."""
    if connection.sock is None:
        return False
    return bool(select.select([connection.sock], [], [], 0)[0])


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
