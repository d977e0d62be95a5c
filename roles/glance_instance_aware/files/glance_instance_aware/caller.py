# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The caller of a request, and which relations the caller may see and change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


class MisplacedFilter(Exception):
    """The filter is in front of the part of Glance's pipeline that identifies the caller."""


@dataclass(frozen=True)
class Caller:
    project: str | None
    # Sees the relations of all projects: an admin, or a service by its own roles.
    sees_all: bool
    # Changes the relations of all projects: the same callers, and requests with the valid token of a service.
    changes_all: bool
    read_only: bool

    def may_change(self, owner: Any) -> bool:
        return self.changes_all or (bool(owner) and owner == self.project and not self.read_only)

    @property
    def project_filter(self) -> str | None:
        """The project whose relations are queried, or None for all. Other projects' rows are not read, so they cannot be noticed by timing."""
        return None if self.sees_all else self.project or ""

    def sees(self, project: str) -> bool:
        return self.sees_all or (bool(self.project) and project == self.project)


def lower(roles: Any) -> set[str]:
    return {str(role).strip().lower() for role in roles or ()}


def caller_of(environ: Mapping[str, Any], service_roles: frozenset[str]) -> Caller:
    """Read from the context that Glance adds to an authenticated request."""
    context = environ.get("webob.adhoc_attrs", {}).get("context")
    if context is None:
        raise MisplacedFilter("Cannot identify the caller: the filter instance_aware is before context in Glance's pipeline. Put it right after context.")
    sees_all = bool(context.is_admin) or not service_roles.isdisjoint(lower(context.roles))
    # authtoken sets this header for a token that it has validated, and removes it otherwise.
    confirmed = environ.get("HTTP_X_SERVICE_IDENTITY_STATUS") == "Confirmed"
    service = lower(environ.get("HTTP_X_SERVICE_ROLES", "").split(",")) if confirmed else set()
    return Caller(context.project_id, sees_all, sees_all or not service_roles.isdisjoint(service), bool(context.read_only))
