# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""Requests to Glance: one session, one error type, retries of what may be repeated."""

from __future__ import annotations

import html
import random
import re
from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Union

from .._core.errors import ImageServicesError, cannot
from .._core.wait import RETRYABLE_STATUS, Clock, retry_after
from .advice import ADVICE, advice_on, proxy_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    import requests

    Params = Union[Mapping[str, Any], Sequence[tuple[str, Any]]]

READ_ATTEMPTS = 6
MAX_PAUSE = 15.0
DEFAULT_TIMEOUT = 120.0


# Exception is repeated for checkers that do not follow the import of its base.
class GlanceError(ImageServicesError, Exception):
    """Glance, or the way to it, refused; ``status`` is None where no answer came."""

    def __init__(
        self,
        cause: str,
        *,
        status: int | None = None,
        request_id: str | None = None,
        kind: str | None = None,
        advice: str | None = None,
        service: str = "Glance",
    ) -> None:
        """``advice`` is for what this one refusal needs, beyond what its code tells; ``service`` is whose refusal it is."""
        super().__init__(cause, code=status if kind is None else kind, details=None, request_id=request_id)
        self.status = status
        # Seconds that the far end asks to be left alone.
        self.retry_after = 0.0
        self._advice = advice
        self._service = service

    @property
    def retryable(self) -> bool:
        return self.code in RETRYABLE_STATUS or self.code == "connection"

    def explained(self, verb: str, kind: str, name: str, advice: str) -> ImageServicesError:
        """The same refusal as the sentence of a task."""
        return cannot(verb, kind, name, str(self), advice, code=self.code, details=self.details, request_id=self.request_id)

    @property
    def advice(self) -> str:
        if self._advice is not None:
            return self._advice
        if self.retryable:
            return f"See that {self._service} answers, then run the task again"
        return ADVICE.get(self.code, f"See {self._service}'s log for the request id" if self.request_id else "Check the cloud's settings")

    def with_more(self, more: str, advice: str | None = None) -> GlanceError:
        """The same refusal, with what else happened, and other advice where some is given."""
        kind = self.code if isinstance(self.code, str) else None
        again = GlanceError(f"{self}{more}", status=self.status, request_id=self.request_id, kind=kind, advice=advice or self.advice, service=self._service)
        again.details = self.details
        return again


@contextmanager
def glance_errors(verb: str, kind: str, name: str, advice: str | None = None) -> Iterator[None]:
    """Say which task a refusal of Glance has ended."""
    try:
        yield
    except GlanceError as exc:
        raise exc.explained(verb, kind, name, advice or exc.advice) from exc


def pauses(first: float = 0.5, longest: float = MAX_PAUSE) -> Iterator[float]:
    """Growing pauses with jitter, so that many tasks do not come back at once."""
    pause = first
    while True:
        yield pause * random.uniform(0.75, 1.25)
        pause = min(pause * 2, longest)


class HttpClient:
    """Requests below one endpoint through a keystoneauth session."""

    def __init__(self, session: Any, base_url: str, clock: Clock | None = None, timeout: float | None = None, service: str = "Glance") -> None:
        """``timeout`` in seconds is how long the far end may be silent; DEFAULT_TIMEOUT where it is None. ``service`` is whose answers refusals tell."""
        self._session = session
        self._service = service
        self.base_url = base_url.rstrip("/")
        self._timeout = timeout or DEFAULT_TIMEOUT
        self.clock = clock or Clock()

    def get(self, path: str, params: Params | None = None) -> requests.Response:
        """A read, repeated while the far end is out of reach or busy."""
        return self.repeat(lambda: self.request("GET", path, params=params))

    def repeat(self, call: Any, attempts: int = READ_ATTEMPTS) -> Any:
        """Make a call that may be made twice until it succeeds, the refusal is final, or the attempts are used up."""
        for attempt, pause in enumerate(pauses(), start=1):
            try:
                return call()
            except GlanceError as exc:
                if attempt == attempts or not exc.retryable:
                    raise
                self.clock.sleep(max(pause, exc.retry_after))
        raise AssertionError("pauses() never ends")

    def request(
        self,
        method: str,
        path: str,
        *,
        params: Params | None = None,
        json: Any = None,
        data: Any = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        stream: bool = False,
    ) -> requests.Response:
        """One request, never repeated here but for an expired token; anything but success raises GlanceError.

        With ``stream`` the body waits to be read, and the caller closes the answer.
        """
        url = path if path.startswith(("http://", "https://")) else self.base_url + path
        extra: dict[str, Any] = {}
        if json is not None:
            extra["json"] = json
        if data is not None:
            extra["data"] = data
        if stream:
            extra["stream"] = True
        with _session_errors(url, self._service):
            response = self._session.request(
                url,
                method,
                params=params,
                headers=dict(headers or {}),
                raise_exc=False,
                connect_retries=0,
                status_code_retries=0,
                timeout=timeout or self._timeout,
                **extra,
            )
        if response.status_code >= 300:
            refused = _refusal(response, self._service)
            refused.retry_after = retry_after(response.headers.get("Retry-After"))
            raise refused
        return response

    def log_in(self, auth: Any) -> None:
        """Have keystoneauth get a token, by other credentials than the session's where they are others."""
        with _session_errors(self.base_url, self._service):
            auth.get_access(self._session)


@contextmanager
def _session_errors(url: str, service: str) -> Iterator[None]:
    """What keystoneauth raises, as GlanceError."""
    from keystoneauth1 import exceptions as ks

    try:
        yield
    except ks.SSLError as exc:
        raise GlanceError(f"no secure connection to {_origin(url)} ({_short(exc)})", kind="tls") from exc
    except ks.ConnectionError as exc:
        raise GlanceError(f"no answer from {_origin(url)} ({_short(exc)})", kind="connection", service=service) from exc
    except ks.HttpError as exc:
        cause, kind = f"the identity service refused: {_short(exc)}", _identity_kind(exc.http_status)
        refused = GlanceError(cause, status=exc.http_status, request_id=exc.request_id, kind=kind, service="Keystone")
        refused.retry_after = retry_after(exc.response.headers.get("Retry-After") if exc.response is not None else None)
        raise refused from exc
    except ks.ClientException as exc:
        raise GlanceError(_short(exc), kind="client") from exc


def _identity_kind(status: int) -> str | None:
    """An identity service that is away for a moment is worth another try, as Glance is."""
    return "connection" if status in RETRYABLE_STATUS else None


def _origin(url: str) -> str:
    return "/".join(url.split("/", 3)[:3])


def _short(exc: Exception) -> str:
    """The inmost reason, in one line: urllib3 wraps it four times."""
    text = " ".join(str(exc).split())
    inner = re.search(r"\[Errno -?\d+\] [^'\")]+|Connection aborted|Read timed out|Connection reset by peer|CERTIFICATE_VERIFY_FAILED[^'\")]*", text)
    return inner.group(0) if inner else text[:300]


def _refusal(response: requests.Response, service: str) -> GlanceError:
    """Glance answers errors as small HTML pages, proxies as pages of their own, Cinder and Keystone as an object of one object with a message."""
    text = _message(response) or response.text[:4000]
    proxy = proxy_of(text)
    body = re.search(r"<body[^>]*>(.*)</body>", text, re.DOTALL | re.IGNORECASE)
    titles = r"<h1>.*?</h1>|<center>.*?</center>" if proxy else r"<h1>.*?</h1>"
    plain = re.sub(titles, "", body.group(1) if body else text, flags=re.DOTALL | re.IGNORECASE)
    plain = " ".join(html.unescape(re.sub(r"<[^>]*>", " ", plain)).split())
    who = f"{proxy} in front of {service}" if proxy else service
    label = f"{who} answered {response.status_code} {response.reason or ''}".strip()
    return GlanceError(
        f"{label}: {plain[:500]}" if plain else label,
        status=response.status_code,
        request_id=response.headers.get("x-openstack-request-id"),
        advice=advice_on(response.status_code, plain, proxy, service),
        service=service,
    )


def _message(response: requests.Response) -> str | None:
    if "json" not in response.headers.get("content-type", ""):
        return None
    try:
        found = next(iter(response.json().values()))["message"]
    except (ValueError, AttributeError, StopIteration, KeyError, TypeError):
        return None
    return str(found)
