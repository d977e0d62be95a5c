# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A second independent client, in another language: the npm package xen-api, which keeps all objects by events and waits for tasks."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from ansible_collections.xenstack.image_services.tests.support import xapi
from ansible_collections.xenstack.image_services.tests.support.deployment import ROOT


def test_the_npm_client_drives_the_pool(tmp_path: Path) -> None:
    server = xapi.start(tmp_path / "state")
    try:
        api = server.login().xenapi
        before = sorted(api.VDI.get_all())
        command = ["node", str(ROOT / "tests" / "support" / "xen_api" / "drive.mjs"), server.url, "root", xapi.PASSWORD]
        done = subprocess.run(command, cwd=ROOT / ".build" / "xen-api", capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr
        seen = json.loads(done.stdout)
        assert seen["pool"] == api.pool.get_uuid(api.pool.get_all()[0])
        assert (seen["watched"], seen["size"], seen["refused"]) == ("by npm", 4 * xapi.MIB, "HANDLE_INVALID")
        assert seen["received"] == seen["sent"]
        assert sorted(api.VDI.get_all()) == before
    finally:
        server.stop()
