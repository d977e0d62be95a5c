# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What transfers say while they run: how much, how fast, how long still, and not too often."""

from __future__ import annotations

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from ansible_collections.xenstack.image_services.plugins.module_utils._core.progress import PROGRESS_VARIABLE, ProgressLog, ProgressSink
from ansible_collections.xenstack.image_services.plugins.plugin_utils.progress import followed
from ansible_collections.xenstack.image_services.tests.support.clocks import JumpingClock

MIB = 1024 * 1024
GIB = 1024 * MIB


def told(size: int | None, steps: list[tuple[float, int]]) -> list[str]:
    """Lines for a transfer that stands at so many bytes after so many seconds."""
    clock, lines = JumpingClock(), []
    log = ProgressLog(lines.append, "debian", clock)
    for seconds, sent in steps:
        clock.time = seconds
        log(sent, size)
    return lines


def test_a_line_at_every_tenth() -> None:
    lines = told(1000 * MIB, [(0, 0), *[(second, second * 10 * MIB) for second in range(1, 101)]])
    assert len(lines) == 10
    assert lines[0] == "image 'debian': 10 %, 100.0 MiB of 1000.0 MiB, 10.0 MiB/s, 1 min 30 s left"
    assert lines[8] == "image 'debian': 90 %, 900.0 MiB of 1000.0 MiB, 10.0 MiB/s, 10 s left"
    assert lines[9] == "image 'debian': 100 %, 1000.0 MiB of 1000.0 MiB, 10.0 MiB/s"


def test_a_line_after_fifteen_seconds_of_a_slow_one() -> None:
    lines = told(100 * GIB, [(0, 0), *[(second, second * MIB) for second in range(1, 61)]])
    assert [line.split(", ")[1] for line in lines] == [f"{15 * count}.0 MiB of 100.0 GiB" for count in (1, 2, 3, 4)]
    assert lines[0].endswith("1.0 MiB/s, 28 h 26 min left")


def test_of_an_unknown_size_bytes_and_rate_alone() -> None:
    lines = told(None, [(0, 0), *[(second, second * 2 * MIB) for second in range(1, 31)]])
    assert lines == ["image 'debian': 30.0 MiB, 2.0 MiB/s", "image 'debian': 60.0 MiB, 2.0 MiB/s"]


def test_a_fast_one_says_nothing_and_many_tenths_at_once_are_one_line() -> None:
    assert told(100, [(tenth / 20, tenth * 10) for tenth in range(11)]) == []
    lines = told(100 * MIB, [(0, 0), (1.5, 60 * MIB), (1.6, 80 * MIB), (1.7, 100 * MIB)])
    assert [line.split(", ")[0] for line in lines] == ["image 'debian': 60 %", "image 'debian': 100 %"]


def test_the_rate_is_that_of_now_and_a_stall_has_no_end() -> None:
    lines = told(100 * MIB, [(0, 0), (10, 10 * MIB), (12, 30 * MIB), (30, 30 * MIB)])
    assert lines[1].endswith("10.0 MiB/s, 7 s left")
    assert lines[2] == "image 'debian': 30 %, 30.0 MiB of 100.0 MiB, 0 B/s"


def test_what_starts_anew_counts_anew() -> None:
    lines = told(100 * MIB, [(0, 0), (5, 50 * MIB), (6, 0), (8, 20 * MIB), (9, 30 * MIB)])
    assert [line.split(", ")[0] for line in lines] == ["image 'debian': 50 %", "image 'debian': 20 %", "image 'debian': 30 %"]
    assert "10.0 MiB/s" in lines[1]


def test_a_name_cannot_forge_a_line() -> None:
    lines: list[str] = []
    clock = JumpingClock()
    log = ProgressLog(lines.append, "a\nb\x1b[2J", clock)
    log(0, 10)
    clock.time += 20
    log(5, 10)
    assert lines == ["image 'a?b?[2J': 50 %, 5 B of 10 B, 0 B/s, 20 s left"]


def test_many_transfers_write_whole_lines(tmp_path: Path) -> None:
    path = tmp_path / "progress"
    path.touch(0o600)
    logged: list[str] = []
    sink = ProgressSink(logged.append, str(path))
    lines = [f"image '{number}': " + "x" * number for number in range(500)]
    shown: list[str] = []
    with followed(str(path), shown.append), ThreadPoolExecutor(8) as pool:
        list(pool.map(sink, lines))
    assert sorted(shown) == sorted(logged) == sorted(lines)
    assert path.read_text(encoding="utf-8").splitlines() == shown


@pytest.mark.parametrize("make", [lambda path: None, lambda path: path.symlink_to("elsewhere"), lambda path: path.mkdir()], ids=["none", "link", "directory"])
def test_a_file_that_is_not_there_costs_the_lines_alone(tmp_path: Path, make: object) -> None:
    path = tmp_path / "progress"
    make(path)  # type: ignore[operator]
    logged: list[str] = []
    sink = ProgressSink(logged.append, str(path))
    sink("one")
    sink("two")
    assert logged == ["one", "two"]
    assert not (tmp_path / "elsewhere").exists()
    assert not path.exists() or stat.S_ISDIR(os.stat(path).st_mode)


def test_the_path_comes_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "progress"
    path.touch(0o600)
    monkeypatch.setenv(PROGRESS_VARIABLE, str(path))
    ProgressSink(lambda line: None)("a line")
    assert path.read_text(encoding="utf-8") == "a line\n"
