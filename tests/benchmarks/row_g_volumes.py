# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""(g) Cinder volumes from a VHD image on a simulated pool: pulled by the host, streamed by the driver, and converted by hand; and clones of a volume."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ansible_collections.xenstack.image_services.plugins.module_utils._disk.disk import RawDisk
from ansible_collections.xenstack.image_services.plugins.module_utils._disk.vhd.writer import VhdWriter
from ansible_collections.xenstack.image_services.tests.benchmarks.interleave import in_turns, times_as_fast
from ansible_collections.xenstack.image_services.tests.benchmarks.peers import CI
from ansible_collections.xenstack.image_services.tests.benchmarks.report import Check
from ansible_collections.xenstack.image_services.tests.benchmarks.setting import BASE, MIB, Bench
from ansible_collections.xenstack.image_services.tests.support.deployment import ROOT

WORKER = Path(__file__).with_name("volume_worker.py")
IMAGE = "6f1f5a0e-5a0c-4c3d-9d1e-000000000001"
# A disk with little data need not be written as a whole.
TIMES_OF_CONVERTING = 3.0
# Of a disk that is a hundred times as large; the simulated pool copies the data of a clone, a real one does not.
MAX_FOR_SIZE = 2.0
EXTENT = 8 * MIB


def run(bench: Bench) -> list[Check]:
    subprocess.run([str(CI / "venv.sh"), ".venv-cinder", "requirements/cinder.txt"], cwd=ROOT, check=True)
    gib, mib = bench.sizes.volume_gib, bench.sizes.volume_data_mib
    through: dict[str, int] = {}
    # Not where the other rows' images lie: a disk that is written as a whole may not fit there.
    with tempfile.TemporaryDirectory(prefix="volumes-", dir=BASE) as directory, _worker(Path(directory), gib, mib) as worker:

        def measured(name: str) -> float:
            answer = _ask(worker, name)
            through[name] = int(answer["through"])
            return answer["seconds"]

        ways = {name: (lambda name=name: measured(name)) for name in ("dom0", "streamed", "converted")}
        taken = in_turns(bench.sizes.volume_rounds, ways)
        clones = in_turns(bench.sizes.volume_rounds, {name: (lambda name=name: measured(name)) for name in ("small clone", "large clone")})
    what = f"a volume of {gib} GiB from a VHD with {mib} MiB of data"
    by_hand = f"{taken['converted']}, curl, qemu-img convert to raw, all of it onto the disk"
    return [
        Check("g", f"{what}, pulled by the host", str(taken["dom0"]), by_hand, times_as_fast(taken["dom0"], taken["converted"]), TIMES_OF_CONVERTING),
        Check(
            "g", f"{what}, streamed by the driver", str(taken["streamed"]), by_hand, times_as_fast(taken["streamed"], taken["converted"]), TIMES_OF_CONVERTING
        ),
        Check(
            "g",
            f"{what}: bytes through the controller",
            f"{through['dom0'] / MIB:.0f} MiB, pulled by the host",
            f"{through['streamed'] / MIB:.0f} MiB, streamed",
            through["dom0"] / MIB,
            0.0,
            True,
            " MiB",
        ),
        Check(
            "g",
            f"a clone of a cached image with {mib} MiB of data",
            f"{clones['large clone']}, a disk of 1024 GiB",
            f"{clones['small clone']}, a disk of {gib} GiB",
            1 / times_as_fast(clones["large clone"], clones["small clone"]),
            MAX_FOR_SIZE,
            True,
        ),
        Check(
            "g",
            "a clone of a cached image: bytes through the controller",
            f"{through['large clone'] / MIB:.0f} MiB",
            "-",
            through["large clone"] / MIB,
            0.0,
            True,
            " MiB",
        ),
    ]


def _image(scratch: Path, gib: int, mib: int) -> None:
    """Extents of random bytes, spread over the disk."""
    raw, target = scratch / "volume.raw", scratch / "v2/images" / IMAGE / "file"
    target.parent.mkdir(parents=True)
    extents = mib * MIB // EXTENT
    with raw.open("w+b") as stream:
        stream.truncate(gib << 30)
        for number in range(extents):
            stream.seek(number * ((gib << 30) // extents) // EXTENT * EXTENT)
            stream.write(os.urandom(EXTENT))
        with target.open("wb") as made:
            made.writelines(VhdWriter(RawDisk(stream, "disk")))
    raw.unlink()


@contextmanager
def _worker(scratch: Path, gib: int, mib: int) -> Iterator[subprocess.Popen[str]]:
    _image(scratch, gib, mib)
    command = [str(ROOT / ".venv-cinder/bin/python"), "-W", "ignore", str(WORKER), str(scratch), IMAGE, str(gib)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin
    assert process.stdout
    try:
        yield process
    finally:
        process.stdin.close()
        process.wait()
        process.stdout.close()


def _ask(worker: subprocess.Popen[str], name: str) -> dict[str, float]:
    assert worker.stdin
    assert worker.stdout
    print(name, file=worker.stdin, flush=True)
    answer: dict[str, float] = json.loads(worker.stdout.readline())
    return answer
