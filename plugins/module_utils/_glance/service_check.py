# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""The work of the module glance_service_check: one Glance at one address answers a user of Keystone, and keeps what it is told."""

from __future__ import annotations

import traceback
import uuid
from typing import TYPE_CHECKING, Any

from ansible.module_utils.basic import missing_required_lib

from .._core.errors import ImageServicesError, cannot
from .._core.runner import Job, Params
from .http import GlanceError, HttpClient, glance_errors

try:
    import requests
    from keystoneauth1 import exceptions as ks
    from keystoneauth1.identity import v3
    from keystoneauth1.session import Session
    from keystoneauth1.token_endpoint import Token
except ImportError:
    KEYSTONEAUTH_IMPORT_ERROR: str | None = traceback.format_exc()
else:
    KEYSTONEAUTH_IMPORT_ERROR = None

if TYPE_CHECKING:
    from .._core.wait import Clock

# A restarted service is there already when it is checked; what fails three times in a row stays so.
ATTEMPTS = 3
IDENTITY_TIMEOUT = 60
ADVICE = "See Glance's log, and check its database and the credentials of its own user"


class ServiceCheckJob(Job[HttpClient, bool, bool]):
    """The work of the module glance_service_check."""

    def __init__(self, params: Params, clock: Clock | None = None) -> None:
        super().__init__(params)
        if KEYSTONEAUTH_IMPORT_ERROR is not None:
            raise ImageServicesError(missing_required_lib("keystoneauth1", reason="to ask Keystone for a token"), code="missing_library")
        self._url = params["url"].rstrip("/")
        self._clock = clock

    def look(self) -> HttpClient:
        http = HttpClient(_at(self._url, _token(self._url, self.params)), self._url, self._clock)
        self.opened.enter_context(glance_errors("verify", "Glance", self._url, ADVICE))
        _read(http)
        return http

    def plan(self, seen: HttpClient) -> bool:
        return bool(self.params["round_trip"])

    def must_apply(self, plan: bool) -> bool:
        return plan

    def apply(self, seen: HttpClient, plan: bool) -> bool:
        return _round_trip(seen)

    def result(self, seen: HttpClient, plan: bool, done: bool | None) -> dict[str, Any]:
        return {"changed": False, "url": self._url, "round_trip": bool(done)}


def _token(url: str, params: Params) -> str:
    auth = params["auth"]
    try:
        session = Session(auth=v3.Password(**auth), verify=params["ca_cert"] or True, timeout=IDENTITY_TIMEOUT)
        return str(session.get_token())
    except (ks.ClientException, TypeError) as exc:
        cause = " ".join(str(exc).split()).rstrip(".")
        advice = "Correct the credentials of Glance's own user, or see that Keystone answers"
        who = f"Keystone at {auth.get('auth_url')} gives no token to user '{auth.get('username')}': {cause}"
        raise cannot("verify", "Glance", url, who, advice, code=type(exc).__name__) from exc


def _at(url: str, token: str) -> Session:
    """A session with this very service: no proxy is used for the host's own address, and its certificate is for the public name."""
    connection = requests.Session()
    connection.trust_env = False
    return Session(auth=Token(url, token), session=connection, verify=False)


def _read(http: HttpClient) -> None:
    """One request that Keystone and the database have to answer, whatever roles the user has."""
    try:
        http.repeat(lambda: http.request("GET", "/v2/images", params={"limit": 1}), ATTEMPTS)
        return
    except GlanceError as exc:
        if exc.status != 403:
            raise
    try:
        http.repeat(lambda: http.request("GET", f"/v2/images/{uuid.uuid4()}"), ATTEMPTS)
    except GlanceError as exc:
        if exc.status != 404:
            raise


def _round_trip(http: HttpClient) -> bool:
    """An image without data comes, is read and goes; False where the user may not create any."""
    ident = str(uuid.uuid4())
    record = {"id": ident, "name": "check of the service", "disk_format": "raw", "container_format": "bare", "visibility": "private", "os_hidden": True}
    try:
        http.request("POST", "/v2/images", json=record)
    except GlanceError as exc:
        if exc.status == 403:
            return False
        raise
    try:
        found = http.request("GET", f"/v2/images/{ident}").json()
    finally:
        http.request("DELETE", f"/v2/images/{ident}")
    if found.get("name") != record["name"]:
        raise GlanceError(f"an image comes back with the name '{found.get('name')}' that was created as '{record['name']}'", kind="broken")
    return True
