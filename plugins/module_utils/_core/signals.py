# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""Let a task that is asked to end clean up first."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from .errors import ImageServicesError, cannot

_asked = threading.Event()
_blocks: list[str] = []


def ending() -> bool:
    """Whether a signal has asked the task to end: work in other threads gets no exception, and looks here."""
    return _asked.is_set()


def refuse_when_ending(verb: str, kind: str, name: str) -> None:
    if ending():
        raise _interrupted(verb, kind, name)


@contextmanager
def signals_as_errors(verb: str, kind: str, name: str) -> Iterator[None]:
    """Make SIGTERM, SIGHUP and SIGINT an exception inside, so that what is incomplete is removed; the task ends with an error."""

    def interrupt(number: int, frame: Any) -> None:
        _asked.set()
        raise KeyboardInterrupt

    former = {number: signal.signal(number, interrupt) for number in _ours(signal.SIGTERM, signal.SIGHUP, signal.SIGINT)}
    _blocks.append(name)
    try:
        yield
    except KeyboardInterrupt as exc:
        raise _interrupted(verb, kind, name) from exc
    finally:
        _blocks.pop()
        if not _blocks:
            _asked.clear()
        for number, handler in former.items():
            # None is a handler that Python did not set.
            signal.signal(number, handler or signal.SIG_DFL)


def _interrupted(verb: str, kind: str, name: str) -> ImageServicesError:
    return cannot(verb, kind, name, "the task was interrupted", "Run it again", code="interrupted")


@contextmanager
def defer_signals() -> Iterator[None]:
    """Let signals that would end us wait until the end of the block: an answer on its way names what has to be taken back."""
    held: list[int] = []
    handled = _ours(signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
    former = {number: signal.signal(number, lambda number, frame: held.append(number)) for number in handled}
    try:
        yield
    finally:
        for number, handler in former.items():
            # None is a handler that Python did not set.
            signal.signal(number, handler or signal.SIG_DFL)
        if held:
            signal.raise_signal(held[0])


def _ours(*numbers: signal.Signals) -> list[signal.Signals]:
    """Those that reach us: other threads are not interrupted, and what is ignored, as by nohup, stays ignored."""
    if threading.current_thread() is not threading.main_thread():
        return []
    return [number for number in numbers if signal.getsignal(number) is not signal.SIG_IGN]
