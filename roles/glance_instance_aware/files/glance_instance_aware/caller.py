# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who asks, and what they may see and change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


class Misplaced(Exception):
    """The filter does not stand where Glance knows who asks."""


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

    def sees(self, project: str) -> bool:
        return self.sees_all or (bool(self.project) and project == self.project)


def lower(roles: Any) -> set[str]:
    return {str(role).strip().lower() for role in roles or ()}


def caller_of(environ: Mapping[str, Any], service_roles: frozenset[str]) -> Caller:
    """By the context that Glance has made of an authenticated request."""
    context = environ.get("webob.adhoc_attrs", {}).get("context")
    if context is None:
        raise Misplaced("The filter instance_aware has to stand after context in Glance's pipeline.")
    sees_all = bool(context.is_admin) or not service_roles.isdisjoint(lower(context.roles))
    # authtoken sets this of a token that it has validated, and removes it of all others.
    confirmed = environ.get("HTTP_X_SERVICE_IDENTITY_STATUS") == "Confirmed"
    service = lower(environ.get("HTTP_X_SERVICE_ROLES", "").split(",")) if confirmed else set()
    return Caller(context.project_id, sees_all, sees_all or not service_roles.isdisjoint(service), bool(context.read_only))
