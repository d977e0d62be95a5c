# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""The data of an image in Glance: as a source of bytes, and what another host needs to fetch it from Glance itself."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from .._content.source import HttpSource
from .._core.errors import ImageServicesError, cannot
from .._glance.api import Glance, Record
from .._glance.http import GlanceError

if TYPE_CHECKING:
    import requests

    from .._glance.connection import Cloud

PEM = "-----BEGIN CERTIFICATE-----"


class ImageData(HttpSource):
    """Read as an address is; an image's data never changes, so a broken transfer always continues where it stopped."""

    def __init__(self, glance: Glance, image: Record, stores: Sequence[str] = (), idle_timeout: float | None = None) -> None:
        """``stores`` are those that the data comes from if the image is in one of them; ``idle_timeout`` in seconds is for silence of Glance."""
        super().__init__(str(image.get("name") or image["id"]), glance.http.clock)
        self._glance = glance
        self._image = image
        self._stores = stores
        self._idle_timeout = idle_timeout

    @property
    def size(self) -> int | None:
        return None if self._image.get("size") is None else int(self._image["size"])

    @property
    def fingerprint(self) -> str | None:
        return None

    @property
    def _resumable(self) -> bool:
        return True

    def _get(self, headers: dict[str, str]) -> requests.Response:
        import requests

        try:
            return self._glance.download(str(self._image["id"]), headers, self._stores, self._idle_timeout)
        except GlanceError as exc:
            if "Range" in headers and exc.retryable:
                raise requests.ConnectionError(str(exc)) from exc
            raise exc.explained("read", "image", str(self._image["id"]), exc.advice) from exc

    def _unreadable(self, cause: str, advice: str | None = None) -> Exception:
        return cannot("read", "image", str(self._image["id"]), cause, "See that Glance and its store answer, then run the task again", code="bad_source")


class DownloadAccess:
    """What another host needs to get the data of one image from Glance itself: addresses, a token, and whom to trust."""

    def __init__(self, cloud: Cloud, image_id: str, endpoints: Sequence[str] | None) -> None:
        """``endpoints`` are used in place of those that the cloud's settings and its catalogue name."""
        self._cloud = cloud
        self._image_id = image_id
        self._endpoints = None if not endpoints else [base_of(each) for each in endpoints]
        # Secrets among what was handed out.
        self.secrets: list[str] = []

    def sources(self) -> list[dict[str, Any]]:
        """The same data by each endpoint, to be tried in turn."""
        if self._cloud.has_client_certificate:
            cause = "the cloud's settings name a client certificate, which is not handed to hosts"
            raise cannot("hand on", "image", self._image_id, cause, "Use settings without one", code="client_certificate")
        token, trust = self._cloud.token(), self._cloud.trust
        self.secrets.append(token)
        endpoints = self._cloud.image_endpoints() if self._endpoints is None else self._endpoints
        ca = _certificates(trust) if isinstance(trust, str) and any(url.startswith("https://") for url in endpoints) else None
        return [
            {
                "url": f"{url}/v2/images/{self._image_id}/file",
                "headers": {"X-Auth-Token": token},
                "ca": ca if url.startswith("https://") else None,
                "fingerprint": None,
                "verify": bool(trust),
            }
            for url in endpoints
        ]


def base_of(url: str) -> str:
    """An endpoint as an operator writes it, without its version."""
    try:
        parts = urlsplit(url.strip())
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0 and "@" not in parts.netloc
    except ValueError:
        valid = False
    if not valid or parts.query or parts.fragment or any(letter.isspace() for letter in url.strip()):
        shown = url.rpartition("@")[2]
        raise cannot("use", "endpoint", shown, "it is not the address of an image service", "Write it as https://host:9292", code="bad_endpoint")
    path = parts.path.rstrip("/")
    return f"{parts.scheme}://{parts.netloc}{path[:-3] if path.endswith('/v2') else path}"


def _certificates(path: str) -> str:
    try:
        if os.path.isdir(path):
            raise _no_ca(path, "it is a directory")
        with open(path, encoding="ascii", errors="replace") as stream:
            text = stream.read()
    except OSError as exc:
        raise _no_ca(path, os.strerror(exc.errno or 0)) from exc
    if PEM not in text:
        raise _no_ca(path, "it holds no certificate in the form PEM")
    return only_certificates(text)


def only_certificates(text: str) -> str:
    """Bundles explain each certificate in words, and files may hold a private key too: what verifies is all that is handed on."""
    kept: list[str] = []
    inside = False
    for line in text.splitlines():
        inside = inside or line.strip() == PEM
        if inside:
            kept.append(line.strip())
        inside = inside and line.strip() != PEM.replace("BEGIN", "END")
    return "\n".join([*kept, ""])


def _no_ca(path: str, cause: str) -> ImageServicesError:
    return cannot("hand on", "CA file", path, cause, "Have the cloud's settings name a file of the certificates that Glance's is signed with", code="bad_ca")
