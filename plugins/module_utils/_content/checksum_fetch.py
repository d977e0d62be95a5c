# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""Checksum files, fetched once in the life of the process, however many images are listed in them."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from .._core.address import shown
from .._core.errors import ImageServicesError, cannot
from .._core.wait import Clock
from .checksum_file import MAX_BYTES, NoDigest, digest_of
from .web import Access
from .web_request import NoAnswer, ask, explain

if TYPE_CHECKING:
    import requests

ADVICE = "Check checksum from the host that the task runs on"
BY_NAME = "Give the name that the list has as checksum_name, or correct checksum"
OTHERWISE = "Correct checksum, or give the digest itself"


class ChecksumFiles:
    """Many threads may ask; the first one that names a file fetches it, the others wait for what it found."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or Clock()
        self._lock = threading.Lock()
        self._fetched: dict[tuple[str, Access], Future[bytes]] = {}

    def digest(self, address: str, algorithm: str, name: str | None, access: Access | None = None) -> str:
        """The digest that the file at the address gives for a file name."""
        key = address, access or Access()
        with self._lock:
            first = key not in self._fetched
            future = self._fetched.setdefault(key, Future())
        if first:
            try:
                future.set_result(_fetch(*key, self._clock))
            except BaseException as exc:
                future.set_exception(exc)
                raise
        try:
            return digest_of(name, algorithm, future.result())
        except NoDigest as exc:
            raise _unusable(address, str(exc), BY_NAME if exc.by_name else OTHERWISE) from exc


# What a run has fetched.
CHECKSUM_FILES = ChecksumFiles()


def _fetch(address: str, access: Access, clock: Clock) -> bytes:
    if address.lower().startswith("file:"):
        return _read(address)
    import requests

    try:
        with ask(lambda: access.get(address, {}), address, _fault, clock) as answer:
            data = bytearray()
            for block in answer.iter_content(64 * 1024):
                data += block
                if len(data) > MAX_BYTES:
                    break
            return bytes(data)
    except NoAnswer as exc:
        raise _unusable(address, str(exc), exc.advice or ADVICE) from exc
    except requests.RequestException as exc:
        raise _unusable(address, f"the transfer broke: {explain(exc, address).cause}") from exc


def _fault(answer: requests.Response) -> str | None:
    return None if answer.status_code == 200 else f"the server answered {answer.status_code} {answer.reason}"


def _read(address: str) -> bytes:
    try:
        with open(unquote(urlsplit(address).path), "rb") as stream:
            return stream.read(MAX_BYTES + 1)
    except (OSError, ValueError) as exc:
        raise _unusable(address, getattr(exc, "strerror", None) or "it is not the path of a file") from exc


def _unusable(address: str, cause: str, advice: str = ADVICE) -> ImageServicesError:
    return cannot("read", "checksum file", shown(address), cause, advice, code="bad_checksum")
