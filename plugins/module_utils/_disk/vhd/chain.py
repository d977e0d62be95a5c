# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""Differencing VHDs over their parents: which bytes of a parent are still to be seen."""

from __future__ import annotations

import re
import tempfile
from array import array
from collections.abc import Iterable, Iterator

from ..extents import MIB, Block, Extent, pieces
from .format import BLOCK, SECTOR

_SECTORS = BLOCK // SECTOR
_RECORD = _SECTORS // 8
_ALL = (1 << _SECTORS) - 1
_NONE, _FULL = 0, 0xFFFFFFFF
# Maps of that many bytes are kept in memory; more go to a file without a name.
_MAX_MAPS = 16 * MIB


class Covered:
    """Which sectors of a disk were given already, with one number per 2 MiB in memory."""

    def __init__(self, size: int, spool_dir: str | None) -> None:
        self._states = array("I", [_NONE]) * -(-size // BLOCK)
        self._maps = tempfile.SpooledTemporaryFile(_MAX_MAPS, dir=spool_dir)  # noqa: SIM115
        self._records = 0
        self._free: list[int] = []

    def close(self) -> None:
        self._maps.close()

    def claim(self, extent: Extent) -> Iterator[Extent]:
        """The parts of the extent that were not given before; from now on they are."""
        for start, length in pieces(*extent, BLOCK):
            index, first, count = start // BLOCK, start % BLOCK // SECTOR, length // SECTOR
            state = self._states[index]
            if state == _FULL:
                continue
            if state == _NONE and count == _SECTORS:
                self._states[index] = _FULL
                yield start, length
                continue
            known = self._map(state)
            wanted = ((1 << count) - 1) << first
            self._keep(index, state, known | wanted)
            new = wanted & ~known
            for run in re.finditer("1+", f"{new:b}"[::-1]):
                yield index * BLOCK + run.start() * SECTOR, (run.end() - run.start()) * SECTOR

    def _map(self, state: int) -> int:
        if state == _NONE:
            return 0
        self._maps.seek((state - 1) * _RECORD)
        return int.from_bytes(self._maps.read(_RECORD), "little")

    def _keep(self, index: int, state: int, known: int) -> None:
        if known == _ALL:
            if state != _NONE:
                self._free.append(state)
            self._states[index] = _FULL
            return
        if state == _NONE:
            if self._free:
                state = self._free.pop()
            else:
                self._records += 1
                state = self._records
            self._states[index] = state
        self._maps.seek((state - 1) * _RECORD)
        self._maps.write(known.to_bytes(_RECORD, "little"))


def uncovered(blocks: Iterable[Block], covered: Covered, size: int) -> Iterator[Block]:
    """What the blocks of a member hold that no member nearer to the leaf gave, up to the leaf's size."""
    for offset, data in blocks:
        length = min(len(data), size - offset)
        if length <= 0:
            continue
        for start, part in covered.claim((offset, length)):
            yield start, data if part == len(data) else data[start - offset : start - offset + part]
