# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Our Dom0 plugins in a simulated pool, under the Pythons that hosts have."""

from __future__ import annotations

import functools
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

from ansible_collections.xenstack.image_services.plugins.plugin_utils import dom0_archive
from ansible_collections.xenstack.image_services.tests.support.xapi import PoolUnderTest, Server

FILES = Path(__file__).resolve().parents[2] / "roles/xen_dom0_plugins/files"
VERSIONS = ("2.7", "3.6", "3.12")


def install(where: Server | PoolUnderTest, python: str | None = None, names: tuple[str, ...] = ("imagestore", "glance"), **settings: Any) -> Path:
    """Put the plugins into the pool, for its hosts' own Python or the one given; gives the directory of the plugins."""
    state = (where.server if isinstance(where, PoolUnderTest) else where).state
    plugins = state / "plugins"
    plugins.mkdir(exist_ok=True)
    given = {"sr_base_path": str(state / "sr-mount"), "xapi": str(state / "xapi.sock")} | settings
    (state / "imagestore.json").write_text(json.dumps(given))
    for name in names:
        # In place at once: another test's call may run the old one.
        temporary = plugins / f".{name}"
        temporary.write_bytes(dom0_archive.build(str(FILES / name), [python] if python else dom0_archive.INTERPRETERS))
        temporary.chmod(0o755)
        temporary.rename(plugins / name)
    return plugins


def call(pool: PoolUnderTest, function: str, host: str | None = None, **params: Any) -> Any:
    """What imagestore answers."""
    answer = pool.api.host.call_plugin(host or pool.api.host.get_all()[0], "imagestore", function, {"params": json.dumps(params)})
    return json.loads(answer)


@functools.cache
def pythons() -> dict[str, str]:
    """The interpreters of this machine by their versions."""
    found = {}
    for version in VERSIONS:
        root = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
        places = [shutil.which(f"python{version}"), *map(str, sorted(root.glob(f"versions/{version}.*/bin/python{version}")))]
        for place in places:
            real = place and _runs(place, version)
            if real:
                found[version] = real
                break
    return found


def _runs(path: str, version: str) -> str | None:
    """The interpreter itself: a wrapper on the path may need an environment that a host does not give."""
    code = "import sys; print('%d.%d' % sys.version_info[:2]); print(sys.executable)"
    done = subprocess.run([path, "-c", code], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    lines = done.stdout.splitlines()
    return lines[1] if done.returncode == 0 and len(lines) == 2 and lines[0] == version else None
