# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""Image bytes to an http(s) address, in one PUT."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from .._core.address import shown
from .._core.errors import ImageServicesError, cannot
from .body import Progress, upload_body
from .source import Source
from .web import Access
from .web_request import explain

_ADVICE = "Check uri from the host that the task runs on"
_LEFT = "See that the address takes a PUT, then run the task again; the server may have kept a part"


@dataclass(frozen=True)
class Sent:
    size: int
    sha256: str


def check_address(uri: str) -> None:
    parts = urlsplit(uri)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise cannot("send to", "uri", shown(uri), "it is no http or https address", "Correct uri", code="bad_uri")
    if parts.username or parts.password:
        raise cannot(
            "send to", "uri", shown(uri), "it holds a user name or password, which would be shown", "Give them in url_username and url_password", code="bad_uri"
        )


def put(uri: str, source: Source, access: Access, idle_timeout: float, progress: Progress | None = None) -> Sent:
    """Send all of the source; anything but success is an error, and so is being sent elsewhere: half of the bytes would be gone."""
    import requests

    body = upload_body(source, ["sha256"], progress)
    given = {"Content-Type": "application/octet-stream", **dict(access.headers)}
    try:
        with access.request("PUT", uri, idle_timeout, data=body, headers=given, auth=access.auth, cert=access.cert) as answer:
            status, reason, location = answer.status_code, answer.reason, answer.headers.get("Location", "")
    except ImageServicesError:
        raise
    except (requests.RequestException, ValueError, OSError) as exc:
        if body.failure is not None:
            raise body.failure from exc
        found = explain(exc, uri, idle_timeout)
        cause = f"the transfer broke after {body.sent} bytes: {found.cause}" if body.sent else found.cause
        raise _failed(uri, cause, found.advice or (_LEFT if body.sent else _ADVICE)) from exc
    if 300 <= status < 400:
        raise _failed(uri, f"the server sends the data elsewhere ({status}, to {shown(location)})", "Give that address as uri")
    if not 200 <= status < 300 or not body.digests_passed:
        raise _failed(uri, f"the server answered {status} {reason}".rstrip(), _LEFT)
    return Sent(body.sent, body.digests_passed["sha256"])


def _failed(uri: str, cause: str, advice: str) -> ImageServicesError:
    return cannot("send to", "uri", shown(uri), cause, advice, code="put_failed")
