# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One status has several causes: who has answered, and in which words, decides what an operator is told to do."""

from __future__ import annotations

import pytest
import requests
from ansible_collections.xenstack.image_services.plugins.module_utils._core.errors import ImageServicesError
from ansible_collections.xenstack.image_services.plugins.module_utils._glance.http import HttpClient, glance_errors
from ansible_collections.xenstack.image_services.plugins.module_utils._glance.identity import Identity
from ansible_collections.xenstack.image_services.tests.support.clocks import JumpingClock

REASONS = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    408: "Request Time-out",
    411: "Length Required",
    413: "Request Entity Too Large",
    503: "Service Unavailable",
    504: "Gateway Time-out",
}


def nginx(title: str, version: str = "nginx/1.22.1") -> str:
    """As nginx 1.22 writes it, and without the version with server_tokens off."""
    return (
        f"<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<center><h1>{title}</h1></center>\r\n"
        f"<hr><center>{version}</center>\r\n</body>\r\n</html>\r\n"
    )


def haproxy(title: str, words: str) -> str:
    """As HAProxy 2.6 writes it."""
    return f"<html><body><h1>{title}</h1>\n{words}\n</body></html>\n"


def glance(title: str, words: str) -> str:
    """As Glance 33 writes it."""
    return f"<html>\n <head>\n  <title>{title}</title>\n </head>\n <body>\n  <h1>{title}</h1>\n  {words}<br /><br />\n\n\n </body>\n</html>"


LARGE, LARGE_OF_HAPROXY = "413 Request Entity Too Large", "413 Payload Too Large"
LIMIT = "The limit has been exceeded on the number of allowed image "
KEYSTONE_LIMIT = (
    "The request returned a 413 Request Entity Too Large. This generally means that rate limiting or a quota threshold was breached.\n\nThe response body:\n"
    "Project 2f1e is over a limit for [Resource image_size_total is over limit of 1 due to current usage 0 and delta 1]"
)
CLIENT_MAX = "Set client_max_body_size 0 for Glance in nginx, then run the task again."
# Status, body, what the cause is and what the advice is.
ANSWERS: list[tuple[int, str, str, str]] = [
    (413, nginx(LARGE), "nginx in front of Glance answered 413 Request Entity Too Large", CLIENT_MAX),
    (413, nginx(LARGE, "nginx"), "nginx in front of Glance answered 413 Request Entity Too Large", CLIENT_MAX),
    (
        413,
        haproxy(LARGE_OF_HAPROXY, "The request entity exceeds the maximum allowed."),
        "HAProxy in front of Glance answered 413 Request Entity Too Large: The request entity exceeds the maximum allowed.",
        "Raise the size of requests that HAProxy allows for Glance, then run the task again.",
    ),
    (
        413,
        glance(LARGE, LIMIT + "properties. Attempted: 140, Maximum: 128"),
        "Glance answered 413 Request Entity Too Large: The limit has been exceeded",
        "Declare fewer properties, or raise image_property_quota in Glance.",
    ),
    (413, glance(LARGE, LIMIT + "tags. Attempted: 140, Maximum: 128"), "image tags.", "Declare fewer tags, or raise image_tag_quota in Glance."),
    (
        413,
        glance(LARGE, LIMIT + "members for this image. Attempted: 3, Maximum: 2"),
        "image members for this image.",
        "Declare fewer members, or raise image_member_quota in Glance.",
    ),
    (
        413,
        glance(LARGE, "The incoming image is too large: The provided image is too large."),
        "too large",
        "Give a smaller image, or raise image_size_cap in Glance.",
    ),
    (
        413,
        glance(LARGE, "Image exceeds the storage quota: The size of the data 8 will exceed the limit. 7 bytes remaining."),
        "7 bytes remaining.",
        "Delete images that are not needed, or raise user_storage_quota in Glance, then run the task again.",
    ),
    (413, glance(LARGE, KEYSTONE_LIMIT), "image_size_total", "or raise the limits of the project in Keystone, then run the task again."),
    (
        413,
        glance(LARGE, "Image storage media is full: There is not enough disk space on the image storage media."),
        "is full",
        "Free space in the store, then run",
    ),
    (413, "Request Entity Too Large", "Glance answered 413", "or raise what a proxy in front of Glance allows (nginx: client_max_body_size), then run"),
    (
        411,
        nginx("411 Length Required"),
        "nginx in front of Glance answered 411 Length Required",
        "Upload a file without decompress, so that its length is known",
    ),
    (411, "", "Glance answered 411 Length Required", "have the proxy in front of Glance pass on bodies in chunks."),
    (401, nginx("401 Authorization Required"), "nginx in front of Glance answered 401", "Have nginx pass requests to Glance on without a login of its own."),
    (
        401,
        haproxy("401 Unauthorized", "You need a valid user and password to access this content."),
        "HAProxy in front of Glance answered 401",
        "Have HAProxy pass requests to Glance on",
    ),
    (401, glance("401 Unauthorized", "This server could not verify"), "Glance answered 401", "Check the credentials, then run the task again."),
    (403, nginx("403 Forbidden"), "nginx in front of Glance answered 403", "Correct the rules of nginx that refuse the request"),
    (
        403,
        haproxy("403 Forbidden", "Request forbidden by administrative rules."),
        "administrative rules.",
        "Correct the rules of HAProxy that refuse the request",
    ),
    (
        403,
        glance("403 Forbidden", "You are not authorized to complete publicize_image action."),
        "Glance answered 403",
        "Use a project or a role that may do this.",
    ),
    (403, glance("403 Forbidden", "You cannot delete file /srv/old/1"), "Glance answered 403", "Glance's service itself may not remove it, whoever asks"),
    (400, glance("400 Bad Request", "Size mismatch: expected 1000 bytes, got 0 bytes"), "got 0 bytes", "See whether a proxy in front of Glance drops the body"),
    (400, glance("400 Bad Request", "Invalid value"), "Glance answered 400", "Correct the option that Glance names."),
    (408, "", "Glance answered 408", "Raise the time that a proxy in front of Glance waits for a request."),
    (503, nginx("503 Service Temporarily Unavailable"), "nginx in front of Glance", "See that Glance runs and that nginx reaches it, then run"),
    (
        503,
        haproxy("503 Service Unavailable", "No server is available to handle this request."),
        "No server",
        "See that Glance runs and that HAProxy reaches it",
    ),
    (503, glance("503 Service Unavailable", "Insufficient permissions"), "Glance answered 503", "See that Glance answers, then run the task again."),
    (504, nginx("504 Gateway Time-out"), "nginx in front of Glance", "Raise proxy_read_timeout and proxy_send_timeout for Glance in nginx, then run"),
    (504, haproxy("504 Gateway Time-out", "The server didn't respond in time."), "HAProxy in", "Raise timeout server and timeout client for Glance in HAProxy"),
]


class Answering:
    """A session whose service always gives the same answer."""

    def __init__(self, status: int, body: str, kind: str = "text/html") -> None:
        self.answer = requests.Response()
        self.answer.status_code, self.answer.reason, self.answer._content = status, REASONS[status], body.encode()
        self.answer.headers["Content-Type"] = kind

    def request(self, *_args: object, **_kwargs: object) -> requests.Response:
        return self.answer


@pytest.mark.parametrize(("status", "body", "cause", "advice"), ANSWERS)
def test_the_advice_is_by_the_cause(status: int, body: str, cause: str, advice: str) -> None:
    with pytest.raises(ImageServicesError) as caught, glance_errors("upload", "image", "debian"):
        HttpClient(Answering(status, body), "http://glance", JumpingClock()).request("PUT", "/v2/images/1/file")
    text = str(caught.value)
    assert text.startswith("Cannot upload image 'debian': ")
    before, found, _after = text.partition(advice)
    assert found, text
    assert cause in before
    assert "<" not in text
    assert caught.value.code == status


KEYSTONE_401 = '{"error": {"code": 401, "message": "The request you have made requires authentication.", "title": "Unauthorized"}}'
KEYSTONE_403 = '{"error": {"code": 403, "message": "You are not authorized to perform the requested action.", "title": "Forbidden"}}'
LOOKUPS = [
    (401, KEYSTONE_401, "application/json", "Keystone answered 401 Unauthorized: The request you", "Give the project's id: access rules of an application"),
    (403, KEYSTONE_403, "application/json", "Keystone answered 403 Forbidden: You are not", "Give the project's id."),
    (
        503,
        nginx("503 Service Temporarily Unavailable"),
        "text/html",
        "nginx in front of Keystone answered 503",
        "See that Keystone runs and that nginx reaches it",
    ),
    (503, "", "text/html", "Keystone answered 503", "See that Keystone answers, then run the task again."),
]


@pytest.mark.parametrize(("status", "body", "kind", "cause", "advice"), LOOKUPS)
def test_a_project_that_keystone_does_not_tell(status: int, body: str, kind: str, cause: str, advice: str) -> None:
    http = HttpClient(Answering(status, body, kind), "http://keystone", JumpingClock(), service="Keystone")
    with pytest.raises(ImageServicesError) as caught:
        Identity(http).project_id("alpha")
    assert str(caught.value).startswith(f"Cannot find project 'alpha': {cause}")
    assert advice in str(caught.value)
