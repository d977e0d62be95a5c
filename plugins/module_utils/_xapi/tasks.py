# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""Tasks of a pool: those of asynchronous calls, and those that tell how transfers ended. None is left behind."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from html import unescape
from typing import TYPE_CHECKING, Any, Protocol, Union
from uuid import uuid4

from .._core.errors import ImageServicesError, cannot
from .._core.signals import defer_signals
from .._core.wait import Stalled, wait_while_moving
from .failures import XapiFailure

if TYPE_CHECKING:
    from .._core.wait import Clock

UNFINISHED = ("pending", "cancelling")
# Seconds that a cancelled task has to end before it is left to the pool, which removes it later.
GRACE = 10.0
Undo = Union[str, Callable[[str], object], None]


class TaskFailed(XapiFailure):
    """The task itself says that it has failed: nothing of it continues."""


class Caller(Protocol):
    """What tasks need of a pool."""

    clock: Clock
    idle_timeout: float

    def call(self, method: str, *arguments: Any) -> Any: ...


class Task:
    """A task that this session creates around one transfer."""

    def __init__(self, pool: Caller, label: str, description: str = "") -> None:
        self._pool = pool
        # By the description it is found when the answer to its creation is lost.
        self._named = (label, description or f"xenstack.image_services {uuid4()}")
        self.ref = ""

    def __enter__(self) -> Task:
        try:
            with defer_signals():
                self.ref = self._pool.call("task.create", *self._named)
        except BaseException:
            with suppress(XapiFailure, ImageServicesError):
                for ref in [self.ref] if self.ref else self._lost():
                    drop(self._pool, ref)
            raise
        return self

    def _lost(self) -> list[str]:
        label, description = self._named
        return [ref for ref in self._pool.call("task.get_by_name_label", label) if self._pool.call("task.get_name_description", ref) == description]

    def wait(self, what: str) -> str:
        """Its result, once it has one; ``what`` says in an error what was going on."""
        return follow(self._pool, self.ref, what)

    def __exit__(self, *exc_info: object) -> None:
        drop(self._pool, self.ref)


def follow(pool: Caller, ref: str, what: str, idle_timeout: float | None = None, share: Callable[[], float] | None = None) -> str:
    """Wait for the end of a task, as long as its progress moves; a task that failed raises TaskFailed.

    ``share`` tells the progress of a task that shows none itself.
    """
    idle_timeout = pool.idle_timeout if idle_timeout is None else idle_timeout

    def probe() -> tuple[str, str, dict[str, Any]]:
        record = pool.call("task.get_record", ref)
        if share is not None and record["status"] in UNFINISHED:
            record["progress"] = share()
        return record["status"], f"{float(record['progress']):.0%}", record

    try:
        status, _share, record = wait_while_moving(probe, lambda seen: seen[0] not in UNFINISHED, idle_timeout, pool.clock, interval=0.05, longest_interval=2.0)
    except Stalled as exc:
        seen: Any = exc.state
        cause = f"its progress has been {seen[1]} ({seen[0]}) for {idle_timeout:g} seconds"
        raise cannot("finish", "task", what, cause, "See what the pool is busy with, or raise timeout", code="stalled") from exc
    if status == "success":
        return result_text(record["result"])
    code, *params = record["error_info"] or ["TASK_CANCELLED" if status == "cancelled" else "INTERNAL_ERROR", "no reason given"]
    raise TaskFailed(code, params)


def result_text(result: str) -> str:
    """The text in ``<value>text</value>``, the form of results."""
    return unescape(re.sub(r"<[^>]*>", "", result)).strip()


def drop(pool: Caller, ref: str) -> None:
    """Destroy a task, with a second attempt where the first does not succeed; an interruption is raised afterwards."""
    try:
        _destroy(pool, ref)
    except BaseException as exc:
        with suppress(XapiFailure, ImageServicesError):
            _destroy(pool, ref)
        if not isinstance(exc, (XapiFailure, ImageServicesError)):
            raise


def _destroy(pool: Caller, ref: str) -> None:
    """A pool only marks a task that is not over, and keeps it when its work ends, so such a task is ended first."""
    if pool.call("task.get_status", ref) in UNFINISHED:
        with suppress(XapiFailure):
            pool.call("task.cancel", ref)
        # Pools older than this call keep the task until they remove what has been pending for a day.
        with suppress(XapiFailure):
            pool.call("task.set_status", ref, "cancelled")
    pool.call("task.destroy", ref)


def drop_by_uuid(pool: Caller, uuid: str) -> None:
    """Destroy a task that an earlier run has left, if the pool still has it."""
    with suppress(XapiFailure, ImageServicesError):
        drop(pool, pool.call("task.get_by_uuid", uuid))


def give_up(pool: Caller, ref: str, undo: Undo) -> None:
    """End a task that is no longer waited for; what it has created all the same is removed by ``undo``, a call or a function of the reference."""
    try:
        with suppress(XapiFailure, ImageServicesError):
            if pool.call("task.get_status", ref) in UNFINISHED:
                pool.call("task.cancel", ref)
            take_back(pool, follow(pool, ref, "cancelled", GRACE), undo)
    finally:
        drop(pool, ref)


def take_back(pool: Caller, made: str, undo: Undo) -> None:
    with suppress(XapiFailure, ImageServicesError):
        if callable(undo):
            undo(made)
        elif undo:
            pool.call(undo, made)
