# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compressed sources: what they hold, in pieces of limited size, and a sentence for each way of being broken."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import hashlib
import lzma
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from ansible_collections.xenstack.image_services.plugins.module_utils._content.decompress import DecompressedSource
from ansible_collections.xenstack.image_services.plugins.module_utils._content.source import FileSource
from ansible_collections.xenstack.image_services.plugins.module_utils._core.errors import ImageServicesError
from ansible_collections.xenstack.image_services.plugins.module_utils._disk.decoders import MAX_INPUT, MAX_OUTPUT, BrokenStream, decoder, zstd
from ansible_collections.xenstack.image_services.plugins.module_utils._disk.formats import HEAD_SIZE, MARKS_END, sniff
from ansible_collections.xenstack.image_services.tests.support.deployment import ROOT
from hypothesis import given
from hypothesis import strategies as st

Compress = Callable[[bytes], bytes]


def zstd_file(data: bytes) -> bytes:
    return zstd.compress(data, options={zstd.CompressionParameter.checksum_flag: 1})


def zstd_stream(data: bytes) -> bytes:
    """As a pipe writes it: without the content's size in the header."""
    writer = zstd.ZstdCompressor(level=1)
    return writer.compress(data) + writer.flush()


COMPRESS: dict[str, Compress] = {"gzip": gzip.compress, "xz": lzma.compress, "bzip2": bz2.compress, "zstd": zstd_file}
FORMATS = sorted(COMPRESS)
MIXED = b"".join(os.urandom(1000) + b"text " * 5000 + bytes(300_000) for _part in range(12))
SKIPPABLE = b"\x50\x2a\x4d\x18" + (100_000).to_bytes(4, "little") + bytes(100_000)


def decoded(compression: str, data: bytes, step: int = 64 * 1024) -> bytes:
    decoding = decoder(compression)
    pieces = [piece for start in range(0, len(data), step) for piece in decoding.decode(data[start : start + step])]
    decoding.finish()
    return b"".join(pieces)


@pytest.mark.parametrize("step", [1_000_003, 64 * 1024, 97], ids=str)
@pytest.mark.parametrize("compression", FORMATS)
def test_what_was_compressed_comes_out(compression: str, step: int) -> None:
    data = COMPRESS[compression](MIXED)
    assert sniff(data) == compression
    assert decoded(compression, data, step) == MIXED


@pytest.mark.parametrize("step", [1_000_003, 7], ids=str)
@pytest.mark.parametrize("compression", FORMATS)
def test_members_that_follow_each_other_are_one_content(compression: str, step: int) -> None:
    compress = COMPRESS[compression]
    parts = [b"first", b"", os.urandom(100_000), b"last"]
    assert decoded(compression, b"".join(map(compress, parts)), step) == b"".join(parts)


def test_frames_of_zstd_in_all_their_forms() -> None:
    random = os.urandom(1_000_000)
    for content in (b"", b"x", bytes(1_000_000), random, MIXED):
        for compress in (zstd_file, zstd_stream):
            frames = SKIPPABLE + compress(content) + SKIPPABLE + compress(b"end")
            for step in (65536, 1009):
                assert decoded("zstd", frames, step) == content + b"end"


@pytest.mark.parametrize("compression", ["gzip", "xz"])
def test_zeros_after_the_end_are_padding(compression: str) -> None:
    compress = COMPRESS[compression]
    assert decoded(compression, compress(b"one") + bytes(1024) + compress(b"two") + bytes(200_000)) == b"onetwo"


@pytest.mark.parametrize("kept", [0.999, 0.5, 3], ids=["last bytes", "half", "mark alone"])
@pytest.mark.parametrize("compression", FORMATS)
def test_a_stream_that_is_cut_off_is_not_taken_for_whole(compression: str, kept: float) -> None:
    data = COMPRESS[compression](MIXED)
    with pytest.raises(BrokenStream, match="ends in the middle"):
        decoded(compression, data[: int(len(data) * kept) if kept < 1 else int(kept)])


@given(st.sampled_from(FORMATS), st.data())
def test_no_cut_goes_unnoticed(compression: str, choice: st.DataObject) -> None:
    """Every proper beginning of a stream is refused, unless members have ended exactly there."""
    data = COMPRESS[compression](b"some text " * 50 + bytes(range(50)))
    cut = choice.draw(st.integers(0, len(data) - 1))
    with pytest.raises(BrokenStream):
        decoded(compression, data[:cut], choice.draw(st.integers(1, 200)))


@pytest.mark.parametrize("garbage", [b"x", b"\x1f", b"garbage" * 1000, os.urandom(5000)], ids=["byte", "half a mark", "text", "random"])
@pytest.mark.parametrize("compression", FORMATS)
def test_bytes_after_the_end_are_refused(compression: str, garbage: bytes) -> None:
    with pytest.raises(BrokenStream):
        decoded(compression, COMPRESS[compression](b"content" * 1000) + garbage)


@pytest.mark.parametrize("compression", FORMATS)
def test_a_flipped_bit_is_noticed(compression: str) -> None:
    data = bytearray(COMPRESS[compression](os.urandom(200_000)))
    data[len(data) // 2] ^= 4
    with pytest.raises(BrokenStream):
        decoded(compression, bytes(data))


@given(st.sampled_from(FORMATS), st.binary(max_size=300), st.integers(1, 50), st.booleans())
def test_no_bytes_break_the_decoders(compression: str, data: bytes, step: int, marked: bool) -> None:
    mark = COMPRESS[compression](b"x")[:6] if marked else b""
    with contextlib.suppress(BrokenStream):
        decoded(compression, mark + data, step)


@pytest.mark.parametrize("compression", FORMATS)
def test_a_bomb_comes_out_in_small_pieces(compression: str) -> None:
    data = COMPRESS[compression](bytes(64 * 1024 * 1024))
    decoding = decoder(compression)
    sizes = [len(piece) for start in range(0, len(data), MAX_INPUT) for piece in decoding.decode(data[start : start + MAX_INPUT])]
    assert sum(sizes) == 64 * 1024 * 1024
    assert max(sizes) <= MAX_OUTPUT


@pytest.mark.parametrize("compression", ["xz", "zstd"])
def test_a_dictionary_larger_than_the_limit_is_refused(compression: str) -> None:
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": 512 * 1024 * 1024}]
    if compression == "xz":
        packer = lzma.LZMACompressor(filters=filters)
        data = packer.compress(b"x" * 1000) + packer.flush()
    else:
        # A frame header alone: no checksum, no content size, a window of 1 GiB, then an empty last block.
        data = b"\x28\xb5\x2f\xfd\x00" + bytes([(30 - 10) << 3]) + b"\x01\x00\x00"
    with pytest.raises(BrokenStream, match="takes more than 128 MiB of memory"):
        decoded(compression, data)


@pytest.fixture(params=FORMATS)
def packed(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, Path]:
    path = tmp_path / f"disk.{request.param}"
    path.write_bytes(COMPRESS[request.param](MIXED))
    return request.param, path


def test_a_source_is_what_it_holds_and_knows_the_digest_of_what_lies_there(packed: tuple[str, Path]) -> None:
    compression, path = packed
    source = DecompressedSource(FileSource(str(path)), compression, ["sha256"])
    assert (source.label, source.size, source.tail()) == (str(path), None, b"")
    assert source.head() == MIXED[:HEAD_SIZE]
    assert source.passed == {}
    assert b"".join(source.blocks()) == MIXED
    assert source.passed == {"sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
    assert source.digests(["md5"]) == {"md5": hashlib.md5(MIXED).hexdigest()}


def test_the_head_of_incompressible_content_holds_all_marks(tmp_path: Path) -> None:
    """A block of bzip2 is longer than the beginning of the source that is at hand."""
    content = os.urandom(2_000_000)
    for compression, compress in COMPRESS.items():
        path = tmp_path / compression
        path.write_bytes(compress(content))
        head = DecompressedSource(FileSource(str(path)), compression, []).head()
        assert len(head) >= MARKS_END
        assert content[:HEAD_SIZE].startswith(head)


def test_a_broken_source_is_a_sentence_and_has_no_digest(packed: tuple[str, Path]) -> None:
    compression, path = packed
    path.write_bytes(path.read_bytes()[:-5])
    source = DecompressedSource(FileSource(str(path)), compression, ["sha256"])
    with pytest.raises(ImageServicesError, match=rf"Cannot decompress {compression} data of '{path}': it ends in the middle\. Get a complete copy"):
        list(source.blocks())
    assert source.passed == {}


def test_an_empty_content_is_refused(tmp_path: Path) -> None:
    for compression, compress in COMPRESS.items():
        path = tmp_path / compression
        path.write_bytes(compress(b""))
        with pytest.raises(ImageServicesError, match="it is empty"):
            DecompressedSource(FileSource(str(path)), compression, []).head()


READ_ALL = """
import sys
from ansible_collections.xenstack.image_services.plugins.module_utils._content.decompress import DecompressedSource
from ansible_collections.xenstack.image_services.plugins.module_utils._content.source import FileSource

def peak():
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM:"))

source = DecompressedSource(FileSource(sys.argv[2]), sys.argv[1], ["sha256"])
source.head()
before = peak()
print(sum(map(len, source.blocks())), peak() - before)
"""


@pytest.mark.parametrize("compression", FORMATS)
def test_many_zeros_take_no_memory(compression: str, tmp_path: Path) -> None:
    path = tmp_path / "bomb"
    size = 1 << 28
    # Each of the members alone would show in the measure.
    path.write_bytes(COMPRESS[compression](bytes(64 * 1024 * 1024)) * 4)
    assert path.stat().st_size < size / 100
    environment = {**os.environ, "PYTHONPATH": str(ROOT / ".build")}
    done = subprocess.run([sys.executable, "-c", READ_ALL, compression, str(path)], env=environment, check=True, capture_output=True, text=True)
    total, grown_kib = map(int, done.stdout.split())
    assert total == size
    assert grown_kib < 32 * 1024


def test_blocks_can_be_read_again(packed: tuple[str, Path]) -> None:
    compression, path = packed
    source = DecompressedSource(FileSource(str(path)), compression, ["sha256"])
    half: Iterator[bytes] = source.blocks()
    next(half)
    assert b"".join(source.blocks()) == MIXED
