# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""Addresses that may hold secrets: how they are shown, what they are known by, and what in them must be masked."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote, unquote_plus, urlsplit

# Names of query parameters that sign or authorise a request: of AWS, Google, Azure (SAS), CDNs and the usual words.
_SECRET_NAME = re.compile(
    r"sig$|signature|token|secret|passw|credential|auth|api-?_?key|^key$|^pwd$|jwt|session|^x-(amz|goog|oss)-|^sas|hmac|policy", re.IGNORECASE
)
# A value of this length is taken for a secret whatever its name; a shorter one would be masked all over a result.
_LONG = 16
_SHORTEST = 4
_ADDRESS = re.compile(r"https?://.*", re.IGNORECASE | re.DOTALL)


def shown(uri: str) -> str:
    """The address as everyone may read it: without what is before the host and behind the path."""
    try:
        parts = urlsplit(uri)
    except ValueError:
        return re.split("[?#]", uri, maxsplit=1)[0].rpartition("@")[2]
    if not parts.scheme:
        return parts.path.rpartition("@")[2]
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def identity(uri: str) -> str:
    """What content behind the address is known by: a query counts, except where it signs the request and so is another each time."""
    try:
        query = urlsplit(uri).query
    except ValueError:
        return shown(uri)
    return f"{shown(uri)}?{query}" if query and not any(_secret(name, value) for name, value in _parameters(query)) else shown(uri)


def address_secrets(text: str) -> Iterator[str]:
    """What to mask of the address with which a text ends, as it is written there and as it reads decoded."""
    found = _ADDRESS.search(text)
    if found is None:
        return
    try:
        parts = urlsplit(found[0])
    except ValueError:
        return
    user, _colon, password = parts.netloc.rpartition("@")[0].partition(":")
    # A long name without a password is a token.
    written = [password or (user if len(user) >= _LONG else "")]
    written += [value for name, value in _parameters(parts.query) if _secret(name, value)]
    for value in filter(None, written):
        yield from {value, unquote(value), unquote_plus(value)}


def source_secrets(params: Mapping[str, Any]) -> Iterator[str]:
    """Secrets among the options by which content is fetched."""
    for option in ("uri", "checksum"):
        if isinstance(params.get(option), str):
            yield from address_secrets(params[option])
    if params.get("url_password"):
        yield str(params["url_password"])
    headers = params.get("headers")
    if isinstance(headers, Mapping):
        for value in map(str, filter(None, headers.values())):
            # The scheme before a token is none.
            yield from {value, value.rpartition(" ")[2]}


def _parameters(query: str) -> Iterator[tuple[str, str]]:
    for part in re.split("[&;]", query):
        name, _equals, value = part.partition("=")
        yield unquote(name), value


def _secret(name: str, value: str) -> bool:
    return len(value) >= _SHORTEST and (len(value) >= _LONG or _SECRET_NAME.search(name) is not None)
