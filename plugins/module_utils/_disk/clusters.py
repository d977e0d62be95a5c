# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""Clusters of a disk, wherever the tables of an image say that they lie in its file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from .extents import PIECE


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
