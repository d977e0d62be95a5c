# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""Keystone's v3 API with the standard library alone: the host that runs Keystone needs no SDK to seed it."""

from __future__ import annotations

import json
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode

from ansible.module_utils.urls import open_url

from .._core.errors import ImageServicesError, cannot
from .plan import Change, EndpointKey, Grant, KeystoneFacts

COLLECTIONS = {"project": "projects", "role": "roles", "user": "users", "service": "services", "endpoint": "endpoints"}


class KeystoneClient:
    """One session as an administrator of one domain."""

    def __init__(self, auth_url: str, *, domain: str, validate_certs: bool, timeout: int) -> None:
        self._base = auth_url.rstrip("/")
        if not self._base.endswith("/v3"):
            self._base += "/v3"
        self._domain = domain
        self._validate_certs = validate_certs
        self._timeout = timeout
        self._token: str | None = None
        self._ids: dict[tuple[str, str], str] = {}
        self._endpoint_ids: dict[tuple[str, ...], str] = {}

    def log_in(self, username: str, password: str, project: str) -> None:
        """Become the administrator; any refusal is an error."""
        scope = {"project": {"name": project, "domain": {"id": self._domain}}}
        try:
            self._token = self._new_token(username, password, scope)
        except HTTPError as error:
            raise cannot(
                "log in to",
                "Keystone",
                self._base,
                f"it answers {error.code} to user '{username}'",
                "Check the user, its password and project",
                code=error.code,
            ) from error

    def accepts(self, username: str, password: str) -> bool:
        """Whether the user gets in with this password."""
        try:
            self._new_token(username, password, "unscoped")
        except HTTPError as error:
            if error.code == 401:
                return False
            raise self._refusal("log in as", "user", username, error) from error
        return True

    def read(self, passwords: dict[str, str]) -> KeystoneFacts:
        """Everything that can be declared; ``passwords`` of existing users are tried."""
        projects = self._list("project", domain_id=self._domain)
        users = self._list("user", domain_id=self._domain)
        roles = self._list("role")
        services = self._list("service")
        service_names = {item["id"]: item["name"] for item in services.values() if "name" in item}
        endpoints: dict[EndpointKey, str] = {}
        for item in self._request("GET", "/endpoints")["endpoints"]:
            key = (service_names.get(item["service_id"], ""), item["interface"], item["region_id"] or "")
            endpoints[key] = item["url"]
            self._endpoint_ids[key] = item["id"]
        return KeystoneFacts(
            projects=projects,
            roles=frozenset(roles),
            users=users,
            services=services,
            endpoints=endpoints,
            grants=frozenset(self._grants()),
            accepted_passwords=frozenset(name for name, password in passwords.items() if name in users and self.accepts(name, password)),
        )

    def apply(self, change: Change) -> None:
        """Send one change; what it refers to was read or created before."""
        if change.kind == "grant":
            user, project, role = (self._ids[kind, name] for kind, name in zip(("user", "project", "role"), change.key))
            self._change(change, "PUT", f"/projects/{project}/users/{user}/roles/{role}", None)
        elif change.verb == "create":
            answer = self._change(change, "POST", f"/{COLLECTIONS[change.kind]}", {change.kind: self._new_body(change)})
            self._ids[change.kind, change.name] = answer[change.kind]["id"]
        else:
            identifier = self._endpoint_ids[change.key] if change.kind == "endpoint" else self._ids[change.kind, change.name]
            self._change(change, "PATCH", f"/{COLLECTIONS[change.kind]}/{identifier}", {change.kind: change.values})

    def _new_body(self, change: Change) -> dict[str, Any]:
        if change.kind == "endpoint":
            service, interface, region = change.key
            return {"service_id": self._ids["service", service], "interface": interface, "region_id": region, **change.values}
        domain = {"domain_id": self._domain} if change.kind in ("project", "user") else {}
        return {"name": change.name, **domain, **change.values}

    def _list(self, kind: str, **query: str) -> dict[str, dict[str, Any]]:
        items = self._request("GET", f"/{COLLECTIONS[kind]}", query)[COLLECTIONS[kind]]
        for item in items:
            self._ids[kind, item.get("name", "")] = item["id"]
        return {item.get("name", ""): item for item in items}

    def _grants(self) -> list[Grant]:
        assignments = self._request("GET", "/role_assignments", {"include_names": "true"})["role_assignments"]
        return [
            (item["user"]["name"], item["scope"]["project"]["name"], item["role"]["name"])
            for item in assignments
            if "user" in item and "project" in item.get("scope", {}) and item["user"]["domain"]["id"] == self._domain
        ]

    def _new_token(self, username: str, password: str, scope: Any) -> str:
        user = {"name": username, "password": password, "domain": {"id": self._domain}}
        body = {"auth": {"identity": {"methods": ["password"], "password": {"user": user}}, "scope": scope}}
        with self._open("POST", "/auth/tokens", body) as response:
            return response.headers["X-Subject-Token"]

    def _change(self, change: Change, method: str, path: str, body: Any) -> Any:
        try:
            return self._send(method, path, body)
        except HTTPError as error:
            raise self._refusal(change.verb, change.kind, change.name, error) from error

    def _request(self, method: str, path: str, query: dict[str, str] | None = None) -> Any:
        full_path = f"{path}?{urlencode(query)}" if query else path
        try:
            return self._send(method, full_path, None)
        except HTTPError as error:
            raise self._refusal("read", "Keystone's", path.lstrip("/"), error) from error

    def _send(self, method: str, path: str, body: Any) -> Any:
        with self._open(method, path, body) as response:
            content = response.read()
        return json.loads(content) if content else None

    def _open(self, method: str, path: str, body: Any) -> Any:
        headers = {"Accept": "application/json", "Content-Type": "application/json"}
        if self._token is not None:
            headers["X-Auth-Token"] = self._token
        data = None if body is None else json.dumps(body)
        try:
            return open_url(
                self._base + path, data=data, headers=headers, method=method, timeout=self._timeout, validate_certs=self._validate_certs, use_proxy=True
            )
        except HTTPError:
            raise
        except (URLError, OSError) as error:
            raise cannot("reach", "Keystone", self._base, str(getattr(error, "reason", error)), "Check that it runs and that the URL is right") from error

    @staticmethod
    def _refusal(verb: str, kind: str, name: str, error: HTTPError) -> ImageServicesError:
        try:
            cause = json.loads(error.read())["error"]["message"]
        except (ValueError, KeyError, TypeError):
            cause = "no reason is given"
        request_id = error.headers.get("x-openstack-request-id")
        return cannot(verb, kind, name, f"Keystone answers {error.code}: {cause}", "Read Keystone's log", code=error.code, request_id=request_id)
