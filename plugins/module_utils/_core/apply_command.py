# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""The work of the module apply_command: another program, whose output may repeat secrets."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable
from typing import Any

from .errors import ImageServicesError, cannot
from .masked_diff import MASK
from .runner import Job, Params

ADVICE = "Correct what it says and run this again: nothing is lost, and it will be applied then"


class ApplyCommandJob(Job[None, None, "dict[str, Any]"]):
    """The command runs each time: what it would change is not known here."""

    def look(self) -> None:
        return None

    def plan(self, seen: None) -> None:
        return None

    def must_apply(self, plan: None) -> bool:
        return True

    def apply(self, seen: None, plan: None) -> dict[str, Any]:
        params = self.params
        command = " ".join(params["argv"])
        try:
            done = subprocess.run(params["argv"], stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", check=False)
        except OSError as exc:
            raise _failed(params, f"{command} could not be run", os.strerror(exc.errno or 0)) from exc
        if done.returncode:
            raise _failed(params, f"{command} ended with {done.returncode}", "\n".join(text.strip() for text in (done.stdout, done.stderr) if text.strip()))
        return {"rc": 0}

    def result(self, seen: None, plan: None, done: dict[str, Any] | None) -> dict[str, Any]:
        return {"changed": True, **(done or {})}


def _failed(params: Params, cause: str, output: str) -> ImageServicesError:
    sentence = cannot("apply", params["kind"], params["name"], cause, ADVICE)
    return ImageServicesError(f"{sentence}\n{masked(output, params['secrets'], params['limit'])}", code="command_failed")


def masked(text: str, values: Iterable[str], limit: int) -> str:
    """The end of a program's output without secrets, of which a longer one may contain a shorter one."""
    for value in sorted(filter(None, values), key=len, reverse=True):
        text = text.replace(value, MASK)
    text = text.strip()
    return text if len(text) <= limit else "..." + text[-limit:]
