# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""The records in which a Xen host takes a raw disk piece by piece: <offset u64><length u32><data>, little endian, and twelve zero bytes at the end.

Its own tool reads them (`format=raw&chunked=true`), and wants offsets and lengths of whole sectors; whole pages are taken by every device.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator

from .extents import PIECE, Block

MAX_RECORD = PIECE
_HEAD = struct.Struct("<QI")
END = bytes(_HEAD.size)


def records(pages: Iterable[Block], size: int) -> Iterator[bytes]:
    """The bytes to send for pieces of whole pages in any order; what lies beyond ``size``, which is padding, is left out."""
    for offset, data in pages:
        content = data[: size - offset]
        if content:
            yield _HEAD.pack(offset, len(content))
            yield content
    yield END
