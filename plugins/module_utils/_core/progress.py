# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""What long transfers say of themselves while they run: in the system log, and to whoever runs the playbook."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable

from .wait import Clock

# Set by the action plugins to the path of a file that they follow. plugins/plugin_utils/progress.py knows it by the same name.
PROGRESS_VARIABLE = "IMAGE_SERVICES_PROGRESS"
# Seconds between two lines on one image. A transfer that takes less than the shortest says nothing.
MIN_PAUSE = 1.0
MAX_PAUSE = 15.0


class ProgressSink:
    """Takes the lines of all images of a task, from as many threads as there are transfers."""

    def __init__(self, log: Callable[[str], None], path: str | None = None) -> None:
        self._log = log
        self._path = path if path is not None else os.environ.get(PROGRESS_VARIABLE)
        self._lock = threading.Lock()

    def __call__(self, line: str) -> None:
        with self._lock:
            self._log(line)
            if self._path:
                self._append(f"{line}\n".encode())

    def _append(self, data: bytes) -> None:
        try:
            # The action plugin has created the file; no other is created in its place.
            descriptor = os.open(self._path or "", os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                os.write(descriptor, data)
            finally:
                os.close(descriptor)
        except OSError:
            # Progress that cannot be shown is no reason to fail.
            self._path = None


class ProgressLog:
    """A line on one image at every tenth of it, and after 15 s without one; of what has no known size after 15 s alone."""

    def __init__(self, write: Callable[[str], None], label: str, clock: Clock | None = None) -> None:
        self._write = write
        self._label = "".join(letter if letter.isprintable() else "?" for letter in label)
        self._clock = clock or Clock()
        self._lock = threading.Lock()
        self._sent = -1
        self._written = False
        # Time, bytes and tenth of the last line, or of the beginning.
        self._mark = (0.0, 0, 0)

    def __call__(self, sent: int, size: int | None) -> None:
        now = self._clock.now()
        tenth = sent * 10 // size if size else 0
        with self._lock:
            again, self._sent = self._sent < 0 or sent < self._sent, sent
            if again:
                # A transfer that starts again counts from zero.
                self._mark = (now, sent, tenth)
                return
            since, sent_before, tenth_before = self._mark
            paused = now - since
            complete = sent == size and self._written
            if not (paused >= MAX_PAUSE or (tenth > tenth_before and (paused >= MIN_PAUSE or complete))):
                return
            self._mark, self._written = (now, sent, tenth), True
            rate = (sent - sent_before) / paused if paused > 0 else 0.0
            line = f"image '{self._label}': {_progress(sent, size, rate)}"
        self._write(line)


def _progress(sent: int, size: int | None, rate: float) -> str:
    if not size:
        return f"{_bytes(sent)}, {_bytes(rate)}/s"
    left = "" if sent >= size or rate <= 0 else f", {_duration((size - sent) / rate)} left"
    return f"{sent * 100 // size} %, {_bytes(sent)} of {_bytes(size)}, {_bytes(rate)}/s{left}"


def _bytes(count: float) -> str:
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024:
            return f"{count:.0f} B" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TiB"


def _duration(seconds: float) -> str:
    whole = max(1, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
