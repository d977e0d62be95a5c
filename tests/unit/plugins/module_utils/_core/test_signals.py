# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Signals that end a task: an exception inside, and never between a request and its answer."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest
from ansible_collections.xenstack.image_services.plugins.module_utils._core.errors import ImageServicesError
from ansible_collections.xenstack.image_services.plugins.module_utils._core.signals import defer_signals, signals_as_errors


@pytest.fixture(params=[signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def number(request: pytest.FixtureRequest) -> Iterator[signal.Signals]:
    """A signal as a task in the foreground has it: who is started in the background may ignore it."""
    former = signal.signal(request.param, signal.default_int_handler if request.param == signal.SIGINT else signal.SIG_DFL)
    yield request.param
    signal.signal(request.param, former)


def test_a_signal_waits_for_the_answer_and_then_ends_the_task(number: signal.Signals) -> None:
    before, heard = signal.getsignal(number), []

    def job() -> None:
        with defer_signals():
            signal.raise_signal(number)
            heard.append("the answer")
        heard.append("more")

    with pytest.raises(ImageServicesError, match="the task was interrupted"), signals_as_errors("make", "SR", "x"):
        job()
    assert heard == ["the answer"]
    assert signal.getsignal(number) is before


def test_what_is_ignored_stays_ignored(number: signal.Signals) -> None:
    signal.signal(number, signal.SIG_IGN)
    with signals_as_errors("make", "SR", "x"), defer_signals():
        signal.raise_signal(number)
    assert signal.getsignal(number) is signal.SIG_IGN
