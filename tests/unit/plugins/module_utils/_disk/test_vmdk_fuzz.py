# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""10,000 damaged and hostile VMDKs: refused by a sentence, soon and in little memory, or read as qemu-img reads them. `make sweep` tries all."""

from __future__ import annotations

import io
import random
import resource
import struct
import subprocess
import time
from pathlib import Path

import pytest
from ansible_collections.xenstack.image_services.plugins.module_utils._core.errors import ImageServicesError
from ansible_collections.xenstack.image_services.plugins.module_utils._disk.disk import RawDisk
from ansible_collections.xenstack.image_services.plugins.module_utils._disk.vmdk import VmdkFile
from ansible_collections.xenstack.image_services.plugins.module_utils._disk.vmdk_stream import VmdkStream
from ansible_collections.xenstack.image_services.tests.support.disks import GIB, content, cut, qemu_img, write_raw
from ansible_collections.xenstack.image_services.tests.support.fuzz import MAX_MEMORY, SLOWEST, mutated
from ansible_collections.xenstack.image_services.tests.support.sweep import COMPLETE, sample
from ansible_collections.xenstack.image_services.tests.support.vmdk import SECTOR, Built

CASES, DRAWN = 10_000, 600
# What qemu-img has an answer for in a test's time.
JUDGED = GIB


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    directory, noise = tmp_path_factory.mktemp("samples"), random.Random(1)
    grains: dict[int, bytes | None] = {0: noise.randbytes(8192), 1: b"one", 2: None, 5: noise.randbytes(100), 515: b"last"}
    built = [Built(16 * 516 + 3, grains, 16), Built(16 * 40, {3: b"x", 4: noise.randbytes(8192)}, 16)]
    raw = write_raw(directory / "raw", 300_032, [(0, b"abc" * 9000), (200_000, noise.randbytes(20_000))])
    made = [each.sparse() for each in built] + [each.stream() for each in built]
    for options in ("subformat=monolithicSparse", "subformat=streamOptimized"):
        qemu_img("convert", "-f", "raw", "-O", "vmdk", "-o", options, raw, directory / options)
        made.append((directory / options).read_bytes())
    return made


def case(chooser: random.Random, samples: list[bytes]) -> bytes:
    data = chooser.choice(samples)
    places = [(0, 79), (4, 72), (512, 1024)]
    (directory,) = struct.unpack_from("<Q", data, 56)
    if directory > len(data):
        end = len(data) - 3 * SECTOR
        places += [(end, end + 16), (end + SECTOR, end + SECTOR + 79), (end - 2 * SECTOR, end), (128 * SECTOR, 128 * SECTOR + 64), (128 * SECTOR, end)]
    else:
        at = directory * SECTOR
        (table,) = struct.unpack_from("<I", data, at)
        places += [(at, at + 8), (table * SECTOR, table * SECTOR + 32), (len(data) - 70_000, len(data) - 69_000)]
    made = mutated(data, [(max(0, start), max(1, end)) for start, end in places], chooser, "little")
    if chooser.random() < 0.05:
        made[512:1024] = bytes(made[512:1024]).replace(b"parentCID=ffffffff", b"parentCID=fffffffe")
    return bytes(made)


def read(data: bytes, forward: bool) -> tuple[int, dict[int, bytes]]:
    disk = VmdkStream(cut(data), "fuzz") if forward else VmdkFile(io.BytesIO(data), "fuzz")
    return disk.virtual_size, content(disk.blocks(), disk.virtual_size)


def judged(data: bytes, folder: Path) -> tuple[int, dict[int, bytes]] | None:
    """As qemu-img reads it; None where it refuses. It is only given what our reader took, which names no other file."""
    path, raw = folder / "judged.vmdk", folder / "judged.raw"
    path.write_bytes(data)
    raw.unlink(missing_ok=True)
    done = subprocess.run(["qemu-img", "convert", "-f", "vmdk", "-O", "raw", path, raw], capture_output=True, timeout=60, check=False)
    if done.returncode:
        return None
    with raw.open("rb") as stream:
        disk = RawDisk(stream, "raw")
        return disk.virtual_size, content(disk.blocks(), disk.virtual_size)


def test_damaged_images(samples: list[bytes], tmp_path: Path) -> None:
    sentences: list[str] = []
    taken = compared = refused_by_judge = 0
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    numbers = sample(range(CASES), DRAWN, "vmdk fuzz")
    for number in numbers:
        chooser = random.Random(f"vmdk-{number}")
        data, forward = case(chooser, samples), bool(number % 2)
        began = time.process_time()
        try:
            found = read(data, forward)
        except ImageServicesError as exc:
            sentences.append(str(exc))
            continue
        except Exception as exc:
            raise AssertionError(f"case {number} broke the reader: {exc!r}") from exc
        finally:
            assert time.process_time() - began < SLOWEST, f"case {number} took too long"
        taken += 1
        if found[0] <= JUDGED:
            verdict = judged(data, tmp_path)
            refused_by_judge += verdict is None
            compared += verdict is not None
            assert verdict in (None, found), f"case {number}: qemu-img reads another disk"
    # The faults reach what is checked, and not all of them matter.
    assert all(sentence.startswith("Cannot read vmdk image") for sentence in sentences)
    assert len(sentences) > len(numbers) // 3
    assert compared > len(numbers) // 20
    assert refused_by_judge < taken // 4
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 < MAX_MEMORY
    print(
        f"{len(numbers)} cases: {len(sentences)} refused, {taken} taken, {compared} of them compared, {refused_by_judge} refused by qemu-img; all: {COMPLETE}"
    )
