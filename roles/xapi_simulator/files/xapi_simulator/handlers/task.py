# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tasks: of asynchronous calls, of imports and exports, and of clients."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from .. import wire
from ..context import Context, handler
from ..database import now
from ..errors import NULL, Failure

if TYPE_CHECKING:
    from ..pool import Pool

COMPLETED = ("success", "failure", "cancelled")
KEPT = 200
KEPT_FOR = 65 * 60.0
FINISHED: dict[str, float] = {}


def create(pool: Pool, label: str, description: str = "", session: str = NULL, cancellable: bool = False) -> str:
    with pool.db.lock:
        collect(pool)
        return pool.db.create(
            "task",
            name_label=label,
            name_description=description,
            created=now(),
            status="pending",
            resident_on=pool.coordinator,
            type="<none/>",
            allowed_operations=["cancel"] if cancellable else [],
        )


def collect(pool: Pool) -> None:
    """What is over long ago, or is one too many, goes."""
    over = sorted((FINISHED[ref], ref) for ref in pool.db.objects["task"] if ref in FINISHED)
    for index, (when, ref) in enumerate(over):
        if time.monotonic() - when > KEPT_FOR or len(over) - index > KEPT:
            remove(pool, ref)


def remove(pool: Pool, ref: str) -> None:
    FINISHED.pop(ref, None)
    pool.db.delete("task", ref)


def pending(pool: Pool, ref: str) -> bool:
    return pool.db.exists("task", ref) and pool.db.get("task", ref)["status"] not in COMPLETED


def progress(pool: Pool, ref: str, share: float) -> None:
    with pool.db.lock:
        if pending(pool, ref):
            pool.db.set("task", ref, progress=share)


def finish(pool: Pool, ref: str, **fields: Any) -> None:
    """A task that is over, or was destroyed, never changes again."""
    with pool.db.lock:
        if pending(pool, ref):
            FINISHED[ref] = time.monotonic()
            pool.db.set("task", ref, finished=now(), progress=1.0, allowed_operations=[], **fields)


def succeed(pool: Pool, ref: str, result: Any) -> None:
    finish(pool, ref, status="success", result="" if result is None else wire.xml_value(result))


def fail(pool: Pool, ref: str, error: Failure) -> None:
    status = "cancelled" if error.code == "TASK_CANCELLED" else "failure"
    finish(pool, ref, status=status, error_info=error.description)


def check_cancelled(pool: Pool, ref: str) -> None:
    with pool.db.lock:
        if pool.db.exists("task", ref) and pool.db.get("task", ref)["status"] == "cancelling":
            raise Failure("TASK_CANCELLED", ref)


@handler("task.create")
def create_by_client(context: Context, label: str, description: str) -> str:
    return create(context.pool, label, description)


@handler("task.destroy")
def destroy(context: Context, ref: str) -> None:
    """One that is not over is only marked, and stays when it ends; until then it cannot be marked again."""
    record = context.db.get("task", ref)
    if not pending(context.pool, ref):
        remove(context.pool, ref)
    elif "task" in record["current_operations"]:
        raise Failure("MAP_DUPLICATE_KEY", "task", "current_operations", ref, "task")
    else:
        context.db.set("task", ref, current_operations=record["current_operations"] | {"task": "destroy"})


@handler("task.cancel")
def cancel(context: Context, ref: str) -> None:
    """Accepted always; a task that does not list the operation continues as if it was not cancelled."""
    record = context.db.get("task", ref)
    if "cancel" in record["allowed_operations"] and pending(context.pool, ref):
        context.db.set("task", ref, status="cancelling", current_operations=record["current_operations"] | {ref: "cancel"})


@handler("task.set_status")
def set_status(context: Context, ref: str, value: str) -> None:
    if value in COMPLETED and pending(context.pool, ref):
        finish(context.pool, ref, status=value)
    else:
        context.db.set("task", ref, status=value)
