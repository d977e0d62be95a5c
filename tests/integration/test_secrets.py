# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""No password and no token in a result, a diff, a log or the process list, at any verbosity."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.xenstack.image_services.tests.support.cloud import Cloud
from ansible_collections.xenstack.image_services.tests.support.deployment import ROOT, control, run_playbook
from ansible_collections.xenstack.image_services.tests.support.modules import run_module


class ProcessWatch(threading.Thread):
    """Reads the command lines of all processes over and over, as `ps` does, until it is stopped."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self._stop_asked = threading.Event()
        self.seen: set[bytes] = set()

    def run(self) -> None:
        while not self._stop_asked.wait(0.02):
            for entry in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    self.seen.add(entry.read_bytes())
                except OSError:
                    continue

    def stop(self) -> bytes:
        self._stop_asked.set()
        self.join()
        return b"\n".join(self.seen)


def credentials(cloud: Cloud, form: str) -> dict[str, Any]:
    inner = cloud.auth("alice")["cloud"]
    return {"cloud": inner} if form == "cloud" else {"auth": inner["auth"], "region_name": inner["region_name"]}


@pytest.mark.parametrize("form", ["cloud", "auth"])
def test_a_playbook_at_full_verbosity_shows_no_secret(cloud: Cloud, image_name: str, small_disk: Path, tmp_path: Path, form: str) -> None:
    given = credentials(cloud, form)
    password = cloud.auth("alice")["cloud"]["auth"]["password"]
    sdk_log = tmp_path / "sdk.log"
    image = {**given, "name": image_name, "filename": str(small_disk), "sdk_log_path": str(sdk_log), "sdk_log_level": "DEBUG"}
    variables = tmp_path / "variables.json"
    variables.write_text(json.dumps({"image": image, "listing": given, "absent": {**given, "name": image_name, "state": "absent"}}), encoding="utf-8")
    playbook = tmp_path / "play.yml"
    tasks = [
        {"xenstack.image_services.glance_image": None, "args": "{{ image }}", "register": "kept"},
        {"xenstack.image_services.glance_image_info": None, "args": "{{ listing }}"},
        {"xenstack.image_services.glance_image": None, "args": "{{ image | combine({'checksum': 'md5:wrong'}) }}", "ignore_errors": True},
        {"ansible.builtin.debug": {"var": "kept"}},
        {"xenstack.image_services.glance_image": None, "args": "{{ absent }}"},
    ]
    local = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    playbook.write_text(json.dumps([{"hosts": "localhost", "gather_facts": False, "vars": local, "tasks": tasks}]), encoding="utf-8")
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("ANSIBLE_", "OS_"))}
    log = tmp_path / "ansible.log"
    environment = {**kept, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_LOG_PATH": str(log)}
    command = [str(Path(sys.executable).with_name("ansible-playbook")), "-i", "localhost,", "-vvv", "--diff", "-e", f"@{variables}", str(playbook)]
    watch = ProcessWatch()
    watch.start()
    done = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    processes = watch.stop()
    assert done.returncode == 0, done.stdout
    assert password not in done.stdout
    assert password not in log.read_text(encoding="utf-8")
    assert password not in sdk_log.read_text(encoding="utf-8")
    assert b"ansible-playbook" in processes
    assert password.encode() not in processes
    assert "alice" in done.stdout, "user names are no secrets and stay readable"


def test_a_token_is_masked_wherever_it_is_given(cloud: Cloud, tmp_path: Path) -> None:
    token = "gAAAA-token-of-the-test"
    for options in (
        {"auth_type": "v3token", "auth": {"auth_url": "http://127.0.0.1:9/v3", "token": token}},
        {"cloud": {"auth_type": "v3token", "auth": {"auth_url": "http://127.0.0.1:9/v3", "token": token}}},
        {"auth_type": "custom", "auth": {"auth_url": "http://127.0.0.1:9/v3", "nobody_knows_this_option": [{"nested": token}]}},
    ):
        result = run_module("glance_image_info", options)
        assert result.failed
        assert token not in result.output


def test_a_deployment_at_full_verbosity_shows_no_secret(cloud: Cloud, tmp_path: Path) -> None:
    """Every secret of a fresh deployment, those that the services make for themselves included."""
    watch = ProcessWatch()
    watch.start()
    run = run_playbook(ROOT / "tests" / "support" / "cloud.yml", {"demo_dir": str(tmp_path)}, "-vvv", "--diff")
    processes = watch.stop()
    try:
        run.succeeded()
        secrets = set(json.loads((tmp_path / "settings.json").read_text(encoding="utf-8"))["demo_passwords"].values())
        for name in ("fernet-keys", "credential-keys"):
            secrets |= {key.read_text(encoding="ascii") for key in (tmp_path / "keystone").rglob(f"{name}/*")}
        assert len(secrets) >= 6
        logs = {path: path.read_text(encoding="utf-8", errors="replace") for path in tmp_path.rglob("log/*")}
        assert logs
        for secret in secrets:
            assert secret not in run.output
            assert secret.encode() not in processes
            assert not [path for path, text in logs.items() if secret in text]
    finally:
        for role in ("glance", "keystone"):
            control(role, tmp_path, "stop")
