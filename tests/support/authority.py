# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A certificate for servers of tests, from an authority that nobody trusts unless told."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path


def certificates(directory: Path, name: str = "localhost") -> tuple[Path, Path]:
    """Returns the file of the authority, and that of the certificate of 127.0.0.1 and the name, with its key."""
    authority, key, certificate, request = (directory / file for file in ("authority.crt", "authority.key", "server.pem", "server.csr"))
    extensions = directory / "server.ext"
    extensions.write_text(f"subjectAltName=IP:127.0.0.1,DNS:{name}\nbasicConstraints=CA:FALSE\n")
    new = ["openssl", "req", "-newkey", "rsa:2048", "-nodes"]
    ca = ["-x509", "-days", "2", "-subj", "/CN=A company", "-addext", "keyUsage=critical,keyCertSign", "-keyout", str(key), "-out", str(authority)]
    _run([*new, *ca])
    _run([*new, "-subj", f"/CN={name}", "-keyout", str(certificate), "-out", str(request)])
    signed = ["openssl", "x509", "-req", "-days", "2", "-in", str(request), "-CA", str(authority), "-CAkey", str(key), "-CAcreateserial"]
    certificate.write_bytes(certificate.read_bytes() + _run([*signed, "-extfile", str(extensions)]))
    return authority, certificate


def _run(command: Sequence[str]) -> bytes:
    return subprocess.run(command, capture_output=True, check=True).stdout
