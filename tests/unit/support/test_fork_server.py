# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A module that Ansible starts in a playbook of the tests is a fork of a process with its libraries, and cannot tell it from Python's own start."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.xenstack.image_services.tests.support.deployment import IS_COLD, LOCAL, ROOT, quick, run_playbook, running_playbook

VARIABLE = "IMAGE_SERVICES_MODULE_SERVER"
# There in a fork alone.
IS_FORK = "import sys, json; print(json.dumps('openstack' in sys.modules))"
pytestmark = pytest.mark.skipif(IS_COLD, reason="each process is started anew")


def start(given: str, *command: str, **more: Any) -> subprocess.Popen[str]:
    """As Ansible starts the interpreter; with the module on standard input unless the command names it."""
    streams = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    environment = {**os.environ, **quick(), **more.pop("more", {})}
    process = subprocess.Popen([*command, *([] if command else [sys.executable])], env=environment, **streams, **more)
    assert process.stdin is not None
    process.stdin.write(given)
    process.stdin.close()
    process.stdin = None
    return process


def run(given: str, *command: str, **more: Any) -> tuple[int, str, str]:
    with start(given, *command, **more) as process:
        output, errors = process.communicate(timeout=60)
    return process.returncode, output, errors


def test_it_has_what_its_process_was_given(tmp_path: Path) -> None:
    script = f"""{IS_FORK}
import os, tempfile
os.umask(mask := os.umask(0))
print(json.dumps([os.getcwd(), mask, sys.argv, os.environ["GIVEN"], os.listdir("."), __name__, "__file__" in globals()]))
print("é", file=sys.stderr)
sys.exit(7)
"""
    (tmp_path / "here").touch()
    code, output, errors = run(script, more={"GIVEN": "ü"}, cwd=tmp_path, umask=0o027)
    assert (code, errors) == (7, "é\n")
    assert [json.loads(line) for line in output.splitlines()] == [True, [str(tmp_path), 0o027, [""], "ü", ["here"], "__main__", False]]


def test_it_has_no_files_but_its_own() -> None:
    code, output, _errors = run("import os; print(sorted(os.listdir('/proc/self/fd')))")
    assert (code, output) == (0, "['0', '1', '2', '3']\n")


def test_nothing_of_the_collection_is_there_but_what_was_sent() -> None:
    code, output, _errors = run("import sys; print([name for name in sys.modules if name.startswith('ansible_collections')])")
    assert (code, output) == (0, "[]\n")


def test_its_end_is_that_of_the_process() -> None:
    code, output, errors = run("import atexit; atexit.register(print, 'at the end'); raise ValueError('wrong')")
    assert (code, output) == (1, "at the end\n")
    assert errors.endswith("ValueError: wrong\n")
    assert run("import os; os.kill(os.getpid(), 15)")[0] == -signal.SIGTERM
    assert run("import os; os.abort()")[0] == -signal.SIGABRT


def test_two_do_not_draw_the_same_numbers() -> None:
    draw = "import random; print(random.random())"
    assert run(draw)[1] != run(draw)[1]


def test_a_file_of_ansible_is_run_and_nothing_else(tmp_path: Path) -> None:
    for name, forked in (("AnsiballZ_x.py", True), ("other.py", False)):
        path = tmp_path / name
        path.write_text(f"{IS_FORK}; print(__file__)")
        assert run("", sys.executable, str(path)) == (0, f"{json.dumps(forked)}\n{path}\n", "")
    assert run("", sys.executable, "-c", IS_FORK) == (0, "false\n", "")


def test_a_server_of_somebody_else_or_of_nobody_is_not_asked() -> None:
    assert run(IS_FORK, more={VARIABLE: "/nowhere/socket"}) == (0, "false\n", "")
    if os.geteuid() == 0:
        path = quick()[VARIABLE]
        os.chown(path, 65534, -1)
        try:
            assert run(IS_FORK) == (0, "false\n", "")
        finally:
            os.chown(path, 0, -1)


def test_who_kills_the_process_kills_the_module_and_its_programs(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    script = f"""
import os, subprocess, time
program = subprocess.Popen(["sleep", "600"])
open({str(pids)!r} + ".new", "w").write(f"{{os.getpid()}} {{program.pid}}")
os.rename({str(pids)!r} + ".new", {str(pids)!r})
time.sleep(600)
"""
    with start(script) as process:
        until = time.monotonic() + 60
        while not pids.exists():
            assert time.monotonic() < until
            time.sleep(0.01)
        process.kill()
    for pid in pids.read_text().split():
        while Path(f"/proc/{pid}").exists() and "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]:
            assert time.monotonic() < until, f"{pid} is still there"
            time.sleep(0.01)


def test_the_servers_end_with_the_tests() -> None:
    script = "from ansible_collections.xenstack.image_services.tests.support.deployment import quick; print(*quick().values())"
    environment = {**os.environ, "PYTHONPATH": str(ROOT / ".build")}
    paths = subprocess.run([sys.executable, "-c", script], env=environment, stdout=subprocess.PIPE, text=True, check=True).stdout.split()
    assert len(paths) == 2
    for path in paths:
        assert not Path(path).parent.exists()
        assert not [process for process in Path("/proc").glob("[0-9]*/cmdline") if path.encode() in _read(process)]


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def test_playbooks_and_their_modules_are_forks_unless_somebody_may_kill_them(tmp_path: Path) -> None:
    parent = "tr '\\0' ' ' </proc/$PPID/cmdline"
    tasks = [
        {"ansible.builtin.command": {"argv": ["sh", "-c", f"echo module: $({parent})"]}},
        {"ansible.builtin.debug": {"msg": "{{ lookup('ansible.builtin.pipe', parent) }}"}, "vars": {"parent": f"echo playbook: $({parent})"}},
    ]
    playbook = tmp_path / "play.yml"
    playbook.write_text(json.dumps([{"hosts": "localhost", "gather_facts": False, "vars": LOCAL, "tasks": tasks}]))

    def forks(output: str) -> set[str]:
        return set(re.findall(r"(module|playbook): \S+ \S+/fork_server.py", output))

    assert forks(run_playbook(playbook, {}, "-v").succeeded().output) == {"module", "playbook"}
    # It would have read other settings.
    assert forks(run_playbook(playbook, {}, "-v", more={"ANSIBLE_FORCE_COLOR": "false"}).succeeded().output) == {"module"}
    with running_playbook(playbook, {}, "-v") as process:
        output, _none = process.communicate()
    assert process.returncode == 0, output
    assert forks(output) == set()


def test_playbooks_beside_each_other_keep_their_files(tmp_path: Path) -> None:
    """Ansible removes at the end of a run what the run has made for itself."""
    playbook = tmp_path / "play.yml"
    copy = {"ansible.builtin.copy": {"content": "{{ number }} {{ item }}", "dest": f"{tmp_path}/{{{{ number }}}}"}, "loop": [1, 2, 3]}
    playbook.write_text(json.dumps([{"hosts": "localhost", "gather_facts": False, "vars": LOCAL, "tasks": [copy]}]))
    quick()
    kept = ROOT / ".build/ansible/tmp"
    before = set(kept.glob("ansible-local-*"))
    with ThreadPoolExecutor(3) as pool:
        for run in pool.map(lambda number: run_playbook(playbook, {"number": number}), range(6)):
            run.succeeded()
    assert [(tmp_path / str(number)).read_text() for number in range(6)] == [f"{number} 3" for number in range(6)]
    # The names hold the process; those of other tests may be at work.
    ended = [path for path in set(kept.glob("ansible-local-*")) - before if not Path("/proc", path.name.removeprefix("ansible-local-")[:-8]).exists()]
    assert not [path for path in ended if path.exists()]
