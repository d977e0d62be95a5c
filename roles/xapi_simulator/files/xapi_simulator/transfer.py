# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""PUT /import_raw_vdi and GET /export_raw_vdi."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from . import disk, streams, vhdformat
from .context import Context
from .errors import NULL, Failure, internal
from .handlers import sr as repositories
from .handlers import task as tasks
from .handlers import vdi as vdis

if TYPE_CHECKING:
    from .pool import Pool

LOG = logging.getLogger(__name__)
IO_ERROR = Failure("VDI_IO_ERROR", "Device I/O errors")
CONTENT_TYPES = {"raw": "application/octet-stream", "vhd": "application/vhd"}


class Connection(Protocol):
    """One client: its body, and what is sent to it."""

    def read(self, count: int) -> bytes: ...

    def send(self, data: bytes) -> None: ...

    def drop(self) -> None:
        """Ends the connection without a word."""


class Dropped(Exception):
    """The connection was ended on demand."""


@dataclass
class Request:
    method: str
    query: dict[str, str]
    raw_query: str
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def length(self) -> int | None:
        given = self.headers.get("content-length", "")
        return int(given) if given.isdecimal() else None


class Answer(Exception):
    """An HTTP answer in place of the 200."""

    def __init__(self, status: str, text: str = "", task: Failure | None = None, location: str = "") -> None:
        super().__init__(status)
        self.status, self.text, self.task, self.location = status, text, task, location


class Counted:
    """The body of a request, of which a fault may let only a part through."""

    def __init__(self, connection: Connection, pool: Pool, method: str) -> None:
        self.connection, self.faults = connection, pool.faults
        self.drop = pool.faults.take("drop", method, later=True)
        self.left = self.drop.after if self.drop else None
        self.full = pool.faults.take("sr_full", method, later=True)
        self.room = self.full.after if self.full else None

    def read(self, count: int) -> bytes:
        self.check_dropped()
        if self.full and self.room == 0:
            self.faults.strike(self.full)
            raise OSError("ENOSPC")
        data = self.connection.read(min(limit for limit in (count, self.left, self.room) if limit is not None))
        self.left = None if self.left is None else self.left - len(data)
        self.room = None if self.room is None else self.room - len(data)
        return data

    def check_dropped(self) -> None:
        if self.drop and self.left == 0:
            self.faults.strike(self.drop)
            raise Dropped

    def passes(self, data: bytes) -> bytes:
        """The same for what is sent."""
        if self.left is None:
            return data
        self.check_dropped()
        data = data[: self.left]
        self.left -= len(data)
        return data


def fail_second(connection: Connection, error: Failure) -> None:
    """What follows the 200 on the same connection when the import fails."""
    page = f"<html><body><h1>HTTP 500 internal server error</h1>An unexpected error occurred.<p>{error}</body></html>".encode()
    head = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nCache-Control: no-cache, no-store\r\n\r\n"
    with contextlib.suppress(OSError):
        connection.send(head + f"HTTP/1.0 500 Internal Error\r\nConnection: close\r\nContent-Length: {len(page)}\r\n\r\n".encode() + page)


class Transfer:
    """One import or export, from its request to the end of its task."""

    def __init__(self, pool: Pool, context: Context, connection: Connection, request: Request) -> None:
        self.pool, self.context, self.connection, self.request = pool, context, connection, request
        self.query = request.query

    def begin(self, label: str) -> None:
        """Takes the task that the client gave, or makes one."""
        given = self.query.get("task_id")
        if given is None:
            self.context.task = tasks.create(self.pool, label, session=self.context.session)
            return
        if not self.pool.db.exists("task", given):
            raise Answer("500 Internal Error", str(Failure("HANDLE_INVALID", "task", given)))
        self.context.task = given
        with self.pool.db.lock:
            if tasks.pending(self.pool, given):
                self.pool.db.set("task", given, allowed_operations=[])

    def find(self, key: str, permission: str) -> str:
        """A VDI by reference or uuid."""
        given = self.query[key]
        if self.pool.db.exists("VDI", given):
            return given
        try:
            return self.pool.db.by_uuid("VDI", given)
        except Failure as exc:
            raise Answer("500 Internal Error", "Db_exn.Read_missing_uuid", Failure("RBAC_PERMISSION_DENIED", permission, exc)) from exc

    def require_here(self, sr: str) -> None:
        """Sends the client to a host that reaches the SR."""
        with self.pool.db.lock:
            hosts = [self.pool.db.get("PBD", pbd)["host"] for pbd in repositories.attached(self.context, sr)]
        if not hosts:
            raise Answer("500 Internal Error", str(Failure("SR_HAS_NO_PBDS", sr)), Failure("SR_HAS_NO_PBDS", sr))
        if self.context.host not in hosts:
            path = "import_raw_vdi" if self.request.method == "PUT" else "export_raw_vdi"
            there = f"{self.pool.scheme}://{self.pool.addresses[hosts[0]]}/{path}?{self.request.raw_query}"
            raise Answer("302 Found", location=there)

    def head(self, content_type: str, *extra: str) -> None:
        lines = [
            "HTTP/1.1 200 OK",
            "Connection: close",
            "Cache-Control: no-cache, no-store",
            f"task-id: {self.context.task}",
            f"content-type: {content_type}",
            *extra,
        ]
        self.connection.send("\r\n".join([*lines, "", ""]).encode())

    def progress(self, share: float) -> None:
        tasks.progress(self.pool, self.context.task, min(share, 0.99))

    def end(self, method: str, result: Any) -> None:
        fault = self.pool.faults.take("fail_task", method)
        if fault:
            raise Failure(*(fault.error or IO_ERROR.description))
        tasks.succeed(self.pool, self.context.task, result)

    def guarded(self, work: Iterator[None]) -> None:
        """Runs a transfer: what goes wrong after the 200 shows in the task, and in a second answer."""
        try:
            next(work)
        except Failure as exc:
            raise Answer("500 Internal Error", str(exc), exc) from exc
        try:
            for _dummy in work:
                pass
        except Dropped:
            self.connection.drop()
            tasks.fail(self.pool, self.context.task, IO_ERROR)
        except Failure as exc:
            tasks.fail(self.pool, self.context.task, exc)
            fail_second(self.connection, exc)
        except (streams.Refused, vhdformat.Invalid, disk.Beyond, OSError) as exc:
            LOG.info("transfer failed: %r", exc)
            tasks.fail(self.pool, self.context.task, IO_ERROR)
            fail_second(self.connection, IO_ERROR)
        except Exception as exc:
            LOG.exception("transfer failed")
            tasks.fail(self.pool, self.context.task, internal(repr(exc)))
            fail_second(self.connection, internal(repr(exc)))

    def run(self) -> None:
        self.begin("Importing raw VDI" if self.request.method == "PUT" else "Exporting raw VDI")
        try:
            if self.request.method == "PUT":
                self.guarded(self.take())
            else:
                self.guarded(self.give())
        except Answer as exc:
            if exc.task:
                tasks.fail(self.pool, self.context.task, exc.task)
            raise

    def format(self) -> str:
        wanted = self.query.get("format", "raw")
        if wanted not in CONTENT_TYPES:
            raise Answer("404 Not Found", f"Unknown format {wanted}", internal(f"Unknown format {wanted}"))
        return wanted

    def prepare_import(self, wanted: str) -> str:
        """The VDI to write to; checks what the server checks before its 200."""
        encoding = self.request.headers.get("transfer-encoding")
        if encoding:
            raise Answer("404 Not Found", f"Cannot handle encoding: {encoding}", internal(f"Cannot handle encoding: {encoding}"))
        if wanted == "vhd" and "chunked" in self.query:
            raise Answer("404 Not Found", "Cannot handle chunked VHD", internal("Cannot handle chunked VHD"))
        if "vdi" in self.query:
            return self.find("vdi", "http/put_import_raw_vdi")
        if "sr_id" not in self.query and "sr_uuid" not in self.query:
            raise Answer("400 Bad Request", task=Failure("VDI_MISSING"))
        if wanted != "raw":
            raise Answer("400 Bad Request", task=internal(f"Importing {wanted} directly into an SR not yet supported"))
        with self.pool.db.lock:
            sr = self.query.get("sr_id") or self.pool.db.by_uuid("SR", self.query["sr_uuid"])
            self.pool.db.get("SR", sr)
            self.require_here(sr)
            given = {"SR": sr, "name_label": "Imported VDI", "virtual_size": self.request.length or 0}
            return vdis.create(self.context, given | {"type": "user", "sharable": False, "read_only": False, "other_config": {}, "sm_config": {}})

    def take(self) -> Iterator[None]:
        wanted = self.format()
        vdi = self.prepare_import(wanted)
        self.require_here(self.pool.db.get("VDI", vdi)["SR"])
        self.head("application/octet-stream")
        yield
        self.pool.faults.before_call("import_raw_vdi")
        body = Counted(self.connection, self.pool, "import_raw_vdi")
        with vdis.plugged_into_host(self.context, vdi, "RW"), disk.attach(vdis.path_of(self.context, vdi), True) as target:
            if wanted == "vhd":
                sr = self.pool.db.get("SR", self.pool.db.get("VDI", vdi)["SR"])
                if sr["type"] == "lvm" and isinstance(target, disk.RawDisk):
                    raise streams.Refused("unimplemented: prezeroed")
                length = target.size if self.request.length is None else self.request.length
                streams.import_vhd(body, target, length, self.progress)
            elif "chunked" in self.query:
                streams.import_chunked(body, target)
            else:
                length = target.size if self.request.length is None else self.request.length
                streams.import_raw(body, target, length, self.progress)
        self.end("import_raw_vdi", vdi)

    def give(self) -> Iterator[None]:
        wanted = self.format()
        if "vdi" not in self.query:
            raise Answer("400 Bad Request", task=Failure("VDI_MISSING"))
        vdi = self.find("vdi", "http/get_export_raw_vdi")
        record = self.pool.db.get("VDI", vdi)
        self.require_here(record["SR"])
        base = self.find("base", "http/get_export_raw_vdi") if self.query.get("base") else NULL
        self.head(CONTENT_TYPES[wanted], f'Content-Disposition: attachment; filename="{record["uuid"]}.{wanted}"')
        yield
        self.pool.faults.before_call("export_raw_vdi")
        body = Counted(self.connection, self.pool, "export_raw_vdi")
        with contextlib.ExitStack() as stack:
            stack.enter_context(vdis.plugged_into_host(self.context, vdi, "RO"))
            source = stack.enter_context(disk.attach(vdis.path_of(self.context, vdi), False))
            older, parent = None, None
            if wanted == "vhd" and base != NULL:
                older = stack.enter_context(disk.attach(vdis.path_of(self.context, base), False))
                if isinstance(source, disk.RawDisk) or isinstance(older, disk.RawDisk):
                    raise internal('Failure("Cannot compute differences on non-VHD images")')
                parent = self.pool.db.get("VDI", base)["uuid"]
            pieces = streams.export_raw(source) if wanted == "raw" else streams.export_vhd(source, record["uuid"], older, parent)
            sent = 0
            for piece in pieces:
                self.connection.send(body.passes(piece))
                sent += len(piece)
                self.progress(sent / (source.size or 1))
        self.end("export_raw_vdi", None)
