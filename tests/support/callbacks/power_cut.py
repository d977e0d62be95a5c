# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes down every task that has changed something, and ends ansible-playbook after one of them as a power cut would."""

from __future__ import annotations

import os
import signal
from typing import Any

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = r"""
name: power_cut
type: aggregate
short_description: End a run after one of its changes
description:
  - POWER_CUT_LOG names the file with a line for each change, POWER_CUT_AFTER the number of the change to end after. For tests.
"""


class CallbackModule(CallbackBase):  # type: ignore[misc]
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "power_cut"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self) -> None:
        super().__init__()
        self._changes = 0

    def v2_runner_on_ok(self, result: Any) -> None:
        if not result.is_changed():
            return
        with open(os.environ["POWER_CUT_LOG"], "a", encoding="utf-8") as log:
            log.write(f"{result.task_name}\n")
        self._changes += 1
        if self._changes == int(os.environ.get("POWER_CUT_AFTER", "0")):
            os.kill(os.getpid(), signal.SIGKILL)
