# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One server for each state directory: who holds its lock, and starting and ending it in the background."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import IO

STOP_WITHIN = 10.0


class Held(Exception):
    """Another server uses the state directory."""


def digest(arguments: list[str], password: str) -> str:
    """Of the options, the password and the code: what differs means that the server has to start again."""
    made = hashlib.sha256(json.dumps([arguments, password, sys.version]).encode())
    for path in sorted(Path(__file__).parent.rglob("*")):
        if path.suffix in (".py", ".txt"):
            made.update(path.read_bytes())
    return made.hexdigest()


def lock(state: Path) -> IO[str]:
    state.mkdir(parents=True, exist_ok=True)
    file = (state / "lock").open("a", encoding="utf-8")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        raise Held from None
    return file


def record(state: Path, identity: str, urls: list[str]) -> None:
    path = state / "running.json"
    new = path.with_suffix(".new")
    new.write_text(json.dumps({"pid": os.getpid(), "digest": identity, "urls": urls}), encoding="utf-8")
    new.replace(path)


def running(state: Path) -> dict[str, object] | None:
    """The server that holds the lock now; what it said of itself."""
    if not state.is_dir():
        return None
    try:
        lock(state).close()
    except Held:
        with contextlib.suppress(OSError, ValueError):
            return dict(json.loads((state / "running.json").read_text(encoding="utf-8")))
        return {}
    return None


def stop(state: Path) -> bool:
    """Whether a server had to be ended."""
    found = running(state)
    if found is None:
        return False
    pid = found.get("pid")
    if isinstance(pid, int):
        os.kill(pid, signal.SIGTERM)
    until = time.monotonic() + STOP_WITHIN
    while running(state) is not None:
        if time.monotonic() > until:
            raise OSError(f"the server of {state} does not end")
        time.sleep(0.05)
    return True


def start(state: Path, arguments: list[str], identity: str, listeners: int) -> list[str]:
    """What to print: whether a server was started, and where it listens."""
    found = running(state)
    if found is not None and found.get("digest") == identity:
        return ["already running", *map(str, found["urls"] if isinstance(found["urls"], list) else [])]
    stop(state)
    state.mkdir(parents=True, exist_ok=True)
    with (state / "log").open("ab") as log:
        command = [sys.executable, "-m", "xapi_simulator", *arguments]
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, start_new_session=True, text=True)
    assert process.stdout is not None
    lines = [process.stdout.readline().strip() for dummy in range(listeners)]
    if not all(lines):
        process.wait()
        last = (state / "log").read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:]
        raise OSError(last[0] if last else "the server ended at once")
    return ["started", *(line.removeprefix("Listening on ") for line in lines)]
