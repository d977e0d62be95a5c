# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""Clusters of a disk, wherever the tables of an image place them in its file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from .extents import PIECE, pieces

_PAGE = 1 << 15
_ALL = (1 << _PAGE) - 1


@dataclass(frozen=True)
class Cluster:
    """One cluster that is not zeros: where it lies, and in how many bytes if it is compressed."""

    offset: int
    length: int
    place: int
    compressed: int = 0

    def followed_by(self, other: Cluster) -> bool:
        """Whether both can be read as one."""
        return not (self.compressed or other.compressed) and (other.offset, other.place) == (self.offset + self.length, self.place + self.length)


def runs(clusters: Iterable[Cluster]) -> Iterator[Cluster]:
    """The clusters, those that follow each other in the file as well joined into one."""
    held: Cluster | None = None
    for cluster in clusters:
        if held and held.followed_by(cluster) and held.length < PIECE:
            held = Cluster(held.offset, held.length + cluster.length, held.place)
            continue
        if held:
            yield held
        held = cluster
    if held:
        yield held


class Claims:
    """Which sectors of a file, or which grains of a disk, are in use: an image that uses one twice is damaged or wants to keep its reader busy.

    One bit per unit. A page that is in use completely costs no memory of its own, so an image that is written in order needs next to none.
    """

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
