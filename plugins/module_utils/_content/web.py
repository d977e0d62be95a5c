# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""Requests for content behind http(s), with the credentials that belong to one server and to no other, and whom to trust there."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urljoin, urlsplit, urlunsplit

from .._core.argspec import ArgumentSpec
from .._core.errors import cannot
from .tls_files import check_tls_files

if TYPE_CHECKING:
    import requests

CONNECT_TIMEOUT = 30
READ_TIMEOUT = 120
MAX_REDIRECTS = 10
# Seconds between Last-Modified and Date from which on a clock's mistake does not matter (RFC 9110, 8.8.2.2).
_SETTLED = 60
_RANGE = re.compile(r"bytes (\d{1,19})-(\d{1,19})/(\d{1,19}|\*)")
PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Access:
    """Credentials for addresses and whom to trust there, as the options url_* and headers give them."""

    username: str | None = None
    password: str | None = None
    headers: tuple[tuple[str, str], ...] = ()
    ca_cert: str | None = None
    validate_certs: bool = True
    client_cert: str | None = None
    client_key: str | None = None

    @property
    def auth(self) -> tuple[str, str] | None:
        """As requests sends it: it knows Latin-1 alone, and servers expect UTF-8."""
        return None if self.username is None else (_utf8(self.username), _utf8(self.password or ""))

    @property
    def cert(self) -> str | tuple[str, str] | None:
        """The client certificate, as requests takes it."""
        return (self.client_cert, self.client_key) if self.client_cert and self.client_key else self.client_cert

    def beside(self, uri: str, other: str) -> Access:
        """What of it, given for ``uri``, is for another address: nothing where that is another server."""
        return self if same_server(uri, other) else Access()

    def request(self, method: str, uri: str, idle_timeout: float = READ_TIMEOUT, **options: Any) -> requests.Response:
        """One request of the library, without redirects, to a server that is trusted as the options say."""
        import requests
        import urllib3

        if not self.validate_certs:
            # The task has said so itself.
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
        verify = (self.ca_cert or True) if self.validate_certs else False
        return requests.request(method, uri, timeout=(CONNECT_TIMEOUT, idle_timeout), allow_redirects=False, verify=verify, **options)

    def get(self, uri: str, headers: Mapping[str, str]) -> requests.Response:
        """A GET whose answer is a stream. Credentials go to the origin of ``uri`` alone, wherever it redirects to; whom to trust stays as it is."""
        import requests

        uri, auth = self._without_userinfo(uri)
        asked, given, cert = uri, {**dict(self.headers), **headers}, self.cert
        for _step in range(MAX_REDIRECTS + 1):
            answer = self.request("GET", asked, headers=given, auth=auth, cert=cert, stream=True)
            if not answer.is_redirect:
                return answer
            location = urljoin(asked, answer.headers["Location"])
            answer.close()
            if not same_server(asked, location):
                given, auth, cert = dict(headers), None, None
            asked = location
        raise requests.TooManyRedirects(f"more than {MAX_REDIRECTS} redirects")

    def _without_userinfo(self, uri: str) -> tuple[str, tuple[str, str] | None]:
        """The address to ask, and the credentials: the options', else those that are in it."""
        parts = urlsplit(uri)
        before, _at, netloc = parts.netloc.rpartition("@")
        user, _colon, password = before.partition(":")
        own = (_utf8(unquote(user)), _utf8(unquote(password))) if before else None
        return urlunsplit(parts._replace(netloc=netloc)), self.auth or own


def access_of(params: Mapping[str, Any]) -> Access:
    """What a module's options give, which may lack all of them."""
    headers = tuple((str(name), str(value)) for name, value in (params.get("headers") or {}).items() if value is not None)
    for name, value in headers:
        if any(character in name + value for character in "\r\n\0"):
            raise cannot("send", "header", re.sub(r"[\r\n\0].*", "", name), "it holds a line break", "Correct headers", code="bad_option")
    files = [params.get(option) for option in ("url_ca_cert", "url_client_cert", "url_client_key")]
    check_tls_files(*files)
    ca_cert, client_cert, client_key = files
    validate = params.get("url_validate_certs") is not False
    return Access(params.get("url_username"), params.get("url_password"), headers, ca_cert, validate, client_cert, client_key)


def checksum_access(params: Mapping[str, Any], address: str) -> Access:
    """What of them is for the checksum file at the address."""
    access = access_of(params)
    return access.beside(params["uri"], address) if params.get("uri") else access


def create_access_argspec() -> ArgumentSpec:
    """The options of modules that fetch or send content."""
    return ArgumentSpec(
        options={
            "url_username": {"type": "str"},
            "url_password": {"type": "str", "no_log": True},
            "headers": {"type": "dict", "no_log": True},
            "url_ca_cert": {"type": "path"},
            "url_validate_certs": {"type": "bool"},
            "url_client_cert": {"type": "path"},
            "url_client_key": {"type": "path", "no_log": False},
        },
        required_by={"url_password": ["url_username"], "url_client_key": ["url_client_cert"]},
    )


def same_server(uri: str, other: str) -> bool:
    """Whether credentials for one address may go to the other: the same host, port and scheme, or the same host's change to TLS on the usual ports."""
    one, two = _origin(uri), _origin(other)
    return one == two or (one[1] == two[1] and one[0::2] == ("http", 80) and two[0::2] == ("https", 443))


def _utf8(text: str) -> str:
    return text.encode().decode("latin-1")


def _origin(uri: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(uri)
    return parts.scheme.lower(), parts.hostname, parts.port or PORTS.get(parts.scheme.lower())


def validator(answer: requests.Response) -> str | None:
    """What changes when the content does, as far as the server says."""
    return answer.headers.get("ETag") or answer.headers.get("Last-Modified")


def strong_validator(answer: requests.Response) -> str | None:
    """What vouches for every byte (RFC 9110, 8.8): a strong ETag, or a Last-Modified that lies well before the answer."""
    tag = answer.headers.get("ETag")
    if tag:
        return tag if tag.startswith('"') else None
    try:
        modified, date = (parsedate_to_datetime(answer.headers[name]) for name in ("Last-Modified", "Date"))
        return answer.headers["Last-Modified"] if (date - modified).total_seconds() >= _SETTLED else None
    except (KeyError, ValueError, TypeError):
        return None


def content_range(answer: requests.Response) -> tuple[int, int, int | None] | None:
    """First and last byte and the length of all, as a 206 tells them; None where it tells nothing that can be."""
    found = _RANGE.fullmatch(answer.headers.get("Content-Range", "").strip())
    if found is None:
        return None
    first, last, total = int(found[1]), int(found[2]), None if found[3] == "*" else int(found[3])
    return (first, last, total) if first <= last and (total is None or last < total) else None
