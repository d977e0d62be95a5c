# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""A compressed tarball with one VHD, `0.vhd`: what OpenStack takes as an image of Xen (disk_format vhd, container_format ovf)."""

from __future__ import annotations

import tarfile
import zlib
from collections.abc import Iterator

from .writer import VhdWriter

_RECORD = 10240
# zlib's number for a gzip header, which then holds neither name nor time: the same disk makes the same bytes.
_GZIP = 31
# Small pieces cost the connection more than they hold.
_PIECE = 256 * 1024


class VhdTarWriter:
    """The bytes of the tarball, as often as asked for."""

    # What it compresses to is known at its end.
    size = None

    def __init__(self, vhd: VhdWriter, level: int) -> None:
        self._vhd = vhd
        self._level = level

    def __iter__(self) -> Iterator[bytes]:
        compressor = zlib.compressobj(self._level, zlib.DEFLATED, _GZIP)
        held = bytearray()
        for part in self._tar():
            view = memoryview(part)
            # Compressed in pieces, so that what is held stays small.
            for start in range(0, len(view), _PIECE):
                held += compressor.compress(view[start : start + _PIECE])
                if len(held) >= _PIECE:
                    yield bytes(held)
                    held.clear()
        held += compressor.flush()
        yield bytes(held)

    def _tar(self) -> Iterator[bytes]:
        entry = tarfile.TarInfo("0.vhd")
        entry.size, entry.mode = len(self._vhd), 0o644
        # GNU's way of large numbers is the one that the oldest tar in a Dom0 knows.
        header = entry.tobuf(tarfile.GNU_FORMAT)
        yield header
        yield from self._vhd
        length = len(header) + len(self._vhd)
        padded = length + -length % tarfile.BLOCKSIZE + 2 * tarfile.BLOCKSIZE
        yield bytes(padded + -padded % _RECORD - length)
