# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""What the info modules of a pool list."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from .._core.query import compile_query
from .._core.runner import Params, ReadJob
from .results import by_name, named, present_driver, present_sr, present_vdi
from .session import Pool


def repositories(pool: Pool) -> list[dict[str, Any]]:
    """Every SR of the pool, with its connections."""
    hosts, pbds = pool.records("host"), pool.records("PBD")
    default = pool.default_sr()
    found = [
        present_sr(record, (pbds[pbd] for pbd in record["PBDs"] if pbd in pbds), hosts, default=ref == default) for ref, record in pool.records("SR").items()
    ]
    return sorted(found, key=by_name)


class SrInfoJob(ReadJob[dict[str, Any]]):
    """The work of the module xen_sr_info."""

    def __init__(self, params: Params, connect: Callable[[Params], Pool] = Pool) -> None:
        super().__init__(params)
        self._select = compile_query(params["query"])
        self._pool = connect(params)

    def look(self) -> dict[str, Any]:
        pool = self.opened.enter_context(self._pool)
        listed = repositories(pool)
        drivers = sorted((present_driver(record) for record in pool.records("SM").values()), key=lambda driver: driver["type"])
        (record,) = pool.records("pool").values()
        hosts = pool.records("host")
        about = {
            "uuid": record["uuid"],
            "name": record["name_label"],
            "coordinator": hosts[record["master"]]["uuid"],
            "hosts": [{"uuid": host["uuid"], "name": host["name_label"]} for host in sorted(hosts.values(), key=lambda host: host["name_label"])],
            "default_sr": next((each["uuid"] for each in listed if each["default"]), None),
            "version": ".".join(str(part) for part in pool.version),
            "software_version": pool.software_version,
        }
        return {"srs": listed, "drivers": drivers, "pool": about}

    def shown(self, seen: dict[str, Any]) -> dict[str, Any]:
        return {**seen, "srs": self._select([each for each in seen["srs"] if _fits_sr(each, self.params)])}


def _fits_sr(sr: Mapping[str, Any], params: Mapping[str, Any]) -> bool:
    return named(sr, params["name"]) and params["type"] in (None, sr["type"]) and set(params["tags"] or ()) <= set(sr["tags"])


class VdiInfoJob(ReadJob["list[dict[str, Any]]"]):
    """The work of the module xen_vdi_info."""

    def __init__(self, params: Params, connect: Callable[[Params], Pool] = Pool) -> None:
        super().__init__(params)
        self._select = compile_query(params["query"])
        self._pool = connect(params)

    def look(self) -> list[dict[str, Any]]:
        pool = self.opened.enter_context(self._pool)
        vdis, srs = pool.records("VDI"), pool.records("SR")
        wanted = {ref: record for ref, record in vdis.items() if _fits_vdi(record, srs, self.params)}
        # Most disks are not in use, and the records of all VMs are large.
        vbds = pool.records("VBD") if any(record["VBDs"] for record in wanted.values()) else {}
        machines = pool.records("VM") if vbds else {}
        return sorted((present_vdi(record, vdis, srs, vbds, machines) for record in wanted.values()), key=by_name)

    def shown(self, seen: list[dict[str, Any]]) -> dict[str, Any]:
        return {"vdis": self._select(seen)}


def _fits_vdi(record: Mapping[str, Any], srs: Mapping[str, Mapping[str, Any]], params: Mapping[str, Any]) -> bool:
    repository = srs.get(record["SR"], {"name_label": None, "uuid": ""})
    return (
        named({"name": record["name_label"], "uuid": record["uuid"]}, params["name"])
        and named({"name": repository["name_label"], "uuid": repository["uuid"]}, params["sr"])
        and set(params["tags"] or ()) <= set(record["tags"])
        and (params["snapshots"] or not record["is_a_snapshot"])
        and all(record["other_config"].get(key) == value for key, value in (params["other_config"] or {}).items())
    )
