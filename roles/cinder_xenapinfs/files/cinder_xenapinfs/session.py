# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sessions on a pool: one for each operation, logged out at its end in any case."""

from __future__ import annotations

import contextlib
import functools
import http.client
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlencode, urlsplit

from oslo_log import log as logging

from . import wire
from .client import LOST, Client, Refusal
from .errors import PoolError, PoolFailure, PoolUnreachable
from .options import Settings

LOG = logging.getLogger(__name__)
QUICK = 300.0
# For calls that move data.
LONG = 24 * 3600.0
FIRST_DELAY, LAST_DELAY = 0.1, 5.0
# Descriptions of the tasks that this process still uses.
ACTIVE_TASKS: set[str] = set()


class Session(Client):
    """A session that logs in again when it is lost. Errors are exceptions of Cinder without arguments of calls, which may be the password."""

    def __init__(self, settings: Settings, originator: str, idle_timeout: float) -> None:
        super().__init__(settings.url, (settings.username, settings.password), originator, wire.CONNECT)
        self.settings, self.originator, self.idle_timeout = settings, originator, idle_timeout
        self.until: float | None = None

    @property
    def url(self) -> str:
        return str(self.address)

    def connect(self, address: str, silence: float) -> http.client.HTTPConnection:
        return wire.connection(address, self.settings, silence)

    def near(self, host: str) -> str:
        return f"{urlsplit(self.url).scheme}://{host}"

    def reads_again(self, method: str) -> bool:
        # Cleanup uses ``keep_trying``; for all other calls, Cinder retries the operation.
        return False

    def login(self) -> None:
        try:
            with self.guarded("session.login_with_password"):
                super().login()
        except PoolFailure as exc:
            self.close()
            if exc.code != "HOST_IS_SLAVE":
                raise
            raise PoolUnreachable(
                f"Cannot find the coordinator of the pool at {self.settings.url}: the host that it names is a member too. Check the state of the pool."
            ) from exc
        except PoolError:
            self.close()
            raise

    def logout(self) -> None:
        """End the session; never raises."""
        try:
            self.keep_trying("end the session", self.finish)
        finally:
            self.close()

    def finish(self) -> None:
        with self.guarded("session.logout"):
            self.end()

    @contextlib.contextmanager
    def guarded(self, method: str) -> Iterator[None]:
        """Turn errors of the client into errors of this package."""
        try:
            yield
        except Refusal as exc:
            raise PoolFailure(method, [exc.code, *exc.params]) from exc
        except LOST as exc:
            raise PoolUnreachable(f"Cannot reach the pool at {self.url} for {method}: {exc}.") from exc

    def call(self, method: str, *args: Any, timeout: float = QUICK, silence: float | None = None) -> Any:
        with self.guarded(method):
            return super().call(method, *args, silence=timeout if silence is None else silence)

    @functools.cached_property
    def host(self) -> str:
        """The host that answers, which is the coordinator."""
        try:
            return str(self.call("session.get_this_host", self.session_ref))
        except PoolFailure as exc:
            # The session was lost: the call had the reference of the old one.
            if exc.code != "HANDLE_INVALID":
                raise
            return str(self.call("session.get_this_host", self.session_ref))

    def keep_trying(self, purpose: str, work: Callable[[], Any]) -> bool:
        """Retry while the pool is unreachable, and return whether the work was done. All retries of a session share one idle_timeout."""
        delay = FIRST_DELAY
        while True:
            try:
                work()
                return True
            except PoolError as exc:
                now = time.monotonic()
                self.until = self.until or now + self.idle_timeout
                if now + delay > self.until:
                    LOG.error("Cannot %s: %s", purpose, exc.sentence)
                    return False
                LOG.debug("Will try again to %s: %s", purpose, exc.sentence)
            time.sleep(delay)
            delay = min(2 * delay, LAST_DELAY)

    @contextlib.contextmanager
    def task(self, label: str) -> Iterator[str]:
        """A task of the pool that is removed in any case."""
        description = f"{self.originator} {time.time_ns()}"
        ACTIVE_TASKS.add(description)
        try:
            yield self.call("task.create", label, description)
        finally:
            ACTIVE_TASKS.discard(description)
            self.keep_trying("remove a task", lambda: self.remove_tasks(lambda each: each == description))

    def remove_tasks(self, matches: Callable[[str], bool]) -> None:
        """Remove the tasks whose description matches. The pool only marks a task that still runs, so that is ended first."""
        for ref, record in self.call("task.get_all_records").items():
            if not matches(record["name_description"]):
                continue
            if record["status"] in ("pending", "cancelling"):
                with contextlib.suppress(PoolFailure):
                    self.call("task.set_status", ref, "cancelled")
            try:
                self.call("task.destroy", ref)
            except PoolFailure as exc:
                # The task no longer exists, or an old pool that cannot end it has marked it before.
                if exc.code not in ("HANDLE_INVALID", "MAP_DUPLICATE_KEY"):
                    raise

    def query(self, path: str, **given: str) -> str:
        return f"{path}?{urlencode({'session_id': self.session_ref} | given)}"


class Pool:
    """Opens sessions on the pool of one backend."""

    def __init__(self, settings: Settings, originator: str, idle_timeout: float = 60.0) -> None:
        self.settings, self.originator, self.idle_timeout = settings, originator, idle_timeout

    @contextlib.contextmanager
    def session(self) -> Iterator[Session]:
        session = Session(self.settings, self.originator, self.idle_timeout)
        session.login()
        try:
            yield session
        finally:
            session.logout()
