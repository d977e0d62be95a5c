# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""Data into an image: sent, sent again from its first byte where that is safe, and verified at the far end."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .._content.body import HashingSource, Progress, upload_body
from .._content.source import Source
from .._core.errors import ImageServicesError
from .._core.wait import Stalled, wait_while_moving
from .._glance.advice import BROKEN_UPLOAD
from .._glance.api import Glance, Record
from .._glance.http import GlanceError, pauses

UPLOAD_ATTEMPTS = 4
# Seconds that Glance may take to notice that an upload's connection is gone; one that was killed never does.
SETTLE_TIMEOUT = 15.0
# With all data there, a store may still be busy with it.
STORING_TIMEOUT = 60.0
# What Glance says of an image that an import holds, and of one that another request has just taken.
LOCK_SIGNS = ("active task", "prior operation is still in progress")


class Stuck(GlanceError):
    """The image is in a state that no further upload can leave; a new image is needed."""


@dataclass
class Sent:
    """What went over the wire for an image."""

    digests: Mapping[str, str] = field(default_factory=dict)
    size: int | None = None
    bytes_transferred: int = 0
    stores: Sequence[Mapping[str, Any]] = ()
    tail: bytes = b""


@dataclass(frozen=True)
class Sending:
    """What every transport needs; ``idle_timeout`` in seconds is for silence of the far end."""

    source: Source
    algorithms: Sequence[str]
    progress: Progress | None
    idle_timeout: float


def put_data(glance: Glance, image_id: str, sending: Sending, store: str | None) -> Sent:
    """A plain upload, into one store."""
    size = sending.source.size
    return _send(glance, image_id, sending, lambda body: glance.upload(image_id, body, size, store, sending.idle_timeout), done="active")


def stage_data(glance: Glance, image_id: str, sending: Sending) -> Sent:
    """The first half of a glance-direct import."""
    size = sending.source.size
    return _send(glance, image_id, sending, lambda body: glance.stage(image_id, body, size, sending.idle_timeout), done="uploading")


def _send(glance: Glance, image_id: str, sending: Sending, put: Callable[[HashingSource], None], done: str) -> Sent:
    total = 0
    for attempt, pause in enumerate(pauses(first=1.0), start=1):
        body = upload_body(sending.source, sending.algorithms, sending.progress)
        try:
            put(body)
            return Sent(body.digests_passed, body.sent, total + body.sent, tail=body.last)
        except (GlanceError, ImageServicesError) as exc:
            total += body.sent
            if body.failure is not None:
                raise body.failure from exc
            if not isinstance(exc, GlanceError) or not exc.retryable:
                raise
            status = _settled_status(glance, image_id, done, STORING_TIMEOUT if body.digests_passed else SETTLE_TIMEOUT)
            if status == done and body.digests_passed:
                return Sent(body.digests_passed, body.sent, total, tail=body.last)
            if status != "queued":
                cause = f"{exc}; after {body.sent} bytes the image is left in status '{status}'"
                advice = f"{_advice_on(exc, body)}. Delete that image if it is still there"
                raise Stuck(cause, status=exc.status, request_id=exc.request_id, kind="stuck", advice=advice) from exc
            if attempt == UPLOAD_ATTEMPTS:
                raise exc.with_more(f" after {body.sent} bytes, in the last of {attempt} attempts", _advice_on(exc, body)) from exc
            glance.http.clock.sleep(max(pause, exc.retry_after))
    raise AssertionError("pauses() never ends")


def _advice_on(exc: GlanceError, body: HashingSource) -> str:
    """A connection that breaks in the middle of the data is mostly ended by what is between."""
    return BROKEN_UPLOAD if exc.code == "connection" and body.sent else exc.advice


def _settled_status(glance: Glance, image_id: str, done: str, idle_timeout: float) -> str:
    """The image's status once Glance has seen the end of the connection."""

    def status() -> str:
        image = glance.image(image_id)
        return "deleted" if image is None else str(image["status"])

    try:
        return wait_while_moving(status, lambda seen: seen not in ("saving", "uploading") or seen == done, idle_timeout, glance.http.clock)
    except Stalled as exc:
        return str(exc.state)


def run_import(glance: Glance, image_id: str, method: Mapping[str, Any], stores: Sequence[str] | None, idle_timeout: float, wait: bool) -> list[Record]:
    """Start an import and follow it; per store what became of it."""
    start_import(glance, image_id, method, stores)
    if not wait:
        return [{"id": store, "status": "importing"} for store in stores or ()]

    def probe() -> tuple[str, ...]:
        image = glance.image(image_id) or {"status": "deleted"}
        task = next(reversed(glance.tasks(image_id)), {})
        return (
            image["status"],
            image.get("os_glance_importing_to_stores", ""),
            image.get("os_glance_failed_import", ""),
            task.get("status") or "",
            task.get("message") or "",
        )

    def ended(state: tuple[str, ...]) -> bool:
        status, importing, failed, task_status, _message = state
        if status == "active":
            return not importing and task_status not in ("pending", "processing")
        return bool(status in ("deleted", "killed") or task_status == "failure" or (failed and not importing and status == "queued"))

    try:
        status, _importing, failed, _task_status, message = wait_while_moving(probe, ended, idle_timeout, glance.http.clock)
    except Stalled as exc:
        raise GlanceError(f"the import has not moved for {idle_timeout:.0f} s, {_last_seen(exc.state)}", kind="timeout") from exc
    failed_stores = {store for store in failed.split(",") if store}
    outcome: list[Record] = [{"id": store, "status": "failed" if store in failed_stores else "active"} for store in stores or ()]
    if status != "active" or failed_stores:
        detail = f": {message}" if message else ""
        where = f" for stores {', '.join(sorted(failed_stores))}" if failed_stores else ""
        error = GlanceError(f"the import failed{where}, the image is in status '{status}'{detail}", kind="import_failed")
        error.details = {"stores": outcome}
        raise error
    return outcome


def _last_seen(state: Any) -> str:
    status, importing, failed, task_status, message = state
    stores = f" and waits for stores {', '.join(importing.split(','))}" if importing else ""
    failures = f", stores {', '.join(failed.split(','))} have failed" if failed else ""
    task = f", its task is in status '{task_status}'" if task_status else ""
    return f"the image is in status '{status}'{stores}{failures}{task}{f': {message}' if message else ''}"


def start_import(glance: Glance, image_id: str, method: Mapping[str, Any], stores: Sequence[str] | None, all_or_none: bool = True) -> None:
    """Glance keeps its lock on an image a moment longer than the state that it shows."""
    for attempt, pause in enumerate(pauses(), start=1):
        try:
            glance.import_image(image_id, method, stores, all_or_none)
            return
        except GlanceError as exc:
            locked = exc.status == 409 and any(sign in str(exc) for sign in LOCK_SIGNS)
            if not locked or attempt == UPLOAD_ATTEMPTS * 2:
                raise
        glance.http.clock.sleep(pause)
