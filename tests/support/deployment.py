# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run playbooks in a test as a user would, with the same roles, and look at what they leave running."""

from __future__ import annotations

import atexit
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2].resolve()
FORK_SERVER = Path(__file__).with_name("fork_server.py")
# Coverage looks at what a process imports.
IS_COLD = not {"COVERAGE_PROCESS_START", "IMAGE_SERVICES_COLD"}.isdisjoint(os.environ)
# Variables of a host that is this one.
LOCAL = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable, "ansible_pipelining": True}
RECAP = re.compile(r"^localhost\s+: ok=\d+\s+changed=(\d+)\s", re.MULTILINE)

FAULTS = re.compile(
    r"template for task args is unsafe|\[DEPRECATION WARNING\]|reserved name|should not include jinja2|\[WARNING\]: (Error in|Skipping) (plugin|callback)", re.I
)


@dataclass(frozen=True)
class Run:
    """What a playbook did on localhost."""

    returncode: int
    output: str

    @property
    def changed(self) -> int:
        recap = RECAP.search(self.output)
        assert recap is not None, self.output
        return int(recap[1])

    def succeeded(self) -> Run:
        assert self.returncode == 0, self.output
        return self


def run_playbook(playbook: Path, variables: Mapping[str, Any], *arguments: str, more: Mapping[str, str] | None = None, cwd: Path = ROOT) -> Run:
    """Run a playbook; ``arguments`` are those of ansible-playbook, ``more`` is for its environment, and the user stands in ``cwd``."""
    with running_playbook(playbook, variables, *arguments, more={**quick(), **(more or {})}, cwd=cwd) as process:
        output, _errors = process.communicate()
    faults = faults_of_playbooks(output)
    assert not faults, faults
    return Run(process.returncode, output)


def quick() -> dict[str, str]:
    """For the environment of playbooks that nobody interrupts: they are forks, unless they have settings of their own, and so are their modules."""
    if IS_COLD:
        return {}
    return {"IMAGE_SERVICES_MODULE_SERVER": _fork_server("modules"), "IMAGE_SERVICES_PLAYBOOK_SERVER": _fork_server("playbooks")}


@cache
def _fork_server(kind: str) -> str:
    """One of each kind is there as long as this process."""
    directory = tempfile.TemporaryDirectory(prefix="image-services-")
    path = Path(directory.name) / kind
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
    environment["ANSIBLE_CONFIG"] = str(ROOT / "ansible.cfg")
    server = subprocess.Popen([sys.executable, str(FORK_SERVER), str(path), kind], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert server.stdin is not None
    assert server.stdout is not None
    assert server.stdout.read(1), f"the server of {kind} does not start"
    atexit.register(directory.cleanup)
    atexit.register(server.wait)
    atexit.register(server.stdin.close)
    return str(path)


def faults_of_playbooks(output: str) -> list[str]:
    """What Ansible has warned of and only who wrote the playbook or role can change."""
    return [line for line in output.splitlines() if FAULTS.search(line)]


@contextmanager
def running_playbook(
    playbook: Path, variables: Mapping[str, Any], *arguments: str, more: Mapping[str, str] | None = None, cwd: Path = ROOT
) -> Iterator[subprocess.Popen[str]]:
    """A playbook that runs meanwhile. Variables may be secrets, so they travel in a file."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "OS_"))}
    environment.update({"ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), **(more or {})})
    with tempfile.NamedTemporaryFile("w", suffix=".json") as extra_vars:
        json.dump(dict(variables), extra_vars)
        extra_vars.flush()
        command = [str(Path(sys.executable).with_name("ansible-playbook")), "--extra-vars", f"@{extra_vars.name}", *arguments, str(playbook)]
        with subprocess.Popen(command, cwd=cwd, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
            yield process


def kill_tree(pid: int) -> None:
    """As a power cut would end a process and all that it has started; parents first, so that nobody sees a child end."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
        os.kill(pid, signal.SIGKILL)
    except (FileNotFoundError, ProcessLookupError):
        return
    for child in children:
        kill_tree(int(child))


def run_roles(roles: list[str], variables: Mapping[str, Any], *arguments: str) -> Run:
    """Run roles of the collection on localhost in a play of their own."""
    play = {"hosts": "localhost", "gather_facts": False, "vars": LOCAL, "roles": [f"xenstack.image_services.{role}" for role in roles]}
    return run_plays([play], variables, *arguments)


def run_plays(plays: list[dict[str, Any]], variables: Mapping[str, Any] | None = None, *arguments: str) -> Run:
    """Run plays that are written here."""
    with tempfile.NamedTemporaryFile("w", suffix=".yml") as playbook:
        yaml.safe_dump(plays, playbook)
        playbook.flush()
        return run_playbook(Path(playbook.name), variables or {}, *arguments)


def stop_if_there(role: str, base: Path) -> None:
    """A deployment that failed early has left nothing to stop it by."""
    if (base / role / "bin" / f"{role}-service").exists():
        control(role, base, "stop")


def service_variables(role: str, base: Path) -> dict[str, Any]:
    """Everything of one service below one directory, as the user who runs the tests."""
    directories = {f"{role}_{name}_dir": str(base / role / name) for name in ("config", "state", "log")}
    user = str(os.getuid())
    return {**directories, f"{role}_home": str(base / role), f"{role}_user": user, f"{role}_group": user, f"{role}_service_manager": "supervisor"}


def control(role: str, base: Path, action: str) -> str:
    """Let the control program of a service start, stop or restart it."""
    program = base / role / "bin" / f"{role}-service"
    return subprocess.run([str(program), action], stdout=subprocess.PIPE, text=True, check=True).stdout


def serving_processes(role: str, base: Path) -> dict[int, str]:
    """Process ids of a service's servers and the version whose compiled modules each has loaded; a server may rename itself."""
    # A path starts after a blank in there; the end of another path may be the same.
    venvs = re.compile(r"\s" + re.escape(f"{base}/{role}/venvs/") + r"([^/\s]+)/")
    found: dict[int, str] = {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            version = venvs.search((process / "maps").read_text())
            arguments = (process / "cmdline").read_text()
        except OSError:
            continue
        if version is not None and "supervisord" not in arguments:
            found[int(process.name)] = version[1]
    return found


def free_port() -> int:
    """A port of the loopback that nobody listens on now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
