# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""Keystone's v3 API, by keystoneauth, which every environment of an OpenStack service has."""

from __future__ import annotations

import ssl
import traceback
import warnings
from typing import Any

from ansible.module_utils.basic import missing_required_lib

from .._core.errors import ImageServicesError
from .._glance.http import GlanceError, HttpClient, glance_errors
from .plan import Change, EndpointKey, Grant, KeystoneFacts

try:
    from keystoneauth1.identity import v3
    from keystoneauth1.session import Session
except ImportError:
    KEYSTONEAUTH_IMPORT_ERROR: str | None = traceback.format_exc()
else:
    KEYSTONEAUTH_IMPORT_ERROR = None

COLLECTIONS = {"project": "projects", "role": "roles", "user": "users", "service": "services", "endpoint": "endpoints"}
ADVICE = "Read Keystone's log"


class KeystoneClient:
    """One session as an administrator of one domain."""

    def __init__(self, auth_url: str, *, username: str, password: str, project: str, domain: str, validate_certs: bool, timeout: int) -> None:
        if KEYSTONEAUTH_IMPORT_ERROR is not None:
            raise ImageServicesError(missing_required_lib("keystoneauth1", reason="to talk to Keystone"), code="missing_library")
        base = auth_url.rstrip("/")
        self._base = base if base.endswith("/v3") else f"{base}/v3"
        self._domain = domain
        self._username = username
        self._auth = self._password_of(username, password, project_name=project, project_domain_id=domain)
        # The authorities of the host: requests would take a list of its own.
        trusted = ssl.get_default_verify_paths()
        self._http = HttpClient(
            Session(self._auth, verify=(trusted.cafile or trusted.capath or True) if validate_certs else False, timeout=timeout),
            self._base,
            timeout=timeout,
            service="Keystone",
        )
        if not validate_certs:
            warnings.filterwarnings("ignore", "Unverified HTTPS request")
        self._ids: dict[tuple[str, str], str] = {}
        self._endpoint_ids: dict[tuple[str, ...], str] = {}

    def log_in(self) -> None:
        """Become the administrator; any refusal is an error."""
        with glance_errors("log in to", "Keystone", self._base, f"Check that it runs, the URL, and user '{self._username}', its password and project"):
            self._http.repeat(lambda: self._http.log_in(self._auth))

    def accepts(self, username: str, password: str) -> bool:
        """Whether the user gets in with this password."""
        auth = self._password_of(username, password, unscoped=True)
        try:
            self._http.repeat(lambda: self._http.log_in(auth))
        except GlanceError as exc:
            if exc.status == 401:
                return False
            raise exc.explained("log in as", "user", username, ADVICE) from exc
        return True

    def _password_of(self, username: str, password: str, **scope: Any) -> Any:
        return v3.Password(self._base, username=username, password=password, user_domain_id=self._domain, **scope)

    def read(self, passwords: dict[str, str]) -> KeystoneFacts:
        """Everything that can be declared; ``passwords`` of existing users are tried."""
        projects = self._list("project", domain_id=self._domain)
        users = self._list("user", domain_id=self._domain)
        roles = self._list("role")
        services = self._list("service")
        service_names = {item["id"]: item["name"] for item in services.values() if "name" in item}
        endpoints: dict[EndpointKey, str] = {}
        for item in self._read("/endpoints")["endpoints"]:
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
            self._change(change, "PUT", f"/projects/{project}/users/{user}/roles/{role}")
        elif change.verb == "create":
            answer = self._change(change, "POST", f"/{COLLECTIONS[change.kind]}", {change.kind: self._new_body(change)})
            self._ids[change.kind, change.name] = answer.json()[change.kind]["id"]
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
        items = self._read(f"/{COLLECTIONS[kind]}", query)[COLLECTIONS[kind]]
        for item in items:
            self._ids[kind, item.get("name", "")] = item["id"]
        return {item.get("name", ""): item for item in items}

    def _grants(self) -> list[Grant]:
        assignments = self._read("/role_assignments", {"include_names": "true"})["role_assignments"]
        return [
            (item["user"]["name"], item["scope"]["project"]["name"], item["role"]["name"])
            for item in assignments
            if "user" in item and "project" in item.get("scope", {}) and item["user"]["domain"]["id"] == self._domain
        ]

    def _change(self, change: Change, method: str, path: str, body: Any = None) -> Any:
        with glance_errors(change.verb, change.kind, change.name, ADVICE):
            return self._http.request(method, path, json=body)

    def _read(self, path: str, query: dict[str, str] | None = None) -> Any:
        with glance_errors("read", "Keystone's", path.lstrip("/"), ADVICE):
            return self._http.get(path, query).json()
