# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""Where image bytes come from: a local file or an http(s) address."""

from __future__ import annotations

import hashlib
import io
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

from .._core.address import identity, shown
from .._core.errors import ImageServicesError, cannot
from .._core.wait import Clock
from .._disk.formats import HEAD_SIZE, RAW, TAIL_SIZE, sniff
from .digest import BLOCK_SIZE, DigestCache, digests_of
from .web import Access, content_range, strong_validator, validator
from .web_request import HTTP_ATTEMPTS, NoAnswer, ask, explain, pause_after, raw_content

if TYPE_CHECKING:
    import requests

# What is read of a block when a connection breaks is lost, so blocks are small here.
HTTP_BLOCK_SIZE = 64 * 1024


class Source(Protocol):
    """Bytes that can be read again from the start any number of times."""

    @property
    def label(self) -> str:
        """The source as the operator named it."""

    @property
    def size(self) -> int | None:
        """Length in bytes, where it is known before reading."""

    @property
    def fingerprint(self) -> str | None:
        """Changes when the content changes, without reading it; None where nothing of the kind is known."""

    @property
    def origin(self) -> Source:
        """The source before any change on the way: itself, unless its bytes are changed."""

    def head(self) -> bytes:
        """The first HEAD_SIZE bytes, or all there are."""

    def tail(self) -> bytes:
        """The last TAIL_SIZE bytes, or nothing where they cannot be had without reading all."""

    def blocks(self) -> Iterator[bytes]:
        """All bytes, from the start."""

    def digests(self, algorithms: Iterable[str]) -> dict[str, str]:
        """Hex digests of the content."""


class FileSource:
    """A regular file on the host that the module runs on."""

    fingerprint = None

    def __init__(self, path: str, cache: DigestCache | None = None) -> None:
        self._path = path
        self._cache = cache or DigestCache()
        try:
            status = os.stat(path)
        except OSError as exc:
            raise cannot("read", "file", path, os.strerror(exc.errno or 0), "Check its path on the host that the task runs on", code="bad_source") from exc
        if not stat.S_ISREG(status.st_mode):
            kind = "a directory" if stat.S_ISDIR(status.st_mode) else "not a regular file"
            raise cannot("read", "file", path, f"it is {kind}", "Give the path of an image file", code="bad_source")
        if status.st_size == 0:
            raise cannot("read", "file", path, "it is empty", "Give the path of a complete image file", code="bad_source")
        self.status = status

    @property
    def label(self) -> str:
        return self._path

    @property
    def origin(self) -> Source:
        return self

    @property
    def size(self) -> int:
        return self.status.st_size

    def head(self) -> bytes:
        with self._open() as stream:
            return stream.read(HEAD_SIZE)

    def tail(self) -> bytes:
        with self._open() as stream:
            stream.seek(max(0, self.size - TAIL_SIZE))
            return stream.read(TAIL_SIZE)

    def blocks(self) -> Iterator[bytes]:
        with self._open() as stream:
            while block := stream.read(BLOCK_SIZE):
                yield block
            status = os.fstat(stream.fileno())
        if (status.st_size, status.st_mtime_ns) != (self.status.st_size, self.status.st_mtime_ns):
            raise cannot("read", "file", self._path, "it changed while it was read", "Run the task again when nothing writes to it", code="bad_source")

    def digests(self, algorithms: Iterable[str]) -> dict[str, str]:
        try:
            return self._cache.digests(self._path, algorithms)
        except OSError as exc:
            raise self._unreadable(exc) from exc

    def remember(self, digests: dict[str, str]) -> None:
        """Digests that were computed while the blocks passed."""
        self._cache.remember(self._path, self.status, digests)

    @contextmanager
    def _open(self) -> Iterator[io.FileIO]:
        try:
            with io.FileIO(self._path) as stream:
                yield stream
        except OSError as exc:
            raise self._unreadable(exc) from exc

    def _unreadable(self, exc: OSError) -> Exception:
        return cannot("read", "file", self._path, os.strerror(exc.errno or 0), "Check the file's mode and its disk", code="bad_source")


@dataclass(frozen=True)
class _Beginning:
    """What a server's first answer tells of the content; ``strong`` is a validator that vouches for every byte."""

    length: str
    validator: str | None
    strong: str | None
    head: bytes

    @property
    def size(self) -> int | None:
        return int(self.length) if self.length.isdigit() else None


class HttpSource:
    """An image behind http(s), streamed; a broken transfer continues where it stopped if it is certain that the same bytes follow.

    The server is asked when first something has to be known.
    """

    def __init__(self, uri: str, clock: Clock | None = None, access: Access | None = None, checked: bool = False) -> None:
        """``checked`` says that who reads compares a digest afterwards, so that a server without a strong validator may continue in the middle."""
        self._uri = uri
        self._clock = clock or Clock()
        self._access = access or Access()
        self._checked = checked

    @property
    def label(self) -> str:
        return shown(self._uri)

    @property
    def origin(self) -> Source:
        return self

    @property
    def size(self) -> int | None:
        return self._beginning.size

    @property
    def fingerprint(self) -> str | None:
        begun = self._beginning
        marks = "\n".join((identity(self._uri), str(begun.validator), begun.length))
        return hashlib.sha256(marks.encode()).hexdigest() if begun.validator else None

    def head(self) -> bytes:
        return self._beginning.head

    @cached_property
    def _beginning(self) -> _Beginning:
        import requests

        with self._request() as answer:
            try:
                head = _first_bytes(answer)
            except requests.RequestException as exc:
                raise self._unreadable(f"the transfer broke at its start: {explain(exc, self._uri).cause}") from exc
        if not head:
            raise self._unreadable("it is empty")
        return _Beginning(answer.headers.get("Content-Length", ""), validator(answer), strong_validator(answer), head)

    def tail(self) -> bytes:
        return self._tail

    @cached_property
    def _tail(self) -> bytes:
        """Asked for where the beginning may be that of a fixed VHD; nothing where the server does not give a part of the content."""
        import requests

        size = self.size
        if size is None or size <= len(self.head()) or sniff(self.head()) not in (None, RAW):
            return self.head()[-TAIL_SIZE:] if size == len(self.head()) else b""
        begun, wanted = self._beginning, (size - TAIL_SIZE, size - 1, size)
        try:
            with self._get({"Accept-Encoding": "identity", "Range": f"bytes={wanted[0]}-{wanted[1]}"}) as answer:
                same = validator(answer) in (begun.validator, None)
                if answer.status_code != 206 or content_range(answer) != wanted or not same:
                    return b""
                data = bytearray()
                for block in raw_content(answer, TAIL_SIZE):
                    data += block
                    if len(data) > TAIL_SIZE:
                        return b""
                return bytes(data) if len(data) == TAIL_SIZE else b""
        except (requests.RequestException, ImageServicesError, ValueError):
            return b""

    def blocks(self) -> Iterator[bytes]:
        import requests

        done, attempt, size = 0, 0, self.size
        while True:
            began_at = done
            try:
                with self._request(start=done) as answer:
                    for block in raw_content(answer, HTTP_BLOCK_SIZE):
                        if size is not None and done + len(block) > size:
                            raise self._unreadable(f"the server sends more than the {size} bytes that it has told")
                        if self.head()[done : done + len(block)] != block[: max(0, len(self.head()) - done)]:
                            raise self._unreadable("the content changed between two requests")
                        yield block
                        done += len(block)
                if size is None or done == size:
                    return
                cause = f"the server closed after {done} of {size} bytes"
            except requests.RequestException as exc:
                cause = f"the transfer broke after {done} bytes: {explain(exc, self._uri).cause}"
            attempt = 1 if done > began_at else attempt + 1
            if done and not self._resumable:
                raise self._unreadable(f"{cause}, and nothing vouches for the same bytes to follow: it has no strong ETag, and no checksum is declared")
            if attempt == HTTP_ATTEMPTS:
                raise self._unreadable(cause)
            self._clock.sleep(pause_after(attempt))

    @property
    def _resumable(self) -> bool:
        return self._checked or self._beginning.strong is not None

    def digests(self, algorithms: Iterable[str]) -> dict[str, str]:
        return digests_of(self.blocks(), algorithms)

    def _request(self, start: int = 0) -> requests.Response:
        headers = {"Accept-Encoding": "identity"}
        if start:
            headers["Range"] = f"bytes={start}-"
            if self._beginning.strong is not None:
                headers["If-Range"] = self._beginning.strong
        try:
            return ask(lambda: self._get(headers), self._uri, lambda answer: self._unusable(answer, start), self._clock, persistent=start > 0)
        except NoAnswer as exc:
            raise self._unreadable(f"the transfer broke after {start} bytes: {exc}" if start else str(exc), exc.advice) from exc

    def _unusable(self, answer: requests.Response, start: int) -> str | None:
        """Why an answer is not what was asked for, or None."""
        if answer.status_code >= 400:
            return f"the server answered {answer.status_code} {answer.reason}"
        if not start:
            return None if answer.status_code == 200 else f"the server answered {answer.status_code} {answer.reason} where all of it was asked for"
        begun = self._beginning
        if answer.status_code != 206:
            return "the content changed or the server cannot continue in the middle"
        told = content_range(answer)
        if told is None or told[0] != start or (begun.size is not None and told[2] not in (None, begun.size)) or (begun.size or told[1] + 1) <= told[1]:
            said = " ".join(answer.headers.get("Content-Range", "no Content-Range").split())[:60]
            return f"the server continues with another part of it than the one from byte {start} that was asked for ({said})"
        if begun.strong is not None and validator(answer) not in (begun.strong, begun.validator, None):
            return "the content changed"
        return None

    def _get(self, headers: dict[str, str]) -> requests.Response:
        return self._access.get(self._uri, headers)

    def _unreadable(self, cause: str, advice: str | None = None) -> Exception:
        return cannot("read", "uri", self.label, cause, advice or "Check uri from the host that the task runs on", code="bad_source")


def _first_bytes(answer: requests.Response) -> bytes:
    collected = bytearray()
    for block in raw_content(answer, HEAD_SIZE):
        collected += block
        if len(collected) >= HEAD_SIZE:
            break
    return bytes(collected[:HEAD_SIZE])
