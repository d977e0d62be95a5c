# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether one Glance works: which answers say so for which user, and what is left where they do not."""

from __future__ import annotations

from typing import Any

import pytest
import requests
from ansible_collections.xenstack.image_services.plugins.module_utils._core.errors import ImageServicesError
from ansible_collections.xenstack.image_services.plugins.module_utils._core.runner import carry_out
from ansible_collections.xenstack.image_services.plugins.module_utils._glance import service_check
from ansible_collections.xenstack.image_services.tests.support.clocks import JumpingClock

URL = "http://127.0.0.1:9292"
MADE = b'{"name": "check of the service"}'
LIST, LOOKUP, CREATE, READ, DELETE = "GET /v2/images", "GET /v2/images/*", "POST /v2/images", "GET /v2/images/*", "DELETE /v2/images/*"


class Script:
    """A Glance that answers from a list."""

    def __init__(self, *answers: tuple[int, bytes]) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    def request(self, url: str, method: str, **_kwargs: Any) -> requests.Response:
        path = url.removeprefix(URL)
        self.asked.append(f"{method} {path if path == '/v2/images' else '/v2/images/*'}")
        response = requests.Response()
        response.status_code, response._content = self.answers.pop(0)
        response.reason = "Reason"
        return response


def check(monkeypatch: pytest.MonkeyPatch, script: Script, check_mode: bool = False) -> dict[str, Any]:
    monkeypatch.setattr(service_check, "_token", lambda url, params: "token")
    monkeypatch.setattr(service_check, "_at", lambda url, token: script)
    params = {"url": f"{URL}/", "auth": {}, "ca_cert": None, "round_trip": True}
    return carry_out(service_check.ServiceCheckJob(params, JumpingClock()), check_mode)


WORKS: dict[str, tuple[list[tuple[int, bytes]], list[str], bool]] = {
    "an administrator": ([(200, b""), (201, b""), (200, MADE), (204, b"")], [LIST, CREATE, READ, DELETE], True),
    "a user of no role": ([(403, b""), (404, b""), (403, b"")], [LIST, LOOKUP, CREATE], False),
    "a reader": ([(200, b""), (403, b"")], [LIST, CREATE], False),
    "at the second time": ([(503, b""), (200, b""), (403, b"")], [LIST, LIST, CREATE], False),
}


@pytest.mark.parametrize("case", WORKS)
def test_it_works(monkeypatch: pytest.MonkeyPatch, case: str) -> None:
    answers, asked, went = WORKS[case]
    script = Script(*answers)
    assert check(monkeypatch, script) == {"changed": False, "url": URL, "round_trip": went}
    assert script.asked == asked


BROKEN: dict[str, tuple[list[tuple[int, bytes]], list[str], str]] = {
    "no database": ([(500, b"")] * 3, [LIST] * 3, "Glance answered 500 Reason"),
    "no database, and no role": ([(403, b"")] + [(500, b"")] * 3, [LIST] + [LOOKUP] * 3, "Glance answered 500 Reason"),
    "no Keystone": ([(503, b"")] * 3, [LIST] * 3, "Glance answered 503 Reason"),
    "another Keystone": ([(401, b"")], [LIST], "Glance answered 401 Reason"),
    "a lookup of everything": ([(403, b""), (403, b"")], [LIST, LOOKUP], "Glance answered 403 Reason"),
    "a read-only database": ([(200, b""), (500, b"")], [LIST, CREATE], "Glance answered 500 Reason"),
    "a lost image": ([(200, b""), (201, b""), (404, b""), (204, b"")], [LIST, CREATE, READ, DELETE], "Glance answered 404 Reason"),
    "another image": ([(200, b""), (201, b""), (200, b"{}"), (204, b"")], [LIST, CREATE, READ, DELETE], "comes back with the name 'None'"),
    "an image that stays": ([(200, b""), (201, b""), (200, MADE), (500, b"")], [LIST, CREATE, READ, DELETE], "Glance answered 500 Reason"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_it_does_not_work(monkeypatch: pytest.MonkeyPatch, case: str) -> None:
    answers, asked, cause = BROKEN[case]
    script = Script(*answers)
    with pytest.raises(ImageServicesError) as failed:
        check(monkeypatch, script)
    assert str(failed.value).startswith(f"Cannot verify Glance '{URL}': ")
    assert cause in str(failed.value)
    assert script.asked == asked


def test_check_mode_creates_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    script = Script((200, b""))
    assert check(monkeypatch, script, check_mode=True)["round_trip"] is False
    assert script.asked == [LIST]


def test_a_listener_is_asked_without_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the environment says, and whatever name its certificate is made for."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    session = service_check._at(URL, "token")
    assert (session.session.trust_env, session.verify) == (False, False)


def test_a_user_that_keystone_refuses_is_named_and_no_secret_is(monkeypatch: pytest.MonkeyPatch) -> None:
    auth = {"auth_url": "http://127.0.0.1:9/v3", "username": "glance", "password": "s3cret", "project_name": "service"}
    with pytest.raises(ImageServicesError) as failed:
        carry_out(service_check.ServiceCheckJob({"url": URL, "auth": auth, "ca_cert": None, "round_trip": False}), False)
    assert "Keystone at http://127.0.0.1:9/v3 gives no token to user 'glance'" in str(failed.value)
    assert "s3cret" not in str(failed.value)
