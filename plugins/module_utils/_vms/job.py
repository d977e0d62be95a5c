# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""One declared VM, from a module's options to its result: look, plan once, and apply unless only asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

from .._core.errors import cannot
from .._core.runner import Job, Params
from .._core.signals import signals_as_errors
from .._vdis.lookup import find_disk
from .._xapi.failures import XapiFailure
from .._xapi.results import is_read_only
from .._xapi.session import Pool
from .apply import MachineApplier
from .create import MachineMaker, Origin
from .devices import Devices
from .machine import Machine, present
from .options import plain_attributes
from .plan import DesiredVm, VmPlan, plan
from .predicted import predicted
from .reader import Machines


class Seen(NamedTuple):
    pool: Pool
    current: Machine | None
    desired: DesiredVm


class Done(NamedTuple):
    vm: dict[str, Any] | None


class VmJob(Job[Seen, VmPlan, Done]):
    """The work of the module xen_vm."""

    def __init__(self, params: Params, connect: Callable[[Params], Pool] = Pool) -> None:
        super().__init__(params)
        self._label = str(params["name"] or params["uuid"])
        self._absent = params["state"] == "absent"
        self._verb = "remove" if self._absent else "change"
        self._attributes = plain_attributes(self._label, params)
        # References of what the options name, by uuid: the step that looks fills them.
        self._networks: dict[str, str] = {}
        self._vdis: dict[str, str] = {}
        self._read_only: set[str] = set()
        self._origin = Origin()
        self._pool = connect(params)

    def look(self) -> Seen:
        pool = self.opened.enter_context(self._pool)
        self.opened.enter_context(self._explained())
        current = Machines(pool, others=self._absent).find(self._label, self._verb, self.params["uuid"], self.params["name"])
        if current is None and not self._absent:
            self._verb = "create"
        return Seen(pool, current, self._desired(pool, current))

    def plan(self, seen: Seen) -> VmPlan:
        return plan(seen.desired, seen.current)

    def apply(self, seen: Seen, plan: VmPlan) -> Done:
        pool, current = seen.pool, seen.current
        devices = Devices(pool, self._networks, self._vdis)
        applier = MachineApplier(pool, devices)
        with signals_as_errors(self._verb, "VM", self._label):
            if current is None:
                ref = applier.create(plan, MachineMaker(pool, self._label, self._origin, devices))
            elif plan.remove:
                applier.remove(plan, current)
                return Done(None)
            else:
                applier.change(plan, current)
                ref = current.ref
            return Done(present(Machines(pool).read(ref)))

    def result(self, seen: Seen, plan: VmPlan, done: Done | None) -> dict[str, Any]:
        vm = predicted(seen.desired, plan, seen.current) if done is None else done.vm
        return {"changed": plan.changed, "vm": vm, "diff": {"before": dict(plan.before), "after": dict(plan.after)}}

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """By the verb of the moment: whether a VM is created or changed is known once it was looked for."""
        try:
            yield
        except XapiFailure as failure:
            raise failure.explained(self._verb, "VM", self._label) from failure

    # Declared

    def _desired(self, pool: Pool, current: Machine | None) -> DesiredVm:
        params = self.params
        choices = {
            "label": self._label,
            "state": params["state"],
            "drop_snapshots": tuple(params["drop_snapshots"] or ()),
            "force": params["force"],
            "remove_disks": params["remove_disks"],
        }
        if self._absent:
            return DesiredVm(**choices)
        attributes = dict(self._attributes)
        if params["networks"] is not None:
            attributes["networks"] = [(self._network(pool, each["name"]), each["mac"].lower() if each["mac"] else None) for each in params["networks"]]
        source = self._boot_disk(pool, attributes, current)
        if params["disks"] is not None:
            attributes["disks"] = [(self._vdi(pool, each["vdi"]), each["mode"]) for each in params["disks"]]
            self._check_disks(attributes, current)
            for each, (uuid, mode) in zip(params["disks"], attributes["disks"]):
                if mode == "rw":
                    self._refuse_writing(uuid, each["vdi"], "Set mode: ro, or import the disk with read_only: false")
        self._origin = Origin(
            template=params["template"],
            boot=attributes.get("boot"),
            source=source,
            source_ref=self._vdis[source] if source is not None else None,
            boot_disk=self._vdis[attributes["boot_disk"]] if "boot_disk" in attributes else None,
        )
        return DesiredVm(**choices, attributes=attributes, source=source, snapshot=params["snapshot"], revert=params["revert"], restart=params["restart"])

    def _boot_disk(self, pool: Pool, attributes: dict[str, Any], current: Machine | None) -> str | None:
        """The uuid of the disk to clone. A VM that is there keeps its clone, whatever becomes of the source."""
        name = self.params["boot_disk"]
        if name is None or (self.params["clone"] and current is not None):
            return None
        uuid = self._vdi(pool, name)
        if self.params["clone"]:
            return uuid
        self._refuse_writing(uuid, name, "Set clone: true, or import the disk with read_only: false")
        attributes["boot_disk"] = uuid
        return None

    def _refuse_writing(self, uuid: str, name: str, advice: str) -> None:
        if uuid in self._read_only:
            raise cannot(self._verb, "VM", self._label, f"the disk '{name}' is read-only, and the VM would write to it", advice, code="read_only")

    def _check_disks(self, attributes: Mapping[str, Any], current: Machine | None) -> None:
        uuids = [vdi for vdi, _mode in attributes["disks"]]
        boot = attributes.get("boot_disk") or (current.boot_disk if current is not None else None)
        if len(set(uuids)) < len(uuids) or boot in uuids:
            raise cannot(self._verb, "VM", self._label, "a disk is named twice in boot_disk and disks", "Name each disk once", code="bad_option")

    def _network(self, pool: Pool, name: str) -> str:
        return self._found(pool.find("network", name, verb="use"), self._networks)

    def _vdi(self, pool: Pool, name: str) -> str:
        found = find_disk(pool, name, verb="use")
        if is_read_only(found[1]):
            self._read_only.add(found[1]["uuid"])
        return self._found(found, self._vdis)

    @staticmethod
    def _found(found: tuple[str, Mapping[str, Any]], into: dict[str, str]) -> str:
        ref, record = found
        into[record["uuid"]] = ref
        return str(record["uuid"])
