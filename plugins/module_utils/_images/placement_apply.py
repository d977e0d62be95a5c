# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""Copy an image into stores and take it out of others. A copy is deleted only after those that stay have been seen, and while Glance leaves the image alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from .._core.errors import ImageServicesError, cannot
from .._core.wait import Stalled, wait_while_moving
from .._glance.api import Glance, Record
from .._glance.http import GlanceError, pauses
from .._glance.store_usage import stores_of
from .placement_plan import COPY_METHOD, IMPORTING, LOCK, Placement, copy_failures, why_unsafe
from .transfer import UPLOAD_ATTEMPTS, start_import

FOR_ADMINISTRATORS = "Use an administrator's credentials: by Glance's default policy only they copy images between stores and take them out of one"


@dataclass
class Placed:
    """What became of each store, and what went wrong."""

    stores: list[dict[str, Any]] = field(default_factory=list)
    failures: list[GlanceError] = field(default_factory=list)

    def note(self, store: str, status: str, failure: GlanceError | None = None) -> None:
        self.stores.append({"id": store, "status": status, **({"error": str(failure)} if failure is not None else {})})
        if failure is not None:
            self.failures.append(failure)

    @property
    def changed(self) -> bool:
        return any(store["status"] in ("active", "importing", "removed") for store in self.stores)

    @property
    def cause(self) -> str:
        return "; ".join(dict.fromkeys(str(failure) for failure in self.failures))

    def failure(self, name: str) -> ImageServicesError:
        """The failure of a task that was about this image alone."""
        first = self.failures[0]
        advice = FOR_ADMINISTRATORS if first.status == 403 else first.advice
        error = cannot("place", "image", name, self.cause, advice, code=first.code, details={"stores": self.stores}, request_id=first.request_id)
        error.result = {"changed": self.changed, "stores": self.stores}
        return error


class Placer:
    """``idle_timeout`` in seconds is for a copy that does not move."""

    def __init__(self, glance: Glance, idle_timeout: float, wait: bool = True) -> None:
        self._glance = glance
        self._idle_timeout = idle_timeout
        self._wait = wait

    def place(self, image_id: str, made: Placement, keep: Sequence[str]) -> Placed:
        """Copy, verify, and only then remove; ``keep`` are the stores without which nothing is removed."""
        placed = Placed()
        complete = self._copied(image_id, made.copy, placed)
        for store in made.remove:
            if not complete:
                placed.note(store, "kept")
                continue
            try:
                self._remove(image_id, store, keep)
                placed.note(store, "removed")
            except GlanceError as exc:
                placed.note(store, "kept", exc)
        return placed

    def _copied(self, image_id: str, stores: Sequence[str], placed: Placed) -> bool:
        """Whether all these stores are seen to hold the image now."""
        if not stores:
            return True
        try:
            image = self._copy(image_id, stores)
            failed = copy_failures(image, stores) if self._wait else []
            reason = self._reason(image_id) if failed else ""
        except GlanceError as exc:
            for store in stores:
                placed.note(store, "failed", exc)
            return False
        for store in stores:
            if store in failed:
                placed.note(store, "failed", GlanceError(f"the copy into store '{store}' failed{reason}", kind="copy_failed"))
            else:
                placed.note(store, "active" if store in stores_of(image) else "importing")
        return self._wait and not failed

    def _copy(self, image_id: str, stores: Sequence[str]) -> Record:
        """The image after one import into all stores that lack it; one that has begun already is followed to its end instead."""
        for attempt, pause in enumerate(pauses(), start=1):
            image = self.idle(image_id)
            missing = [store for store in stores if store not in stores_of(image)]
            if not missing:
                return image
            try:
                # Each store for itself: what has arrived in one is not given up because another fails.
                start_import(self._glance, image_id, {"name": COPY_METHOD}, missing, all_or_none=False)
            except GlanceError as exc:
                # Where the answer was lost, or another request came first, the import may be running or done.
                begun = exc.retryable or (exc.status == 400 and set(missing).intersection(stores_of(self.idle(image_id))))
                if not begun or attempt == UPLOAD_ATTEMPTS:
                    raise
                self._glance.http.clock.sleep(max(pause, exc.retry_after))
                continue
            return self._followed(image_id) if self._wait else image
        raise AssertionError("pauses() never ends")

    def _remove(self, image_id: str, store: str, keep: Sequence[str]) -> None:
        # While an import holds the image, Glance may write back the list of copies that it has read before.
        image = self.idle(image_id)
        if store not in stores_of(image):
            return
        reason = why_unsafe(image, store, keep)
        if reason is not None:
            raise GlanceError(f"it stays in store '{store}': {reason}", kind="unsafe")
        self._glance.delete_from_store(store, image_id)

    def idle(self, image_id: str) -> Record:
        """The image once no import holds it, whoever began that. An import that died holds it until the next one is requested."""
        image = self._glance.image(image_id) or {}
        placed = stores_of(image)
        if image.get(LOCK) and image.get("status") == "active" and placed:
            self._knock(image_id, placed[0])
        return self._followed(image_id)

    def _knock(self, image_id: str, holder: str) -> None:
        """Ask for a copy to where the image lies, which is refused, but only after Glance has let go of a lock that has expired."""
        try:
            self._glance.import_image(image_id, {"name": COPY_METHOD}, [holder])
        except GlanceError as exc:
            if exc.status not in (400, 403, 409) and not exc.retryable:
                raise

    def _followed(self, image_id: str) -> Record:
        seen: Record = {}

        def state() -> tuple[Any, ...]:
            nonlocal seen
            image = self._glance.image(image_id)
            if image is None:
                raise GlanceError("it has been deleted meanwhile", kind="gone")
            seen = image
            lock = image.get(LOCK)
            task = next((task for task in self._glance.tasks(image_id) if task["id"] == lock), {}) if lock else {}
            return lock, image["status"], image.get("stores"), image.get(IMPORTING), task.get("status"), task.get("message")

        try:
            wait_while_moving(state, lambda found: not found[0], self._idle_timeout, self._glance.http.clock)
        except Stalled as exc:
            raise GlanceError(f"import task {seen.get(LOCK)} holds it and has not moved for {self._idle_timeout:.0f} s", kind="busy") from exc
        return seen

    def _reason(self, image_id: str) -> str:
        """What Glance says of its last task, where it says anything."""
        message = str(next(reversed(self._glance.tasks(image_id)), {}).get("message") or "")
        return f": {message}" if message and not message.startswith("Copied ") else ""
