# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""(f) Disks into a pool that discards them: a large disk with little data, against qemu-img and curl, and against curl with the whole disk."""

from __future__ import annotations

import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from ansible_collections.xenstack.image_services.plugins.module_utils._disk.disk import RawDisk
from ansible_collections.xenstack.image_services.plugins.module_utils._disk.vhd.writer import VhdWriter
from ansible_collections.xenstack.image_services.tests.benchmarks.interleave import in_turns, times_as_fast
from ansible_collections.xenstack.image_services.tests.benchmarks.processes import OURS, Finished, run_command, run_module
from ansible_collections.xenstack.image_services.tests.benchmarks.report import Check, peak_memory
from ansible_collections.xenstack.image_services.tests.benchmarks.setting import MIB, Bench

TIMES_OF_CONVERTING = 1.5
TIMES_OF_ALL = 10.0
MAX_WIRE = 1.02
# A log line, or Python's own cache, but nothing of a disk.
MAX_WRITTEN_MIB = 0.1
MODULE = f"{OURS}.xen_vdi_import"
EXTENT = 8 * MIB


def run(bench: Bench) -> list[Check]:
    checks = []
    images = _images(bench)
    with _sink() as port:
        idle = run_module(MODULE, {**_pool(port), "state": "absent"}, changed=False).peak_kib
        for kind, path in images.items():
            checks += _kind(bench, port, kind, path, images["raw"], idle)
    return checks


def _kind(bench: Bench, port: int, kind: str, path: Path, raw: Path, idle: int) -> list[Check]:
    finished: list[Finished] = []
    wire: list[int] = []

    def ours() -> float:
        before = _taken(port)
        finished.append(run_module(MODULE, {**_pool(port), "src": str(path), "disk_format": kind}, changed=True))
        wire.append(_taken(port) - before)
        return finished[-1].seconds

    contenders = {"ours": ours, "converted": partial(_converted, port, kind, path), "all": partial(_put, port, raw)}
    taken = in_turns(bench.sizes.pool_rounds, contenders)
    size = f"{bench.sizes.pool_disk_mib / 1024:g} GiB disk with {bench.sizes.pool_data_mib} MiB of data, {kind}"
    data = bench.sizes.pool_data_mib * MIB
    peak, written = max(each.peak_kib for each in finished), max(each.written for each in finished)
    checks = [
        Check(
            "f",
            size,
            str(taken["ours"]),
            f"{taken['converted']}, qemu-img convert to a VHD, then curl -T",
            times_as_fast(taken["ours"], taken["converted"]),
            TIMES_OF_CONVERTING,
        ),
        Check("f", size, str(taken["ours"]), f"{taken['all']}, curl -T of the complete raw disk", times_as_fast(taken["ours"], taken["all"]), TIMES_OF_ALL),
        Check("f", f"{size}: bytes on the wire", f"{max(wire) / MIB:.1f} MiB", f"{data / MIB:.0f} MiB of data", max(wire) / data, MAX_WIRE, True),
        peak_memory("f", f"{size}: peak memory of the module", peak, idle),
    ]
    if kind != "qcow2":
        checks.append(Check("f", f"{size}: written to disk", f"{written / MIB:.2f} MiB", "-", written / MIB, MAX_WRITTEN_MIB, True, " MiB"))
    return checks


def _images(bench: Bench) -> dict[str, Path]:
    """The same disk in each format: extents of random bytes, spread over it."""
    raw = bench.scratch / "pool.raw"
    extents = bench.sizes.pool_data_mib * MIB // EXTENT
    step = bench.sizes.pool_disk_mib * MIB // extents
    with raw.open("wb") as stream:
        stream.truncate(bench.sizes.pool_disk_mib * MIB)
        for number in range(extents):
            stream.seek(number * step // EXTENT * EXTENT)
            stream.write(os.urandom(EXTENT))
    qcow2, vhd = raw.with_suffix(".qcow2"), raw.with_suffix(".vhd")
    run_command(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", str(raw), str(qcow2)])
    with raw.open("rb") as source, vhd.open("wb") as target:
        target.writelines(VhdWriter(RawDisk(source, "disk")))
    return {"raw": raw, "qcow2": qcow2, "vhd": vhd}


def _converted(port: int, kind: str, path: Path) -> float:
    """As it is done by hand; the options are those without which the size is another one."""
    target = path.with_name("converted.vhd")
    form = {"vhd": "vpc"}.get(kind, kind)
    command = ["qemu-img", "convert", "-f", form, "-O", "vpc", "-o", "subformat=dynamic,force_size=on", str(path), str(target)]
    seconds = run_command(command).seconds + _put(port, target)
    target.unlink()
    return seconds


def _put(port: int, path: Path) -> float:
    return run_command(["curl", "--silent", "--show-error", "--fail", "-H", "Expect:", "-T", str(path), f"http://127.0.0.1:{port}/import_raw_vdi"]).seconds


def _pool(port: int) -> dict[str, object]:
    return {"hostname": f"http://127.0.0.1:{port}", "password": "none", "name": "bench"}


def _taken(port: int) -> int:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/") as answer:
        return int(answer.read())


@contextmanager
def _sink() -> Iterator[int]:
    process = subprocess.Popen([sys.executable, str(Path(__file__).with_name("pool_sink.py"))], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield int(process.stdout.readline())
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()
