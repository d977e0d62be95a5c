# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""The name that was probably meant by one that is not known."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def nearest(name: str, known: Iterable[str], cutoff: float = 0.7) -> str | None:
    """``cutoff`` is how much alike the two have to be, 1 being the same."""
    return next(iter(get_close_matches(name, sorted(known), n=1, cutoff=cutoff)), None)
