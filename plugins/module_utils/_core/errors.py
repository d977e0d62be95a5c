# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""The one exception that our modules turn into a failure, and the sentence that it carries."""

from __future__ import annotations

from typing import Any

MAX_NAME_SHOWN = 80


class ImageServicesError(Exception):
    """A failure that an operator can act on.

    The message reads «Cannot <verb> <object> '<name>': <cause>. <what to do>.»
    """

    def __init__(self, message: str, *, code: str | int | None = None, details: Any = None, request_id: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.details = details
        self.request_id = request_id
        # What was done before the failure, under the keys of the module's result.
        self.result: dict[str, Any] = {}

    def as_result(self) -> dict[str, Any]:
        """The failure as the arguments of ``fail_json``."""
        return {**self.result, "msg": str(self), "error": {"code": self.code, "details": self.details, "request_id": self.request_id}}


def cannot(
    verb: str,
    kind: str,
    name: str,
    cause: str,
    advice: str,
    *,
    code: str | int | None = None,
    details: Any = None,
    request_id: str | None = None,
) -> ImageServicesError:
    """Build the error «Cannot <verb> <kind> '<name>': <cause>. <advice>.»; full stops are added where they are missing."""
    message = f"Cannot {verb} {kind} '{name}': {_sentence(cause)} {_sentence(advice)}".strip()
    return ImageServicesError(message, code=code, details=details, request_id=request_id)


def quoted(name: str) -> str:
    """A name that a file of others gives, as messages show it: in one line and of a bounded length."""
    shown = "".join(letter if letter.isprintable() else "?" for letter in name[: MAX_NAME_SHOWN + 1])
    return f"'{shown[:MAX_NAME_SHOWN]}{'…' if len(shown) > MAX_NAME_SHOWN else ''}'"


def _sentence(text: str) -> str:
    text = text.strip()
    return text if not text or text[-1] in ".!?" else text + "."
