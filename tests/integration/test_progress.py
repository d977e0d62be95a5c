# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Playbooks at -v over a slow source: progress is there while the module runs, and every way of running a task goes on working."""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.xenstack.image_services.tests.support.cloud import Cloud
from ansible_collections.xenstack.image_services.tests.support.deployment import ROOT
from ansible_collections.xenstack.image_services.tests.support.disks import partitioned
from ansible_collections.xenstack.image_services.tests.support.mirror import Mirror

MIB = 1024 * 1024
SIZE = 8 * MIB
LINE = re.compile(r"image '(.*)': (\d+) %, [\d.]+ MiB of 8\.0 MiB, [\d.]+ [KM]iB/s")


@dataclass
class Playbook:
    """A play of one task below one directory; credentials come from the environment of the play and the defaults of the action group."""

    cloud: Cloud
    mirror: Mirror
    directory: Path

    def task(self, name: str, **keywords: Any) -> dict[str, Any]:
        options = {"name": name, "uri": self.mirror.uri("/disk"), "disk_format": "raw"}
        return {"name": "Keep it", "xenstack.image_services.glance_image": options, "register": "kept", **keywords}

    def run(self, *arguments: str, task: dict[str, Any], hosts: str = "localhost", on_line: Callable[[str], None] = lambda line: None) -> list[str]:
        """Lines of the output, each one shown to ``on_line`` when it comes."""
        # Where HOME is not the user's home, ansible-core looks for a task in the background elsewhere than it writes it.
        places = {"ansible_remote_tmp": str(self.directory / "tmp"), "ansible_async_dir": str(self.directory / "async")}
        local = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable, **places}
        play = {
            "hosts": hosts,
            "gather_facts": False,
            "environment": {"OS_CLIENT_CONFIG_FILE": str(self.cloud.base / "clouds.yaml")},
            "module_defaults": {"group/xenstack.image_services.openstack": {"cloud": "alice"}},
            "tasks": [task],
        }
        playbook = self.directory / "play.yml"
        playbook.write_text(json.dumps([play]), encoding="utf-8")
        inventory = self.directory / "hosts.json"
        elsewhere = {"ansible_connection": "ssh", "ansible_host": "192.0.2.1"}
        inventory.write_text(json.dumps({"all": {"hosts": {"localhost": local, "elsewhere": elsewhere}}}), encoding="utf-8")
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("ANSIBLE_", "OS_"))}
        command = [str(Path(sys.executable).with_name("ansible-playbook")), "-i", str(inventory), *arguments, str(playbook)]
        # Into a pipe, Python would write its output in large pieces only.
        environment = {**kept, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "PYTHONUNBUFFERED": "1"}
        lines = []
        with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
            assert process.stdout is not None
            for line in process.stdout:
                lines.append(line.rstrip("\n"))
                on_line(lines[-1])
        assert process.returncode == 0, "\n".join(lines)
        assert "[WARNING]" not in "\n".join(lines), lines
        self._assert_nothing_left()
        return lines

    def _assert_nothing_left(self) -> None:
        """Nothing stays on the target; what ansible-core has started in the background cleans up a moment later."""
        patience = time.monotonic() + 10
        while left := list((self.directory / "tmp").glob("*")):
            assert time.monotonic() < patience, left
            time.sleep(0.1)


@pytest.fixture
def playbook(cloud: Cloud, tmp_path: Path) -> Iterator[Playbook]:
    with Mirror() as mirror:
        mirror.files["/disk"] = partitioned(os.urandom(SIZE))
        mirror.rate = 2 * MIB
        yield Playbook(cloud, mirror, tmp_path)


def progress(lines: list[str]) -> list[tuple[str, int]]:
    return [(found[1], int(found[2])) for found in map(LINE.search, lines) if found is not None]


def statuses(cloud: Cloud, name: str) -> list[str]:
    return [image["status"] for image in cloud.images("alice") if str(image["name"]).startswith(name)]


def test_progress_comes_while_the_module_runs(cloud: Cloud, playbook: Playbook, image_name: str) -> None:
    modes: list[int] = []

    def look(line: str) -> None:
        if LINE.search(line):
            playbook.mirror.gate.set()
            modes.extend(stat.S_IMODE(path.stat().st_mode) for path in (playbook.directory / "tmp").glob("*/progress"))

    # The end of the source trickles until a line is seen.
    playbook.mirror.gate.clear()
    lines = playbook.run("-v", task=playbook.task(image_name), on_line=look)
    shown = progress(lines)
    assert [name for name, _percent in shown] == [image_name] * len(shown)
    percents = [percent for _name, percent in shown]
    assert len(percents) >= 2
    assert percents == sorted(percents)
    assert playbook.mirror.opened
    assert all(playbook.mirror.opened), "the source still had bytes to give when the first line came"
    assert modes, "the file was there meanwhile"
    assert set(modes) == {0o600}
    assert all(line.startswith("<localhost> ") for line in lines if LINE.search(line))
    done = next(number for number, line in enumerate(lines) if line.startswith("changed: [localhost]"))
    assert all(number < done for number, line in enumerate(lines) if LINE.search(line))
    assert statuses(cloud, image_name) == ["active"]
    assert "IMAGE_SERVICES_PROGRESS" not in "\n".join(lines)


def test_without_v_there_is_none(cloud: Cloud, playbook: Playbook, image_name: str) -> None:
    assert progress(playbook.run(task=playbook.task(image_name))) == []
    assert statuses(cloud, image_name) == ["active"]


def test_nothing_of_a_secret_task_is_shown(cloud: Cloud, playbook: Playbook, image_name: str) -> None:
    lines = playbook.run("-v", task=playbook.task(image_name, no_log=True))
    assert progress(lines) == []
    assert image_name not in "\n".join(lines)
    assert statuses(cloud, image_name) == ["active"]


def test_check_mode_predicts_and_changes_nothing(cloud: Cloud, playbook: Playbook, image_name: str) -> None:
    lines = playbook.run("-v", "--check", "--diff", task=playbook.task(image_name))
    assert any(line.startswith("changed: [localhost]") for line in lines)
    assert f'+    "name": "{image_name}"' in "\n".join(lines)
    assert statuses(cloud, image_name) == []


@pytest.mark.parametrize("keywords", [{"poll": 1}, {"poll": 0}], ids=["polled", "left alone"])
def test_a_task_in_the_background_works_and_shows_nothing(cloud: Cloud, playbook: Playbook, image_name: str, keywords: dict[str, int]) -> None:
    playbook.mirror.rate = None
    task = playbook.task(image_name, **{"async": 60, **keywords})
    if keywords["poll"] == 0:
        wait = {"ansible.builtin.async_status": {"jid": "{{ kept.ansible_job_id }}"}, "register": "job", "until": "job is finished", "retries": 60, "delay": 1}
        task = {"name": "Start it and wait", "block": [task, {"name": "Wait", **wait}]}
    assert progress(playbook.run("-v", task=task)) == []
    assert statuses(cloud, image_name) == ["active"]


def test_each_item_of_a_loop_is_named(cloud: Cloud, playbook: Playbook, image_name: str) -> None:
    playbook.mirror.rate = 4 * MIB
    task = playbook.task(f"{image_name} {{{{ item }}}}", loop=["one", "two"])
    shown = [name for name, _percent in progress(playbook.run("-v", task=task))]
    assert list(dict.fromkeys(shown)) == [f"{image_name} one", f"{image_name} two"]
    assert statuses(cloud, image_name) == ["active", "active"]


def test_a_task_that_is_delegated_to_the_controller(cloud: Cloud, playbook: Playbook, image_name: str) -> None:
    lines = playbook.run("-v", hosts="elsewhere", task=playbook.task(image_name, delegate_to="localhost", environment={"UNRELATED": "1"}))
    assert progress(lines)
    assert all(line.startswith("<elsewhere> ") for line in lines if LINE.search(line))
    assert statuses(cloud, image_name) == ["active"]


def test_many_images_at_once_are_shown_at_once(cloud: Cloud, playbook: Playbook, image_name: str) -> None:
    images = [{"name": f"{image_name} {number}", "uri": playbook.mirror.uri("/disk"), "disk_format": "raw"} for number in ("one", "two")]
    task = {"name": "Keep them", "xenstack.image_services.glance_images": {"images": images, "concurrency": 2}}
    shown = [name.rpartition(" ")[2].rstrip(")") for name, _percent in progress(playbook.run("-v", task=task))]
    assert set(shown) == {"one", "two"}
    assert shown != sorted(shown), "both ran at the same time"
    assert statuses(cloud, image_name) == ["active", "active"]


def test_a_failure_is_the_modules_own(playbook: Playbook, image_name: str) -> None:
    task = playbook.task(image_name, failed_when="'the server answered 404' not in kept.msg")
    task["xenstack.image_services.glance_image"]["uri"] = playbook.mirror.uri("/missing")
    assert any(line.startswith("ok: [localhost]") for line in playbook.run("-v", task=task))
