# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sessions: who may call, for how long, and how many at once."""

from __future__ import annotations

import hmac
import time

from ..context import Context, handler
from ..database import now
from ..errors import NULL, Failure

LAST: dict[str, float] = {}  # ref -> monotonic time of the last call


def check(context: Context) -> None:
    """Refuses a session that is unknown or too old, and says that it was used."""
    ref, db = context.session, context.db
    with db.lock:
        if not db.exists("session", ref):
            raise Failure("SESSION_INVALID", ref)
        last = LAST.get(ref, 0.0)
        if time.monotonic() - last > context.pool.settings.session_timeout:
            forget(context, ref)
            raise Failure("SESSION_INVALID", ref)
        LAST[ref] = time.monotonic()
        db.objects["session"][ref]["last_active"] = now()


def forget(context: Context, ref: str) -> None:
    LAST.pop(ref, None)
    if context.db.exists("session", ref):
        context.db.delete("session", ref)


def authenticate(context: Context, uname: str, pwd: str) -> None:
    settings = context.pool.settings
    fits = hmac.compare_digest(uname.encode(), settings.user.encode()) & hmac.compare_digest(pwd.encode(), settings.password.encode())
    if not fits:
        raise Failure("SESSION_AUTHENTICATION_FAILED", uname, "Authentication failure")


def evict(context: Context, field: str, value: str) -> None:
    """Room for one more: the one that was used longest ago goes."""
    mine = sorted(context.db.find("session", **{field: value}), key=lambda ref: LAST.get(ref, 0.0))
    for ref in mine[: max(0, len(mine) - context.pool.settings.session_limit + 1)]:
        forget(context, ref)


@handler("session.login_with_password")
def login(context: Context, uname: str, pwd: str, version: str | None, originator: str | None) -> str:
    authenticate(context, uname, pwd)
    evict(context, "auth_user_name", uname)
    evict(context, "originator", originator or "")
    return open_session(context, uname, originator or "", True)


@handler("session.slave_local_login_with_password")
def local_login(context: Context, uname: str, pwd: str) -> str:
    authenticate(context, uname, pwd)
    return open_session(context, uname, "", False)


def open_session(context: Context, uname: str, originator: str, pool: bool) -> str:
    ref = context.db.create(
        "session",
        this_host=context.host,
        this_user=NULL,
        last_active=now(),
        validation_time=now(),
        pool=pool,
        is_local_superuser=True,
        auth_user_name=uname,
        originator=originator,
    )
    LAST[ref] = time.monotonic()
    return ref


@handler("session.logout", "session.local_logout")
def logout(context: Context) -> None:
    forget(context, context.session)


@handler("session.get_all_subject_identifiers")
def subjects(context: Context) -> list[str]:
    """Only sessions of external users have one, and root is none."""
    return []
