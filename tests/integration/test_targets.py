# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every module has a target that walks it through its life as a playbook, and the walk is without a warning."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from ansible_collections.xenstack.image_services.tests.support import sweep
from ansible_collections.xenstack.image_services.tests.support.cloud import Cloud
from ansible_collections.xenstack.image_services.tests.support.deployed import ENVIRONMENT
from ansible_collections.xenstack.image_services.tests.support.deployment import LOCAL, ROOT, quick
from ansible_collections.xenstack.image_services.tests.support.xapi import PASSWORD, PoolUnderTest

TARGETS = ROOT / "tests" / "integration" / "targets"
MODULES = sorted(path.stem for path in (ROOT / "plugins" / "modules").glob("*.py") if path.stem != "__init__")
# All of them run on the oldest ansible-core; on the newest one, a few that need no Cinder.
WALKED = MODULES if ENVIRONMENT == "test" else sweep.sample([name for name in MODULES if not name.startswith("cinder_")], 8, "targets")


def test_every_module_has_a_target_and_every_target_a_module() -> None:
    assert sorted(path.name for path in TARGETS.iterdir() if path.is_dir()) == MODULES


@pytest.mark.parametrize("target", WALKED)
def test_target(cloud: Cloud, pool: PoolUnderTest, target: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    if target.startswith("cinder_"):
        request.getfixturevalue("cinder")
    playbook = tmp_path / "target.yml"
    play = {
        "hosts": "localhost",
        "gather_facts": False,
        "vars": {**LOCAL, "target_pool_plugins": str(pool.server.state / "plugins")},
        "roles": [str(TARGETS / target)],
    }
    playbook.write_text(json.dumps([play]), encoding="utf-8")
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("ANSIBLE_", "OS_"))}
    environment = {
        **kept,
        **quick(),
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
        "ANSIBLE_INJECT_FACT_VARS": "false",
        "OS_CLIENT_CONFIG_FILE": str(cloud.base / "clouds.yaml"),
        "XENSERVER_HOST": urlsplit(pool.server.url).netloc,
        "XENSERVER_PASSWORD": PASSWORD,
        "XENSERVER_VALIDATE_CERTS": "false",
    }
    command = [str(Path(sys.executable).with_name("ansible-playbook")), "-i", "localhost,", str(playbook)]
    done = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    assert done.returncode == 0, done.stdout[-8000:]
    assert "[WARNING]" not in done.stdout, done.stdout
    assert "[DEPRECATION WARNING]" not in done.stdout, done.stdout
