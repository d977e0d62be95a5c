# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Start, stop or restart one service and return when that is true; `<this file>.json` says which service and how."""

from __future__ import annotations

import argparse
import json
import os
import signal
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

POLL_SECONDS = 0.2
# supervisord tries a crashing program three times, 1, 2 and 3 s apart.
CRASH_SECONDS = 8.0
# systemd never gives up, so this many attempts are a crash.
CRASH_COUNT = 3


class ControlError(Exception):
    """What stands in the way, as a sentence."""


def wait_until(predicate: Callable[[], bool], timeout: float) -> bool:
    deadline = time.monotonic() + timeout
    while not predicate():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True


def answers(url: str) -> bool:
    """Whether the service answers at all; who may listen on its own address needs no certificate check."""
    context = ssl._create_unverified_context() if url.startswith("https:") else None
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))
    try:
        with opener.open(url, timeout=10):
            return True
    except urllib.error.HTTPError as error:
        return error.code < 500
    except OSError:
        return False


class Systemd:
    def __init__(self, settings: dict[str, Any]) -> None:
        self.unit = f"{settings['name']}.service"
        self._restarts_before = self._restarts()

    def _systemctl(self, *arguments: str) -> int:
        return subprocess.run(["systemctl", "--quiet", *arguments, self.unit], check=False).returncode

    def _restarts(self) -> int:
        """How often systemd has started the unit again by itself."""
        command = ["systemctl", "show", "--property=NRestarts", "--value", self.unit]
        return int(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout)

    def runs(self) -> bool:
        return self._systemctl("is-active") == 0

    def crashed(self) -> bool:
        return self._systemctl("is-failed") == 0 or self._restarts() >= self._restarts_before + CRASH_COUNT

    def start(self) -> None:
        if self._systemctl("start"):
            raise ControlError("systemd refuses to start it")
        self._restarts_before = self._restarts()

    def stop(self) -> None:
        if self._systemctl("stop"):
            raise ControlError("systemd refuses to stop it")


class Supervisor:
    """One supervisord per service, controlled by its process id alone: a socket's path could be too long."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self.command: list[str] = settings["supervisord"]
        self.pid_file = Path(settings["pid_file"])
        self.stop_timeout: float = settings["stop_timeout"]
        self._childless_since: float | None = None

    def pid(self) -> int | None:
        """The process id of our supervisord; a number that another program got since then is none."""
        try:
            pid = int(self.pid_file.read_text())
            arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except (OSError, ValueError):
            return None
        return pid if self.command[-1].encode() in arguments else None

    def runs(self) -> bool:
        return self.pid() is not None

    def crashed(self) -> bool:
        """Whether supervisord is gone or has had no child for longer than it takes to give up."""
        pid = self.pid()
        if pid is not None and _has_child(pid):
            self._childless_since = None
            return False
        if self._childless_since is None:
            self._childless_since = time.monotonic()
        return time.monotonic() - self._childless_since > CRASH_SECONDS

    def start(self) -> None:
        done = subprocess.run(self.command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        if done.returncode:
            raise ControlError(f"supervisord ends with {done.returncode} ({done.stdout.strip()})")

    def stop(self) -> None:
        pid = self.pid()
        if pid is None:
            return
        os.kill(pid, signal.SIGTERM)
        if not wait_until(lambda: self.pid() is None, self.stop_timeout + 15):
            raise ControlError(f"process {pid} does not end")


def _has_child(pid: int) -> bool:
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            # The name in parentheses may hold anything; the parent is the second field after it.
            state, parent = stat.read_text().rpartition(")")[2].split()[:2]
        except (OSError, ValueError):
            continue
        if int(parent) == pid and state != "Z":
            return True
    return False


def start(manager: Systemd | Supervisor, settings: dict[str, Any]) -> str:
    if manager.runs() and answers(settings["health_url"]):
        return f"{settings['name']} already runs"
    if not manager.runs():
        manager.start()
    up = False

    def settled() -> bool:
        nonlocal up
        up = answers(settings["health_url"])
        return up or manager.crashed()

    if not wait_until(settled, settings["start_timeout"]):
        raise ControlError(f"{settings['health_url']} does not answer within {settings['start_timeout']} s")
    if not up:
        raise ControlError("it ends right after its start")
    return f"{settings['name']} started"


def stop(manager: Systemd | Supervisor, settings: dict[str, Any]) -> str:
    if not manager.runs():
        return f"{settings['name']} does not run"
    manager.stop()
    return f"{settings['name']} stopped"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("action", choices=["start", "stop", "restart", "status"])
    action = parser.parse_args().action
    program = Path(__file__).resolve()
    settings = json.loads(program.with_name(f"{program.name}.json").read_text())
    manager = {"systemd": Systemd, "supervisor": Supervisor}[settings["manager"]](settings)
    try:
        if action == "status":
            print(f"{settings['name']} {'runs' if manager.runs() else 'does not run'}")
            return 0 if manager.runs() else 3
        if action in ("stop", "restart"):
            print(stop(manager, settings))
        if action in ("start", "restart"):
            print(start(manager, settings))
    except ControlError as error:
        print(f"Cannot {action} service '{settings['name']}': {error}. Read {settings['log']}.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
