# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Deploy the cloud of the integration tests: what the demo deploys, in a directory of its own and with imports from the loopback."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from ansible_collections.xenstack.image_services.tests.support.cloud import Cloud
from ansible_collections.xenstack.image_services.tests.support.deployment import ROOT, control, run_playbook
from ansible_collections.xenstack.image_services.tests.support.environments import built_nothing, provide

# Runs beside each other have a cloud each: those of pytest-xdist's workers, and those of another environment.
ENVIRONMENT = Path(sys.prefix).name.replace(".venv-", "")
WORKER = os.environ.get("PYTEST_XDIST_WORKER", "gw0")
BASE = ROOT / ".test" / "-".join(["cloud", *([ENVIRONMENT] if ENVIRONMENT != "test" else []), *([WORKER] if WORKER != "gw0" else [])])


def deploy_cloud() -> Iterator[Cloud]:
    """A running cloud; the next run finds it installed and only starts it.

    The variable IMAGE_SERVICES_TEST_CLOUD names the directory of one that runs already and is left running.
    """
    running = os.environ.get("IMAGE_SERVICES_TEST_CLOUD")
    if running:
        yield running_cloud(Path(running))
        return
    BASE.mkdir(parents=True, exist_ok=True)
    provide(BASE)
    built_nothing(run_playbook(ROOT / "tests" / "support" / "cloud.yml", {"demo_dir": str(BASE)}).succeeded())
    yield running_cloud(BASE)
    for role in ("glance", "keystone"):
        control(role, BASE, "stop")


def running_cloud(base: Path) -> Cloud:
    """The one that lies below a directory."""
    settings = json.loads((base / "settings.json").read_text())
    return Cloud(base, settings["demo_glance_port"])
