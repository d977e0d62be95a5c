# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which installation of Nova a caller's instances belong to."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Union

from glance_instance_aware.relation_request import Malformed, installation_uuid

Network = Union[ipaddress.IPv4Network, ipaddress.IPv6Network]

# Headers that authtoken sets for an authenticated caller, and removes otherwise.
HEADERS = {
    "service_user": ("HTTP_X_SERVICE_USER_ID", "HTTP_X_SERVICE_USER_NAME"),
    "user": ("HTTP_X_USER_ID", "HTTP_X_USER_NAME"),
    "project": ("HTTP_X_PROJECT_ID", "HTTP_X_PROJECT_NAME"),
    "domain": ("HTTP_X_PROJECT_DOMAIN_ID", "HTTP_X_PROJECT_DOMAIN_NAME", "HTTP_X_USER_DOMAIN_ID", "HTTP_X_USER_DOMAIN_NAME"),
}


@dataclass(frozen=True)
class Rule:
    kind: str
    name: str
    installation: str
    network: Network | None = None

    def fits(self, environ: Mapping[str, Any]) -> bool:
        if self.kind == "*":
            return True
        if self.network is not None:
            return within(environ.get("REMOTE_ADDR"), self.network)
        if self.kind == "service_user" and environ.get("HTTP_X_SERVICE_IDENTITY_STATUS") != "Confirmed":
            return False
        return any(environ.get(header) == self.name for header in HEADERS[self.kind])


def within(address: Any, network: Network) -> bool:
    try:
        client = ipaddress.ip_address(str(address))
    except ValueError:
        return False
    # A server that listens on IPv6 and IPv4 maps the address of an IPv4 client.
    mapped = getattr(client, "ipv4_mapped", None)
    return (mapped or client) in network


def parse(values: Iterable[str]) -> tuple[Rule, ...]:
    return tuple(one(entry.strip()) for value in values for entry in value.split(",") if entry.strip())


def one(entry: str) -> Rule:
    subject, separator, uuid = entry.rpartition("=")
    kind, colon, name = (part.strip() for part in subject.partition(":"))
    known = (kind == "*" and not colon) or (kind in (*HEADERS, "address") and name)
    if not separator or not known:
        raise ValueError(
            f"Cannot use the installation '{entry}': it is not of the form kind:name=UUID. Use a kind of {', '.join(HEADERS)} or address, or * alone."
        )
    try:
        installation = installation_uuid(uuid.strip())
        network = ipaddress.ip_network(name, strict=False) if kind == "address" else None
    except (Malformed, ValueError) as exc:
        raise ValueError(f"Cannot use the installation '{entry}': {exc}") from exc
    return Rule(kind, name, installation, network)


def installation_of(environ: Mapping[str, Any], rules: Iterable[Rule]) -> str | None:
    return next((rule.installation for rule in rules if rule.fits(environ)), None)
