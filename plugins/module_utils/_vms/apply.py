# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""Carry out a plan for one VM."""

from __future__ import annotations

from contextlib import suppress

from .._core.errors import ImageServicesError, cannot
from .._xapi.failures import XapiFailure, sentence
from .._xapi.session import Pool
from .create import MachineMaker
from .devices import Devices
from .machine import Machine
from .plan import VmPlan

DOWN = {"clean": "VM.clean_shutdown", "hard": "VM.hard_shutdown"}


class MachineApplier:
    def __init__(self, pool: Pool, devices: Devices) -> None:
        self._pool = pool
        self._devices = devices

    def create(self, plan: VmPlan, maker: MachineMaker) -> str:
        """A VM that is not complete, or does not start although it is to run, is removed again."""
        try:
            ref = maker.make(plan.changes)
            if plan.snapshot is not None:
                self._pool.run("VM.snapshot", ref, plan.snapshot)
            if plan.up:
                self._start(ref)
        except (XapiFailure, ImageServicesError) as exc:
            left = maker.undo()
            if left:
                cause, advice = sentence(exc) if isinstance(exc, XapiFailure) else (str(exc), "")
                raise cannot("create", "VM", maker.label, cause, f"{left}. {advice or 'Remove them by hand'}", code=exc.code) from exc
            raise
        except BaseException:
            maker.undo()
            raise
        return ref

    def change(self, plan: VmPlan, current: Machine) -> None:
        stopped = False
        try:
            if plan.down:
                self._pool.run(DOWN[plan.down], current.ref)
                stopped = True
            self._drop(plan)
            if plan.snapshot is not None:
                self._pool.run("VM.snapshot", current.ref, plan.snapshot)
            if plan.revert is not None:
                self._pool.run("VM.revert", plan.revert.ref)
            if plan.changes:
                self._devices.change(current.ref, plan.changes, current)
        except (XapiFailure, ImageServicesError):
            if stopped and plan.up:
                # It ran before; the failure to tell is the first one.
                with suppress(XapiFailure, ImageServicesError):
                    self._start(current.ref)
            raise
        if plan.up:
            self._start(current.ref)

    def remove(self, plan: VmPlan, current: Machine) -> None:
        """Disks first: what fails then still hangs on a VM, and the next run finds it."""
        if plan.down:
            self._pool.run(DOWN[plan.down], current.ref)
        self._drop(plan)
        for disk in plan.lost_disks:
            self._pool.run("VDI.destroy", disk.vdi_ref)
        self._pool.run("VM.destroy", current.ref)

    def _drop(self, plan: VmPlan) -> None:
        for snapshot in plan.drop:
            for disk in snapshot.disks:
                self._pool.run("VDI.destroy", disk.vdi_ref)
            self._pool.run("VM.destroy", snapshot.ref)

    def _start(self, ref: str) -> None:
        state = str(self._pool.call("VM.get_power_state", ref)).lower()
        if state == "halted":
            self._pool.run("VM.start", ref, False, False)
        elif state == "paused":
            self._pool.run("VM.unpause", ref)
        elif state == "suspended":
            self._pool.run("VM.resume", ref, False, False)
