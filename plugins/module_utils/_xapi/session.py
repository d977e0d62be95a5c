# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""A session with a pool's coordinator, over the PyPI library XenAPI."""

from __future__ import annotations

import http.client
import re
import traceback
import xmlrpc.client
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cached_property
from typing import Any

from ansible.module_utils.basic import missing_required_lib

from .._core.errors import ImageServicesError, cannot
from .._core.signals import defer_signals
from .._core.wait import Clock
from .client import LOST, SESSION_INVALID, Client, Transport
from .failures import XapiFailure, sentence
from .tasks import TaskFailed, Undo, drop, follow, give_up, take_back
from .tls import Address, Connector, connection_error, parse_address

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
# Calls that give back or end something are made again after a new login. Others are not: what they refer to may have gone with the session.
RELEASING = frozenset({"cancel", "destroy", "forget", "unplug"})
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
# Why a name does not mean an object, from its record; None where it does.
Unfit = Callable[[dict[str, Any]], "str | None"]


class Pool(Client):
    """One session with the coordinator; leaving the context logs out."""

    refusal = XapiFailure
    _needs_library = True

    def __init__(self, params: Mapping[str, Any], clock: Clock | None = None) -> None:
        if self._needs_library and XENAPI_IMPORT_ERROR is not None:
            raise ImageServicesError(missing_required_lib("XenAPI", reason="to talk to the pool"), code="missing_library")
        self.params = params
        self.clock = clock or Clock()
        self.idle_timeout = float(params.get("timeout") or 600)
        self._connector = Connector(params)
        address = parse_address(params["hostname"])
        super().__init__(address, (params["username"], params["password"]), ORIGINATOR, min(self.idle_timeout, SILENCE))

    def __enter__(self) -> Pool:
        try:
            self.login()
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

    def connection(self, address: Address | None = None) -> http.client.HTTPConnection:
        """A connection for a transfer, not yet open, to the coordinator or to another host of the pool."""
        return self._connector.connection(address or self.address, self.idle_timeout)

    def connect(self, address: Address, silence: float) -> http.client.HTTPConnection:
        return self._connector.connection(address, silence)

    def near(self, host: str) -> Address:
        return parse_address(host, near=self.address)

    def repeats(self, method: str) -> bool:
        verb = method.rpartition(".")[2]
        return verb.startswith("get_") or verb in RELEASING

    def proxy(self, transport: Transport) -> Any:
        return XenAPI.Session(self.url, transport=transport) if self._needs_library else super().proxy(transport)

    def login(self) -> None:
        try:
            with self._explained("session.login_with_password"):
                super().login()
        except XapiFailure as exc:
            cause, advice = sentence(exc)
            raise cannot("log in to", "pool", str(self.address), cause, advice, code=exc.code) from exc

    def call(self, method: str, *arguments: Any, silence: float | None = None) -> Any:
        """Make a call; XapiFailure when it is refused, a sentence when there is no answer or no session any more."""
        try:
            with self._explained(method):
                return super().call(method, *arguments, silence=silence)
        except XapiFailure as exc:
            if exc.code != SESSION_INVALID:
                raise
            raise cannot("call", "XAPI", method, "the pool has ended the session", "Run the task again", code=exc.code) from None

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

    def _start(self) -> None:
        # A session that the pool has begun is known, so that it is ended.
        with defer_signals():
            super()._start()

    def _logout(self) -> None:
        # A session that cannot be ended ends by itself, and the failure that came before is the one to tell.
        with defer_signals():
            for _try in range(2):
                with suppress(XapiFailure, *LOST):
                    self.end()
                    break
            self._session = ""
            self.close()

    @contextmanager
    def _explained(self, method: str) -> Iterator[None]:
        try:
            yield
        except xmlrpc.client.ProtocolError as exc:
            cause = f"it answers {method} with HTTP {exc.errcode} {exc.errmsg}".rstrip()
            raise cannot("talk to", "pool", self.url, cause, "Check that hostname and its port are those of a pool", code="not_xapi") from exc
        except LOST as exc:
            raise connection_error(exc, self.address) from exc


class BarePool(Pool):
    """The same with the standard library alone, for a host that is looked at before anything is installed there."""

    _needs_library = False
