# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One pool: its objects, and the way from a call to its answer."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import generic, seed, values
from .context import HANDLERS, UNLOCKED, Context
from .database import Database
from .errors import Failure, internal
from .faults import Faults
from .handlers import fields, session, task
from .schema import STRING, Class, Message, load
from .wire import Call

LOG = logging.getLogger(__name__)
SYNCHRONOUS = ("session", "task", "event")


@dataclass(frozen=True)
class Settings:
    state: Path
    user: str
    password: str
    session_timeout: float = 24 * 3600.0
    session_limit: int = 500
    sr_size: int = 1 << 40
    plugins: Path | None = None


class Pool:
    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        settings.state.mkdir(parents=True, exist_ok=True)
        self.schema = load()
        self.db = Database(self.schema, settings.state / "pool.sqlite")
        self.faults = Faults()
        self.addresses: dict[str, str] = {}  # host -> address with port, as clients reach it
        self.scheme = "https"
        self.last_domain = 0
        fields.install(self)
        with self.db.lock:
            seed.fill(self)
            self.release()

    @property
    def coordinator(self) -> str:
        return next(iter(self.db.objects["pool"].values()))["master"]

    @property
    def methods(self) -> list[str]:
        known = [f"{cls.name}.{name}" for cls in self.schema.classes.values() for name, message in cls.messages.items() if message.kind != "removed"]
        return sorted([*known, "system.listMethods"])

    def release(self) -> None:
        """Takes off what a transfer had attached to a control domain when the server died."""
        for ref, record in list(self.db.objects["VBD"].items()):
            if self.db.get("VM", record["VM"])["is_control_domain"]:
                self.db.delete("VBD", ref)

    def find(self, method: str) -> tuple[Class, Message]:
        # The oldest clients write an underscore for the dot.
        name, dummy, verb = method.partition("." if "." in method else "_")
        cls = self.schema.classes.get(name)
        if cls is None or verb not in cls.messages:
            if name in self.schema.others and verb:
                raise Failure("NOT_IMPLEMENTED", method)
            raise Failure("MESSAGE_METHOD_UNKNOWN", method)
        message = cls.messages[verb]
        if message.kind == "removed":
            raise Failure("MESSAGE_REMOVED")
        return cls, message

    def answer(self, call: Call, host: str) -> Any:
        """The value for the wire. Raises Failure, and nothing else."""
        try:
            return self.dispatch(call, host)
        except Failure:
            raise
        except Exception as exc:
            LOG.exception("%s failed", call.method)
            raise internal(repr(exc)) from exc

    def dispatch(self, call: Call, host: str) -> Any:
        if call.method == "system.listMethods":
            return self.methods
        method = call.method
        asynchronous = method.startswith("Async.")
        cls, message = self.find(method.removeprefix("Async."))
        name = f"{cls.name}.{message.name}"
        received = len(call.params) - message.session
        optional = any(not param.required for param in message.params)
        if received < message.required or (received > message.required and not optional):
            raise Failure("MESSAGE_PARAMETER_COUNT_MISMATCH", method, message.required, received)
        if host != self.coordinator and name not in ("session.slave_local_login_with_password", "session.local_logout"):
            raise Failure("HOST_IS_SLAVE", self.addresses[self.coordinator])
        context = Context(self, host=host, xml=call.xml)
        given = list(call.params)
        if message.session:
            context.session = values.accept(self.schema, STRING, given.pop(0))
            session.check(context)
            self.faults.lose_session(self, context.session)
        if asynchronous and (not message.asynchronous or cls.name in SYNCHRONOUS):
            raise Failure("Fault", f"No async mode for this operation (rpc: {name})")
        args = [values.accept(self.schema, param.type, value) for param, value in zip(message.params, given)]
        args += [None] * (len(message.params) - len(args))
        if asynchronous:
            return self.start(context, cls, message, args)
        self.faults.before_call(name)
        return values.emit(self.schema, message.result, self.run(context, cls, message, args), call.xml)

    def run(self, context: Context, cls: Class, message: Message, args: list[Any]) -> Any:
        name = f"{cls.name}.{message.name}"
        if name in UNLOCKED:
            return HANDLERS[name](context, *args)
        with self.db.lock:
            own = HANDLERS.get(name)
            return own(context, *args) if own else generic.run(context, cls, message, args)

    def start(self, context: Context, cls: Class, message: Message, args: list[Any]) -> str:
        name = f"{cls.name}.{message.name}"
        context.task = task.create(self, f"Async.{name}", session=context.session, cancellable=True)

        def work() -> None:
            try:
                self.faults.before_call(name, lambda share: task.progress(self, context.task, share))
                task.check_cancelled(self, context.task)
                result = self.run(context, cls, message, args)
            except Failure as exc:
                task.fail(self, context.task, exc)
            except Exception as exc:
                LOG.exception("%s failed", name)
                task.fail(self, context.task, internal(repr(exc)))
            else:
                task.succeed(self, context.task, result if message.result.kind != "void" else None)

        threading.Thread(target=work, name=name, daemon=True).start()
        return context.task

    def close(self) -> None:
        self.db.close()
