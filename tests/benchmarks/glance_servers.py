# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Further servers of a deployed Glance: its program, its settings and its database, on another port, with or without one more filter."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.xenstack.image_services.plugins.module_utils._instances.paste import Filter, derive
from ansible_collections.xenstack.image_services.tests.benchmarks.processes import peak_kib
from ansible_collections.xenstack.image_services.tests.benchmarks.service import Glance
from ansible_collections.xenstack.image_services.tests.support.cloud import Cloud
from ansible_collections.xenstack.image_services.tests.support.deployment import ROOT, free_port

PACKAGE = ROOT / "roles" / "glance_instance_aware" / "files"
FILTER = Filter("instance_aware", "glance_instance_aware.filter:factory")
DEADLINE = 120


@dataclass(frozen=True)
class Twin:
    """A running server."""

    glance: Glance
    process: subprocess.Popen[bytes]

    def peaks(self) -> dict[int, int]:
        """The most memory that each of its workers has taken, in KiB, since it started or since `forget_peaks`."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text(encoding="ascii").split()
        return {int(pid): peak_kib(int(pid)) for pid in children}

    def forget_peaks(self) -> dict[int, int]:
        """The peaks from now on start at what is taken now, which is returned."""
        for pid in self.peaks():
            Path(f"/proc/{pid}/clear_refs").write_text("5", encoding="ascii")
        return self.peaks()


@dataclass(frozen=True)
class Program:
    """How the role has its server started, as whom and with which surroundings; ``config`` is the directory of its settings."""

    config: Path
    prefix: tuple[str, ...]
    variables: dict[str, str]
    directory: str
    bin: Path

    @classmethod
    def of(cls, cloud: Cloud) -> Program:
        home = cloud.base / "glance"
        supervised = (home / "config" / "glance-supervisord.conf").read_text(encoding="utf-8")
        command = json.loads((home / "bin" / "glance-service.json").read_text(encoding="utf-8"))["supervisord"]
        found = re.search(r"^command = /usr/bin/env (.*)$", supervised, re.MULTILINE)
        assert found is not None
        variables = dict(word.split("=", 1) for word in shlex.split(found[1].replace("%%", "%")) if "=" in word)
        program = home / "current" / "bin"
        return cls(home / "config", tuple(command[: command.index(f"{program}/supervisord")]), variables, str(home / "state"), program)

    def copied(self, directory: Path, old_port: int, port: int) -> Program:
        """With settings of its own below another directory, for another port."""
        shutil.copytree(self.config, directory)
        for path in [*directory.glob("*"), *directory.glob("*/*")]:
            if path.is_file():
                text = path.read_text(encoding="utf-8")
                path.write_text(text.replace(f"127.0.0.1:{old_port}", f"127.0.0.1:{port}").replace(str(self.config), str(directory)), encoding="utf-8")
        owner = self.config.joinpath("glance-api.conf").stat()
        for path in [directory, *directory.rglob("*")]:
            os.chown(path, owner.st_uid, owner.st_gid)
        variables = {name: value.replace(str(self.config), str(directory)) for name, value in self.variables.items()}
        return Program(directory, self.prefix, {**variables, "PYTHONPATH": str(PACKAGE)}, self.directory, self.bin)

    def environment(self) -> dict[str, str]:
        return {"PATH": os.environ["PATH"], **self.variables}

    def command(self, *arguments: str) -> list[str]:
        return [*self.prefix, *arguments]

    def relations(self, *arguments: str) -> None:
        """A command of the filter's package, as whoever the service runs as."""
        command = self.command(f"{self.bin}/python", "-m", "glance_instance_aware", *arguments)
        done = subprocess.run(command, env=self.environment(), cwd=self.directory, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        if done.returncode:
            raise RuntimeError(done.stdout)


@contextmanager
def twin(glance: Glance, directory: Path, filtered: bool) -> Iterator[Twin]:
    """The server runs until the block ends; with the filter, the table is there meanwhile."""
    port = free_port()
    program = Program.of(glance.cloud).copied(directory, glance.cloud.glance_port, port)
    if filtered:
        paste = program.config / "glance-api-paste.ini"
        paste.write_text(derive(paste.read_text(encoding="utf-8"), "keystone", FILTER), encoding="utf-8")
        program.relations("upgrade")
    log = (directory / "server.log").open("wb")
    process = subprocess.Popen(
        program.command(f"{program.bin}/gunicorn"), env=program.environment(), cwd=program.directory, stdout=log, stderr=subprocess.STDOUT
    )
    try:
        _wait(process, f"http://127.0.0.1:{port}/healthcheck", directory / "server.log")
        yield Twin(Glance(Cloud(glance.cloud.base, port)), process)
    finally:
        process.terminate()
        process.wait()
        log.close()
        if filtered:
            program.relations("drop", "--yes")


def _wait(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + DEADLINE
    while True:
        try:
            with urllib.request.urlopen(url, timeout=10):
                return
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"Glance does not answer: {log.read_text(encoding='utf-8')}") from None
            time.sleep(0.2)


def database_of(cloud: Cloud) -> Path:
    """The file that holds the deployed Glance's images."""
    text = (cloud.base / "glance" / "config" / "glance-api.conf").read_text(encoding="utf-8")
    found = re.search(r"^connection = sqlite:///(/[^?\n]*)", text, re.MULTILINE)
    assert found is not None
    return Path(found[1])
