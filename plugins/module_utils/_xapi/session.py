# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""A session with a pool's coordinator, over the PyPI library XenAPI."""

from __future__ import annotations

import http.client
import re
import traceback
import xml.parsers.expat
import xmlrpc.client
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cached_property
from typing import Any

from ansible.module_utils.basic import missing_required_lib

from .._core.errors import ImageServicesError, cannot
from .._core.signals import defer_signals
from .._core.wait import Clock
from .failures import XapiFailure, sentence
from .rpc import Transport, plain, sendable
from .tasks import TaskFailed, Undo, drop, follow, give_up, take_back
from .tls import Address, Connector, explain, parse_address

try:
    import XenAPI
except ImportError:
    XENAPI_IMPORT_ERROR: str | None = traceback.format_exc()
else:
    XENAPI_IMPORT_ERROR = None

ORIGINATOR = "xenstack.image_services"
NULL = "OpaqueRef:NULL"
# Seconds that a host may be silent in one call; what takes longer runs as a task.
SILENCE = 120.0
# A coordinator that changes while we look for it is found after one more step.
STEPS = 3
# Calls that give back or end something: XAPI refuses a call before it does anything of it, so these are made again after a new login.
RELEASING = frozenset({"cancel", "destroy", "forget", "unplug"})
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
# Why a name does not mean an object, from its record; None where it does.
Unfit = Callable[[dict[str, Any]], "str | None"]


class Pool:
    """One session with the coordinator; leaving the context logs out."""

    _needs_library = True

    def __init__(self, params: Mapping[str, Any], clock: Clock | None = None) -> None:
        if self._needs_library and XENAPI_IMPORT_ERROR is not None:
            raise ImageServicesError(missing_required_lib("XenAPI", reason="to talk to the pool"), code="missing_library")
        self.params = params
        self.clock = clock or Clock()
        self.idle_timeout = float(params.get("timeout") or 600)
        self.address = parse_address(params["hostname"])
        self._connector = Connector(params)
        self._server: Any = None
        self._session = ""

    def __enter__(self) -> Pool:
        try:
            self._login()
        except BaseException:
            self._logout()
            raise
        return self

    def __exit__(self, exc_type: object, exc: BaseException | None, trace: object) -> None:
        self._logout()
        if isinstance(exc, XapiFailure):
            raise exc.explained("use", "pool", str(self.address)) from exc

    @property
    def url(self) -> str:
        """Of the coordinator."""
        return self.address.url

    @property
    def session_ref(self) -> str:
        """A secret: whoever has it has the pool."""
        if not self._session:
            self._login()
        return self._session

    def connection(self, address: Address | None = None) -> http.client.HTTPConnection:
        """A connection for a transfer, not yet open, to the coordinator or to another host of the pool."""
        return self._connector.connection(address or self.address, self.idle_timeout)

    def call(self, method: str, *arguments: Any) -> Any:
        """Make a call; XapiFailure when it is refused, a sentence when there is no answer or no session any more."""
        verb = method.rpartition(".")[2]
        reads = verb.startswith("get_")
        repeats = reads or verb in RELEASING
        for last in (not repeats, True):
            session = self.session_ref
            try:
                return self._ask(method, session, *arguments)
            except XapiFailure as exc:
                if exc.code != "SESSION_INVALID":
                    raise XapiFailure(exc.code, [each.replace(session, "(session)") for each in exc.params]) from None
                # What the caller has to give back is given back in the next session.
                self._session = ""
                if last:
                    raise cannot("call", "XAPI", method, "the pool has ended the session", "Run the task again", code=exc.code) from None
            except ImageServicesError as exc:
                if last or not reads or exc.code != "connection":
                    raise
        raise AssertionError("the last round returns or raises")

    def run(self, method: str, *arguments: Any, what: str = "", undo: Undo = None) -> str:
        """Make a call as a task and return what it returns; ``undo`` removes that when we cannot wait for it."""
        ref = ""
        try:
            with defer_signals():
                ref = self.call(f"Async.{method}", *arguments)
            made = follow(self, ref, what or method)
        except TaskFailed:
            drop(self, ref)
            raise
        except BaseException:
            if ref:
                give_up(self, ref, undo)
            raise
        try:
            drop(self, ref)
        except BaseException:
            take_back(self, made, undo)
            raise
        return made

    def records(self, cls: str) -> dict[str, dict[str, Any]]:
        """Every object of a class, by its reference; integers are texts, as XAPI sends them."""
        return self.call(f"{cls}.get_all_records")

    def find(self, cls: str, name_or_uuid: str, *, verb: str, unfit: Unfit | None = None) -> tuple[str, dict[str, Any]]:
        """The one object of a class with this uuid or name; ``unfit`` tells why a name does not mean an object, which its uuid still does."""
        found = self._by_uuid(cls, name_or_uuid)
        causes: list[str] = []
        for ref, record in {} if found else self._by_name(cls, name_or_uuid).items():
            cause = unfit(record) if unfit is not None else None
            if cause is None:
                found[ref] = record
            else:
                causes.append(f"{record['uuid']}: {cause}")
        if len(found) > 1:
            uuids = ", ".join(sorted(record["uuid"] for record in found.values()))
            raise cannot(verb, cls, name_or_uuid, f"{len(found)} have this name: {uuids}", "Give one of the uuids", code="ambiguous")
        for ref, record in found.items():
            return ref, record
        if causes:
            raise cannot(verb, cls, name_or_uuid, f"this name is not taken for what has it ({'; '.join(sorted(causes))})", "Give a uuid", code="not_found")
        raise cannot(verb, cls, name_or_uuid, "the pool has none of this name or uuid", "Check the name", code="not_found")

    def default_sr(self) -> str | None:
        """None where the pool has none, or one that has gone."""
        for record in self.records("pool").values():
            with suppress(XapiFailure):
                self.call("SR.get_uuid", record["default_SR"])
                return str(record["default_SR"])
        return None

    @cached_property
    def coordinator(self) -> str:
        """The reference of the host that leads the pool."""
        return str(next(iter(self.records("pool").values()))["master"])

    @cached_property
    def version(self) -> tuple[int, int]:
        """Of the API that the coordinator speaks."""
        return int(self.call("host.get_API_version_major", self.coordinator)), int(self.call("host.get_API_version_minor", self.coordinator))

    @cached_property
    def software_version(self) -> dict[str, str]:
        return self.call("host.get_software_version", self.coordinator)

    def _by_uuid(self, cls: str, uuid: str) -> dict[str, dict[str, Any]]:
        if not UUID.fullmatch(uuid):
            return {}
        try:
            ref = self.call(f"{cls}.get_by_uuid", uuid.lower())
        except XapiFailure as exc:
            if exc.code != "UUID_INVALID":
                raise
            return {}
        return {ref: self.call(f"{cls}.get_record", ref)}

    def _by_name(self, cls: str, name: str) -> dict[str, dict[str, Any]]:
        return {ref: self.call(f"{cls}.get_record", ref) for ref in self.call(f"{cls}.get_by_name_label", name)}

    def _login(self) -> None:
        for _step in range(STEPS):
            self._connect()
            try:
                with defer_signals():
                    self._session = self._ask("session.login_with_password", self.params["username"], self.params["password"], "1.0", ORIGINATOR)
                return
            except XapiFailure as exc:
                failure = exc
            if failure.code != "HOST_IS_SLAVE" or not failure.params:
                break
            self.address = parse_address(failure.params[0], near=self.address)
        cause, advice = sentence(failure)
        raise cannot("log in to", "pool", str(self.address), cause, advice, code=failure.code)

    def _logout(self) -> None:
        # The pool's word for it does not matter: an unused session ends by itself.
        with defer_signals():
            with suppress(XapiFailure, ImageServicesError):
                if self._session:
                    self._ask("session.logout", self._session)
            self._session = ""
            self._close()

    def _connect(self) -> None:
        self._close()
        address = self.address
        transport = Transport(lambda: self._connector.connection(address, min(self.idle_timeout, SILENCE)))
        proxy = XenAPI.Session if self._needs_library else xmlrpc.client.ServerProxy
        self._server = proxy(address.url, transport=transport)
        with self._explained("connect"):
            transport.open()

    def _close(self) -> None:
        if self._server is not None:
            self._server("close")()
            self._server = None

    def _ask(self, method: str, *arguments: Any) -> Any:
        with self._explained(method):
            answer = getattr(self._server, method)(*sendable(arguments))
        if isinstance(answer, dict) and answer.get("Status") == "Success" and "Value" in answer:
            return plain(answer["Value"])
        description = answer.get("ErrorDescription") if isinstance(answer, dict) else None
        if not isinstance(description, list) or not description:
            raise explain(ValueError("no answer of XAPI"), self.address)
        raise XapiFailure(str(description[0]), description[1:])

    @contextmanager
    def _explained(self, method: str) -> Iterator[None]:
        try:
            yield
        except xmlrpc.client.Fault as exc:
            raise XapiFailure("FAULT", [exc.faultString]) from exc
        except xmlrpc.client.ProtocolError as exc:
            cause = f"it answers {method} with HTTP {exc.errcode} {exc.errmsg}".rstrip()
            raise cannot("talk to", "pool", self.url, cause, "Check that hostname and its port are those of a pool", code="not_xapi") from exc
        except (OSError, http.client.HTTPException, xmlrpc.client.Error, xml.parsers.expat.ExpatError, ValueError) as exc:
            raise explain(exc, self.address) from exc


class BarePool(Pool):
    """The same with the standard library alone, for a host that is looked at before anything is installed there."""

    _needs_library = False
