# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Connections to the hosts of a pool, verified by the settings of the backend."""

from __future__ import annotations

import http.client

from .client import CONNECT, PlainConnection, TlsConnection, tls_context
from .options import Settings

__all__ = ["CONNECT", "connection"]


def connection(url: str, settings: Settings, timeout: float) -> http.client.HTTPConnection:
    """A connection, not yet open, with an idle timeout. Fingerprints, checked after the handshake, replace the check of the chain."""
    scheme, _separator, host = url.partition("://")
    if scheme != "https":
        return PlainConnection(host, timeout=timeout)
    tls = TlsConnection(host, timeout=timeout, context=tls_context(settings.verify and not settings.fingerprints, settings.ca_path))
    tls.fingerprints = settings.fingerprints
    return tls
