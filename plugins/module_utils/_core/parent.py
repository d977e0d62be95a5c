# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""Notice that the result is no longer waited for: ansible-playbook was killed or interrupted, or its connection has ended.

A module that continues unseen would hold its transfer for hours, beside the next run of the same task.
"""

from __future__ import annotations

import os
import select
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from .signals import ending

INTERVAL = 1.0


@contextmanager
def ending_with_parent(interval: float = INTERVAL) -> Iterator[None]:
    """Send this process SIGTERM, once, when who started it is gone."""
    watch = ParentWatch()
    over = threading.Event()

    def look() -> None:
        while not over.wait(interval):
            if ending():
                return
            if watch.gone():
                os.kill(os.getpid(), signal.SIGTERM)
                return

    thread = threading.Thread(target=look, name="parent watch", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


class ParentWatch:
    """Whether the processes between this one and ansible-playbook, or sshd, are those of the beginning, and the output is read."""

    def __init__(self, output: int = 1) -> None:
        self._output = output
        self._parent = os.getppid()
        self._ancestors = _ancestors()

    def gone(self) -> bool:
        return os.getppid() != self._parent or any(_started(pid) != started for pid, started in self._ancestors) or _unread(self._output)


def _ancestors() -> list[tuple[int, str | None]]:
    """Process ids and start times up to the leader of our session and its parent: ansible-playbook gives each worker a session of its own, sshd each login.

    What is above them may end, as a shell does whose job continues. Empty where there is no /proc.
    """
    found: list[tuple[int, str | None]] = []
    session, pid = os.getsid(0), os.getppid()
    while pid > 1:
        fields = _fields(pid)
        if fields is None:
            return found
        found.append((pid, _started(pid)))
        if int(fields[3]) != session:
            return found
        pid = int(fields[1])
    return found


def _fields(pid: int) -> list[str] | None:
    """State, parent, group, session and so on; proc(5). The name before them may hold anything."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as stream:
            return stream.read().rpartition(")")[2].split()
    except OSError:
        return None


def _started(pid: int) -> str | None:
    """When a process began; None where it is over."""
    fields = _fields(pid)
    return None if fields is None or fields[0] in "ZX" else fields[19]


def _unread(descriptor: int) -> bool:
    """Whether the other end of a pipe, socket or terminal is closed."""
    poll = select.poll()
    poll.register(descriptor, 0)
    return any(event & (select.POLLERR | select.POLLHUP) for _descriptor, event in poll.poll(0))
