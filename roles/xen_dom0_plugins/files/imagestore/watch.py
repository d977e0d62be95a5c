# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Watches a running transfer: it tells how far it is, and stops it when it is cancelled."""

import os
import socket
import threading
import time

from failures import CANCELLED, Failure
from poolclient import PoolFailure

POLL = 0.3
TASK_POLL = 0.8
BEAT = 60
FLAG = "cancel"


class Watch(object):
    def __init__(self, pool, task, staging):
        self.pool = pool
        self.task = task
        self.staging = staging
        self.share = 0.0
        self.cancelled = False
        self._told = 0.0
        self._over = threading.Event()
        self._sock = None
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run)
        self._thread.daemon = True

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *failure):
        self._over.set()
        self._thread.join(5)

    def check(self):
        """Called between two pieces of work."""
        if self.cancelled:
            raise Failure(CANCELLED, "The transfer was cancelled.")

    def progress(self, done, total):
        if total:
            self.share = min(0.99, float(done) / total)

    def pause(self, seconds):
        until = time.time() + seconds
        while time.time() < until:
            self.check()
            time.sleep(min(POLL, max(0.01, until - time.time())))
        self.check()

    def holding(self, sock):
        """The socket that may block: a cancellation ends its connection. None when there is none any more."""
        with self._lock:
            if self._sock is not None:
                self._sock.close()
            # Of a second descriptor, so that a TLS connection is not touched while another thread reads it.
            self._sock = None if sock is None else socket.fromfd(sock.fileno(), socket.AF_INET, socket.SOCK_STREAM)

    def _stop(self):
        self.cancelled = True
        with self._lock:
            if self._sock is not None:
                try:
                    self._sock.shutdown(socket.SHUT_RDWR)
                except EnvironmentError:
                    pass

    def _run(self):
        asked, beat = 0.0, time.time()
        while not self._over.wait(POLL):
            now = time.time()
            if os.path.exists(self.staging.file(FLAG)):
                self._stop()
            elif self.task and now - asked > TASK_POLL:
                asked = now
                self._ask()
            if self.cancelled:
                return
            if now - beat > BEAT:
                beat = now
                self.staging.beat()

    def _ask(self):
        try:
            if self.pool.call("task.get_status", self.task) in ("cancelling", "cancelled"):
                self._stop()
        except PoolFailure as error:
            if error.details[0] in ("HANDLE_INVALID", "UUID_INVALID"):
                self._stop()
            return
        except Failure:
            return
        if self.share > self._told:
            self._told = self.share
            try:
                self.pool.call("task.set_progress", self.task, self.share)
            except (PoolFailure, Failure):
                # An older XAPI does not let it be set.
                pass
