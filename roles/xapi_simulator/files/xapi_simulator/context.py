# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a handler is given: the pool, who calls, and by which door."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .errors import NULL

if TYPE_CHECKING:
    from .database import Database
    from .pool import Pool

HANDLERS: dict[str, Callable[..., Any]] = {}
UNLOCKED: set[str] = set()


@dataclass
class Context:
    pool: Pool
    session: str = NULL
    task: str = NULL
    host: str = NULL  # the host whose address was called
    xml: bool = True

    @property
    def db(self) -> Database:
        return self.pool.db


def handler(*names: str, unlocked: bool = False) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Registers what a message does. Its arguments follow the schema; an optional one that is not given is None.

    It runs with the database locked; unlocked is for what takes long and locks by itself.
    """

    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        HANDLERS.update(dict.fromkeys(names, function))
        if unlocked:
            UNLOCKED.update(names)
        return function

    return register
