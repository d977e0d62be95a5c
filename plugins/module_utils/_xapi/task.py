# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""Tasks of a pool: those of asynchronous calls, and those by which transfers are judged. None is left behind."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from html import unescape
from typing import TYPE_CHECKING, Any, Protocol, Union

from .._common.errors import ImageServicesError, cannot
from .._common.interrupt import undisturbed
from .._common.wait import Stalled, wait_while_moving
from .failure import XapiFailure

if TYPE_CHECKING:
    from .._common.wait import Clock

UNFINISHED = ("pending", "cancelling")
# Seconds that a cancelled task has to end before it is left to the pool, which removes it later.
GRACE = 10.0
Undo = Union[str, Callable[[str], object], None]


class TaskFailed(XapiFailure):
    """The task itself says that it has failed: nothing of it goes on."""


class Caller(Protocol):
    """What tasks need of a pool."""

    clock: Clock
    patience: float

    def call(self, method: str, *arguments: Any) -> Any: ...


class Task:
    """A task of ours around one transfer."""

    def __init__(self, pool: Caller, label: str, description: str = "") -> None:
        self._pool = pool
        self._named = (label, description)
        self.ref = ""

    def __enter__(self) -> Task:
        try:
            with undisturbed():
                self.ref = self._pool.call("task.create", *self._named)
        except BaseException:
            if self.ref:
                drop(self._pool, self.ref)
            raise
        return self

    def wait(self, what: str) -> str:
        """Its result, once it has one; ``what`` says in an error what was going on."""
        return follow(self._pool, self.ref, what)

    def __exit__(self, *exc_info: object) -> None:
        drop(self._pool, self.ref)


def follow(pool: Caller, ref: str, what: str, patience: float | None = None, share: Callable[[], float] | None = None) -> str:
    """Wait for the end of a task, as long as its progress moves; a task that failed raises TaskFailed.

    ``share`` tells the progress of a task that shows none itself.
    """
    patience = pool.patience if patience is None else patience

    def probe() -> tuple[str, str, dict[str, Any]]:
        record = pool.call("task.get_record", ref)
        if share is not None and record["status"] in UNFINISHED:
            record["progress"] = share()
        return record["status"], f"{float(record['progress']):.0%}", record

    try:
        status, _share, record = wait_while_moving(probe, lambda seen: seen[0] not in UNFINISHED, patience, pool.clock, interval=0.05, longest_interval=2.0)
    except Stalled as exc:
        seen: Any = exc.state
        cause = f"it has stood at {seen[1]} ({seen[0]}) for {patience:g} seconds"
        raise cannot("finish", "task", what, cause, "See what the pool is busy with, or raise timeout", code="stalled") from exc
    if status == "success":
        return result_text(record["result"])
    code, *params = record["error_info"] or ["TASK_CANCELLED" if status == "cancelled" else "INTERNAL_ERROR", "no reason given"]
    raise TaskFailed(code, params)


def result_text(result: str) -> str:
    """The text in ``<value>text</value>``, the form of results."""
    return unescape(re.sub(r"<[^>]*>", "", result)).strip()


def drop(pool: Caller, ref: str) -> None:
    """Destroy a task; one that still runs is asked to stop first."""
    try:
        with suppress(XapiFailure, ImageServicesError):
            if pool.call("task.get_status", ref) in UNFINISHED:
                pool.call("task.cancel", ref)
    finally:
        _destroy(pool, ref)


def _destroy(pool: Caller, ref: str) -> None:
    """Twice where it has to be; an interruption goes on afterwards."""
    try:
        pool.call("task.destroy", ref)
    except BaseException as exc:
        with suppress(XapiFailure, ImageServicesError):
            pool.call("task.destroy", ref)
        if not isinstance(exc, (XapiFailure, ImageServicesError)):
            raise


def give_up(pool: Caller, ref: str, undo: Undo) -> None:
    """End a task that nobody waits for any more; what it has made all the same goes by ``undo``, a call or a function of the reference."""
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
