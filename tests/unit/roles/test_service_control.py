# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The control program of a service: it restarts what was started with other files, and brings back those that the service has worked with."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parents[3] / "roles" / "wsgi_service" / "files" / "service_control.py"
# What the control program asks of systemd; the unit's state is a file, and a unit whose configuration says so does not come up.
SYSTEMCTL = """#!/bin/sh
cd "$(dirname "$0")"
echo "$*" >> calls
case "$*" in
*is-active*) test -e active ;;
*is-failed*) test -e failed ;;
*show*) echo 0 ;;
*daemon-reload*) ;;
*start*) rm -f active failed; if grep -q broken ../config/app.conf; then touch failed; else touch active; fi ;;
*stop*) rm -f active ;;
esac
"""


class Service:
    def __init__(self, base: Path, port: int) -> None:
        self.bin, self.config = base / "bin", base / "config"
        self.link = base / "current"
        for directory in (self.bin, self.config, base / "venvs" / "1", base / "venvs" / "2"):
            directory.mkdir(parents=True)
        self.link.symlink_to("venvs/1")
        self.program = self.bin / "app-service"
        shutil.copy(PROGRAM, self.program)
        (self.bin / "systemctl").write_text(SYSTEMCTL)
        (self.bin / "systemctl").chmod(0o755)
        self.app = self.config / "app.conf"
        self.app.write_text("good = 1\n")
        self.app.chmod(0o640)
        settings = {
            "name": "app",
            "manager": "systemd",
            "health_url": f"http://127.0.0.1:{port}/",
            "start_timeout": 5,
            "stop_timeout": 5,
            "log": "the journal",
            "files": [str(self.app), str(self.config / "extra.conf"), f"{self.program}.json"],
            "link": str(self.link),
            "loaded": [str(self.link / "added*")],
        }
        Path(f"{self.program}.json").write_text(json.dumps(settings))

    def control(self, *actions: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "PATH": f"{self.bin}:{os.environ['PATH']}"}
        return subprocess.run([sys.executable, str(self.program), *actions], env=environment, capture_output=True, text=True, timeout=60, check=False)

    def do(self, *actions: str) -> str:
        done = self.control(*actions)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def starts(self) -> int:
        calls = (self.bin / "calls").read_text().splitlines()
        return sum(" start " in f" {call} " for call in calls)


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if (tmp_path / "bin" / "active").exists() else 503)
            self.end_headers()

        def log_message(self, *_args: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield Service(tmp_path, server.server_port)
    server.shutdown()
    server.server_close()


def test_it_is_restarted_where_it_was_started_with_other_files(service: Service) -> None:
    assert service.do("apply") == "app started"
    assert service.do("apply") == "app already runs"
    service.app.write_text("good = 1\n")
    assert service.do("apply") == "app already runs", "written again, and as it was"
    for change in (
        lambda: service.app.write_text("good = 2\n"),
        lambda: (service.config / "extra.conf").write_text(""),
        (service.config / "extra.conf").unlink,
        lambda: (service.link / "added.pth").write_text("/extensions"),
        lambda: (service.link.unlink(), service.link.symlink_to("venvs/2")),
    ):
        change()
        assert service.do("apply") == "app stopped\napp started"
        assert service.do("apply") == "app already runs"
    assert service.starts() == 6
    assert "daemon-reload" in (service.bin / "calls").read_text()


def test_a_restart_that_was_cut_short_is_made_up_for(service: Service) -> None:
    service.do("apply")
    # Between the end and the start, and between the start and its record.
    (service.bin / "active").unlink()
    assert service.do("apply") == "app started"
    Path(f"{service.program}.started").unlink()
    assert service.do("apply") == "app stopped\napp started"


def test_a_start_that_fails_is_not_taken_for_one(service: Service) -> None:
    service.do("apply")
    service.app.write_text("broken = 1\n")
    failed = service.control("apply")
    assert (failed.returncode, failed.stderr) == (1, "Cannot apply service 'app': it ends right after its start. Read the journal.\n")
    # Whoever starts it now, with files that were good once, starts it anew.
    service.app.write_text("good = 1\n")
    (service.bin / "active").touch()
    assert service.do("apply") == "app stopped\napp started"


def test_what_was_verified_comes_back(service: Service) -> None:
    assert service.control("restore").returncode == 4
    assert service.do("verified") == "app is not verified"
    service.do("apply")
    service.do("settle")
    assert service.do("verified") == "app is verified"
    assert Path(f"{service.program}.verified").stat().st_mode & 0o777 == 0o600
    service.app.write_text("broken = 1\n")
    service.app.chmod(0o600)
    (service.config / "extra.conf").write_text("new = 1\n")
    service.link.unlink()
    service.link.symlink_to("venvs/2")
    assert service.do("verified") == "app is not verified"
    assert service.control("apply").returncode == 1
    service.do("restore")
    assert service.do("apply") == "app started"
    assert (service.app.read_text(), service.app.stat().st_mode & 0o777) == ("good = 1\n", 0o640)
    assert not (service.config / "extra.conf").exists()
    assert service.link.readlink() == Path("venvs/1")
    assert service.do("verified") == "app is verified"


def test_a_mode_that_has_changed_since_the_verification_comes_back_too(service: Service) -> None:
    service.do("apply", "settle")
    service.app.chmod(0o600)
    assert service.do("apply", "verified") == "app already runs\napp is verified"
    service.app.write_text("broken = 1\n")
    service.app.chmod(0o644)
    service.do("restore")
    assert (service.app.read_text(), service.app.stat().st_mode & 0o777) == ("good = 1\n", 0o600)


def test_nothing_is_done_after_an_action_that_fails(service: Service) -> None:
    service.app.write_text("broken = 1\n")
    failed = service.control("apply", "settle")
    assert (failed.returncode, failed.stdout) == (1, "")
    assert service.do("verified") == "app is not verified"


def test_a_record_that_nobody_finished_is_none(service: Service) -> None:
    service.do("apply")
    service.do("settle")
    # As a kill leaves it; the name is the one that it has until it is complete.
    Path(service.program.parent / f".{service.program.name}.verified.new").write_text("{")
    assert service.do("verified") == "app is verified"
    service.do("settle")
    assert not list(service.bin.glob(".*.new"))


def test_a_program_that_supervisord_starts_again_and_again_has_crashed(service: Service, tmp_path: Path) -> None:
    """It lives longer than its startsecs, so supervisord never gives up."""
    pid_file, loop = tmp_path / "supervisord.pid", tmp_path / "loop.sh"
    loop.write_text(f"echo $$ > {pid_file}\nwhile :; do sleep 0.5; done\n")
    settings = json.loads(Path(f"{service.program}.json").read_text())
    command = ["/bin/sh", "-c", f'setsid /bin/sh {loop} "$0" </dev/null >/dev/null 2>&1 & sleep 0.2', str(tmp_path / "supervisord.conf")]
    settings.update(manager="supervisor", supervisord=command, pid_file=str(pid_file), start_timeout=45)
    Path(f"{service.program}.json").write_text(json.dumps(settings))
    try:
        failed = service.control("start")
    finally:
        os.kill(int(pid_file.read_text()), signal.SIGKILL)
    assert (failed.returncode, failed.stderr) == (1, "Cannot start service 'app': it ends right after its start. Read the journal.\n")


SLEEPY = """
import os, select, signal, subprocess, sys
told = []
signal.signal(signal.SIGTERM, lambda *_: told.append(1))
child = subprocess.Popen(["sleep", "600"], stdout=subprocess.PIPE)
poll = select.poll()
poll.register(child.stdout, select.POLLIN)
open(sys.argv[1], "w").write(str(os.getpid()))
while not told:
    poll.poll(600_000)
child.kill()
child.wait()
"""


def test_supervisord_is_woken_to_stop_its_program(service: Service, tmp_path: Path) -> None:
    """A poll goes on after a signal; this one would for ten minutes."""
    pid_file, program = tmp_path / "supervisord.pid", tmp_path / "sleepy.py"
    program.write_text(SLEEPY)
    command = [sys.executable, str(program), str(pid_file), str(tmp_path / "supervisord.conf")]
    settings = json.loads(Path(f"{service.program}.json").read_text())
    settings.update(manager="supervisor", supervisord=command, pid_file=str(pid_file))
    Path(f"{service.program}.json").write_text(json.dumps(settings))
    with subprocess.Popen(command) as supervisord:
        try:
            while not (pid_file.exists() and pid_file.read_text()):
                assert supervisord.poll() is None
            assert service.do("stop") == "app stopped"
            assert supervisord.wait(5) == 0
        finally:
            supervisord.kill()
