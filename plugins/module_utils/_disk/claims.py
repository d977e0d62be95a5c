# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""Which sectors of a file, or which grains of a disk, are in use already: an image that uses one twice is damaged or wants to keep its reader busy."""

from __future__ import annotations

from .extents import pieces

_PAGE = 1 << 15
_ALL = (1 << _PAGE) - 1


class Claims:
    """One bit per unit. A page that is in use completely costs no memory of its own, so an image that is written in order needs next to none."""

    def __init__(self) -> None:
        self._pages: dict[int, int] = {}

    def claim(self, start: int, count: int) -> bool:
        """Take units; False where one of them is taken."""
        for first, length in pieces(start, count, _PAGE):
            page, wanted = first // _PAGE, ((1 << length) - 1) << first % _PAGE
            held = self._pages.get(page, 0)
            if held & wanted:
                return False
            held |= wanted
            self._pages[page] = _ALL if held == _ALL else held
        return True
