# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""Disks over XAPI's HTTP handlers: one task for each request, whose status is the result.

The host answers 200 before it reads the body, and says by its task alone, sometimes in a second answer as well, what became of it.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from typing import Any
from urllib.parse import urlencode, urlsplit

from .._core.errors import ImageServicesError, cannot
from .failures import XapiFailure
from .http_channel import Ended, HttpChannel, Silent
from .session import Pool
from .tasks import GRACE, UNFINISHED, Task, follow
from .tls import Address, connection_error, parse_address

# What a host takes of request line and headers together; more is answered with 431.
MAX_HEAD = 1024
MAX_REDIRECTS = 3
# Seconds between two looks at a task whose connection is silent.
MAX_LOOK = 2.0
MAX_READ = 1 << 20


def put(pool: Pool, path: str, query: Mapping[str, str], blocks: Iterable[bytes], length: int | None, what: str) -> str:
    """Send the blocks, ``length`` bytes where it is given, and return the result of their task; XapiFailure where that failed.

    When this returns or raises, the host has let go of the disk, as far as it can be seen within some seconds.
    """
    headers = {} if length is None else {"Content-Length": str(length)}
    with Task(pool, what) as task, _judged(what), _opened(pool, task, "PUT", path, query, headers, what) as line:
        try:
            for block in blocks:
                line.send(block)
            _await_end(pool, task.ref, line, what)
        except Ended as exc:
            if not isinstance(exc, Silent):
                # Whatever it has said, the task knows why; the data was not complete.
                follow(pool, task.ref, what, GRACE)
            raise _broke(what, exc) from exc
        return task.wait(what)


class Download:
    """A readable stream."""

    def __init__(self, line: HttpChannel) -> None:
        self._line = line
        self.ended = False

    def read(self, count: int) -> bytes:
        """At most ``count`` bytes; none at the end."""
        if self.ended:
            return b""
        try:
            data = self._line.read(min(count, MAX_READ))
        except Ended:
            self.ended = True
            raise
        self.ended = not data
        return data

    def blocks(self, size: int = MAX_READ) -> Iterator[bytes]:
        while data := self.read(size):
            yield data


@contextmanager
def get(pool: Pool, path: str, query: Mapping[str, str], what: str) -> Iterator[Download]:
    """The bytes that the host sends; leaving the context well reads them to their end, and raises XapiFailure where their task failed."""
    with Task(pool, what) as task, _judged(what), ExitStack() as stack:
        download = Download(stack.enter_context(_opened(pool, task, "GET", path, query, {}, what)))
        try:
            yield download
            while download.read(MAX_READ):
                pass
        except (Ended, ImageServicesError) as exc:
            # The task of a host that is merely silent runs until the connection is closed.
            if download.ended and not isinstance(exc, Silent):
                # What came was cut short, and the task knows why.
                follow(pool, task.ref, what, GRACE)
            raise
        task.wait(what)


@contextmanager
def _judged(what: str) -> Iterator[None]:
    try:
        yield
    except XapiFailure as exc:
        raise _named(exc) from exc
    except Ended as exc:
        raise _broke(what, exc) from exc


def _broke(what: str, exc: Ended) -> ImageServicesError:
    return cannot("finish", "transfer", what, f"the connection to the host broke ({exc})", "Run the task again", code="connection")


def _named(failure: XapiFailure) -> XapiFailure:
    """A disk that is gone looks like a missing right, since rights are looked up for each disk."""
    if failure.code == "RBAC_PERMISSION_DENIED" and any("_INVALID" in each for each in failure.params[1:]):
        return XapiFailure("HANDLE_INVALID", ["VDI"])
    return failure


@contextmanager
def _opened(pool: Pool, task: Task, method: str, path: str, query: Mapping[str, str], headers: Mapping[str, str], what: str) -> Iterator[HttpChannel]:
    """A connection on which the host has said 200; another host of the pool where it names one that reaches the disk."""
    target = f"{path}?{urlencode({**query, 'task_id': task.ref})}"
    address: Address = pool.address
    for _step in range(MAX_REDIRECTS):
        line = _connect(pool, address)
        try:
            status, reason, answer = _ask(pool, line, address, method, target, headers)
            location = answer.get("location", "")
            if status == 302 and location:
                parts = urlsplit(location)
                address, target = parse_address(f"{parts.scheme}://{parts.netloc}", near=address), f"{parts.path}?{parts.query}"
                continue
            if status != 200:
                raise _refusal(pool, task.ref, f"{status} {reason}".rstrip(), line.rest())
            try:
                yield line
            except BaseException:
                # Told once the host has noticed, because until then it holds the disk.
                line.close()
                with suppress(XapiFailure, ImageServicesError):
                    follow(pool, task.ref, what, GRACE)
                raise
            return
        finally:
            line.close()
    raise cannot("find", "host for", path, "the pool's hosts send each other's way", "See which host is connected to the SR", code="redirects")


def _connect(pool: Pool, address: Address) -> HttpChannel:
    connection = pool.connection(address)
    try:
        connection.connect()
    except OSError as exc:
        raise connection_error(exc, address) from exc
    return HttpChannel(connection, pool.idle_timeout)


def _ask(pool: Pool, line: HttpChannel, address: Address, method: str, target: str, headers: Mapping[str, str]) -> tuple[int, str, dict[str, str]]:
    # The session is a secret, and addresses are what servers write down.
    lines = [f"{method} {target} HTTP/1.1", f"Host: {address}", f"Cookie: session_id={pool.session_ref}", "Connection: close"]
    head = "\r\n".join([*lines, *(f"{name}: {value}" for name, value in headers.items()), "", ""]).encode("latin-1")
    if len(head) > MAX_HEAD:
        raise cannot("ask", "host", str(address), f"the request takes {len(head)} bytes, and hosts take {MAX_HEAD}", "Shorten hostname", code="too_long")
    try:
        line.send(head)
        return line.head()
    except Ended as exc:
        raise cannot("ask", "host", str(address), f"it has closed the connection ({exc})", "Run the task again", code="connection") from exc


def _refusal(pool: Pool, ref: str, answer: str, page: bytes) -> Exception:
    """What an answer in place of the 200 means; the task tells it best where it does."""
    record: dict[str, Any] = {}
    with suppress(XapiFailure, ImageServicesError):
        record = pool.call("task.get_record", ref)
    if record.get("error_info"):
        return XapiFailure(record["error_info"][0], record["error_info"][1:])
    text = " ".join(html.unescape(re.sub(r"<h1>.*?</h1>|<[^>]*>", " ", page.decode("utf-8", "replace"))).split()).replace(pool.session_ref, "(session)")
    if answer.startswith("401"):
        return XapiFailure("SESSION_INVALID", [])
    cause = f"it answers {answer}" + (f": {text[:300]}" if text else "")
    return cannot("ask", "host", pool.url, cause, "See the log of the host (/var/log/xensource.log)", code=answer[:3])


def _await_end(pool: Pool, ref: str, line: HttpChannel, what: str) -> None:
    """Until the host closes the connection, says something, or its task ends; silence of both for too long is an error."""
    state: object = None
    moved_at, look = pool.clock.now(), 0.05
    while True:
        said = line.heard() if line.readable(look) else None
        if said:
            # A second answer tells of a failure, and so will the task.
            follow(pool, ref, what, GRACE)
            raise cannot("finish", "task", what, "the host tells of a failure, and its task of none", "Run the task again", code="contradiction")
        if said is not None:
            return
        record = pool.call("task.get_record", ref)
        if record["status"] not in UNFINISHED:
            return
        if record["progress"] != state:
            state, moved_at = record["progress"], pool.clock.now()
        elif pool.clock.now() - moved_at >= pool.idle_timeout:
            cause = f"all data is sent, and for {pool.idle_timeout:g} seconds the host has neither ended nor gone on"
            raise cannot("finish", "task", what, cause, "See the log of the host (/var/log/SMlog), or raise timeout", code="stalled")
        look = min(look * 1.5, MAX_LOOK)
