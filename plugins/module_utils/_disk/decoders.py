# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""Decoders of compressed streams that give their output in small pieces, whatever the input grows to."""

from __future__ import annotations

import bz2
import lzma
import sys
import traceback
import zlib
from collections.abc import Callable, Iterator
from typing import Protocol

from ansible.module_utils.basic import missing_required_lib

from .._core.errors import ImageServicesError

try:
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd
except ImportError:
    ZSTD_IMPORT_ERROR: str | None = traceback.format_exc()
else:
    ZSTD_IMPORT_ERROR = None

MAX_OUTPUT = 1024 * 1024
# zlib copies what it has not yet read, so it gets little at a time.
MAX_INPUT = 64 * 1024
# What `xz -9` needs is 65 MiB, what `zstd --ultra -22` needs 128 MiB.
MAX_MEMORY = 128 * 1024 * 1024
# A frame, and the sixteen kinds of skippable frames, which hold nothing of the content.
ZSTD_MAGICS = (b"\x28\xb5\x2f\xfd", *(bytes([kind]) + b"\x2a\x4d\x18" for kind in range(0x50, 0x60)))


class BrokenStream(Exception):
    """The compressed data is damaged, cut off or followed by something else; the text says which."""


class Decoder(Protocol):
    """One compressed stream, of any number of members, streams or frames one after the other."""

    def decode(self, data: bytes) -> Iterator[bytes]:
        """What the next bytes hold, in pieces of little more than MAX_OUTPUT bytes."""

    def finish(self) -> None:
        """Refuse a stream that may not end here."""


class _Member(Protocol):
    """What the decompressors of lzma, bz2 and zstd have in common."""

    @property
    def eof(self) -> bool: ...

    @property
    def needs_input(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, max_length: int = -1) -> bytes: ...


class _GzipMember:
    """zlib's decompressor with the interface of the others."""

    def __init__(self) -> None:
        self._zlib = zlib.decompressobj(wbits=31)
        self._full = False

    @property
    def eof(self) -> bool:
        return self._zlib.eof

    @property
    def needs_input(self) -> bool:
        return not (self._full or self._zlib.unconsumed_tail)

    @property
    def unused_data(self) -> bytes:
        return self._zlib.unused_data

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        output = self._zlib.decompress(self._zlib.unconsumed_tail + data, max_length)
        # With all input read, output that filled the piece may have more behind it.
        self._full = len(output) == max_length
        return output


class _Members:
    """Members follow each other, and some writers pad the end with zeros."""

    def __init__(self, member: Callable[[], _Member], magics: tuple[bytes, ...], errors: tuple[type[Exception], ...], padding: bool = False) -> None:
        self._make = member
        self._magics = magics
        self._errors = errors
        self._padding = padding
        self._member: _Member | None = None
        self._between = b""
        self._begun = False

    def decode(self, data: bytes) -> Iterator[bytes]:
        for start in range(0, len(data), MAX_INPUT):
            yield from self._decode(data[start : start + MAX_INPUT])

    def _decode(self, data: bytes) -> Iterator[bytes]:
        while True:
            if self._member is None:
                data = self._next_member(data)
                if self._member is None:
                    return
            member = self._member
            try:
                output = member.decompress(data, MAX_OUTPUT)
            except self._errors as exc:
                raise BrokenStream(_cause(exc)) from exc
            data = b""
            if output:
                yield output
            if member.eof:
                data, self._member = member.unused_data, None
                if not data:
                    return
            elif member.needs_input:
                return

    def _next_member(self, data: bytes) -> bytes:
        """Begin the next member where there is one; what belongs to it."""
        data = self._between + data
        if self._begun and self._padding:
            data = data.lstrip(b"\0")
        self._between = b""
        if any(len(data) < len(magic) and magic.startswith(data) for magic in self._magics):
            self._between = data
            return b""
        if not data.startswith(self._magics):
            raise BrokenStream("bytes of something else follow its end" if self._begun else "it does not begin as such data does")
        self._member, self._begun = self._make(), True
        return data

    def finish(self) -> None:
        if self._member is not None or self._between or not self._begun:
            raise BrokenStream("it ends in the middle")


def _cause(exc: Exception) -> str:
    text = " ".join(str(exc).split())
    if "memory" in text.lower():
        return f"to decompress it takes more than {MAX_MEMORY // (1024 * 1024)} MiB of memory"
    return f"it is damaged ({text})"


def zstd_decompressor(max_memory: int) -> zstd.ZstdDecompressor:
    """One frame; a window that takes more memory, which is a power of two, is refused."""
    if ZSTD_IMPORT_ERROR is not None:
        raise ImageServicesError(missing_required_lib("backports.zstd", reason="to decompress zstd"), code="missing_library")
    return zstd.ZstdDecompressor(options={zstd.DecompressionParameter.window_log_max: max_memory.bit_length() - 1})


def decompress_zstd(data: bytes, size: int, max_memory: int) -> bytes:
    """The first bytes of what a frame at the beginning of the data holds, less where it ends before."""
    decompressor = zstd_decompressor(max_memory)
    try:
        return decompressor.decompress(data, size)
    except zstd.ZstdError as exc:
        raise BrokenStream(f"it is damaged ({exc})") from exc


def decoder(compression: str) -> Decoder:
    """A decoder for one of the names that `formats.sniff` gives to compressions."""
    if compression == "zstd":
        zstd_decompressor(MAX_MEMORY)
        return _Members(lambda: zstd_decompressor(MAX_MEMORY), ZSTD_MAGICS, (zstd.ZstdError,))
    if compression == "gzip":
        return _Members(_GzipMember, (b"\x1f\x8b",), (zlib.error,), padding=True)
    if compression == "xz":
        return _Members(lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=MAX_MEMORY), (b"\xfd7zXZ\x00",), (lzma.LZMAError,), padding=True)
    return _Members(bz2.BZ2Decompressor, (b"BZh",), (OSError, ValueError))
