# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A plugin of pytest that says every few seconds what runs and how much is left: in one line on a terminal, in a line now and then in a log."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

ON_TERMINAL, IN_LOG = 1.0, 15.0
WIDTH = 150


class Progress:
    """Stands in for the dots. Output of tests is caught, so it writes to a copy of the standard output of before."""

    def __init__(self, step: str) -> None:
        self.step = step
        self.started = time.monotonic()
        self.total = self.done = self.failed = 0
        # What runs, by when it began: of several workers, several.
        self.running: dict[str, float] = {}
        self.stream = os.fdopen(os.dup(sys.stdout.fileno()), "w")
        self.terminal = self.stream.isatty()
        self.ended = threading.Event()
        self.writing = threading.Lock()
        self.beat = threading.Thread(target=self._beat, daemon=True)

    def _beat(self) -> None:
        while not self.ended.wait(ON_TERMINAL if self.terminal else IN_LOG):
            self._write(self.line(), passing=True)

    def line(self) -> str:
        minutes, seconds = divmod(int(time.monotonic() - self.started), 60)
        counted = f"{self.done} of {self.total} tests done" if self.total else "collecting tests"
        failed = f", {self.failed} failed" if self.failed else ""
        text = f"{self.step} {minutes}:{seconds:02}  {counted}{failed}"
        # The one that has run longest explains a wait.
        longest = min(list(self.running.items()), key=lambda each: each[1], default=None)
        return f"{text}  {longest[0]}"[:WIDTH] if longest else text

    def _write(self, text: str, passing: bool = False) -> None:
        with self.writing:
            before, after = ("\r\033[K", "" if passing else "\n") if self.terminal else ("", "\n")
            self.stream.write(f"{before}{text}{after}")
            self.stream.flush()

    def pytest_sessionstart(self) -> None:
        self.beat.start()

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self.total = self.total or len(session.items)

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: list[str]) -> None:
        """Each worker has found all of them."""
        self.total = len(ids)

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self.running[nodeid] = time.monotonic()

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        self.running.pop(nodeid, None)
        self.done += 1

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.failed += 1
            self._write(f"{self.step} FAILED in its {report.when}: {report.nodeid}")

    @pytest.hookimpl(wrapper=True)
    def pytest_report_teststatus(self, report: Any) -> Generator[None, tuple[str, str, Any], tuple[str, str, Any]]:
        """No letters; the words are for the summary."""
        category, letter, word = yield
        if isinstance(report, pytest.TestReport):
            return category, "", "" if report.passed else word
        return category, letter, word

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self) -> None:
        self.ended.set()
        self.beat.join()
        self._write(self.line())
        self.stream.close()


def add_progress(config: pytest.Config) -> None:
    """For a conftest's pytest_configure. Whoever asks for more than the usual, or debugs, sees pytest's own."""
    quiet = config.option.verbose == 0 and config.option.capture != "no" and not config.option.usepdb and not config.option.collectonly
    if not quiet or hasattr(config, "workerinput"):
        return
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None:
        return
    reporter.showfspath = reporter._show_progress_info = False
    report = config.option.xmlpath
    config.pluginmanager.register(Progress(Path(report).stem if report else "tests"), "progress")
