# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who asks, and what they may see and change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Caller:
    project: str | None
    # Sees the relations of all projects: an admin, or a service by its own roles.
    sees_all: bool
    # Changes the relations of all projects: these, and whoever brings the valid token of a service along.
    changes_all: bool
    read_only: bool

    def may_change(self, owner: Any) -> bool:
        return self.changes_all or (bool(owner) and owner == self.project and not self.read_only)

    @property
    def seen_project(self) -> str | None:
        """None for all of them; an unknown project has no relations."""
        return None if self.sees_all else (self.project or "")


def lower(roles: Any) -> set[str]:
    return {str(role).strip().lower() for role in roles or ()}


def caller_of(environ: Mapping[str, Any], service_roles: frozenset[str]) -> Caller | None:
    """By the context that Glance has made of an authenticated request, or None where there is none."""
    context = environ.get("webob.adhoc_attrs", {}).get("context")
    if context is None:
        return None
    sees_all = bool(context.is_admin) or not service_roles.isdisjoint(lower(context.roles))
    # authtoken sets this of a token that it has validated, and removes it of all others.
    confirmed = environ.get("HTTP_X_SERVICE_IDENTITY_STATUS") == "Confirmed"
    service = lower(environ.get("HTTP_X_SERVICE_ROLES", "").split(",")) if confirmed else set()
    return Caller(context.project_id, sees_all, sees_all or not service_roles.isdisjoint(service), bool(context.read_only))
