# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What can go wrong between Cinder and the pool; all of it is a CinderException."""

from __future__ import annotations

from cinder import exception


class PoolError(exception.VolumeBackendAPIException, Exception):
    """The pool did not do what it was asked to."""

    # Exception is named for tools that read this without Cinder at hand.

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


class PoolUnreachable(PoolError):
    """Nobody knows whether the call was carried out."""


class PoolFailure(PoolError):
    """The pool answered with a failure."""

    def __init__(self, method: str, details: list[str]) -> None:
        self.details = [str(each) for each in details] or ["UNKNOWN"]
        rest = ", ".join(part for part in self.details[1:] if part)
        super().__init__(f"{method} failed: {self.code}{f' ({rest})' if rest else ''}.")

    @property
    def code(self) -> str:
        return self.details[0]
