# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""(c) The ownership of very many files, against ansible.builtin.file."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ansible_collections.xenstack.image_services.tests.benchmarks.interleave import in_turns, times_as_fast
from ansible_collections.xenstack.image_services.tests.benchmarks.processes import BUILTIN, OURS, run_module
from ansible_collections.xenstack.image_services.tests.benchmarks.report import Check
from ansible_collections.xenstack.image_services.tests.benchmarks.setting import BASE, Bench

TIMES_AS_FAST = 4.0
FILES_A_DIRECTORY = 1000
OWNER = 42424


def run(bench: Bench) -> list[Check]:
    if os.geteuid() != 0:
        raise RuntimeError("Cannot measure row c: only root gives files away. Run make bench as root.")
    tree = Path(tempfile.mkdtemp(prefix="tree-", dir=BASE))
    try:
        _make_tree(tree, bench.sizes.files)
        options: dict[str, tuple[str, dict[str, Any]]] = {
            "ours": (f"{OURS}.glance_store_dir", {"path": str(tree), "owner": str(OWNER), "group": str(OWNER), "recurse": True}),
            "theirs": (f"{BUILTIN}.file", {"path": str(tree), "owner": str(OWNER), "group": str(OWNER), "recurse": True, "state": "directory"}),
        }
        first = in_turns(bench.sizes.rounds, {"empty": _empty, **{who: _first_run(tree, *task) for who, task in options.items()}})
        again = in_turns(bench.sizes.rounds, {"empty": _empty, **{who: _no_change(*task) for who, task in options.items()}})
    finally:
        shutil.rmtree(tree)
    checks = []
    for what, taken in (("every file changes", first), ("no file changes", again)):
        ours, theirs = (taken[who].net_of(taken["empty"]) for who in options)
        label = f"ownership of {bench.sizes.files:,} files, {what}, net of an empty module ({taken['empty']})"
        checks.append(Check("c", label, str(ours), f"{theirs}, ansible.builtin.file", times_as_fast(ours, theirs), TIMES_AS_FAST))
    return checks


def _make_tree(tree: Path, files: int) -> None:
    for index in range(files):
        directory = tree / str(index // FILES_A_DIRECTORY)
        if index % FILES_A_DIRECTORY == 0:
            directory.mkdir()
        (directory / str(index)).touch()


def _empty() -> float:
    return run_module(f"{BUILTIN}.ping", {}).seconds


def _first_run(tree: Path, module: str, options: dict[str, Any]) -> Callable[[], float]:
    def measure() -> float:
        _chown(tree, 0)
        seconds = run_module(module, options, changed=True).seconds
        _check_owner(tree)
        return seconds

    return measure


def _no_change(module: str, options: dict[str, Any]) -> Callable[[], float]:
    return lambda: run_module(module, options, changed=False).seconds


def _entries(tree: Path) -> list[str]:
    return [str(tree), *(os.path.join(root, name) for root, directories, files in os.walk(tree) for name in directories + files)]


def _chown(tree: Path, owner: int) -> None:
    for path in _entries(tree):
        os.chown(path, owner, owner)


def _check_owner(tree: Path) -> None:
    for path in _entries(tree):
        status = os.lstat(path)
        if (status.st_uid, status.st_gid) != (OWNER, OWNER):
            raise RuntimeError(f"{path} still belongs to {status.st_uid}:{status.st_gid}")
