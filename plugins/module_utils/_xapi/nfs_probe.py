# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""The work of the module xen_nfs_probe: what a pool's hosts say of an NFS export, of a VM and of a plugin."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from .._common.errors import cannot
from .failure import explaining
from .session import UUID

if TYPE_CHECKING:
    from .session import Pool

Params = Mapping[str, Any]
EXPORT = "Check the server, the path and what the export allows the hosts of the pool"
INSTALL = "Install it on every host with the role xen_dom0_plugins"


def probe_nfs(params: Params, connect: Callable[[Params], Pool]) -> dict[str, Any]:
    """All that is asked holds; else the first thing that does not, as a sentence."""
    with connect(params) as pool:
        hosts = {ref: record["name_label"] for ref, record in pool.records("host").items() if record.get("enabled", True)}
        vm = _vm(pool, params["vm"]) if params["vm"] else None
        plugin = _plugin(pool, hosts, params["plugin"], params["plugin_version"]) if params["plugin"] else None
        found: set[str] = set()
        config = {"server": params["server"], "serverpath": params["serverpath"]}
        if params["nfsversion"]:
            config["nfsversion"] = params["nfsversion"]
        export = f"{params['server']}:{params['serverpath']}"
        for ref, name in sorted(hosts.items(), key=lambda each: each[1]):
            with explaining("use", "NFS export", export, f"Host {name} says so. {EXPORT}"):
                answer = pool.call("SR.probe", ref, config, "nfs", {})
            found.update(match.group(0).lower() for match in re.finditer(UUID, str(answer)))
        return {"changed": False, "hosts": sorted(hosts.values()), "srs": sorted(found), "vm": vm, "plugin": plugin}


def _vm(pool: Pool, uuid: str) -> str:
    _ref, record = pool.find("VM", uuid, verb="find")
    return str(record["name_label"])


def _plugin(pool: Pool, hosts: Mapping[str, str], plugin: str, oldest: str | None) -> str:
    versions: dict[str, str] = {}
    for ref, name in sorted(hosts.items(), key=lambda each: each[1]):
        with explaining("use", "plugin", plugin, f"Host {name} says so. {INSTALL}"):
            answer = pool.call("host.call_plugin", ref, plugin, "version", {"params": "{}"})
        try:
            versions[name] = str(json.loads(answer)["version"])
        except (ValueError, KeyError, TypeError):
            raise cannot("use", "plugin", plugin, f"on host {name} it does not tell its version", INSTALL, code="no_version") from None
    if len(set(versions.values())) > 1:
        said = ", ".join(f"{version} on {name}" for name, version in versions.items())
        raise cannot("use", "plugin", plugin, f"the hosts have different versions ({said})", INSTALL, code="versions_differ")
    version = next(iter(versions.values()), "")
    if oldest and _numbers(version) < _numbers(oldest):
        raise cannot("use", "plugin", plugin, f"the hosts have version {version}, and {oldest} is needed", INSTALL, code="too_old")
    return version


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version))
