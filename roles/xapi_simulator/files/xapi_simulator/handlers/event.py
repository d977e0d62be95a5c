# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Events: what changed since a token."""

from __future__ import annotations

import time
from typing import Any

from .. import values
from ..context import Context, handler
from ..database import VOLATILE
from ..errors import Failure
from ..schema import Type
from . import session

LONGEST = 3600.0
HIDDEN = ("session", "event")


def make_token(generation: int) -> str:
    return f"{generation:020d},{0:020d}"


def parse_token(token: str) -> int:
    """The generation that the client has seen; -1 when it has seen nothing."""
    if not token:
        return -1
    first, comma, second = token.partition(",")
    if not comma or not first.isdecimal() or not second.isdecimal():
        raise Failure("EVENT_FROM_TOKEN_PARSE_FAILURE", token)
    return int(first)


def parse_subscription(classes: list[str]) -> list[tuple[str, str]]:
    """Pairs of a class, in lower case, and a reference; * for all."""
    wanted = []
    for text in classes:
        name, dummy, ref = text.partition("/")
        if not name or text.count("/") > 1:
            raise Failure("EVENT_SUBSCRIPTION_PARSE_FAILURE", text)
        wanted.append((name.lower(), ref or "*"))
    return wanted


def collect(context: Context, wanted: list[tuple[str, str]], since: int) -> list[dict[str, Any]]:
    db = context.db

    def matches(name: str, ref: str) -> bool:
        return any(cls in ("*", name.lower()) and which in ("*", ref) for cls, which in wanted)

    found: list[tuple[int, dict[str, Any]]] = []
    for name, objects in db.objects.items():
        if name in HIDDEN:
            continue
        for ref in objects:
            created, modified = db.changed[ref]
            if modified > since and matches(name, ref):
                found.append((modified, event(context, modified, name, "add" if created > since else "mod", ref)))
    for gone in db.deleted:
        # What came and went between two calls was never there.
        if gone.generation > since >= gone.created and gone.cls not in HIDDEN and matches(gone.cls, gone.ref):
            found.append((gone.generation, event(context, gone.generation, gone.cls, "del", gone.ref, gone.uuid)))
    return [each for dummy, each in sorted(found, key=lambda pair: pair[0])]


def event(context: Context, number: int, name: str, operation: str, ref: str, uuid: str = "") -> dict[str, Any]:
    stamp = values.emit(context.pool.schema, Type("datetime"), time.strftime("%Y%m%dT%H:%M:%SZ", time.gmtime()), context.xml)
    made = {"id": str(number) if context.xml else number, "timestamp": stamp, "class": name.lower(), "operation": operation, "ref": ref}
    if operation == "del":
        return made | {"obj_uuid": uuid}
    record = context.db.record(name, ref)
    return made | {"obj_uuid": record["uuid"], "snapshot": values.emit(context.pool.schema, Type("record", name), record, context.xml)}


@handler("event.from")
def events_from(context: Context, classes: list[str], token: str, timeout: float) -> dict[str, Any]:
    """Waits until something that is asked for changed; the lock is free while it waits."""
    db, since, wanted = context.db, parse_token(token), parse_subscription(classes)
    until = time.monotonic() + min(max(timeout, 0.0), LONGEST)
    while True:
        session.check(context)
        found = collect(context, wanted, since)
        left = until - time.monotonic()
        if found or left <= 0:
            break
        db.lock.wait(left)
    counts = {name.lower(): len(objects) for name, objects in db.objects.items() if name not in HIDDEN}
    shown = {name: str(count) if context.xml else count for name, count in counts.items()}
    return {"events": found, "valid_ref_counts": shown, "token": make_token(db.generation)}


@handler("event.inject")
def inject(context: Context, name: str, ref: str) -> str:
    """Says that an object changed, though it did not."""
    for known in context.db.objects:
        if known.lower() == name.lower() and context.db.exists(known, ref):
            context.db.touch(known, ref, pointers=known not in VOLATILE)
            return make_token(context.db.generation)
    raise Failure("HANDLE_INVALID", name, ref)


@handler("event.get_current_id")
def current(context: Context) -> int:
    return context.db.generation
