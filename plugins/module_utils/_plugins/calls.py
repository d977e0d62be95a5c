# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""Plugins of Dom0: calls of their functions, and what they say of themselves."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from .._core.errors import cannot
from .._xapi.failures import XapiFailure, broken_plugin, sentence
from .._xapi.session import NULL, Pool
from .plan import MAX_ARGUMENTS, PULLER, HostFacts, PluginFacts, facts_of, size_of_arguments

# What a host that is down, or on its way up, is asked in vain.
SILENT = frozenset({"CANNOT_CONTACT_HOST", "HOST_IN_EMERGENCY_MODE", "HOST_NOT_LIVE", "HOST_OFFLINE", "HOST_STILL_BOOTING"})
# What is no plugin's matter.
GENERAL = frozenset({"HANDLE_INVALID", "INTERNAL_ERROR", "RBAC_PERMISSION_DENIED"})


def hosts_of(pool: Pool, name_or_uuid: str | None = None) -> list[HostFacts]:
    """The hosts of a pool by their names, or the one that is named."""
    found = pool.records("host") if name_or_uuid is None else dict([pool.find("host", name_or_uuid, verb="ask")])
    hosts = [HostFacts(ref, record["uuid"], record["name_label"], ref == pool.coordinator) for ref, record in found.items()]
    return sorted(hosts, key=lambda host: (host.name, host.uuid))


def hosts_that_see(pool: Pool, sr: Mapping[str, Any]) -> list[HostFacts]:
    """Those with a connection of an SR, by its record."""
    pbds = [pool.call("PBD.get_record", ref) for ref in sr["PBDs"]]
    connected = {pbd["host"] for pbd in pbds if pbd["currently_attached"] and pbd["host"] != NULL}
    return [host for host in hosts_of(pool) if host.ref in connected]


def with_plugins(pool: Pool, hosts: Iterable[HostFacts], names: Sequence[str]) -> list[HostFacts]:
    """The same hosts, each asked for these plugins."""
    wanted = list(dict.fromkeys(names))
    return [replace(host, plugins=tuple(_facts(pool, host, name) for name in wanted)) for host in hosts]


def _facts(pool: Pool, host: HostFacts, name: str) -> PluginFacts:
    try:
        return facts_of(name, pool.call("host.call_plugin", host.ref, name, "version", {"params": "{}"}))
    except XapiFailure as exc:
        if exc.code == "XENAPI_MISSING_PLUGIN":
            return PluginFacts(name, False)
        if exc.code == "UNKNOWN_XENAPI_PLUGIN_FUNCTION":
            return PluginFacts(name, True)
        if exc.code in GENERAL and not broken_plugin(exc):
            raise
        return PluginFacts(name, None if exc.code in SILENT else True, error=sentence(exc)[0])


def refuse_long(plugin: str, arguments: Mapping[str, str], advice: str = "Give less, or have the plugin read it from elsewhere") -> None:
    """XAPI runs a plugin with one argument, which Linux limits; beyond, it would tell of a plugin that fails without a word."""
    size = size_of_arguments(arguments)
    if size > MAX_ARGUMENTS:
        cause = f"the arguments take {size} bytes, and hosts pass on {MAX_ARGUMENTS} (128 KiB with the call around them)"
        raise cannot("call", "plugin", plugin, cause, advice, code="too_long")


def start(pool: Pool, host: str, plugin: str, function: str, arguments: Mapping[str, str]) -> str:
    """Begin a call that may take long; the reference of its task, which the caller ends."""
    refuse_long(plugin, arguments)
    return str(pool.call("Async.host.call_plugin", host, plugin, function, dict(arguments)))


def as_params(**fields: Any) -> dict[str, str]:
    """The arguments of our own plugins: one JSON text."""
    return {"params": json.dumps(fields, separators=(",", ":"))}


def ask_puller(pool: Pool, host: str, function: str, **fields: Any) -> Any:
    """One short call of our plugin; what its JSON says."""
    return json.loads(pool.call("host.call_plugin", host, PULLER, function, as_params(**fields)))


def without(secrets: Iterable[str], failure: XapiFailure) -> XapiFailure:
    """A failure that repeats nothing of what it must not: plugins may tell with what they were called."""
    params = list(failure.params)
    for secret in sorted({each for each in secrets if each}, key=len, reverse=True):
        params = [each.replace(secret, "(secret)") for each in params]
    return type(failure)(failure.code, params)
