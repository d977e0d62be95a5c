# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""Carry out a plan for one image. What exists stays as it is until its successor is verified; what is incomplete is removed."""

from __future__ import annotations

import datetime
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .._core.errors import cannot
from .._glance.api import Glance
from .._glance.http import GlanceError, glance_errors
from .._glance.properties import CREATED_BY, INCOMING, REPLACES, Record
from .._glance.relation import Relation
from .content_upload import ContentUpload
from .desired import DesiredImage
from .placement_apply import Placer
from .plan import ImagePlan
from .selection import created_by, retired_name
from .transfer import Stuck

CREATE_ATTEMPTS = 3


@dataclass
class Outcome:
    """What a run has done, beyond the image itself."""

    image: Record | None = None
    bytes_transferred: int = 0
    stores: list[Mapping[str, Any]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


class ImageApplier:
    """The only place that changes images."""

    def __init__(self, glance: Glance, desired: DesiredImage, filling: ContentUpload, placer: Placer) -> None:
        self._glance = glance
        self._name = desired.label
        self._on_replace = desired.on_replace
        self._stores = desired.stores or ()
        self._related = desired.relation is not None
        self._filling = filling
        self._placer = placer
        self._placed: list[dict[str, Any]] = []
        self._warnings: list[str] = []

    def apply(self, plan: ImagePlan, current: Record | None) -> Outcome:
        for image_id in plan.remove_incoming:
            with glance_errors("remove", "unfinished image", image_id):
                self._glance.delete(image_id)
        if plan.finish_replacing is not None:
            self._finish_replacing(plan.finish_replacing, plan.superseded)
        if plan.delete is not None:
            self._delete(plan.delete)
            return self._outcome(None)
        if plan.create is not None:
            image_id = self._create(plan)
        elif current is not None:
            image_id = self._update(plan, current)
        else:
            return self._outcome(None)
        self._apply_members(plan, image_id)
        if plan.deactivate:
            with glance_errors("deactivate", "image", self._name):
                self._glance.deactivate(image_id)
        with glance_errors("read", "image", self._name):
            return self._outcome(self._glance.image(image_id, related=self._related))

    def _outcome(self, image: Record | None) -> Outcome:
        sent = self._filling.sent
        return Outcome(image, sent.bytes_transferred, [*sent.stores, *self._placed], [*self._warnings, *self._filling.warnings])

    def _create(self, plan: ImagePlan) -> str:
        body = dict(plan.create or {})
        if not plan.upload:
            with glance_errors("create", "image", self._name):
                return str(self._glance.create(self._identified(body), plan.relation)["id"])
        hidden = bool(body.get("os_hidden", False))
        with glance_errors("upload", "image", self._name):
            if not self._filling.complete:
                # No task waits to reveal it, so it has its final attributes from the start.
                return str(self._filling.fill(self._glance.create(self._identified(body), plan.relation))["id"])
            image = self._create_filled(body, plan.relation)
            self._reveal(image, hidden, plan.replaces)
        if plan.replaces is not None:
            self._finish_replacing(image, (plan.replaces,))
        return str(image["id"])

    def _create_filled(self, body: Record, relation: Relation | None) -> Record:
        """A new hidden image with verified content; after a failure there is none."""
        for attempt in range(1, CREATE_ATTEMPTS + 1):
            image = self._glance.create({**self._identified(body), "os_hidden": True, INCOMING: _now()}, relation)
            try:
                return self._filling.fill(image)
            except Stuck:
                self._remove_incomplete(image["id"])
                # Glance never gives an id out twice, so a fixed one has this one try.
                if attempt == CREATE_ATTEMPTS or "id" in body:
                    raise
            except BaseException:
                self._remove_incomplete(image["id"])
                raise
        raise AssertionError("the last attempt returns or raises")

    def _identified(self, body: Record) -> dict[str, Any]:
        """What Glance is to register, with its id, and the project that creates it where that is another one than owns it."""
        identified = {"id": str(uuid.uuid4()), **body}
        project_id = self._glance.project_id
        if project_id is not None and body.get("owner", project_id) != project_id:
            identified[CREATED_BY] = created_by(project_id, identified["id"])
        return identified

    def _remove_incomplete(self, image_id: str) -> None:
        """Best effort with a voice: the cause of the failure comes first, and the next run finds the mark on what is left."""
        try:
            self._glance.delete(image_id)
        except GlanceError as exc:
            self._warnings.append(f"The unfinished image {image_id} could not be removed ({exc}); the next run of this task removes it.")

    def _reveal(self, image: Record, hidden: bool, replaces: Record | None = None) -> None:
        """One patch makes a verified image the declared one: never half visible, never unmarked while it has a predecessor."""
        operations: list[dict[str, Any]] = [{"op": "replace", "path": "/os_hidden", "value": hidden}]
        if replaces is not None:
            operations.append({"op": "add", "path": f"/{REPLACES}", "value": replaces["id"]})
        operations.append({"op": "remove", "path": f"/{INCOMING}"})
        self._glance.patch(image["id"], operations)

    # Images that are there

    def _update(self, plan: ImagePlan, current: Record) -> str:
        image_id = str(current["id"])
        if not plan.reactivate:
            # First of all, because many callers may not do it: they are told so before anything is changed.
            self._place(plan, image_id)
        if plan.patch or plan.relation is not None:
            with glance_errors("update", "image", self._name):
                self._glance.patch(image_id, plan.patch, plan.relation)
        if plan.upload:
            with glance_errors("upload", "image", self._name):
                self._filling.fill(current)
        if plan.reveal and (self._filling.complete or not plan.upload):
            with glance_errors("update", "image", self._name):
                self._reveal(current, bool(plan.after.get("os_hidden", False)))
        if plan.reactivate:
            with glance_errors("reactivate", "image", self._name):
                self._glance.reactivate(image_id)
            self._place(plan, image_id)
        return image_id

    def _place(self, plan: ImagePlan, image_id: str) -> None:
        if not plan.placement:
            return
        placed = self._placer.place(image_id, plan.placement, self._stores)
        if placed.failures:
            raise placed.failure(self._name)
        self._placed = placed.stores

    def _delete(self, image: Record) -> None:
        with glance_errors("delete", "image", self._name):
            if image.get("protected"):
                self._glance.patch(image["id"], [{"op": "replace", "path": "/protected", "value": False}])
            self._glance.delete(image["id"])

    def _finish_replacing(self, successor: Record, superseded: tuple[Record, ...]) -> None:
        """Treat the images that have a verified successor, then take the mark off it."""
        for image in superseded:
            with glance_errors("replace", "image", self._name):
                self._retire(image)
        with glance_errors("update", "image", self._name):
            self._glance.patch(successor["id"], [{"op": "remove", "path": f"/{REPLACES}"}])

    def _retire(self, image: Record) -> None:
        image_id = image["id"]
        if self._on_replace == "delete":
            self._delete(image)
            return
        operations: list[dict[str, Any]] = [{"op": "replace", "path": "/name", "value": retired_name(image)}]
        if self._on_replace == "hide":
            operations.append({"op": "replace", "path": "/os_hidden", "value": True})
        self._glance.patch(image_id, operations)
        if self._on_replace == "deactivate" and image.get("status") == "active":
            self._glance.deactivate(image_id)

    # Members

    def _apply_members(self, plan: ImagePlan, image_id: str) -> None:
        with glance_errors("share", "image", self._name):
            for project_id in plan.members.add:
                self._glance.add_member(image_id, project_id)
            for project_id in plan.members.remove:
                self._glance.remove_member(image_id, project_id)
        if plan.members.own_status is not None:
            if self._glance.project_id is None:
                raise cannot(
                    "answer", "membership of image", self._name, "the session has no project", "Use credentials of the member project", code="no_project"
                )
            with glance_errors("answer", "membership of image", self._name):
                self._glance.set_member_status(image_id, self._glance.project_id, plan.members.own_status)


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
