# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults on demand: what an administrator asked to go wrong."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .errors import Failure

if TYPE_CHECKING:
    from .pool import Pool

KINDS = ("drop", "drop_call", "fail_task", "fail_call", "lose_answer", "slow", "sr_full", "session_lost")
# Those that can let some calls pass first.
OF_CALLS = ("drop_call", "fail_call", "lose_answer")
STEPS = 10
TYPES = {"times": (int,), "after": (int,), "seconds": (int, float), "method": (str,), "error": (list,)}


@dataclass
class Fault:
    """kind: one of KINDS; times: how often it strikes, 0 for always; the rest depends on the kind."""

    kind: str
    times: int = 1
    after: int = 0  # drop, sr_full of an import: bytes that still pass; kinds of calls, session_lost: calls that still pass
    seconds: float = 0.0  # slow
    method: str = ""  # which message, import_raw_vdi or export_raw_vdi; every one that fits the kind when empty
    error: list[str] = field(default_factory=list)  # fail_task, fail_call
    number: int = field(default=0, init=False)
    struck: int = field(default=0, init=False)  # how often it has


class Faults:
    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.wanted: list[Fault] = []
        # Every one that was asked for, also those that are used up or taken back.
        self.known: list[Fault] = []

    def add(self, given: dict[str, Any]) -> Fault:
        fault = Fault(**given)
        if fault.kind not in KINDS:
            raise ValueError(f"kind is one of {', '.join(KINDS)}")
        for name, kinds in TYPES.items():
            if type(getattr(fault, name)) not in kinds:
                raise ValueError(f"{name} is of another type")
        if fault.times < 0 or fault.after < 0 or fault.seconds < 0 or not all(isinstance(part, str) for part in fault.error):
            raise ValueError("numbers are not negative, and an error is a list of texts")
        with self.lock:
            fault.number = len(self.known)
            self.known.append(fault)
            self.wanted.append(fault)
        return fault

    def clear(self) -> None:
        with self.lock:
            self.wanted.clear()

    def strike(self, fault: Fault) -> None:
        with self.lock:
            fault.struck += 1

    def take(self, kind: str, method: str = "", later: bool = False) -> Fault | None:
        """The first fault of the kind that fits, marked as used; later: it strikes, if at all, when the caller says so."""
        with self.lock:
            for fault in self.wanted:
                if fault.kind != kind or fault.method not in ("", method):
                    continue
                if kind in OF_CALLS and fault.after:
                    fault.after -= 1
                    return None
                if fault.times:
                    fault.times -= 1
                    if not fault.times:
                        self.wanted.remove(fault)
                fault.struck += not later
                return fault
        return None

    def before_call(self, method: str, progress: Callable[[float], None] | None = None) -> None:
        fault = self.take("slow", method)
        if fault:
            for step in range(STEPS):
                time.sleep(fault.seconds / STEPS)
                if progress:
                    progress((step + 1) / (STEPS + 1))
        fault = self.take("fail_call", method)
        if fault:
            raise Failure(*(fault.error or ["INTERNAL_ERROR", "fault on demand"]))

    def lose_session(self, pool: Pool, ref: str) -> None:
        """Ends the session of a call, once so many calls have passed."""
        with self.lock:
            waiting = next((fault for fault in self.wanted if fault.kind == "session_lost"), None)
            if waiting and waiting.after:
                waiting.after -= 1
                return
        if self.take("session_lost"):
            with pool.db.lock:
                pool.db.delete("session", ref)
            raise Failure("SESSION_INVALID", ref)
