# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""What the plugins of a pool's hosts are, or one call of one of them, from a module's options to its result."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from .._core.errors import cannot
from .._xapi.failures import XapiFailure
from .._xapi.session import Pool
from .calls import hosts_of, refuse_long, with_plugins, without
from .plan import HostFacts, as_arguments


class PluginJob:
    """The work of xen_plugin."""

    def __init__(self, params: Mapping[str, Any]) -> None:
        self._params = params
        given, secret = as_arguments(params["arguments"] or {}), as_arguments(params["secret_arguments"] or {})
        twice = sorted(set(given) & set(secret))
        if twice:
            cause = f"{', '.join(twice)} stands in arguments and in secret_arguments"
            raise cannot("call", "plugin", str(params["name"]), cause, "Give each argument once", code="bad_option")
        self._arguments = {**given, **secret}
        self._secrets = list(secret.values())
        if params["function"] is not None:
            refuse_long(params["name"], self._arguments)

    def run(self, pool: Pool, check_mode: bool) -> dict[str, Any]:
        if self._params["function"] is None:
            hosts = with_plugins(pool, hosts_of(pool, self._params["host"]), self._params["plugins"])
            shown = [{**_host(host), "coordinator": host.coordinator, "plugins": [each.shown() for each in host.plugins]} for host in hosts]
            return {"changed": False, "hosts": shown}
        wanted = self._params["host"]
        host = next(each for each in hosts_of(pool, wanted) if wanted is not None or each.coordinator)
        made = not (check_mode and self._params["mutating"])
        result = self._call(pool, host) if made else None
        parsed = None
        if result is not None:
            with suppress(ValueError):
                parsed = json.loads(result)
        return {"changed": self._params["mutating"], "host": _host(host), "called": made, "result": result, "result_json": parsed}

    def _call(self, pool: Pool, host: HostFacts) -> str:
        name, function = self._params["name"], self._params["function"]
        try:
            return pool.run("host.call_plugin", host.ref, name, function, self._arguments, what=f"{function} of plugin {name}")
        except XapiFailure as exc:
            raise without(self._secrets, exc).explained("call", "plugin", name) from None


def _host(host: HostFacts) -> dict[str, Any]:
    return {"uuid": host.uuid, "name": host.name}
