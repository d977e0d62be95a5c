# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a call can fail with."""

from __future__ import annotations

NULL = "OpaqueRef:NULL"


class Failure(Exception):
    """An XAPI error: a code and its parameters, all of them strings."""

    def __init__(self, code: str, *params: object) -> None:
        super().__init__(code, *params)
        self.code = code
        self.params = [str(param) for param in params]

    @property
    def description(self) -> list[str]:
        return [self.code, *self.params]

    def __str__(self) -> str:
        return f"{self.code}: [ {'; '.join(self.params)} ]"


def internal(text: str) -> Failure:
    """What the server answers when its own code raises."""
    return Failure("INTERNAL_ERROR", text)
