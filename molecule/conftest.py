# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The services of a scenario's host, asked on the host itself, where they listen."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from testinfra.host import Host

# Sends the request that its only argument describes; prints status, headers and body as JSON.
REQUEST = """
import json, sys, urllib.error, urllib.request
wanted = json.loads(sys.argv[1])
request = urllib.request.Request(wanted["url"], wanted["body"].encode(), wanted["headers"], method=wanted["method"])
try:
    answer = urllib.request.urlopen(request)
except urllib.error.HTTPError as refused:
    answer = refused
print(json.dumps([answer.status, dict(answer.headers), answer.read().decode()]))
"""


def pytest_collection_modifyitems(items: list[pytest.Function]) -> None:
    items[:] = [item for item in items if is_for_its_host(item)]


def is_for_its_host(test: pytest.Function) -> bool:
    """Tests of a module that names a host are for no other."""
    only = getattr(test.module, "ONLY_ON", None)
    return only is None or only == test.callspec.params["_testinfra_host"].backend.get_hostname()


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: str

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Api:
    """Keystone and Glance of one host."""

    host: Host
    token: str = ""

    def call(self, method: str, url: str, body: str = "", **headers: str) -> Answer:
        named = {name.replace("_", "-"): value for name, value in {"x_auth_token": self.token, **headers}.items()}
        wanted = json.dumps({"method": method, "url": url, "body": body, "headers": named})
        return Answer(*json.loads(self.host.check_output("python3 -c %s %s", REQUEST, wanted)))

    def glance(self, method: str, path: str, body: str = "", **headers: str) -> Answer:
        return self.call(method, f"http://127.0.0.1:9292{path}", body, **headers)

    def login(self, user: str, password: str, project: str) -> Api:
        domain = {"id": "default"}
        identity = {"methods": ["password"], "password": {"user": {"name": user, "password": password, "domain": domain}}}
        body = json.dumps({"auth": {"identity": identity, "scope": {"project": {"name": project, "domain": domain}}}})
        answer = self.call("POST", "http://127.0.0.1:5000/v3/auth/tokens", body, content_type="application/json")
        assert answer.status == 201, answer.body
        return Api(self.host, {name.lower(): value for name, value in answer.headers.items()}["x-subject-token"])


@pytest.fixture(scope="module")
def nobody(host: Host) -> Api:
    """Somebody without a token."""
    return Api(host)


@pytest.fixture(scope="module")
def admin(nobody: Api) -> Api:
    return nobody.login("admin", "molecule-admin", "admin")


@pytest.fixture(scope="module")
def service(nobody: Api) -> Api:
    """The service user, who is known to Keystone as declared."""
    return nobody.login("glance", "molecule-gl%nce$ecret{x}", "service")
