# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests: what is repeated, what is not, and what of an answer reaches the operator."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests
from ansible_collections.xenstack.image_services.plugins.module_utils._content.source import FileSource
from ansible_collections.xenstack.image_services.plugins.module_utils._core.errors import ImageServicesError
from ansible_collections.xenstack.image_services.plugins.module_utils._core.wait import MAX_RETRY_AFTER
from ansible_collections.xenstack.image_services.plugins.module_utils._glance.api import Glance
from ansible_collections.xenstack.image_services.plugins.module_utils._glance.argspec import auth_secrets
from ansible_collections.xenstack.image_services.plugins.module_utils._glance.http import GlanceError, HttpClient, glance_errors
from ansible_collections.xenstack.image_services.plugins.module_utils._images.placement_apply import Placer
from ansible_collections.xenstack.image_services.plugins.module_utils._images.placement_plan import Placement
from ansible_collections.xenstack.image_services.plugins.module_utils._images.transfer import Sending, put_data
from ansible_collections.xenstack.image_services.tests.support.clocks import JumpingClock
from hypothesis import given
from hypothesis import strategies as st
from keystoneauth1 import exceptions as ks


class Script:
    """A session that answers from a list; an exception in it is raised."""

    def __init__(self, *answers: tuple[int, bytes] | Exception, retry_after: str | None = None) -> None:
        self.answers = list(answers)
        self.retry_after = retry_after
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
        if self.retry_after is not None:
            response.headers["Retry-After"] = self.retry_after
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


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
@pytest.mark.parametrize(
    ("told", "pause"),
    [("30", 30.0), (" 45 ", 45.0), ("100000", MAX_RETRY_AFTER), ("Wed, 01 Jan 2121 00:00:00 GMT", MAX_RETRY_AFTER), ("soon", None), ("0", None), (None, None)],
)
def test_the_pause_that_glance_asks_for_is_kept(status: int, told: str | None, pause: float | None) -> None:
    http = client(Script((status, b""), (200, b"{}"), retry_after=told))
    http.get("/v2/images")
    assert isinstance(http.clock, JumpingClock)
    assert http.clock.slept == [pause] if pause is not None else http.clock.slept[0] < 1


def test_data_is_sent_again_after_the_pause_that_glance_asks_for(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.write_bytes(b"data")
    queued = (200, b'{"id": "a", "status": "queued"}')
    http = client(Script((503, b""), queued, (204, b""), retry_after="50"))
    put_data(Glance(http, "p"), "a", Sending(FileSource(str(disk)), ["sha256"], None, 10.0), None)
    assert isinstance(http.clock, JumpingClock)
    assert http.clock.slept == [50.0]


def test_a_copy_is_asked_for_again_after_the_pause_that_glance_asks_for() -> None:
    before, after = ((200, f'{{"id": "a", "status": "active", "stores": "{stores}"}}'.encode()) for stores in ("fast", "fast,archive"))
    script = Script(before, before, (503, b""), after, after, after, retry_after="50")
    http = client(script)
    placed = Placer(Glance(http, "p"), 10.0).place("a", Placement(("archive",)), ["fast"])
    assert isinstance(http.clock, JumpingClock)
    assert (placed.failures, http.clock.slept[:1]) == ([], [50.0])
    assert script.asked[2] == "POST http://glance/v2/images/a/import"


def test_the_pause_that_the_identity_service_asks_for_is_kept() -> None:
    busy = requests.Response()
    busy.status_code = 503
    busy.headers["Retry-After"] = "40"
    http = client(Script(ks.ServiceUnavailable("busy", response=busy), (200, b"{}")))
    http.get("/v2/images")
    assert isinstance(http.clock, JumpingClock)
    assert http.clock.slept == [40.0]


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
