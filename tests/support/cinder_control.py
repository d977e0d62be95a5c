# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""``cinder_control.py <start|stop|kill|restart> <directory>``: the process of cinder_all.py, in the background.

The directory is that of ``cinder.conf``; the process is ready when this returns.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

IDLE_TIMEOUT = 60.0


def main() -> None:
    action, directory = sys.argv[1], Path(sys.argv[2])
    if action in ("stop", "restart"):
        end(directory, signal.SIGTERM)
    if action == "kill":
        end(directory, signal.SIGKILL)
    if action in ("start", "restart"):
        start(directory)


def start(directory: Path) -> None:
    settings = json.loads((directory / "control.json").read_text())
    with (directory / "cinder.log").open("ab") as log:
        # -P: beside the script stands a cinder.py of the tests.
        command = [settings["python"], "-P", str(Path(__file__).with_name("cinder_all.py")), "--config-file", str(directory / "cinder.conf")]
        # Nothing of who starts it: a test's pipes would stay open with it.
        process = subprocess.Popen(command, cwd=directory, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
    (directory / "pid").write_text(str(process.pid))
    until = time.monotonic() + IDLE_TIMEOUT
    while not answers(settings["url"]):
        if process.poll() is not None or time.monotonic() > until:
            sys.exit((directory / "cinder.log").read_text()[-4000:])
        time.sleep(0.1)
    # It goes on without us.
    process.returncode = 0


def answers(url: str) -> bool:
    with contextlib.suppress(OSError), urllib.request.urlopen(f"{url}/healthcheck", timeout=5) as answer:
        return bool(answer.status == 200)
    return False


def end(directory: Path, number: signal.Signals) -> None:
    with contextlib.suppress(FileNotFoundError):
        pid = int((directory / "pid").read_text())
        if runs(pid):
            os.kill(pid, number)
        until = time.monotonic() + IDLE_TIMEOUT / 2
        while runs(pid):
            if time.monotonic() > until:
                # Its connections have not been given back in time, and nobody waits for them.
                os.kill(pid, signal.SIGKILL)
            time.sleep(0.05)
        (directory / "pid").unlink()


def runs(pid: int) -> bool:
    """Whether it is still our process, and not only the memory of one that nobody has waited for."""
    try:
        program = Path(f"/proc/{pid}/cmdline").read_bytes()
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return b"cinder_all.py" in program and state != "Z"


if __name__ == "__main__":
    main()
