# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Damaged and hostile images: the readers give data inside of the disk or a sentence of ours, soon and in little memory."""

from __future__ import annotations

import gzip
import io
import random
import resource
import struct
import tarfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from ansible_collections.xenstack.image_services.plugins.module_utils._core.errors import ImageServicesError
from ansible_collections.xenstack.image_services.plugins.module_utils._disk.disk import BlockStream
from ansible_collections.xenstack.image_services.plugins.module_utils._disk.qcow2 import Qcow2File
from ansible_collections.xenstack.image_services.plugins.module_utils._disk.vhd.reader import VhdFile, VhdStream
from ansible_collections.xenstack.image_services.plugins.module_utils._disk.vhd.tarball import VhdTarball
from ansible_collections.xenstack.image_services.tests.support.disks import MIB, build_vhd, qemu_img, summed, write_raw
from ansible_collections.xenstack.image_services.tests.support.fuzz import MAX_MEMORY, SLOWEST, mutated

# Of each kind; there are more than 10,000 of them together.
CASES = 3000


def vhd_case(chooser: random.Random) -> bytes:
    blocks = {1: {0: b"one", 900: b"nine"}, 0: {3: b"zero"}}
    kind = chooser.choice([3, 4])
    data = build_vhd(3 * MIB // 2, blocks, kind=kind, block_size=MIB // 2)
    made = mutated(data, [(0, 512), (512, 1100), (1536, 1548), (2048, 2560), (len(data) - 512, len(data))], chooser)
    if chooser.random() < 0.7 and len(made) > 3000:
        # With sums that are right again, the faults come further.
        made[:512] = summed(bytes(made[:512]), 64)
        made[512:1536] = summed(bytes(made[512:1536]), 36)
        made[-512:] = made[:512] if chooser.random() < 0.5 else summed(bytes(made[-512:]), 64)
    return bytes(made)


def tar_case(chooser: random.Random) -> bytes:
    leaf = build_vhd(MIB // 2, {0: {1: b"leaf"}}, kind=4, uuid=b"L" * 16, parent=b"P" * 16, block_size=MIB // 2)
    base = build_vhd(MIB // 2, {0: {2: b"base"}}, uuid=b"P" * 16, block_size=MIB // 2)
    made, places = io.BytesIO(), [(0, 512)]
    with tarfile.open(fileobj=made, mode="w", format=chooser.choice([tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])) as archive:
        members = [("0.vhd", leaf), ("1.vhd", base)]
        for name, data in members if chooser.random() < 0.7 else reversed(members):
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            entry.pax_headers = {"comment": "x", "size": str(len(data))} if chooser.random() < 0.3 else {}
            places.append((made.tell(), made.tell() + 3500))
            archive.addfile(entry, io.BytesIO(data))
    data = mutated(made.getvalue(), places, chooser)
    if chooser.random() < 0.6 and len(data) > 512:
        start = chooser.choice(places)[0]
        header = bytes(data[start : start + 512]).ljust(512, b"\0")
        total = sum(header) - sum(header[148:156]) + 256
        data[start : start + 512] = header[:148] + b"%06o\0 " % total + header[156:]
    if data and chooser.random() < 0.15:
        compressed = gzip.compress(bytes(data), 1)
        return bytes(mutated(compressed, [(0, 18), (len(compressed) - 18, len(compressed))], chooser)) if chooser.random() < 0.5 else compressed
    return bytes(data)


@pytest.fixture(scope="module")
def qcow2_samples(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    directory = tmp_path_factory.mktemp("samples")
    raw = write_raw(directory / "raw", 300_032, [(0, b"abc" * 9000), (200_000, random.Random(1).randbytes(20_000))])
    made = []
    for number, options in enumerate(
        [("cluster_size=512",), ("cluster_size=4096,compat=0.10",), ("cluster_size=4096", "-c"), ("compression_type=zstd,cluster_size=4096", "-c")]
    ):
        path = directory / str(number)
        qemu_img("convert", "-f", "raw", "-O", "qcow2", "-o", *options, raw, path)
        made.append(path.read_bytes())
    return made


def qcow2_case(chooser: random.Random, samples: list[bytes]) -> bytes:
    data = chooser.choice(samples)
    first = int(struct.unpack_from(">Q", data, 40)[0])
    second = int(struct.unpack_from(">Q", data, first)[0]) & 0x00FFFFFFFFFFFE00
    return bytes(mutated(data, [(0, 112), (8, 48), (first, first + 64), (second, second + 512)], chooser))


def stream(data: bytes) -> Iterator[bytes]:
    return (data[start : start + 60_000] for start in range(0, len(data), 60_000))


def fuzz(make: Callable[[random.Random], bytes], read: Callable[[bytes, random.Random], BlockStream], seed: int) -> None:
    """Reads so many cases; each fault that is found can be made again from its number."""
    sentences: list[str] = []
    whole = 0
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for number in range(CASES):
        chooser = random.Random(f"{seed}-{number}")
        data = make(chooser)
        began = time.process_time()
        try:
            disk = read(data, chooser)
            given = 0
            for offset, block in disk.blocks():
                assert 0 <= offset < offset + len(block) <= disk.virtual_size
                given += len(block)
            assert given <= disk.virtual_size
            whole += 1
        except ImageServicesError as exc:
            sentences.append(str(exc))
        except Exception as exc:
            raise AssertionError(f"case {number} of seed {seed} broke the reader: {exc!r}") from exc
        assert time.process_time() - began < SLOWEST, f"case {number} of seed {seed} took too long"
    # The faults reach what is checked, and not all of them matter.
    assert len(sentences) > CASES // 5
    assert all(sentence.startswith("Cannot read ") for sentence in sentences)
    assert whole > CASES // 50
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 < MAX_MEMORY


@pytest.mark.parametrize("seed", [1])
def test_vhd_files(seed: int) -> None:
    fuzz(vhd_case, lambda data, _chooser: VhdFile(io.BytesIO(data), "fuzz"), seed)


@pytest.mark.parametrize("seed", [2])
def test_vhd_streams(seed: int) -> None:
    fuzz(vhd_case, lambda data, chooser: VhdStream(stream(data), "fuzz", chooser.choice([None, len(data)])), seed)


@pytest.mark.parametrize("seed", [3])
def test_qcow2_files(seed: int, qcow2_samples: list[bytes]) -> None:
    fuzz(lambda chooser: qcow2_case(chooser, qcow2_samples), lambda data, _chooser: Qcow2File(io.BytesIO(data), "fuzz"), seed)


@pytest.mark.parametrize("seed", [4])
def test_tarballs(seed: int, tmp_path: Path) -> None:
    fuzz(tar_case, lambda data, _chooser: VhdTarball(stream(data), "fuzz", str(tmp_path)), seed)
