# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""What has to change in Keystone so that declared projects, users and services exist."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Values = dict[str, Any]
# (user, project, role)
Grant = tuple[str, str, str]
# (service, interface, region)
EndpointKey = tuple[str, str, str]

INTERFACES = ("admin", "internal", "public")


@dataclass(frozen=True)
class KeystoneFacts:
    """What Keystone holds, by name, reduced to what can be declared."""

    projects: Mapping[str, Values] = field(default_factory=dict)
    roles: frozenset[str] = frozenset()
    users: Mapping[str, Values] = field(default_factory=dict)
    services: Mapping[str, Values] = field(default_factory=dict)
    endpoints: Mapping[EndpointKey, str] = field(default_factory=dict)
    grants: frozenset[Grant] = frozenset()
    # Users whom Keystone lets in with the declared password.
    accepted_passwords: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Change:
    """One request to Keystone; ``values`` are the attributes it sets, ``key`` what a grant or an endpoint consists of."""

    verb: str
    kind: str
    name: str
    values: Values = field(default_factory=dict)
    key: tuple[str, ...] = ()


@dataclass(frozen=True)
class KeystonePlan:
    changes: tuple[Change, ...]
    before: Values
    after: Values

    @property
    def changed(self) -> bool:
        return bool(self.changes)


def plan(desired: Mapping[str, Sequence[Mapping[str, Any]]], region: str, current: KeystoneFacts) -> KeystonePlan:
    """Changes in an order in which each finds what it refers to; nothing that is not declared is touched."""
    changes: list[Change] = []
    before: Values = {}
    after: Values = {}

    def declare(
        kind: str, name: str, wanted: Values, found: Mapping[str, Any] | None, *, key: tuple[str, ...] = (), hidden: Mapping[str, Any] | None = None
    ) -> None:
        """Compare what is given; ``hidden`` values are set as well but never shown."""
        managed = {key: value for key, value in wanted.items() if value is not None}
        title = f"{kind} {name}"
        if found is None:
            changes.append(Change("create", kind, name, {**managed, **(hidden or {})}, key))
            after[title] = managed
            return
        different = {key: value for key, value in managed.items() if found.get(key) != value}
        before[title] = {key: found.get(key) for key in managed}
        after[title] = managed
        if different or hidden:
            changes.append(Change("update", kind, name, {**different, **(hidden or {})}, key))
        if hidden:
            before[title] = {**before[title], "password": "another one"}
            after[title] = {**managed, "password": "the declared one"}

    for project in desired["projects"]:
        declare("project", project["name"], _only(project, "description", "enabled"), current.projects.get(project["name"]))

    for role in sorted({grant["role"] for user in desired["users"] for grant in user["roles"] or []}):
        declare("role", role, {}, {} if role in current.roles else None)

    for user in desired["users"]:
        name = user["name"]
        found = current.users.get(name)
        keep_password = found is not None and (user["update_password"] == "on_create" or name in current.accepted_passwords)
        password = None if keep_password else {"password": user["password"]}
        declare("user", name, _only(user, "description", "enabled"), found, hidden=password)

    for user in desired["users"]:
        for grant in user["roles"] or []:
            key = (user["name"], grant["project"], grant["role"])
            declare("grant", " ".join(key), {}, {} if key in current.grants else None, key=key)

    for service in desired["services"]:
        name = service["name"]
        declare("service", name, _only(service, "type", "description", "enabled"), current.services.get(name))
        for interface in INTERFACES:
            url = service[f"{interface}_url"]
            if url is not None:
                endpoint = (name, interface, region)
                found_url = current.endpoints.get(endpoint)
                declare("endpoint", " ".join(endpoint), {"url": url}, None if found_url is None else {"url": found_url}, key=endpoint)

    return KeystonePlan(changes=tuple(changes), before=before, after=after)


def unknown_projects(desired: Mapping[str, Sequence[Mapping[str, Any]]], current: KeystoneFacts) -> list[str]:
    """Projects that roles are granted in but that are neither declared nor there."""
    named = {grant["project"] for user in desired["users"] for grant in user["roles"] or []}
    return sorted(named - {project["name"] for project in desired["projects"]} - set(current.projects))


def _only(item: Mapping[str, Any], *names: str) -> Values:
    return {name: item[name] for name in names}
