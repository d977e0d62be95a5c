# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""The work of the module xen_nfs_probe: what a pool's hosts say of an NFS export, of a VM and of a plugin."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from .._core.errors import cannot
from .._core.runner import Params, ReadJob
from .._plugins.calls import hosts_of, with_plugins
from .._plugins.plan import PULLER, choose_host, unfit_hosts
from .._xapi.failures import xapi_errors
from .._xapi.session import UUID, BarePool, Pool

EXPORT = "Check the server, the path and what the export allows the hosts of the pool"
# Functions of the plugin that the volume driver calls.
NEEDED = ("download", "upload")


class NfsProbeJob(ReadJob["dict[str, Any]"]):
    """The work of the module xen_nfs_probe; the first check that fails is an error."""

    def __init__(self, params: Params, connect: Callable[[Params], Pool] = BarePool) -> None:
        super().__init__(params)
        self._export = f"{params['server']}:{params['serverpath']}"
        if not params["server"].strip() or not params["serverpath"].startswith("/"):
            raise cannot("use", "NFS export", self._export, "it needs a server and a path that begins with a slash", "Give both", code="bad_export")
        self._pool = connect(params)

    def look(self) -> dict[str, Any]:
        params, export = self.params, self._export
        pool = self.opened.enter_context(self._pool)
        hosts = {ref: record["name_label"] for ref, record in pool.records("host").items() if record.get("enabled", True)}
        vm = _vm(pool, params["vm"]) if params["vm"] else None
        plugin = _plugin(pool) if params["dom0"] else None
        found: set[str] = set()
        config = {"server": params["server"], "serverpath": params["serverpath"]}
        if params["nfsversion"]:
            config["nfsversion"] = params["nfsversion"]
        for ref, name in sorted(hosts.items(), key=lambda each: each[1]):
            with xapi_errors("use", "NFS export", export, f"Host {name} says so. {EXPORT}"):
                answer = pool.call("SR.probe", ref, config, "nfs", {})
            found.update(match.group(0).lower() for match in re.finditer(UUID, str(answer)))
        return {"hosts": sorted(hosts.values()), "srs": sorted(found), "vm": vm, "plugin": plugin}

    def shown(self, seen: dict[str, Any]) -> dict[str, Any]:
        return seen


def _vm(pool: Pool, uuid: str) -> str:
    _ref, record = pool.find("VM", uuid, verb="find")
    return str(record["name_label"])


def _plugin(pool: Pool) -> str:
    hosts = with_plugins(pool, hosts_of(pool), [PULLER])
    unfit = unfit_hosts(hosts, NEEDED)
    if unfit is not None:
        raise cannot("use", "plugin", PULLER, unfit.cause, unfit.advice, code=unfit.code)
    return str(choose_host(hosts).plugin(PULLER).version)
