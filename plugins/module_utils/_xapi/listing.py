# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""What the info modules of a pool list."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from .._core.query import compile_query
from .results import by_name, named, present_driver, present_sr, present_vdi

if TYPE_CHECKING:
    from .session import Pool

Connect = Callable[[Mapping[str, Any]], "Pool"]


def repositories(pool: Pool) -> list[dict[str, Any]]:
    """Every SR of the pool, with its connections."""
    hosts, pbds = pool.records("host"), pool.records("PBD")
    default = pool.default_sr()
    found = [
        present_sr(record, (pbds[pbd] for pbd in record["PBDs"] if pbd in pbds), hosts, default=ref == default) for ref, record in pool.records("SR").items()
    ]
    return sorted(found, key=by_name)


def list_srs(params: Mapping[str, Any], connect: Connect) -> dict[str, Any]:
    select = compile_query(params["query"])
    with connect(params) as pool:
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
    wanted = [each for each in listed if _fits_sr(each, params)]
    return {"changed": False, "srs": select(wanted), "drivers": drivers, "pool": about}


def _fits_sr(sr: Mapping[str, Any], params: Mapping[str, Any]) -> bool:
    return named(sr, params["name"]) and params["type"] in (None, sr["type"]) and set(params["tags"] or ()) <= set(sr["tags"])


def list_vdis(params: Mapping[str, Any], connect: Connect) -> dict[str, Any]:
    select = compile_query(params["query"])
    with connect(params) as pool:
        vdis, srs = pool.records("VDI"), pool.records("SR")
        wanted = {ref: record for ref, record in vdis.items() if _fits_vdi(record, srs, params)}
        # Most disks are in use by nobody, and the records of all VMs are large.
        vbds = pool.records("VBD") if any(record["VBDs"] for record in wanted.values()) else {}
        machines = pool.records("VM") if vbds else {}
    listed = sorted((present_vdi(record, vdis, srs, vbds, machines) for record in wanted.values()), key=by_name)
    return {"changed": False, "vdis": select(listed)}


def _fits_vdi(record: Mapping[str, Any], srs: Mapping[str, Mapping[str, Any]], params: Mapping[str, Any]) -> bool:
    repository = srs.get(record["SR"], {"name_label": None, "uuid": ""})
    return (
        named({"name": record["name_label"], "uuid": record["uuid"]}, params["name"])
        and named({"name": repository["name_label"], "uuid": repository["uuid"]}, params["sr"])
        and set(params["tags"] or ()) <= set(record["tags"])
        and (params["snapshots"] or not record["is_a_snapshot"])
        and all(record["other_config"].get(key) == value for key, value in (params["other_config"] or {}).items())
    )
