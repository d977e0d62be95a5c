# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""recording.py <file.svg>: the demo as a terminal shows it, as a picture that moves; run it in a copy of the checkout.

The commands run in a terminal of their own, and what they write is kept with its time. The picture is a long page of lines behind a window, moved
by CSS, so that it needs no script and is a few kilobytes. Pauses are shortened until all of it takes SECONDS.
"""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

COLUMNS, ROWS = 112, 30
WIDTH, HEIGHT, MARGIN = 7.23, 16, 12
SECONDS = 40.0
# How long a command stands before its output, and its last lines after it; pauses between are cut to this.
BEFORE, AFTER, PAUSE = 1.0, 3.5, 0.4
SEQUENCE = re.compile(r"\x1b(?:\[([0-9;?]*)([A-Za-z])|[()][A-Z0-9]|[=>])")
STYLE = {"31": "r", "32": "g", "33": "y", "34": "b", "35": "m", "36": "c", "90": "d"}
COLOURS = {"r": "#f47067", "g": "#8ddb8c", "y": "#e0b050", "b": "#6cb6ff", "m": "#dcbdfb", "c": "#7bd5d5", "d": "#909dab", "p": "#ffffff"}


@dataclass(frozen=True)
class Row:
    """A line of the terminal: pieces of text with the class of their colour, and when it was there."""

    at: float
    pieces: tuple[tuple[str, str], ...]


def run(command: str) -> Iterator[tuple[float, str]]:
    """The lines that a command writes into a terminal, each with the seconds since the one before."""
    main, other = pty.openpty()
    fcntl.ioctl(other, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": str(COLUMNS)}
    with subprocess.Popen(["bash", "-c", command], stdin=subprocess.DEVNULL, stdout=other, stderr=other, env=environment, close_fds=True) as process:
        os.close(other)
        rest, last = b"", time.monotonic()
        while chunk := _read(main):
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                now = time.monotonic()
                yield now - last, line.decode(errors="replace").rstrip("\r")
                last = now
        os.close(main)
    if process.returncode != 0:
        raise SystemExit(f"Cannot record '{command}': it ended with {process.returncode}.")


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65536)
    except OSError:
        # The end of a terminal whose other side is closed.
        return b""


def wrapped(line: str) -> Iterator[tuple[tuple[str, str], ...]]:
    """A line as rows of the terminal: its pieces by colour, broken where the terminal breaks them."""
    style, column, row, start = "", 0, [], 0
    for found in [*SEQUENCE.finditer(line), None]:
        text = line[start : found.start() if found else len(line)]
        while text:
            piece, text = text[: COLUMNS - column], text[COLUMNS - column :]
            row.append((style, piece))
            column += len(piece)
            if text:
                yield tuple(row)
                column, row = 0, []
        if found is not None:
            start = found.end()
            if found[2] == "m":
                style = next((STYLE[code] for code in (found[1] or "").split(";") if code in STYLE), "")
    yield tuple(row)


def rows(commands: Sequence[str], factor: float, recorded: Sequence[Sequence[tuple[float, str]]]) -> tuple[list[Row], float]:
    """All rows with the time when each appears, and when the recording ends; the time of output is multiplied by a factor."""
    found, now = [], 0.0
    for command, lines in zip(commands, recorded, strict=True):
        found.append(Row(now, (("g", "$ "), ("p", command))))
        now += BEFORE
        for pause, line in lines:
            now += min(pause, PAUSE) * factor
            found.extend(Row(now, pieces) for pieces in wrapped(line))
        now += AFTER
    return found, now


def picture(commands: Sequence[str], recorded: Sequence[Sequence[tuple[float, str]]]) -> str:
    fixed = rows(commands, 0, recorded)[1]
    output = rows(commands, 1, recorded)[1] - fixed
    page, end = rows(commands, (SECONDS - fixed) / output if output else 0, recorded)
    width, height = round(COLUMNS * WIDTH + 2 * MARGIN), ROWS * HEIGHT + 2 * MARGIN
    # The window moves when the tenth of a second is another one.
    seen = {round(row.at, 1): number for number, row in enumerate(page, 1)}
    frames = "".join(f"{100 * at / end:.2f}%{{transform:translateY({-HEIGHT * number}px)}}" for at, number in seen.items())
    text = "".join(f'<text y="{HEIGHT * number}">{_spans(row)}</text>\n' for number, row in enumerate(page) if row.pieces)
    colours = "".join(f".{name}{{fill:{value}}}" for name, value in COLOURS.items())
    return f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img">
<!-- SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
     SPDX-License-Identifier: GPL-3.0-or-later
     Written by make recording from a run of the demo; pauses are shortened. -->
<title>{escape("A terminal: " + "; ".join(commands))}</title>
<style>
text{{font:12px ui-monospace,"DejaVu Sans Mono",Menlo,Consolas,monospace;fill:#d4dce6;white-space:pre}}{colours}
#page{{animation:page {end:.1f}s step-end infinite;transform:translateY({-HEIGHT * len(page)}px)}}
@keyframes page{{{frames}}}
@media (prefers-reduced-motion:reduce){{#page{{animation:none}}}}
</style>
<rect width="{width}" height="{height}" rx="8" fill="#22272e"/>
<svg x="{MARGIN}" y="{MARGIN}" width="{width - 2 * MARGIN}" height="{ROWS * HEIGHT}"><g transform="translate(0 {ROWS * HEIGHT + HEIGHT - 4})"><g id="page">
{text}</g></g></svg>
</svg>
"""


def _spans(row: Row) -> str:
    return "".join(f'<tspan class="{style}">{escape(text, quote=False)}</tspan>' if style else escape(text, quote=False) for style, text in row.pieces)


def main() -> None:
    tried = Path("playbooks/files/demo_try.txt").read_text(encoding="utf-8")
    commands = ["make demo", *(found.strip() for found in re.findall(r"^  (\.demo[^#]*)", tried, re.MULTILINE))]
    recorded = [list(run(command)) for command in commands]
    Path(sys.argv[1]).write_text(picture(commands, recorded), encoding="utf-8")


if __name__ == "__main__":
    main()
