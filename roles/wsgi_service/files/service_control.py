# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Start, stop or restart one service and return when that is true; `<this file>.json` says which service and how.

Of the files that the service runs with, two records are kept beside this program. `<this file>.started` tells with which of them the service was started last,
so that `apply` restarts it where others are there now, whoever wrote them and whether or not he lived to ask for the restart. `<this file>.verified` holds the
last ones that the service was seen to work with: `settle` records them, `verified` tells whether the present ones are the same, and `restore` brings them
back, to be followed by `apply`. Several actions are done one after the other, until one fails.
"""

from __future__ import annotations

import argparse
import base64
import glob
import hashlib
import json
import os
import signal
import ssl
import stat
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

POLL_SECONDS = 0.2
# supervisord gives up a program that ends within its startsecs three times, 1, 2 and 3 s apart.
CRASH_SECONDS = 8.0
# systemd never gives up, nor does supervisord where the program ends later, so this many ends are a crash.
CRASH_COUNT = 3
NOTHING_VERIFIED = 4


class ControlError(Exception):
    """What prevents it, as a sentence."""


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
        # Whoever wrote the unit may not have lived to tell systemd.
        subprocess.run(["systemctl", "daemon-reload"], check=False)
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
        self._seen: set[int] = set()

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
        """Whether supervisord is gone, has had no child for longer than it takes to give up, or has started one again and again."""
        pid = self.pid()
        child = None if pid is None else _child(pid)
        if child is not None:
            self._childless_since = None
            self._seen.add(child)
            return len(self._seen) > CRASH_COUNT
        if self._childless_since is None:
            self._childless_since = time.monotonic()
        return time.monotonic() - self._childless_since > CRASH_SECONDS

    def start(self) -> None:
        self._seen.clear()
        done = subprocess.run(self.command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        if done.returncode:
            raise ControlError(f"supervisord ends with {done.returncode} ({done.stdout.strip()})")

    def stop(self) -> None:
        pid = self.pid()
        if pid is None:
            return
        os.kill(pid, signal.SIGTERM)
        _wake(pid)
        if not wait_until(lambda: self.pid() is None, self.stop_timeout + 15):
            raise ControlError(f"process {pid} does not end")


def _child(pid: int) -> int | None:
    for file in Path("/proc").glob("[0-9]*/stat"):
        try:
            # The name in parentheses may hold anything; the parent is the second field after it.
            state, parent = file.read_text().rpartition(")")[2].split()[:2]
        except (OSError, ValueError):
            continue
        if int(parent) == pid and state != "Z":
            return int(file.parent.name)
    return None


def _wake(pid: int) -> None:
    """supervisord looks at its signals once a second, or with the next line that its program writes: this is one."""
    child = _child(pid)
    try:
        output = os.open(f"/proc/{child}/fd/1", os.O_WRONLY | os.O_NONBLOCK)
    except OSError:
        return
    with open(output, "wb", buffering=0) as pipe:
        if stat.S_ISFIFO(os.fstat(output).st_mode):
            pipe.write(b"The service is told to stop.\n")


class Files:
    """What the service runs with: files of its configuration, the link to its version, and what else it loads."""

    def __init__(self, settings: dict[str, Any], program: Path) -> None:
        self._files: list[str] = settings["files"]
        self._link: str | None = settings["link"]
        self._loaded: list[str] = settings["loaded"]
        self._started = program.with_name(f"{program.name}.started")
        self._verified = program.with_name(f"{program.name}.verified")

    def digest(self) -> str:
        """Of contents alone: a file that is written again as it was is the same."""
        found = hashlib.sha256()
        for path in [*self._files, *sorted(path for pattern in self._loaded for path in glob.glob(pattern))]:
            found.update(json.dumps([path, _target(path), hashlib.sha256(_content(path) or b"").hexdigest(), _content(path) is None]).encode())
        found.update(json.dumps([self._link, _target(self._link)]).encode())
        return found.hexdigest()

    def started_with(self) -> str:
        return (_content(str(self._started)) or b"").decode()

    def record_start(self, digest: str) -> None:
        _replace(self._started, digest.encode(), 0o644)

    def forget_start(self) -> None:
        """A start that fails leaves no record, so that the next one is a new one."""
        self._started.unlink(missing_ok=True)

    def are_verified(self) -> bool:
        record = self._record()
        return record is not None and record["digest"] == self.digest()

    def settle(self) -> None:
        # The configuration has passwords.
        _replace(self._verified, json.dumps(self._present()).encode(), 0o600)

    def refresh(self) -> None:
        """What is verified is contents: owners and modes are recorded as they are now."""
        record, present = self._record(), self._present()
        if record is not None and record["digest"] == present["digest"] and record != present:
            self.settle()

    def _present(self) -> dict[str, Any]:
        kept = {path: _kept(path) for path in self._files}
        return {"digest": self.digest(), "files": kept, "link": self._link and [self._link, _target(self._link)]}

    def restore(self) -> bool:
        """Whether there was anything to bring back."""
        record = self._record()
        if record is None:
            return False
        for path in [path for path in self._files if path not in record["files"]]:
            Path(path).unlink(missing_ok=True)
        for path, kept in record["files"].items():
            if kept is None:
                Path(path).unlink(missing_ok=True)
            elif kept != _kept(path):
                _replace(Path(path), base64.b64decode(kept["content"]), kept["mode"], kept["owner"])
        if record["link"] and _target(record["link"][0]) != record["link"][1]:
            path, target = record["link"]
            Path(f"{path}.new").unlink(missing_ok=True)
            os.symlink(target, f"{path}.new")
            os.replace(f"{path}.new", path)
        return True

    def _record(self) -> dict[str, Any] | None:
        content = _content(str(self._verified))
        return None if content is None else json.loads(content)


def _target(path: str | None) -> str | None:
    return os.readlink(path) if path and os.path.islink(path) else None


def _content(path: str) -> bytes | None:
    try:
        return Path(path).read_bytes()
    except (FileNotFoundError, IsADirectoryError):
        return None


def _kept(path: str) -> dict[str, Any] | None:
    content = _content(path)
    if content is None:
        return None
    status = os.stat(path)
    return {"content": base64.b64encode(content).decode(), "mode": status.st_mode & 0o7777, "owner": [status.st_uid, status.st_gid]}


def _replace(path: Path, content: bytes, mode: int, owner: list[int] | None = None) -> None:
    """The complete file or none of it, and no user reads it meanwhile who may not read it afterwards."""
    new = path.with_name(f".{path.name}.new")
    new.unlink(missing_ok=True)
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
        if owner is not None and [os.geteuid(), os.getegid()] != owner:
            os.fchown(stream.fileno(), *owner)
        os.fchmod(stream.fileno(), mode)
        stream.write(content)
    os.replace(new, path)


class Service:
    """One service with its manager and its files."""

    def __init__(self, program: Path) -> None:
        self.settings: dict[str, Any] = json.loads(program.with_name(f"{program.name}.json").read_text())
        self.manager: Systemd | Supervisor = {"systemd": Systemd, "supervisor": Supervisor}[self.settings["manager"]](self.settings)
        self.files = Files(self.settings, program)
        self.program = program

    @property
    def name(self) -> str:
        return str(self.settings["name"])

    def answers(self) -> bool:
        return answers(self.settings["health_url"])

    def start(self) -> str:
        if self.manager.runs() and self.answers():
            return f"{self.name} already runs"
        # What is written after this moment may or may not be what the service reads.
        digest, starts = self.files.digest(), not self.manager.runs()
        if starts:
            self.files.forget_start()
            self.manager.start()
        up = False

        def settled() -> bool:
            nonlocal up
            up = self.answers()
            return up or self.manager.crashed()

        if not wait_until(settled, self.settings["start_timeout"]):
            raise ControlError(f"{self.settings['health_url']} does not answer within {self.settings['start_timeout']} s")
        if not up:
            raise ControlError("it ends right after its start")
        if starts:
            self.files.record_start(digest)
        return f"{self.name} started"

    def stop(self) -> str:
        if not self.manager.runs():
            return f"{self.name} does not run"
        self.manager.stop()
        return f"{self.name} stopped"

    def restart(self) -> str:
        return f"{self.stop()}\n{self.start()}"

    def apply(self) -> str:
        """Let it run with the files that are there now."""
        self.files.refresh()
        return self.restart() if self.manager.runs() and self.files.started_with() != self.files.digest() else self.start()


def perform(service: Service, action: str) -> int:
    """The exit code of one action, which says what it has done."""
    if action == "status":
        print(f"{service.name} {'runs' if service.manager.runs() else 'does not run'}")
        return 0 if service.manager.runs() else 3
    if action == "verified":
        print(f"{service.name} is {'verified' if service.files.are_verified() else 'not verified'}")
    elif action == "settle":
        service.files.settle()
    elif action == "restore":
        return 0 if service.files.restore() else NOTHING_VERIFIED
    else:
        print(getattr(service, action)())
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("actions", metavar="action", nargs="+", choices=["start", "stop", "restart", "apply", "status", "verified", "settle", "restore"])
    service = Service(Path(__file__).resolve())
    for action in parser.parse_args().actions:
        try:
            code = perform(service, action)
        except ControlError as error:
            print(f"Cannot {action} service '{service.name}': {error}. Read {service.settings['log']}.", file=sys.stderr)
            code = 1
        if code:
            return code
    return 0


if __name__ == "__main__":
    sys.exit(main())
