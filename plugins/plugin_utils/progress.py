# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""The action plugin of modules that move images: it runs the module, and at -v shows the lines that the module writes while it runs."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterator
from typing import Any

from ansible.plugins.action import ActionBase
from ansible.utils.vars import merge_hash

from ..module_utils._core.progress import PROGRESS_VARIABLE

# Seconds between two looks at the file.
POLL = 0.25


class ProgressAction(ActionBase):
    """Without -v it does what ansible-core does for a module without an action plugin."""

    _supports_check_mode = True
    _supports_async = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result = super().run(tmp, task_vars)
        wrap_async = bool(self._task.async_val) and not self._connection.has_native_async
        following = self._followed(str((task_vars or {}).get("inventory_hostname", ""))) if self._shows(wrap_async) else contextlib.nullcontext()
        with following:
            result = merge_hash(result, self._execute_module(task_vars=task_vars, wrap_async=wrap_async))
        if not wrap_async:
            self._remove_tmp_path(self._connection._shell.tmpdir)
        return dict(result)

    def _shows(self, wrap_async: bool) -> bool:
        """Only a file of this host can be followed: other connections are not known to carry a second command meanwhile."""
        if self._display.verbosity < 1 or wrap_async or self._task.check_mode or self._task.no_log:
            return False
        return getattr(self._connection, "transport", None) == "local"

    @contextlib.contextmanager
    def _followed(self, host: str) -> Iterator[None]:
        path = self._make_file()
        if path is None:
            yield
            return
        environment = self._task.environment
        self._task.environment = [*(environment or ()), {PROGRESS_VARIABLE: path}]
        try:
            with followed(path, lambda line: self._display.v(line, host=host or None)):
                yield
        finally:
            self._task.environment = environment
            with contextlib.suppress(OSError):
                os.unlink(path)

    def _make_file(self) -> str | None:
        """A file in the task's own temporary directory, which ansible-core removes however the task ends."""
        if self._connection._shell.tmpdir is None:
            self._make_tmp_path()
        path = os.path.join(str(self._connection._shell.tmpdir), "progress")
        try:
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        except OSError:
            return None
        return path


@contextlib.contextmanager
def followed(path: str, show: Callable[[str], None]) -> Iterator[None]:
    """Show each line of a growing file within a moment, and the last ones at the end."""
    ended = threading.Event()

    def follow() -> None:
        rest = ""
        with open(path, encoding="utf-8", errors="replace") as stream:
            while True:
                # What was written before the end is read after it.
                last = ended.wait(POLL)
                *lines, rest = (rest + stream.read()).split("\n")
                for line in lines:
                    show(line)
                if last:
                    return

    thread = threading.Thread(target=follow, name="progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
