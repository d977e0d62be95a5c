# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""What xen_sr does: read the pool, plan, apply."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from .._core.errors import cannot
from .._core.runner import Job, Params
from .._core.signals import signals_as_errors
from .._xapi.failures import xapi_errors
from .._xapi.listing import repositories
from .._xapi.session import UUID, Pool
from .apply import SrApply
from .plan import FORMATTING, CurrentSr, DesiredSr, Pbd, PoolFacts, SrPlan, plan

VERBS = {"present": "set up", "forgotten": "forget", "absent": "remove"}
# What only the pool can tell of an SR that is not there yet.
UNKNOWN = ("uuid", "physical_size", "physical_utilisation", "virtual_allocation", "free")


class Seen(NamedTuple):
    pool: Pool
    current: CurrentSr | None
    desired: DesiredSr
    surroundings: PoolFacts


class Done(NamedTuple):
    changed: bool
    sr: dict[str, Any] | None


class SrJob(Job[Seen, SrPlan, Done]):
    """The work of the module xen_sr."""

    def __init__(self, params: Params, connect: Callable[[Params], Pool] = Pool) -> None:
        super().__init__(params)
        self._device_config = device_config(params)
        self._title, self._state = params["name"] or params["uuid"], params["state"]
        self._verb = VERBS[self._state]
        self._pool = connect(params)

    def look(self) -> Seen:
        params = self.params
        self.opened.enter_context(signals_as_errors(self._verb, "SR", self._title))
        pool = self.opened.enter_context(self._pool)
        self.opened.enter_context(xapi_errors(self._verb, "SR", self._title))
        current = _read(pool, params["name"], params["uuid"], self._verb)
        desired = DesiredSr(
            name=params["name"],
            uuid=params["uuid"],
            type=params["type"] or (current.type if current else None),
            device_config=self._device_config,
            description=params["description"],
            content_type=params["content_type"],
            shared=params["shared"],
            default=params["default"],
            plugged=params["plugged"],
            scan=params["scan"],
            host=pool.find("host", params["host"], verb="use")[0] if params["host"] else None,
            destroy=params["destroy"],
            overwrite=params["overwrite"],
        )
        _check(desired, current, self._state)
        return Seen(pool, current, desired, _surroundings(pool, desired, current, self._state))

    def plan(self, seen: Seen) -> SrPlan:
        return plan(self._state, seen.desired, seen.current, seen.surroundings)

    def must_apply(self, plan: SrPlan) -> bool:
        # A scan alone changes something only where it finds something.
        return bool(plan.steps)

    def apply(self, seen: Seen, plan: SrPlan) -> Done:
        applier = SrApply(seen.pool, self._title, seen.current.ref if seen.current else None)
        applier.apply(plan)
        return Done(plan.changed or applier.found_new, _present(seen.pool, applier.ref) if self._state == "present" else None)

    def result(self, seen: Seen, plan: SrPlan, done: Done | None) -> dict[str, Any]:
        if done is None:
            done = Done(plan.changed, _predicted(seen.pool, plan, seen.current, self._state))
        return {"changed": done.changed, "diff": {"before": plan.before, "after": plan.after}, "sr": done.sr}


def device_config(params: Params) -> dict[str, str]:
    """What the driver is told, as texts."""
    config = {key: str(value).lower() if isinstance(value, bool) else str(value) for key, value in (params["device_config"] or {}).items()}
    if params["nfsversion"] is None:
        return config
    if "nfsversion" in config:
        raise cannot("set up", "SR", params["name"] or params["uuid"], "nfsversion is given as an option and in device_config", "Give it once")
    return {**config, "nfsversion": params["nfsversion"]}


def _check(desired: DesiredSr, current: CurrentSr | None, state: str) -> None:
    if state != "present":
        return
    if "nfsversion" in desired.device_config and desired.type not in (None, "nfs"):
        raise cannot("set up", "SR", desired.title, f"nfsversion is given, and its type is {desired.type}", "Leave nfsversion out")
    if desired.uuid is not None and not UUID.fullmatch(desired.uuid):
        raise cannot("set up", "SR", desired.title, f"'{desired.uuid}' is not a uuid", "Give the uuid of an SR that is on the storage, or only a name")
    if current is None and desired.uuid is None and UUID.fullmatch(desired.name or ""):
        raise cannot("set up", "SR", desired.title, "the pool has no SR with this uuid", "Give it as uuid, beside a name, to introduce it")


def _read(pool: Pool, name: str | None, uuid: str | None, verb: str) -> CurrentSr | None:
    """The SR by its uuid when that is given, else by its name, else by a name that is a uuid."""
    records = pool.records("SR")
    wanted = (uuid or name or "").lower()
    found = {ref: record for ref, record in records.items() if uuid is None and record["name_label"] == name}
    found = found or {ref: record for ref, record in records.items() if record["uuid"] == wanted}
    if len(found) > 1:
        uuids = ", ".join(sorted(record["uuid"] for record in found.values()))
        raise cannot(verb, "SR", str(name), f"{len(found)} have this name: {uuids}", "Give one of the uuids", code="ambiguous")
    for ref, record in found.items():
        links = {link: pool.call("PBD.get_record", link) for link in record["PBDs"]}
        disks = [pool.call("VDI.get_record", disk) for disk in record["VDIs"]] if verb == VERBS["absent"] else []
        return CurrentSr(
            ref,
            record["uuid"],
            record["name_label"],
            record["name_description"],
            record["type"],
            record["content_type"],
            record["shared"],
            pool.default_sr() == ref,
            tuple(Pbd(link, each["host"], each["currently_attached"], each["device_config"]) for link, each in sorted(links.items())),
            tuple(disk["name_label"] or disk["uuid"] for disk in disks),
            record["type"] == "udev" or bool(record.get("is_tools_sr")),
        )
    return None


def _surroundings(pool: Pool, desired: DesiredSr, current: CurrentSr | None, state: str) -> PoolFacts:
    hosts = {ref: record["name_label"] for ref, record in pool.records("host").items()}
    formats = state == "present" and current is None and desired.uuid is None and desired.type in FORMATTING and desired.device_config.get("device")
    found = _probe(pool, desired) if formats else ()
    return PoolFacts(hosts, pool.coordinator, found)


def _probe(pool: Pool, desired: DesiredSr) -> tuple[str, ...]:
    """SRs that are on the device, of any type that would: each driver knows only its own."""
    found: set[str] = set()
    for kind in sorted(FORMATTING):
        answer = pool.run(
            "SR.probe", desired.host or pool.coordinator, dict(desired.device_config), kind, {}, what=f"probe of {desired.device_config['device']}"
        )
        found.update(match.group() for match in UUID.finditer(answer))
    return tuple(sorted(found))


def _present(pool: Pool, ref: str) -> dict[str, Any]:
    uuid = pool.call("SR.get_uuid", ref)
    return next(each for each in repositories(pool) if each["uuid"] == uuid)


def _predicted(pool: Pool, planned: SrPlan, current: CurrentSr | None, state: str) -> dict[str, Any] | None:
    """The SR as it will be; what only the pool can know is as it is now, or null."""
    if state != "present":
        return None
    after = planned.after
    known = _present(pool, current.ref) if current else {**dict.fromkeys(UNKNOWN), "vdis": 0, "tags": [], "other_config": {}, "sm_config": {}, "pbds": []}
    links = {link["host_name"]: link for link in known["pbds"]}
    blank = {"uuid": None, "host": None, "device_config": after["device_config"]}
    pbds = [{**blank, **links.get(host, {}), "host_name": host, "attached": attached} for host, attached in after["hosts"].items()]
    if planned.before.get("device_config") != after["device_config"]:
        pbds = [{**link, "device_config": after["device_config"]} for link in pbds]
    shown = {key: after[key] for key in ("name", "description", "type", "content_type", "shared", "default")}
    return {**known, **shown, "uuid": after.get("uuid", known["uuid"]), "pbds": pbds}
