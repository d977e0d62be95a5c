# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""Read a VM and what hangs on it, record by record: a pool may hold thousands that are not asked for."""

from __future__ import annotations

from typing import Any

from .._xapi.failures import XapiFailure
from .._xapi.session import Pool
from .machine import NULL, Machine, Snapshot, Surroundings, cards_of, choose, disks_of

GONE = ("UUID_INVALID", "HANDLE_INVALID")


class Machines:
    """The VMs of a pool; ``others`` also tells which other VMs have a disk."""

    def __init__(self, pool: Pool, others: bool = False) -> None:
        self._pool = pool
        self._others = others

    def find(self, label: str, verb: str, uuid: str | None, name: str | None) -> Machine | None:
        if uuid is None:
            refs = self._pool.call("VM.get_by_name_label", name)
        else:
            try:
                refs = [self._pool.call("VM.get_by_uuid", uuid)]
            except XapiFailure as failure:
                if failure.code not in GONE:
                    raise
                refs = []
        ref = choose(label, verb, {ref: self._record("VM", ref) for ref in refs}, uuid, name)
        return self.read(ref) if ref is not None else None

    def read(self, ref: str) -> Machine:
        record = self._record("VM", ref)
        around = self._around(ref, record, cards=True)
        snapshots = [self._snapshot(each) for each in record["snapshots"]]
        host = record["resident_on"]
        return Machine(
            ref=ref,
            record=record,
            cards=cards_of(record, around),
            all_disks=disks_of(record, around),
            snapshots=tuple(sorted(snapshots, key=lambda snapshot: (snapshot.taken, snapshot.name))),
            host=self._pool.call("host.get_name_label", host) if host != NULL else None,
        )

    def _snapshot(self, ref: str) -> Snapshot:
        record = self._record("VM", ref)
        disks = disks_of(record, self._around(ref, record, cards=False))
        return Snapshot(ref, record["uuid"], record["name_label"], str(record["snapshot_time"]), disks)

    def _around(self, vm: str, record: dict[str, Any], *, cards: bool) -> Surroundings:
        vbds = {ref: self._record("VBD", ref) for ref in record["VBDs"]}
        vdis = {vbd["VDI"]: self._record("VDI", vbd["VDI"]) for vbd in vbds.values() if vbd["VDI"] != NULL}
        vifs = {ref: self._record("VIF", ref) for ref in record["VIFs"]} if cards else {}
        networks = {vif["network"]: self._record("network", vif["network"]) for vif in vifs.values()}
        others = {ref: self._users(vm, vdi["VBDs"]) for ref, vdi in vdis.items()} if self._others else {}
        return Surroundings(vbds, vdis, vifs, networks, others)

    def _users(self, vm: str, vbds: list[str]) -> tuple[str, ...]:
        users = {self._pool.call("VBD.get_VM", vbd) for vbd in vbds} - {vm}
        return tuple(sorted(self._pool.call("VM.get_name_label", user) for user in users))

    def _record(self, kind: str, ref: str) -> dict[str, Any]:
        record: dict[str, Any] = self._pool.call(f"{kind}.get_record", ref)
        return record
