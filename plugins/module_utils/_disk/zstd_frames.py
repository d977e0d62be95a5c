# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""Where zstandard's frames and blocks end (RFC 8878, 3.1.1), so that a decoder can be given as much as fits in memory decoded.

The library tells neither the end of a stream that lacks its last bytes, nor how much a piece of input will grow.
"""

from __future__ import annotations

from collections.abc import Iterator

FRAME_MAGIC = b"\x28\xb5\x2f\xfd"
# Of what a block holds decoded, and of its bytes as well.
MAX_IN_BLOCK = 128 * 1024
_RLE, _RESERVED = 1, 3


class BrokenFrames(Exception):
    """The bytes are not zstandard's."""


class FrameCutter:
    """Cuts a stream at the ends of its blocks. A piece holds at most ``blocks`` blocks; the frame's end ends it as well."""

    def __init__(self, blocks: int = 8) -> None:
        self._most_blocks = blocks
        self._buffer = bytearray()
        self._skip = 0
        self._in_frame = False
        self._checksum = 0

    def feed(self, data: bytes) -> Iterator[tuple[bytes, bool]]:
        """Pieces for the decoder, and whether the frame ends with them. Skippable frames are left out."""
        self._buffer += data
        while True:
            if self._skip:
                skipped = min(self._skip, len(self._buffer))
                del self._buffer[:skipped]
                self._skip -= skipped
            if self._skip or not self._buffer:
                return
            size, ends = self._blocks(0) if self._in_frame else self._header()
            if size == 0:
                return
            if self._skip:
                continue
            piece = bytes(self._buffer[:size])
            del self._buffer[:size]
            self._in_frame = not ends
            yield piece, ends

    @property
    def complete(self) -> bool:
        """Whether the stream may end here."""
        return not (self._buffer or self._skip or self._in_frame)

    def _header(self) -> tuple[int, bool]:
        """Length of what is there from the header to a block's end, or 0 where more is needed."""
        buffer = self._buffer
        if len(buffer) < 4:
            if not FRAME_MAGIC.startswith(bytes(buffer)) and not 0x50 <= buffer[0] <= 0x5F:
                raise BrokenFrames("bytes of something else follow its end")
            return 0, False
        if buffer[0] & 0xF0 == 0x50 and buffer[1:4] == b"\x2a\x4d\x18":
            if len(buffer) >= 8:
                self._skip = 8 + int.from_bytes(buffer[4:8], "little")
                return 8, False
            return 0, False
        if buffer[:4] != FRAME_MAGIC:
            raise BrokenFrames("bytes of something else follow its end")
        if len(buffer) < 5:
            return 0, False
        descriptor = buffer[4]
        single = descriptor >> 5 & 1
        content_size = (1 if single else 0, 2, 4, 8)[descriptor >> 6]
        length = 5 + (not single) + (0, 1, 2, 4)[descriptor & 3] + content_size
        self._checksum = 4 if descriptor >> 2 & 1 else 0
        return self._blocks(length)

    def _blocks(self, start: int) -> tuple[int, bool]:
        end = start
        for _count in range(self._most_blocks):
            header = self._buffer[end : end + 3]
            if len(header) < 3:
                break
            fields = int.from_bytes(header, "little")
            last, kind, size = fields & 1, fields >> 1 & 3, fields >> 3
            if kind == _RESERVED or size > MAX_IN_BLOCK:
                raise BrokenFrames("a block of it is broken")
            after = end + 3 + (1 if kind == _RLE else size) + (self._checksum if last else 0)
            if after > len(self._buffer):
                break
            end = after
            if last:
                return end, True
        return (end, False) if end > start else (0, False)
