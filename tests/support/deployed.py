# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Deploy the cloud of the integration tests: what the demo deploys, in a directory of its own and with imports from the loopback."""

from __future__ import annotations

import json
from collections.abc import Iterator

from ansible_collections.xenstack.image_services.tests.support.cloud import Cloud
from ansible_collections.xenstack.image_services.tests.support.deployment import ROOT, control, run_playbook

BASE = ROOT / ".test" / "cloud"


def deploy_cloud() -> Iterator[Cloud]:
    """A running cloud; the next run finds it installed and only starts it."""
    BASE.mkdir(parents=True, exist_ok=True)
    run_playbook(ROOT / "tests" / "support" / "cloud.yml", {}).succeeded()
    settings = json.loads((BASE / "settings.json").read_text())
    yield Cloud(BASE, settings["demo_glance_port"])
    for role in ("glance", "keystone"):
        control(role, BASE, "stop")
