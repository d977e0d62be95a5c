# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The recording of the demo: what a program writes into a terminal is in the picture, in its colours and its order."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType
from xml.etree import ElementTree

import pytest

SCRIPT = Path(__file__).parents[2] / "support/ci/recording.py"


@pytest.fixture(scope="module")
def recording() -> ModuleType:
    spec = importlib.util.spec_from_file_location("recording", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_a_program_writes_into_a_terminal(recording: ModuleType) -> None:
    lines = [line for _pause, line in recording.run("test -t 1 && echo a terminal; stty size <&1; printf 'rest\\n'")]
    assert lines == ["a terminal", f"{recording.ROWS} {recording.COLUMNS}", "rest"]


def test_a_program_that_fails_is_not_recorded(recording: ModuleType) -> None:
    with pytest.raises(SystemExit, match="Cannot record 'exit 3': it ended with 3."):
        list(recording.run("exit 3"))


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("", [()]),
        ("plain", [(("", "plain"),)]),
        ("\x1b[0;32mok\x1b[0m: x", [(("g", "ok"), ("", ": x"))]),
        ("\x1b[1;31mbad\x1b[K\x1b[0m", [(("r", "bad"),)]),
        ("a" * 115, [(("", "a" * 112),), (("", "aaa"),)]),
        ("\x1b[33m" + "a" * 112 + "b", [(("y", "a" * 112),), (("y", "b"),)]),
    ],
)
def test_a_line_is_rows_of_coloured_pieces(recording: ModuleType, line: str, expected: object) -> None:
    assert list(recording.wrapped(line)) == expected


def test_the_picture_takes_its_time_and_shows_everything(recording: ModuleType) -> None:
    text = recording.picture(["one", "two"], [[(0.1, "first <&>"), (60.0, "second")], [(0.2, "\x1b[32mthird\x1b[0m")]])
    page = ElementTree.fromstring(text)
    rows = ["".join(row.itertext()) for row in page.iter("{http://www.w3.org/2000/svg}text")]
    assert rows == ["$ one", "first <&>", "second", "$ two", "third"]
    assert f"animation:page {recording.SECONDS:.1f}s" in text
    moments = [float(moment) for moment in re.findall(r"([\d.]+)%\{transform", text)]
    assert moments == sorted(moments)
    assert moments[0] == 0
    assert moments[-1] < 100
