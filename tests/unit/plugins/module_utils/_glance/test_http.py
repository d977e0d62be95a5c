# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests: what is repeated, what is not, and what of an answer reaches the operator."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import requests
from ansible_collections.xenstack.image_services.plugins.module_utils._core.errors import ImageServicesError
from ansible_collections.xenstack.image_services.plugins.module_utils._glance.api import Glance
from ansible_collections.xenstack.image_services.plugins.module_utils._glance.argspec import auth_secrets
from ansible_collections.xenstack.image_services.plugins.module_utils._glance.http import GlanceError, HttpClient, glance_errors
from ansible_collections.xenstack.image_services.tests.support.clocks import JumpingClock
from hypothesis import given
from hypothesis import strategies as st
from keystoneauth1 import exceptions as ks


class Script:
    """A session that answers from a list; an exception in it is raised."""

    def __init__(self, *answers: tuple[int, bytes] | Exception) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []
        self.data: Any = None

    def request(self, url: str, method: str, **kwargs: Any) -> requests.Response:
        self.asked.append(f"{method} {url}")
        self.data = kwargs.get("data")
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        response = requests.Response()
        response.status_code, response._content = answer
        response.reason = "Reason"
        response.headers["x-openstack-request-id"] = "req-7"
        return response


def client(script: Script) -> HttpClient:
    return HttpClient(script, "http://glance/", JumpingClock())


def test_reads_are_repeated_while_the_far_end_is_away() -> None:
    script = Script(ks.ConnectFailure("gone"), (503, b""), (429, b""), (200, b'{"id": "a"}'))
    http = client(script)
    assert http.get("/v2/images/a").json() == {"id": "a"}
    assert script.asked == ["GET http://glance/v2/images/a"] * 4
    assert isinstance(http.clock, JumpingClock)
    assert http.clock.slept == sorted(http.clock.slept), "pauses grow"


def test_a_final_refusal_is_not_repeated() -> None:
    script = Script((403, b"no"))
    with pytest.raises(GlanceError) as caught:
        client(script).get("/v2/images")
    assert (caught.value.status, caught.value.request_id, caught.value.retryable) == (403, "req-7", False)


@pytest.mark.parametrize("send", [Glance.upload, Glance.stage])
def test_a_body_of_unknown_length_goes_in_small_chunks(send: Callable[..., None]) -> None:
    """uWSGI refuses chunks of 1 MiB, which are the blocks that content is read in."""
    blocks = [b"a" * 1024 * 1024, b"", b"b" * 100_000, b"c"]
    script = Script((204, b""))
    send(Glance(client(script), "p"), "a", blocks, None)
    # A library that logs in again sends the body again.
    for _again in range(2):
        chunks = list(script.data)
        assert b"".join(chunks) == b"".join(blocks)
        assert max(map(len, chunks)) <= 64 * 1024
        assert b"" not in chunks, "it would end the body"


def test_a_body_of_known_length_is_sent_as_it_is() -> None:
    blocks = [b"a" * 1024 * 1024]
    script = Script((204, b""))
    Glance(client(script), "p").upload("a", blocks, 1024 * 1024)
    assert script.data is blocks


def test_data_is_never_repeated_below_the_uploader() -> None:
    script = Script((503, b""))
    with pytest.raises(GlanceError):
        Glance(client(script), "p").upload("a", b"data", 4)
    assert len(script.asked) == 1


@pytest.mark.parametrize(
    ("failure", "code", "retryable"),
    [
        (ks.ConnectFailure("gone"), "connection", True),
        (ks.ConnectTimeout("slow"), "connection", True),
        (ks.UnknownConnectionError("odd", OSError()), "connection", True),
        (ks.SSLError("CERTIFICATE_VERIFY_FAILED: self-signed"), "tls", False),
        (ks.Unauthorized("no"), 401, False),
        (ks.ServiceUnavailable("busy"), "connection", True),
        (ks.EndpointNotFound("none"), "client", False),
    ],
)
def test_every_failure_of_a_session_becomes_one_that_says_what_to_do(failure: Exception, code: object, retryable: bool) -> None:
    with pytest.raises(GlanceError) as caught:
        client(Script(failure)).request("GET", "/v2/images")
    assert (caught.value.code, caught.value.retryable) == (code, retryable)
    assert caught.value.advice


def test_attempts_end() -> None:
    script = Script(*[(502, b"")] * 6)
    with pytest.raises(GlanceError, match="502"):
        client(script).get("/v2/images")
    assert script.answers == []


def test_glances_page_becomes_one_line_and_the_sentence_says_what_to_do() -> None:
    page = b"<html><head><title>409</title></head><body><h1>409 Conflict</h1>Image <b>a</b> is\n in use.<br /><br /></body></html>"
    with pytest.raises(ImageServicesError) as caught, glance_errors("delete", "image", "a"):
        client(Script((409, page))).request("DELETE", "/v2/images/a")
    assert str(caught.value) == (
        "Cannot delete image 'a': Glance answered 409 Reason: Image a is in use. Wait for the other operation on this image to end, then run the task again."
    )


@given(st.binary(max_size=300), st.integers(400, 599))
def test_no_answer_breaks_the_reader(body: bytes, status: int) -> None:
    with pytest.raises(GlanceError) as caught:
        client(Script((status, body))).request("GET", "/")
    assert "\n" not in str(caught.value)
    assert str(status) in str(caught.value)


def test_pages_are_followed_to_the_end() -> None:
    script = Script((200, b'{"images": [{"id": "a"}], "next": "/v2/images?marker=a"}'), (200, b'{"images": [{"id": "b"}]}'))
    assert [image["id"] for image in Glance(client(script), "p").images([("tag", "x")])] == ["a", "b"]
    assert script.asked[1] == "GET http://glance/v2/images?marker=a"


def test_what_may_be_a_secret_of_an_auth_dictionary_is_one() -> None:
    auth = {"auth_url": "http://k", "username": "alice", "password": "p1", "new_plugin_thing": {"deep": ["p2", 3]}, "mfa": True, "token": ""}
    assert sorted(auth_secrets(auth)) == ["3", "p1", "p2"]
    assert list(auth_secrets(None)) == []


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"<html><body><h1>403 Forbidden</h1>You cannot delete file /srv/old/1<br /></body></html>", "Glance's service itself may not remove it, whoever asks"),
        (b"<html><body><h1>403 Forbidden</h1>You are not permitted<br /></body></html>", "Use a project or a role that may do this"),
    ],
)
def test_a_file_that_glance_may_not_remove_is_no_matter_of_roles(body: bytes, words: str) -> None:
    session = Script((403, body))
    with pytest.raises(ImageServicesError, match=words), glance_errors("delete", "image", "a"):
        HttpClient(session, "http://glance", clock=JumpingClock()).request("DELETE", "/v2/images/1")
