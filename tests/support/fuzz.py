# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults put into images at random, and what a reader may cost that meets them."""

from __future__ import annotations

import random
from typing import Literal

from ansible_collections.xenstack.image_services.tests.support.disks import MIB

TELLING = [0, 1, 2, 3, 511, 512, 0x7F, 0xFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF, 1 << 40, 1 << 62, (1 << 63) - 1, 1 << 63, (1 << 64) - 1]
SLOWEST = 5.0
MAX_MEMORY = 128 * MIB


def mutated(data: bytes, interesting: list[tuple[int, int]], chooser: random.Random, order: Literal["big", "little"] = "big") -> bytearray:
    """The bytes with one to four faults, most of them where the structures lie."""
    made = bytearray(data)
    for _fault in range(chooser.choice([1, 1, 1, 2, 4])):
        start, end = chooser.choice(interesting) if chooser.random() < 0.9 else (0, max(1, len(data)))
        at = chooser.randrange(start, end)
        kind = chooser.randrange(6)
        if kind <= 1 and at < len(made):
            made[at] ^= 1 << chooser.randrange(8)
        elif kind == 2:
            value = chooser.choice([chooser.choice(TELLING), chooser.randrange(2 * len(data)), chooser.randrange(len(data)) // 512])
            width = chooser.choice([4, 8])
            at = at // width * width
            made[at : at + width] = (value & (1 << 8 * width) - 1).to_bytes(width, order)
        elif kind == 3:
            length = chooser.choice([1, 8, 512])
            source = chooser.randrange(len(data))
            made[at : at + length] = data[source : source + length]
        elif kind == 4:
            made[at : at + 64] = chooser.randbytes(64)
        elif chooser.random() < 0.5:
            del made[at if chooser.random() < 0.5 else chooser.randrange(len(data)) :]
        else:
            del made[at : at + chooser.choice([1, 4, 512])]
    return made
