# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""Ask a web server until it answers, or say in plain words why it does not."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Iterator
from http.client import BadStatusLine
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar
from urllib.parse import urlsplit

from .._core.wait import RETRYABLE_STATUS, Clock, retry_after
from .web import CONNECT_TIMEOUT, PORTS, READ_TIMEOUT

if TYPE_CHECKING:
    import requests

# Attempts in a row that bring nothing.
HTTP_ATTEMPTS = 5
MAX_PAUSE = 15.0
Kind = TypeVar("Kind", bound=BaseException)


# What X509_verify_cert(3) says of a chain that ends nowhere.
_UNKNOWN_AUTHORITY = frozenset({2, 18, 19, 20, 21})
_AUTHORITY = "Name the file of the authority that signed it in url_ca_cert"
_CLIENT = "Give the certificate and key that the server takes in url_client_cert and url_client_key"
_HANDSHAKE = "See which versions of TLS the server takes, and whether it asks for a certificate, which url_client_cert gives"


class Explanation(NamedTuple):
    """Why there is no answer, whether the next request may get one, and what to do where it is more than to check the address."""

    cause: str
    passing: bool = False
    advice: str | None = None


class NoAnswer(Exception):
    """No answer that can be used; the text is the cause."""

    def __init__(self, cause: str, advice: str | None = None) -> None:
        super().__init__(cause)
        self.advice = advice


def ask(
    get: Callable[[], requests.Response], uri: str, fault: Callable[[requests.Response], str | None], clock: Clock, persistent: bool = False
) -> requests.Response:
    """The first answer without a fault. A busy server and one that breaks connections are asked again; with ``persistent`` any that cannot be reached."""
    import requests

    attempt = 0
    while True:
        attempt, wanted = attempt + 1, 0.0
        try:
            answer = get()
        except (requests.RequestException, ValueError) as exc:
            found = explain(exc, uri)
            passing = found.passing or (persistent and isinstance(exc, requests.RequestException))
        else:
            cause = fault(answer)
            if cause is None:
                return answer
            found, passing, wanted = Explanation(cause), answer.status_code in RETRYABLE_STATUS, retry_after(answer.headers.get("Retry-After"))
            answer.close()
        if not passing or attempt == HTTP_ATTEMPTS:
            raise NoAnswer(found.cause, found.advice)
        clock.sleep(max(wanted, pause_after(attempt)))


def pause_after(attempt: int) -> float:
    """Seconds before the next attempt."""
    return min(2.0**attempt, MAX_PAUSE)


def raw_content(answer: requests.Response, size: int) -> Iterator[bytes]:
    """The body as it is stored: servers declare the compression of a file as an encoding, and requests would undo it."""
    import requests
    from urllib3.exceptions import HTTPError

    try:
        yield from answer.raw.stream(size, decode_content=False)
    except (HTTPError, OSError) as exc:
        raise requests.exceptions.ChunkedEncodingError(exc) from exc


def explain(exc: Exception, uri: str, idle_timeout: float = READ_TIMEOUT) -> Explanation:
    """Why there is no answer, and whether the next request may get one."""
    import requests

    errors = list(_errors(exc))
    host, port, scheme = _asked(exc, uri)
    proxy, name = _first(errors, requests.exceptions.ProxyError), _first(errors, socket.gaierror)
    if proxy is not None:
        refusal = next((str(each) for each in errors if str(each).startswith("Tunnel connection failed")), "")
        return Explanation(f"the proxy does not pass the request on ({refusal.lower()})" if refusal else "the proxy cannot be reached")
    if name is not None or any(type(each).__name__ == "NameResolutionError" for each in errors):
        return Explanation(f"host '{host}' is not known", name is not None and name.errno == socket.EAI_AGAIN)
    tls = _first(errors, ssl.SSLError)
    if tls is not None or _first(errors, requests.exceptions.SSLError) is not None:
        return _explain_tls(tls, f"{host}:{port}")
    if _first(errors, requests.exceptions.ConnectTimeout) is not None:
        return Explanation(f"{host}:{port} does not take the connection within {CONNECT_TIMEOUT} s")
    if _first(errors, requests.exceptions.Timeout) is not None or _first(errors, TimeoutError) is not None:
        return Explanation(f"{host}:{port} is silent for {idle_timeout:g} s")
    if _first(errors, ConnectionRefusedError) is not None:
        return Explanation(f"nothing listens at {host}:{port}")
    if _first(errors, BadStatusLine) is not None or _first(errors, ConnectionError) is not None:
        hint = ", as a server does that expects https" if scheme == "http" else ""
        return Explanation(f"{host}:{port} closes the connection without an answer{hint}", True)
    if _first(errors, requests.exceptions.ChunkedEncodingError) is not None:
        return Explanation("the connection breaks", True)
    system = _first(errors, OSError)
    if system is not None and isinstance(system.errno, int) and system.strerror:
        return Explanation(f"{host}:{port} cannot be reached ({system.strerror.lower()})")
    # Text of our own, where there is no other error below.
    if isinstance(exc, requests.TooManyRedirects) or (isinstance(exc, requests.ConnectionError) and exc.args and isinstance(exc.args[0], str)):
        return Explanation(str(exc))
    return Explanation("it is not a valid address" if isinstance(exc, ValueError) else "the request fails")


def _explain_tls(exc: ssl.SSLError | None, where: str) -> Explanation:
    # Where OpenSSL names no reason, the text is one of Python's own.
    named = str(getattr(exc, "reason", None) or "")
    reason = named or str(exc or "")
    words = named.replace("_", " ").lower() or ("the server ends it" if isinstance(exc, (ssl.SSLEOFError, ssl.SSLZeroReturnError)) else "it fails")
    if isinstance(exc, ssl.SSLCertVerificationError):
        return Explanation(
            f"the certificate of {where} is not trusted ({exc.verify_message})", advice=_AUTHORITY if exc.verify_code in _UNKNOWN_AUTHORITY else None
        )
    if "WRONG_VERSION_NUMBER" in reason or "HTTP_REQUEST" in reason or "RECORD_LAYER" in reason:
        return Explanation(f"{where} does not speak TLS")
    if "CERTIFICATE_REQUIRED" in reason:
        return Explanation(f"{where} asks for a client certificate", advice=_CLIENT)
    if "ALERT" in reason and ("CERTIFICATE" in reason or "UNKNOWN_CA" in reason):
        return Explanation(f"{where} does not take the client certificate ({words})", advice=_CLIENT)
    # Before TLS 1.3 it stands for a missing client certificate as well.
    return Explanation(f"no TLS connection to {where} ({words})", advice=_HANDSHAKE if "HANDSHAKE_FAILURE" in reason else None)


def _asked(exc: Exception, uri: str) -> tuple[str, int | None, str]:
    """Host, port and scheme of the request that failed, which may be that of a redirect."""
    url = getattr(getattr(exc, "request", None), "url", None) or uri
    try:
        parts = urlsplit(url)
        return parts.hostname or "", parts.port or PORTS.get(parts.scheme.lower()), parts.scheme.lower()
    except ValueError:
        return "", None, ""


def _first(errors: list[BaseException], kind: type[Kind]) -> Kind | None:
    return next((each for each in errors if isinstance(each, kind)), None)


def _errors(exc: BaseException) -> Iterator[BaseException]:
    """It and what it came from: libraries keep that as cause, argument or reason."""
    waiting: list[Any] = [exc]
    seen: set[int] = set()
    while waiting:
        each = waiting.pop(0)
        if isinstance(each, BaseException) and id(each) not in seen:
            seen.add(id(each))
            yield each
            waiting += [each.__cause__, each.__context__, getattr(each, "reason", None), *each.args]
