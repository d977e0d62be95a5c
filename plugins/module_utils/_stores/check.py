# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""The work of the module glance_store_check: an image goes through every store, and the host is looked at meanwhile."""

from __future__ import annotations

import hashlib
import os
import uuid
from collections.abc import Callable, Sequence
from typing import Any

from .._core.errors import ImageServicesError, cannot
from .._core.runner import Job, Params
from .._core.wait import Clock, Stalled, wait_while_moving
from .._glance.api import Glance, Record
from .._glance.connection import Cloud
from .._glance.http import GlanceError, glance_errors
from .._glance.store_usage import mismatch, stores_of
from .._images.content import service_digest
from .driver import diagnose

ADVICE = "See Glance's log for what its store driver said at the start of the service"


class StoreCheckJob(Job[Glance, "list[Params]", "list[dict[str, Any]]"]):
    """Glance offers exactly these stores, and what is sent to one is stored where it should be."""

    def __init__(self, params: Params, connect: Callable[[Params], Cloud] = Cloud, clock: Clock | None = None) -> None:
        super().__init__(params)
        self._connect = connect
        self._clock = clock

    def look(self) -> Glance:
        glance = self._connect(self.params).glance
        _verify_listing(glance, self.params, self._clock)
        return glance

    def plan(self, seen: Glance) -> list[Params]:
        return [store for store in self.params["stores"] if store["writable"]]

    def must_apply(self, plan: list[Params]) -> bool:
        return bool(plan)

    def apply(self, seen: Glance, plan: list[Params]) -> list[dict[str, Any]]:
        checks: list[dict[str, Any]] = []
        failures: list[ImageServicesError] = []
        for store in plan:
            try:
                checks.append(_verify_store(seen, store, self.params["size"], self.params["config_files"]))
            except ImageServicesError as exc:
                failures.append(exc)
        if failures:
            raise _together(failures)
        return checks

    def result(self, seen: Glance, plan: list[Params], done: list[dict[str, Any]] | None) -> dict[str, Any]:
        return {"changed": False, "checks": done or [], "url": seen.http.base_url}


def _together(failures: Sequence[ImageServicesError]) -> ImageServicesError:
    """Every broken store in one failure, so that they can be fixed at once."""
    first = failures[0]
    if len(failures) == 1:
        return first
    return ImageServicesError("\n".join(map(str, failures)), code=first.code, details=first.details, request_id=first.request_id)


def _verify_listing(glance: Glance, params: Params, clock: Clock | None) -> None:
    """Behind a load balancer another API host may answer that has not been restarted yet, so a difference is given some time."""
    wanted = [store["id"] for store in params["stores"]]
    default = next((store["id"] for store in params["stores"] if store["default"]), "")

    def difference() -> str | None:
        offered = glance.stores_now()
        if offered is None:
            return "Glance does not run with several stores: enabled_backends has not reached it"
        return mismatch(wanted, default, offered)

    with glance_errors("verify", "stores", ", ".join(wanted)):
        try:
            wait_while_moving(difference, lambda found: found is None, params["timeout"] if params["wait"] else 0, clock)
        except Stalled as exc:
            advice = "See that the service was restarted and reads the file with the stores last"
            raise cannot("verify", "stores", ", ".join(wanted), f"{exc.state}, at {glance.http.base_url}", advice, code="not_offered") from exc


def _verify_store(glance: Glance, store: Params, size: int, config_files: Sequence[str]) -> dict[str, Any]:
    name, image_id, data = store["id"], str(uuid.uuid4()), os.urandom(size)
    record = {"id": image_id, "name": f"check of store {name}", "disk_format": "raw", "container_format": "bare", "visibility": "private", "os_hidden": True}
    with glance_errors("verify", "store", name):
        try:
            glance.create(record)
            _upload(glance, image_id, data, name, config_files)
            image = glance.image(image_id) or {}
            _check_record(name, image, data)
            check = {"id": name, **_check_files(store, image_id, data)}
        finally:
            glance.delete(image_id)
    left = _find(store["directories"], image_id)
    if left:
        raise _broken(name, f"Glance has deleted the image of the check, but '{left}' is still there", "Remove it, and see Glance's log for why it could not")
    return check


def _upload(glance: Glance, image_id: str, data: bytes, store: str, config_files: Sequence[str]) -> None:
    try:
        glance.upload(image_id, data, len(data), store=store)
    except GlanceError as exc:
        # Of what a driver refuses, Glance tells its users «410» or «500» and no reason.
        if not config_files or exc.status in (401, 403, 404, 409):
            raise
        found = diagnose(store, config_files)
        if found is None:
            raise
        raise cannot("verify", "store", store, *found, code="store_refuses", request_id=exc.request_id) from exc


def _check_record(name: str, image: Record, data: bytes) -> None:
    if image.get("status") != "active" or stores_of(image) != [name]:
        raise _broken(name, f"the image of the check is {image.get('status')} in {image.get('stores') or 'no store'}", ADVICE)
    algorithm, stored = service_digest(image) or ("md5", "")
    if hashlib.new(algorithm, data, usedforsecurity=False).hexdigest() != stored:
        raise _broken(name, f"Glance has stored other bytes than were sent ({algorithm} differs)", ADVICE)


def _check_files(store: Params, image_id: str, data: bytes) -> dict[str, Any]:
    """The image as a file in one of the store's directories; stores that keep no files have none."""
    name = store["id"]
    if not store["directories"]:
        return {"path": None, "uid": None, "gid": None}
    path = _find(store["directories"], image_id)
    if path is None:
        places = " or ".join(f"'{directory}'" for directory in store["directories"])
        advice = "See that the service sees the same directory as this host, and has read its configuration"
        raise _broken(name, f"the image of the check is not in {places}", advice)
    try:
        with open(path, "rb") as stored:
            status, same = os.fstat(stored.fileno()), stored.read(len(data) + 1) == data
    except OSError as exc:
        raise _broken(name, f"'{path}' cannot be read: {os.strerror(exc.errno or 0)}", "Run the task as root, or as the directory's owner") from exc
    if not same:
        raise _broken(name, f"'{path}' holds other bytes than were sent", "Look for errors of the file system in the kernel's log")
    uid = os.stat(os.path.dirname(path)).st_uid if store["owner_of_directory"] and store["uid"] is None else store["uid"]
    for label, wanted, found in (("user", uid, status.st_uid), ("group", store["gid"], status.st_gid)):
        if wanted is not None and wanted != found:
            raise _broken(name, f"'{path}' belongs to {label} {found}, not {wanted}", "Correct the owner of the store, or the user that Glance runs as")
    return {"path": path, "uid": status.st_uid, "gid": status.st_gid}


def _find(directories: Sequence[str], image_id: str) -> str | None:
    return next((path for path in (os.path.join(directory, image_id) for directory in directories) if os.path.lexists(path)), None)


def _broken(name: str, cause: str, advice: str) -> ImageServicesError:
    return cannot("verify", "store", name, cause, advice, code="broken")
