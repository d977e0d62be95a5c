# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The package of the role glance_instance_aware: its program runs without being installed, and all of it is installed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from ansible_collections.xenstack.image_services.plugins.module_utils._core.python_package import content

ROLE = Path(__file__).parents[3] / "roles" / "glance_instance_aware"


def test_its_program_runs_once_without_being_installed() -> None:
    """The settings, which may hold a password, come last and from a file that only their user reads."""
    program = "import json, os, sys\nlast = sys.argv[sys.argv.index('--config-dir') + 1]\npath = os.path.join(last, os.listdir(last)[0])\n"
    program += "print(json.dumps([sys.argv[1:3], sys.argv[-2:], open(path).read(), oct(os.stat(path).st_mode), path]))\n"
    given = {"name": "added", "texts": {"__init__.py": "", "__main__.py": program}, "settings": "[a]\nb = s3cret\n", "command": ["drop", "--yes"]}
    script = (ROLE / "files" / "host" / "once.py").read_text()
    command = [sys.executable, "-c", script, "--config-file", "/etc/glance/glance-api.conf"]
    done = subprocess.run(command, input=json.dumps(given), stdout=subprocess.PIPE, text=True, check=True, timeout=60)
    first, last, settings, mode, path = json.loads(done.stdout)
    assert (first, last) == (["--config-file", "/etc/glance/glance-api.conf"], ["drop", "--yes"])
    assert (settings, mode, Path(path).exists()) == ("[a]\nb = s3cret\n", "0o100600", False)


def test_the_role_brings_every_file_of_the_package() -> None:
    package = ROLE / "files" / "glance_instance_aware"
    assert set(content(str(package))) == {str(path.relative_to(package)) for path in package.rglob("*") if path.suffix == ".py"}
