# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The certificate of the pool, signed by itself and made at its first start."""

from __future__ import annotations

import os
import ssl
import subprocess
from pathlib import Path

DAYS = 3650


def context(state: Path, addresses: list[str]) -> ssl.SSLContext:
    certificate, key = state / "xapi-ssl.crt", state / "xapi-ssl.key"
    if not (certificate.exists() and key.exists()):
        make(certificate, key, addresses)
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(certificate, key)
    return made


def make(certificate: Path, key: Path, addresses: list[str]) -> None:
    names = ",".join(["DNS:localhost", *(f"IP:{address}" for address in dict.fromkeys(addresses))])
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-sha256", "-nodes", "-days", str(DAYS), "-subj", "/CN=xapi-simulator"]
    descriptor = os.open(key, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.close(descriptor)
    command += ["-addext", f"subjectAltName={names}", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True, stdin=subprocess.DEVNULL)
