# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Errors between Cinder and the pool; all of them are CinderExceptions."""

from __future__ import annotations

from cinder import exception


class PoolError(exception.VolumeBackendAPIException, Exception):
    """An operation on the pool failed."""

    # Exception is named again for type checkers that run without Cinder.

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


class PoolUnreachable(PoolError):
    """The connection failed, so it is unknown whether the pool carried out the call."""


class PoolFailure(PoolError):
    """The pool answered with a failure."""

    def __init__(self, method: str, details: list[str]) -> None:
        self.details = [str(each) for each in details] or ["UNKNOWN"]
        rest = ", ".join(part for part in self.details[1:] if part)
        super().__init__(f"{method} failed: {self.code}{f' ({rest})' if rest else ''}.")

    @property
    def code(self) -> str:
        return self.details[0]
