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
from .._core.wait import RETRYABLE_STATUS, Clock

if TYPE_CHECKING:
    from collections.abc import Iterator

    import requests

    Params = Union[Mapping[str, Any], Sequence[tuple[str, Any]]]

READ_ATTEMPTS = 6
MAX_PAUSE = 15.0
DEFAULT_TIMEOUT = 120.0

# What glance_store says where its process may not remove the file of an image.
FILE_KEPT = re.compile(r"cannot delete file ", re.IGNORECASE)
FILE_ADVICE = (
    "Glance's service itself may not remove it, whoever asks: let the role glance_stores run, which keeps former directories of stores writable, "
    "or correct owner, mode or mount of the directory on Glance's host"
)

# By HTTP status, and by the word for what this collection found.
ADVICE: Mapping[object, str] = {
    400: "Correct the option that Glance names",
    401: "Check the credentials, then run the task again",
    403: "Use a project or a role that may do this",
    404: "Check the name or id and the project that the task runs as",
    409: "Wait for the other operation on this image to end, then run the task again",
    413: "Free space in the store or raise the quota, then run the task again",
    "checksum_mismatch": "Get the content again, or correct checksum",
    "busy": "Run the task again later: what was copied stays, and Glance gives up a lost import an hour after its last sign of life",
    "digest_mismatch": "Run the task again, and look at the store's disk if it happens again",
    "copy_failed": "See Glance's log for what its store said, then run the task again: what was copied stays",
    "import_failed": "Check the source and the stores, Glance's log tells more",
    "fixed_vhd": "Convert it to a dynamic VHD or to qcow2, declare disk_format: vhd where require_image_format_match is off in Glance, "
    "or disk_format: raw to keep it with its footer",
    "format_mismatch": "Declare the format that it has, or convert it first",
    "not_active": "See Glance's log for what became of it",
    "stuck": "Delete that image if it is still there, then run the task again",
    "timeout": "See what Glance is doing, or raise timeout",
    "used_id": "Glance never gives out an id twice: give another id, or leave id out",
    "unsafe": "Run the task again, and look at the image if it says so again",
    "tls": "Check ca_cert and validate_certs, which a cloud that is a dictionary or an entry of clouds.yaml calls cacert and verify",
}


# Exception is repeated for checkers that do not follow the import of its base.
class GlanceError(ImageServicesError, Exception):
    """Glance, or the way to it, refused; ``status`` is None where no answer came."""

    def __init__(self, cause: str, *, status: int | None = None, request_id: str | None = None, kind: str | None = None, advice: str | None = None) -> None:
        """``advice`` is for what this one refusal needs, beyond what its code tells."""
        super().__init__(cause, code=status if kind is None else kind, details=None, request_id=request_id)
        self.status = status
        self._advice = advice

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
            return "See that Glance answers, then run the task again"
        if self.status == 403 and FILE_KEPT.search(str(self)):
            # Not for want of a role: the service itself may not remove the file of a store.
            return FILE_ADVICE
        return ADVICE.get(self.code, "See Glance's log for the request id" if self.request_id else "Check the cloud's settings")


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
            self.clock.sleep(pause)
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
        with _session_errors(url):
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
            raise GlanceError(_reason(response, self._service), status=response.status_code, request_id=response.headers.get("x-openstack-request-id"))
        return response

    def log_in(self, auth: Any) -> None:
        """Have keystoneauth get a token, by other credentials than the session's where they are others."""
        with _session_errors(self.base_url):
            auth.get_access(self._session)


@contextmanager
def _session_errors(url: str) -> Iterator[None]:
    """What keystoneauth raises, as GlanceError."""
    from keystoneauth1 import exceptions as ks

    try:
        yield
    except ks.SSLError as exc:
        raise GlanceError(f"no secure connection to {_origin(url)} ({_short(exc)})", kind="tls") from exc
    except ks.ConnectionError as exc:
        raise GlanceError(f"no answer from {_origin(url)} ({_short(exc)})", kind="connection") from exc
    except ks.HttpError as exc:
        raise GlanceError(
            f"the identity service refused: {_short(exc)}", status=exc.http_status, request_id=exc.request_id, kind=_identity_kind(exc.http_status)
        ) from exc
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


def _reason(response: requests.Response, service: str) -> str:
    """Glance answers errors as small HTML pages, proxies as large ones, Cinder as an object of one object with a message."""
    text = _message(response) or response.text[:4000]
    body = re.search(r"<body[^>]*>(.*)</body>", text, re.DOTALL | re.IGNORECASE)
    plain = re.sub(r"<h1>.*?</h1>", "", body.group(1) if body else text, flags=re.DOTALL | re.IGNORECASE)
    plain = " ".join(html.unescape(re.sub(r"<[^>]*>", " ", plain)).split())
    label = f"{service} answered {response.status_code} {response.reason or ''}".strip()
    return f"{label}: {plain[:500]}" if plain else label


def _message(response: requests.Response) -> str | None:
    if "json" not in response.headers.get("content-type", ""):
        return None
    try:
        found = next(iter(response.json().values()))["message"]
    except (ValueError, AttributeError, StopIteration, KeyError, TypeError):
        return None
    return str(found)
