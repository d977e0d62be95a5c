# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Playbooks for a host behind the sshd of a test, and what their tasks have answered."""

from __future__ import annotations

import json
import re
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.xenstack.image_services.tests.support.deployment import Run, run_playbook
from ansible_collections.xenstack.image_services.tests.support.dom0_sshd import Dom0

PLUGIN = "xenstack.image_services.xen_dom0_plugin"
# For raw, which asks for one where the connection may have it.
NO_TERMINAL = {"vars": {"ansible_ssh_use_tty": False}}


@dataclass(frozen=True)
class Play:
    """``host`` is one of the tests; ``variables`` replace its own in the inventory."""

    host: Dom0
    variables: Mapping[str, Any]

    def role(self, *plays: Mapping[str, Any], fails: bool = False) -> list[str]:
        """What Ansible has shown of each: the variables of the role, and keywords of the play with an underscore, for example _check_mode."""
        uid, gid = self.host.owner
        place = {"xen_dom0_plugins_path": self.host.directory, "xen_dom0_plugins_uid": uid, "xen_dom0_plugins_gid": gid}
        made = []
        for given in plays:
            role = {key: value for key, value in given.items() if not key.startswith("_")}
            more = {key[1:]: value for key, value in given.items() if key.startswith("_")}
            roles = [{"role": "xenstack.image_services.xen_dom0_plugins", **place, **role}]
            made.append({"name": "Role", "hosts": "dom0", "gather_facts": False, "roles": roles, **more})
        run = self._run(made, "--diff")
        assert (run.returncode != 0) == fails, run.output
        shown = run.output.partition("PLAY RECAP")[0].split("PLAY [Role]")[1:]
        assert len(shown) == len(plays), run.output
        return shown

    def tasks(self, *tasks: Mapping[str, Any], **keywords: Any) -> list[dict[str, Any]]:
        """What each of them answered. A task is the options of the plugin, whose keys with an underscore are keywords of the task, for example _check_mode."""
        uid, gid = self.host.owner
        place = {"path": self.host.directory, "uid": uid, "gid": gid}
        made: list[dict[str, Any]] = []
        for number, task in enumerate(tasks):
            options = {key: value for key, value in task.items() if not key.startswith("_")}
            more = {key[1:]: value for key, value in task.items() if key.startswith("_")}
            done = {**NO_TERMINAL, "ansible.builtin.raw": more.pop("raw")} if "raw" in more else {PLUGIN: {**place, **options}}
            made.append({"name": f"Task {number}", "register": f"done_{number}", "ignore_errors": True, "ignore_unreachable": True, **done, **more})
        with tempfile.TemporaryDirectory() as directory:
            answers = Path(directory) / "answers.json"
            content = "{{ [" + ", ".join(task["register"] for task in made) + "] | to_json }}"
            save = {"name": "Save", "delegate_to": "controller", "ansible.builtin.copy": {"content": content, "dest": str(answers), "mode": "0600"}}
            play = {"hosts": "dom0", "gather_facts": False, **keywords, "tasks": [*made, {**save, "become": False, "check_mode": False}]}
            run = self._run([play], "--diff")
            assert "Traceback" not in run.output, run.output
            assert answers.exists(), run.output
            return list(json.loads(answers.read_text()))

    def _run(self, plays: Sequence[Mapping[str, Any]], *arguments: str) -> Run:
        with tempfile.TemporaryDirectory() as directory:
            controller = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
            hosts = {"dom0": dict(self.variables), "controller": controller}
            (Path(directory) / "hosts.json").write_text(json.dumps({"all": {"hosts": hosts}}))
            (Path(directory) / "play.json").write_text(json.dumps(plays))
            return run_playbook(Path(directory) / "play.json", {}, "-i", str(Path(directory) / "hosts.json"), *arguments)


def on(host: Dom0, **variables: Any) -> Play:
    return Play(host, {**host.variables(), **variables})


def changed(shown: str) -> int:
    """How many tasks of a play changed something."""
    return len(re.findall(r"^changed: \[dom0\]", shown, re.MULTILINE))
