# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Connections to the hosts of a pool, as the settings of the backend have them verified."""

from __future__ import annotations

import http.client

from .client import CONNECT, PlainConnection, TlsConnection, tls_context
from .options import Settings

__all__ = ["CONNECT", "connection"]


def connection(url: str, settings: Settings, timeout: float) -> http.client.HTTPConnection:
    """Not yet open; the timeout is for silence. A fingerprint, checked after the handshake, replaces the check of the chain."""
    scheme, _separator, host = url.partition("://")
    if scheme != "https":
        return PlainConnection(host, timeout=timeout)
    made = TlsConnection(host, timeout=timeout, context=tls_context(settings.verify and not settings.fingerprints, settings.ca_path))
    made.fingerprints = settings.fingerprints
    return made
