# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the collection is compared with, set up from locked requirements."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from ansible_collections.xenstack.image_services.tests.support.deployment import ROOT

CI = ROOT / "tests" / "support" / "ci"
CLIENT = ROOT / ".venv-bench" / "bin" / "openstack"
# Holds ansible_collections/openstack/cloud, for PYTHONPATH.
PEER_PATH = ROOT / ".build" / "bench-peer"
PEER_LOCK = ROOT / "requirements" / "bench-newest.txt"
# The package's own lines of the lock: its name and version, and the hashes that follow.
PEER_PIN = re.compile(r"^ansible==(?P<version>\S+)(?: \\\n\s+--hash=\S+)+", re.MULTILINE)


def set_up() -> None:
    subprocess.run([str(CI / "packages.sh"), "curl"], cwd=ROOT, check=True)
    subprocess.run([str(CI / "venv.sh"), ".venv-bench", "requirements/bench.txt"], cwd=ROOT, check=True)
    pin = PEER_PIN.search(PEER_LOCK.read_text(encoding="utf-8"))
    if pin is None:
        raise RuntimeError(f"Cannot read lock '{PEER_LOCK}': it does not pin ansible. Run make lock.")
    target = PEER_PATH / f"ansible-{pin['version']}"
    if not target.exists():
        _take_collection(pin[0], target)


def peer_path() -> Path:
    (found,) = PEER_PATH.glob("ansible-*")
    return found


def _take_collection(pin: str, target: Path) -> None:
    """The package of all collections is large, and asks for a newer Python than this one collection needs."""
    uv = subprocess.run([str(CI / "uv.sh")], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
    shutil.rmtree(PEER_PATH, ignore_errors=True)
    PEER_PATH.mkdir(parents=True)
    with tempfile.TemporaryDirectory(dir=PEER_PATH) as scratch:
        lock = Path(scratch) / "lock.txt"
        lock.write_text(pin + "\n", encoding="utf-8")
        options = ["--quiet", "--no-deps", "--require-hashes", "--python-version", "3.12", "--target", f"{scratch}/all", "--requirements", str(lock)]
        subprocess.run([uv, "pip", "install", *options], check=True)
        taken = Path(scratch) / "taken" / "ansible_collections"
        taken.mkdir(parents=True)
        shutil.move(f"{scratch}/all/ansible_collections/openstack", taken)
        taken.parent.rename(target)
