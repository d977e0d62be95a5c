# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""Why uv or pip could not install packages, and what to do, from what they have printed."""

from __future__ import annotations

import re

PACKAGE = r"(?P<package>[\w.+!-]+(?:==[\w.+!-]+)?)"
# What uv and pip print of a package that is nowhere, or in no file for this Python and architecture.
ABSENT = [
    re.compile(rf"{PACKAGE} (?:was not found in the provided|has no (?:wheels|usable wheels|source))"),
    re.compile(rf"there is no version of {PACKAGE}"),
    re.compile(rf"No matching distribution found for {PACKAGE}"),
]
ALTERED = [re.compile(rf"Hash mismatch for .{PACKAGE}"), re.compile(rf"tampered with them\. {PACKAGE}")]
UNTRUSTED = re.compile(r"UnknownIssuer|certificate verify failed|CERTIFICATE_VERIFY_FAILED|invalid peer certificate", re.IGNORECASE)

REFILL = (
    "Fill it with 'pip download' and the lock files of the roles, as the guide 'Hosts without the internet' says, for the Python and architecture of this host."
)


def explain_install(said: str, told: str, directory: str) -> str:
    """Cause and advice. ``said`` is the error output in one line, ``told`` a sentence of it; ``directory`` is empty for a package index."""
    if directory:
        return _of_directory(said, told, directory)
    if UNTRUSTED.search(said):
        return (
            "the certificate of the package index, or of the proxy in front of it, is signed by an authority that this host does not trust. Add the authority "
            "to those of the host, or set the variable of the role that ends in _index_ca_cert."
        )
    return f"{told} Check that the host reaches the package index; the variables of the role that end in _index_url and _index_proxy set another one."


def _of_directory(said: str, told: str, directory: str) -> str:
    absent, altered = _first(ABSENT, said), _first(ALTERED, said)
    if absent:
        return f"directory '{directory}' has no package '{absent}' that this host can use. {REFILL}"
    if altered:
        cause = f"package '{altered}' in directory '{directory}' does not have the digest of the lock file"
        return f"{cause}. Remove the file, and find out where it is from. {REFILL}"
    return f"{told} The packages are in directory '{directory}'. {REFILL}"


def _first(patterns: list[re.Pattern[str]], said: str) -> str:
    return next((found["package"].rstrip(".") for found in (pattern.search(said) for pattern in patterns) if found), "")
