# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Calls of the application behind the filter, with the answer in hand."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
Application = Callable[[Environ, StartResponse], Iterable[bytes]]

# What says something of a body, or makes an answer depend on what the caller has already.
NOT_FOR_A_LOOK = ("CONTENT_TYPE", "CONTENT_LENGTH", "HTTP_TRANSFER_ENCODING", "HTTP_RANGE", "HTTP_CONTENT_RANGE")


@dataclass(frozen=True)
class Answer:
    status: str
    headers: list[tuple[str, str]]
    body: bytes

    @property
    def code(self) -> int:
        return int(self.status[:3])

    def document(self) -> Any:
        """The JSON of it, or None."""
        try:
            return json.loads(self.body.decode("utf-8"))
        except (ValueError, RecursionError):
            return None

    def with_document(self, document: Any) -> Answer:
        """The same answer with another document in it, written as Glance writes it."""
        try:
            body = json.dumps(document, ensure_ascii=False).encode("utf-8")
        except UnicodeEncodeError:
            body = json.dumps(document).encode("ascii")
        headers = [(name, value) for name, value in self.headers if name.lower() != "content-length"]
        return Answer(self.status, [*headers, ("Content-Length", str(len(body)))], body)

    def give(self, start_response: StartResponse) -> list[bytes]:
        start_response(self.status, self.headers)
        return [self.body]


def call(application: Application, environ: Environ) -> Answer:
    started: list[Any] = []
    pieces: list[bytes] = []

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Callable[[bytes], None]:
        started[:] = [status, list(headers)]
        return pieces.append

    result = application(environ, start_response)
    try:
        pieces.extend(result)
    finally:
        close = getattr(result, "close", None)
        if close is not None:
            close()
    status, headers = started
    return Answer(status, headers, b"".join(pieces))


def look(application: Application, environ: Environ, image_id: str) -> Answer:
    """A GET of an image by the caller of this request, who sees by it what they may see."""
    asked = {key: value for key, value in environ.items() if key not in NOT_FOR_A_LOOK and not key.startswith("HTTP_IF_")}
    asked.update({"REQUEST_METHOD": "GET", "PATH_INFO": f"/v2/images/{image_id}", "QUERY_STRING": "", "wsgi.input": io.BytesIO()})
    asked["webob.adhoc_attrs"] = dict(environ["webob.adhoc_attrs"])
    return call(application, asked)


def image_of(answer: Answer) -> dict[str, Any] | None:
    document = answer.document() if answer.code in (200, 201) else None
    return document if isinstance(document, dict) and isinstance(document.get("id"), str) else None
