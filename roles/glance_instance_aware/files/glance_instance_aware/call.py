# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Calls of the application behind the filter, which return the complete response."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
Application = Callable[[Environ, StartResponse], Iterable[bytes]]

# Headers that describe a body, or make the response depend on what the client has cached.
EXCLUDED_HEADERS = ("CONTENT_TYPE", "CONTENT_LENGTH", "HTTP_TRANSFER_ENCODING", "HTTP_RANGE", "HTTP_CONTENT_RANGE")


@dataclass(frozen=True)
class Answer:
    status: str
    headers: list[tuple[str, str]]
    body: bytes

    @property
    def code(self) -> int:
        return int(self.status[:3])

    def document(self) -> Any:
        """The JSON document of the body, or None."""
        try:
            return json.loads(self.body.decode("utf-8"))
        except (ValueError, RecursionError):
            return None

    def with_document(self, document: Any) -> Answer:
        """The same response with another document, encoded as Glance does."""
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


def get_image(application: Application, environ: Environ, image_id: str) -> Answer:
    """Get an image with the permissions of the caller of this request."""
    asked = {key: value for key, value in environ.items() if key not in EXCLUDED_HEADERS and not key.startswith("HTTP_IF_")}
    asked.update({"REQUEST_METHOD": "GET", "PATH_INFO": f"/v2/images/{image_id}", "QUERY_STRING": "", "wsgi.input": io.BytesIO()})
    asked["webob.adhoc_attrs"] = dict(environ["webob.adhoc_attrs"])
    return call(application, asked)


def image_of(answer: Answer) -> dict[str, Any] | None:
    document = answer.document() if answer.code in (200, 201) else None
    return document if isinstance(document, dict) and isinstance(document.get("id"), str) else None
