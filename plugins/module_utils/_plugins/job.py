# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""What the plugins of a pool's hosts are, or one call of one of them, from a module's options to its result."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NamedTuple

from .._core.errors import cannot
from .._core.runner import Job, Params
from .._xapi.failures import XapiFailure
from .._xapi.session import Pool
from .calls import hosts_of, refuse_long, with_plugins, without
from .plan import HostFacts, as_arguments


class Seen(NamedTuple):
    """The hosts with their plugins where nothing is called, else the host that is called, and what a function that changes nothing answers."""

    pool: Pool
    hosts: list[HostFacts]
    answer: str | None = None


class PluginJob(Job[Seen, bool, str]):
    """The work of the module xen_plugin."""

    def __init__(self, params: Params, connect: Callable[[Params], Pool] = Pool) -> None:
        super().__init__(params)
        given, secret = as_arguments(params["arguments"] or {}), as_arguments(params["secret_arguments"] or {})
        twice = sorted(set(given) & set(secret))
        if twice:
            cause = f"{', '.join(twice)} is in arguments and in secret_arguments"
            raise cannot("call", "plugin", str(params["name"]), cause, "Give each argument once", code="bad_option")
        self._arguments = {**given, **secret}
        self._secrets = list(secret.values())
        if params["function"] is not None:
            refuse_long(params["name"], self._arguments)
        self._calls = params["function"] is not None
        self._mutating = self._calls and bool(params["mutating"])
        self._pool = connect(params)

    def look(self) -> Seen:
        pool, wanted = self.opened.enter_context(self._pool), self.params["host"]
        hosts = hosts_of(pool, wanted)
        if not self._calls:
            return Seen(pool, with_plugins(pool, hosts, self.params["plugins"]))
        host = next(each for each in hosts if wanted is not None or each.coordinator)
        return Seen(pool, [host], None if self._mutating else self._call(pool, host))

    def plan(self, seen: Seen) -> bool:
        return self._mutating

    def must_apply(self, plan: bool) -> bool:
        return plan

    def apply(self, seen: Seen, plan: bool) -> str:
        return self._call(seen.pool, seen.hosts[0])

    def result(self, seen: Seen, plan: bool, done: str | None) -> dict[str, Any]:
        if not self._calls:
            shown = [{**_host(host), "coordinator": host.coordinator, "plugins": [each.shown() for each in host.plugins]} for host in seen.hosts]
            return {"changed": False, "hosts": shown}
        answer = done if plan else seen.answer
        parsed = None
        if answer is not None:
            with suppress(ValueError):
                parsed = json.loads(answer)
        return {"changed": plan, "host": _host(seen.hosts[0]), "called": answer is not None, "result": answer, "result_json": parsed}

    def _call(self, pool: Pool, host: HostFacts) -> str:
        name, function = self.params["name"], self.params["function"]
        try:
            return pool.run("host.call_plugin", host.ref, name, function, self._arguments, what=f"{function} of plugin {name}")
        except XapiFailure as exc:
            raise without(self._secrets, exc).explained("call", "plugin", name) from None


def _host(host: HostFacts) -> dict[str, Any]:
    return {"uuid": host.uuid, "name": host.name}
