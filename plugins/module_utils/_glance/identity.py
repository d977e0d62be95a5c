# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""Project names to ids, asked of the identity service."""

from __future__ import annotations

import re
from collections.abc import Mapping

from .._core.errors import ImageServicesError, cannot
from .http import GlanceError, HttpClient

PROJECT_ID = re.compile(r"[0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

# Where Keystone does not let the caller look a name up; an id needs no look.
_ADVICE: Mapping[int | None, str] = {
    401: "Give the project's id: access rules of an application credential must allow GET /v3/projects, or names cannot be looked up",
    403: "Give the project's id",
    404: "Give the project's id",
}


class Identity:
    def __init__(self, http: HttpClient) -> None:
        self._http = http
        self._known: dict[tuple[str, str | None], str] = {}

    def project_id(self, name_or_id: str, domain: str | None = None) -> str:
        """An id passes as it is; a name must belong to exactly one project that the caller may see."""
        if PROJECT_ID.fullmatch(name_or_id):
            return name_or_id
        key = (name_or_id, domain)
        if key not in self._known:
            self._known[key] = self._find(name_or_id, domain)
        return self._known[key]

    def name_or_id(self, project_id: str) -> str:
        """What to call a project in an option: its name where that alone leads to it, else its id."""
        try:
            name = str(self._http.get(f"/v3/projects/{project_id}").json()["project"]["name"])
            return name if self.project_id(name) == project_id else project_id
        except ImageServicesError:
            return project_id

    def _find(self, name_or_id: str, domain: str | None) -> str:
        params = {"name": name_or_id}
        if domain:
            params["domain_id"] = self._domain_id(domain)
        try:
            found = self._projects(params)
        except GlanceError as exc:
            raise exc.explained("find", "project", name_or_id, _ADVICE.get(exc.status, exc.advice)) from exc
        if not found:
            raise cannot("find", "project", name_or_id, "no project of this name is visible", "Check the name, or give the project's id", code="not_found")
        if len(found) > 1:
            raise cannot(
                "find",
                "project",
                name_or_id,
                f"{len(found)} projects have this name: {', '.join(sorted(found))}",
                "Give owner_domain, or the id",
                code="duplicate",
            )
        return found[0]

    def _projects(self, params: dict[str, str]) -> list[str]:
        try:
            return [project["id"] for project in self._http.get("/v3/projects", params).json()["projects"]]
        except GlanceError as exc:
            if exc.status != 403:
                raise
        # A plain member may not list projects, but may list those it belongs to.
        mine = self._http.get("/v3/auth/projects").json()["projects"]
        return [project["id"] for project in mine if all(project.get(key) == value for key, value in params.items())]

    def _domain_id(self, name_or_id: str) -> str:
        try:
            domains = self._http.get("/v3/domains", {"name": name_or_id}).json()["domains"]
        except GlanceError as exc:
            if exc.status != 403:
                raise
            domains = []
        return str(domains[0]["id"]) if domains else name_or_id
