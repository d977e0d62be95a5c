# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""Files of certificates and keys for sources over https: libraries tell what is wrong with one late, and in words of their own."""

from __future__ import annotations

import os
import ssl

from .._core.errors import ImageServicesError, cannot

_ADVICE = "Give the path of a file in the form PEM on the host that the task runs on"
_PAIR = "Give the certificate in url_client_cert, and its key, without a password, there or in url_client_key"


def check_tls_files(ca_cert: str | None, client_cert: str | None, client_key: str | None) -> None:
    """Refuse files that cannot be read or hold something else."""
    for option, path in (("url_ca_cert", ca_cert), ("url_client_cert", client_cert), ("url_client_key", client_key)):
        if path is not None:
            _readable(option, path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if ca_cert is not None:
        try:
            context.load_verify_locations(cafile=ca_cert)
        except ssl.SSLError as exc:
            raise _unusable("url_ca_cert", ca_cert, "it holds no certificate in the form PEM", _ADVICE) from exc
    if client_cert is not None:
        try:
            # An encrypted key would have the terminal asked.
            context.load_cert_chain(client_cert, client_key, password=lambda: "")
        except ssl.SSLError as exc:
            other = exc.reason == "KEY_VALUES_MISMATCH"
            cause = "url_client_key is the key of another certificate" if other else "a certificate or its key is missing, not in the form PEM, or encrypted"
            raise _unusable("url_client_cert", client_cert, cause, _PAIR) from exc


def _readable(option: str, path: str) -> None:
    try:
        with open(path, "rb"):
            pass
    except (OSError, ValueError) as exc:
        raise _unusable(option, path, os.strerror(getattr(exc, "errno", None) or 0), _ADVICE) from exc


def _unusable(option: str, path: str, cause: str, advice: str) -> ImageServicesError:
    return cannot("use", option, path, cause, advice, code="bad_tls_file")
