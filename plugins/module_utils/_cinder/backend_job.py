# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""The work of the modules cinder_backend_info and cinder_backend_check: what a backend tells of itself, and whether a volume of it works."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any, NamedTuple

from .._core.errors import ImageServicesError, cannot
from .._core.runner import Job, Params, ReadJob
from .._core.signals import signals_as_errors
from .._core.wait import Clock, Stalled, wait_while_moving
from .._glance.http import GlanceError, glance_errors
from .api import Cinder, Record
from .type_plan import on_backend

SEE_LOG = "See the log of cinder-volume"
ADVICE = "Check that the task runs as an administrator"
SERVICE = ("host", "zone", "status", "state", "updated_at")


class BackendInfoJob(ReadJob[dict[str, Any]]):
    """The work of the module cinder_backend_info."""

    def __init__(self, params: Params, connect: Callable[[Params], Cinder] = Cinder.connect) -> None:
        super().__init__(params)
        self._connect = connect

    def look(self) -> dict[str, Any]:
        backend = self.params["backend"]
        cinder = self._connect(self.params)
        with glance_errors("look at", "backend", backend, ADVICE):
            return {
                "services": [{key: each.get(key) for key in SERVICE} for each in cinder.services(backend)],
                "pools": [{"name": each["name"], "capabilities": each.get("capabilities", {})} for each in cinder.pools(backend)],
                "volumes": [
                    {"id": each["id"], "name": each["name"], "size": each["size"], "status": each["status"], "host": each["os-vol-host-attr:host"]}
                    for each in cinder.volumes(backend)
                ],
            }

    def shown(self, seen: dict[str, Any]) -> dict[str, Any]:
        return seen


class Seen(NamedTuple):
    check: BackendCheck
    service: dict[str, Any]


class BackendCheckJob(Job[Seen, None, dict[str, Any]]):
    """The work of the module cinder_backend_check: the backend's service is up, and a volume can be created, extended, snapshotted and deleted."""

    def __init__(self, params: Params, connect: Callable[[Params], Cinder] = Cinder.connect, clock: Clock | None = None) -> None:
        super().__init__(params)
        self._connect = connect
        self._clock = clock

    def look(self) -> Seen:
        backend = self.params["backend"]
        self.opened.enter_context(signals_as_errors("verify", "backend", backend))
        self.opened.enter_context(glance_errors("verify", "backend", backend, ADVICE))
        check = BackendCheck(self._connect(self.params), self.params, self._clock)
        return Seen(check, check.await_service())

    def plan(self, seen: Seen) -> None:
        return None

    def must_apply(self, plan: None) -> bool:
        return True

    def apply(self, seen: Seen, plan: None) -> dict[str, Any]:
        seen.check.await_pool()
        return seen.check.run()

    def result(self, seen: Seen, plan: None, done: dict[str, Any] | None) -> dict[str, Any]:
        return {"changed": False, "service": seen.service, "check": done}


class BackendCheck:
    """One volume from its creation to its deletion; it and its snapshot are removed, whatever ends the check."""

    def __init__(self, cinder: Cinder, params: Params, clock: Clock | None) -> None:
        self.cinder = cinder
        self.backend: str = params["backend"]
        self.type: str = params["volume_type"]
        self.size: int = params["size"]
        self.idle_timeout: float = params["timeout"]
        self.clock = clock

    def await_service(self) -> dict[str, Any]:
        def probe() -> list[tuple[str, str, str]]:
            return sorted((each["host"], each["status"], each["state"]) for each in self.cinder.services(self.backend))

        def works(found: list[tuple[str, str, str]]) -> bool:
            return any(status == "enabled" and state == "up" for _host, status, state in found)

        try:
            found = wait_while_moving(probe, works, self.idle_timeout, self.clock)
        except Stalled as exc:
            seen = ", ".join(f"{host} is {status} and {state}" for host, status, state in exc.state) if isinstance(exc.state, list) and exc.state else ""
            cause = f"its service is not up ({seen})" if seen else "Cinder knows no service of it"
            raise self._broken(cause, f"{SEE_LOG}: the driver says there why it does not start", "service_down") from exc
        host, status, state = next(each for each in found if works([each]))
        return {"host": host, "status": status, "state": state}

    def await_pool(self) -> None:
        """A scheduler that has not heard of the backend yet would refuse the volume."""
        try:
            wait_while_moving(lambda: len(self.cinder.pools(self.backend)), bool, self.idle_timeout, self.clock)
        except Stalled as exc:
            raise self._broken("the scheduler has not heard of it", f"{SEE_LOG} and that of cinder-scheduler", "no_pool") from exc

    def run(self) -> dict[str, Any]:
        name = f"check of backend {self.backend}"
        volume = self.cinder.create_volume({"name": name, "size": self.size, "volume_type": self.type})["id"]
        snapshot = ""
        try:
            made = self._await_volume(volume, "created", lambda found: True)
            host = str(made.get("os-vol-host-attr:host") or "")
            if host and not on_backend(host, self.backend):
                raise self._broken(
                    f"a volume of type '{self.type}' lands on {host}", "Give the type the extra spec volume_backend_name of this backend", "elsewhere"
                )
            self.cinder.extend_volume(volume, self.size + 1)
            self._await_volume(volume, "extended", lambda found: found["size"] == self.size + 1)
            snapshot = self.cinder.create_snapshot({"name": name, "volume_id": volume})["id"]
            self._await(snapshot, self.cinder.snapshot, "snapshotted", lambda found: True)
            self._remove_snapshot(snapshot)
            snapshot = ""
            self._remove_volume(volume)
        except BaseException:
            self._give_up(volume, snapshot)
            raise
        return {"host": host, "volume": volume, "volume_type": self.type, "sizes": [self.size, self.size + 1]}

    def _remove_snapshot(self, snapshot: str) -> None:
        self.cinder.delete_snapshot(snapshot)
        self._await_end(snapshot, self.cinder.snapshot, "snapshot")

    def _remove_volume(self, volume: str) -> None:
        self.cinder.delete_volume(volume)
        self._await_end(volume, self.cinder.volume, "volume")

    def _give_up(self, volume: str, snapshot: str) -> None:
        """As far as Cinder lets us; the failure that brought us here is the one to tell."""
        with suppress(ImageServicesError):
            if snapshot:
                self._remove_snapshot(snapshot)
        with suppress(ImageServicesError):
            self._remove_volume(volume)

    def _await_volume(self, volume: str, deed: str, done: Callable[[Record], bool]) -> Record:
        return self._await(volume, self.cinder.volume, deed, done)

    def _await(self, identity: str, read: Callable[[str], Record | None], deed: str, done: Callable[[Record], bool]) -> Record:
        found: Record = {}

        def probe() -> tuple[str, Any]:
            found.clear()
            found.update(read(identity) or {"status": "gone"})
            return found["status"], found.get("size")

        def ended(state: tuple[str, Any]) -> bool:
            return state[0] == "gone" or state[0].startswith("error") or (state[0] == "available" and done(found))

        try:
            status, _size = wait_while_moving(probe, ended, self.idle_timeout, self.clock)
        except Stalled:
            raise self._broken(f"a volume was not {deed} within {self.idle_timeout:.0f} s, it is still {found['status']}", SEE_LOG, "stuck") from None
        if status != "available":
            raise self._broken(f"a volume could not be {deed}: it is {status}{self._said(identity)}", SEE_LOG, "failed")
        return dict(found)

    def _await_end(self, identity: str, read: Callable[[str], Record | None], kind: str) -> None:
        def probe() -> str:
            try:
                return str((read(identity) or {"status": "gone"})["status"])
            except GlanceError as exc:
                return f"unknown ({exc})"

        try:
            status = wait_while_moving(probe, lambda state: state == "gone" or state.startswith("error"), self.idle_timeout, self.clock)
        except Stalled as exc:
            status = str(exc.state)
        if status != "gone":
            raise self._broken(f"its {kind} {identity} could not be deleted: it is {status}{self._said(identity)}", f"{SEE_LOG}, and delete it", "left")

    def _said(self, identity: str) -> str:
        said = self.cinder.messages(identity)
        return f" ({said[0].rstrip('.')})" if said else ""

    def _broken(self, cause: str, advice: str, code: str) -> ImageServicesError:
        return cannot("verify", "backend", self.backend, cause, advice, code=code)
