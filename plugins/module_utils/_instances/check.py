# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""The work of the module glance_instance_check: an image is found by its instance, and by no other."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any, NamedTuple

from .._core.errors import ImageServicesError, cannot
from .._core.runner import Job, Params
from .._core.signals import signals_as_errors
from .._core.wait import Clock, Stalled, wait_while_moving
from .._glance.api import Glance
from .._glance.connection import Cloud
from .._glance.http import GlanceError, glance_errors

PROBE = "/v2/info/instance-aware"
NAME = "instance_aware"
SEE_LOG = "See Glance's log"
# Old Novas number their instances, and every one of them has this one.
INSTANCE = "1"


class Seen(NamedTuple):
    check: FilterCheck
    # Of the filter; None where Glance runs without it.
    version: str | None


class InstanceCheckJob(Job[Seen, "str | None", str]):
    """The work of the module glance_instance_check: Glance runs with the filter and keeps a relation, or runs without it and lists images."""

    def __init__(self, params: Params, connect: Callable[[Params], Cloud] = Cloud, clock: Clock | None = None) -> None:
        super().__init__(params)
        self._connect = connect
        self._clock = clock

    def look(self) -> Seen:
        self.opened.enter_context(signals_as_errors("verify", "filter", NAME))
        self.opened.enter_context(glance_errors("verify", "filter", NAME))
        check = FilterCheck(self._connect(self.params).glance, self.params, self._clock)
        version = check.await_filter()
        if self.params["state"] == "absent":
            check.glance.http.get("/v2/images", {"limit": 1})
        return Seen(check, version)

    def plan(self, seen: Seen) -> str | None:
        return seen.version

    def must_apply(self, plan: str | None) -> bool:
        return plan is not None

    def apply(self, seen: Seen, plan: str | None) -> str:
        return seen.check.run()

    def result(self, seen: Seen, plan: str | None, done: str | None) -> dict[str, Any]:
        return {"changed": False, "version": plan, "image": done, "url": seen.check.glance.http.base_url}


class FilterCheck:
    """One image from its creation to its deletion; it is removed, whatever ends the check."""

    def __init__(self, glance: Glance, params: Params, clock: Clock | None) -> None:
        self.glance = glance
        self.present = params["state"] == "present"
        self.idle_timeout: float = params["timeout"] if params["wait"] else 0
        self.clock = clock

    def await_filter(self) -> str | None:
        """Behind a load balancer another API host may answer that has not been restarted yet, so a difference is given some time."""
        try:
            return wait_while_moving(self._version, lambda version: (version is not None) == self.present, self.idle_timeout, self.clock)
        except Stalled:
            cause = f"Glance at {self.glance.http.base_url} {'runs without it' if self.present else 'still runs with it'}"
            raise self._broken(cause, "See that the service was restarted on every host and reads the file with the filter last", "not_there") from None

    def _version(self) -> str | None:
        try:
            return str(self.glance.http.get(PROBE).json()["version"])
        except GlanceError as exc:
            if exc.status == 404:
                return None
            raise

    def run(self) -> str:
        installation, ident = str(uuid.uuid4()), str(uuid.uuid4())
        record = {"id": ident, "name": f"check of filter {NAME}", "disk_format": "raw", "container_format": "bare", "visibility": "private", "os_hidden": True}
        try:
            self.glance.create({**record, "nova_installation_uuid": installation, "instance_id": INSTANCE})
            self._check(installation, [ident], "an image that was made for an instance is not found by it")
            self._check(str(uuid.uuid4()), [], "an image is found by the instance of another installation")
            shown = self.glance.http.get(f"/v2/images/{ident}", {"include_relation": "true"}).json()
            if (shown.get("nova_installation_uuid"), shown.get("instance_id")) != (installation, INSTANCE):
                raise self._broken("an image does not show its instance", SEE_LOG, "not_shown")
            plain = self.glance.http.get(f"/v2/images/{ident}").json()
            if "nova_installation_uuid" in plain or "instance_id" in plain:
                raise self._broken("Glance keeps the instance as a property of the image", SEE_LOG, "not_stripped")
        finally:
            self.glance.delete(ident)
        self._check(installation, [], "an image that was deleted is still found by its instance")
        return ident

    def _check(self, installation: str, expected: list[str], cause: str) -> None:
        filters = [("nova_installation_uuid", installation), ("instance_id", INSTANCE), ("os_hidden", "true")]
        if [image["id"] for image in self.glance.images(filters)] != expected:
            raise self._broken(cause, SEE_LOG, "not_found")

    def _broken(self, cause: str, advice: str, code: str) -> ImageServicesError:
        return cannot("verify", "filter", NAME, cause, advice, code=code)
