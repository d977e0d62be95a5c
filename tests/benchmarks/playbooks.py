# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Playbooks of one task, as an operator runs them, and what they take."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from ansible_collections.xenstack.image_services.tests.benchmarks.peers import peer_path
from ansible_collections.xenstack.image_services.tests.benchmarks.processes import run_command
from ansible_collections.xenstack.image_services.tests.support.deployment import RECAP, ROOT

EMPTY: dict[str, Any] = {"ansible.builtin.meta": "noop"}
LOCAL = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}


def seconds_of_task(task: dict[str, Any], changed: bool = False) -> float:
    """Seconds of ansible-playbook with this task alone; anything but success without or with a change ends the benchmark."""
    play = [{"hosts": "localhost", "gather_facts": False, "vars": LOCAL, "tasks": [task]}]
    with tempfile.NamedTemporaryFile("w", suffix=".yml") as playbook:
        # JSON is YAML, and is read much faster.
        json.dump(play, playbook)
        playbook.flush()
        variables = {
            "ANSIBLE_COLLECTIONS_PATH": f"{ROOT / '.build'}:{peer_path()}",
            "ANSIBLE_PIPELINING": "true",
            "HOME": os.environ.get("HOME", "/"),
        }
        finished = run_command([str(Path(sys.executable).with_name("ansible-playbook")), "-i", "localhost,", playbook.name], variables=variables)
    recap = RECAP.search(finished.output)
    if task is not EMPTY and (recap is None or (int(recap[1]) > 0) != changed):
        raise RuntimeError(finished.output)
    return finished.seconds
