# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The clouds that are measured, the files that are sent, and the sizes of everything."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from ansible_collections.xenstack.image_services.tests.benchmarks.service import Glance
from ansible_collections.xenstack.image_services.tests.support.cloud import Cloud
from ansible_collections.xenstack.image_services.tests.support.deployment import ROOT, control, run_playbook, stop_if_there
from ansible_collections.xenstack.image_services.tests.support.environments import provide

MIB = 1024 * 1024
BASE = ROOT / ".test" / "bench"
PARALLEL = 8


@dataclass(frozen=True)
class Sizes:
    rounds: int
    few_images: int
    many_images: int
    uploads_mib: tuple[int, ...]
    files: int
    put_mib: int
    parallel_mib: int
    catalogue: int
    catalogue_many: int
    catalogue_rounds: int
    side_by_side: int
    side_by_side_mib: int
    pool_rounds: int
    pool_disk_mib: int
    pool_data_mib: int
    volume_rounds: int
    volume_gib: int
    volume_data_mib: int
    listing_rounds: int
    listings: int
    relations: int


FULL = Sizes(
    rounds=5,
    few_images=20,
    many_images=2000,
    uploads_mib=(64, 1024, 4096),
    files=200_000,
    put_mib=2048,
    parallel_mib=256,
    catalogue=200,
    catalogue_many=2000,
    catalogue_rounds=2,
    side_by_side=50,
    side_by_side_mib=64,
    pool_rounds=3,
    pool_disk_mib=20 * 1024,
    pool_data_mib=1024,
    volume_rounds=3,
    volume_gib=8,
    volume_data_mib=512,
    listing_rounds=40,
    listings=10,
    relations=1_000_000,
)
QUICK = Sizes(
    rounds=1,
    few_images=5,
    many_images=30,
    uploads_mib=(8, 32, 64),
    files=2_000,
    put_mib=64,
    parallel_mib=16,
    catalogue=5,
    catalogue_many=20,
    catalogue_rounds=1,
    side_by_side=4,
    side_by_side_mib=8,
    pool_rounds=1,
    pool_disk_mib=1024,
    pool_data_mib=64,
    volume_rounds=1,
    volume_gib=1,
    volume_data_mib=64,
    listing_rounds=3,
    listings=3,
    relations=10_000,
)


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


class Bench:
    """Clouds are deployed when a row first asks for one, and end with the run."""

    def __init__(self, sizes: Sizes) -> None:
        self.sizes = sizes
        self._stack = ExitStack()
        self._glances: dict[str, Glance] = {}
        BASE.mkdir(parents=True, exist_ok=True)
        self.scratch = Path(tempfile.mkdtemp(prefix="scratch-", dir=BASE))
        self.scratch.chmod(0o755)
        self._stack.callback(shutil.rmtree, self.scratch)
        # The sources, one copy of them in a store, and as much again to be safe.
        size = 3 * max(*sizes.uploads_mib, sizes.put_mib, PARALLEL * sizes.parallel_mib) * MIB
        self.in_memory = os.geteuid() == 0 and _available_memory() > 1.5 * size and self._mount(size)

    def __enter__(self) -> Bench:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None) -> None:
        self._stack.close()

    def glance(self) -> Glance:
        """The Glance that the roles deploy, with their defaults."""
        return self._deployed("role", {}, {})

    def upstream_glance(self) -> Glance:
        """The same Glance with the defaults of Glance and its store, behind uwsgi with as many workers and threads."""
        variables = {"glance_wsgi_server": "pyuwsgi", "glance_hashing_algorithm": "sha512"}
        return self._deployed("upstream", variables, {"filesystem_store_chunk_size": 64 * 1024})

    def source(self, mib: int) -> Path:
        """A raw file of random bytes, made once a run."""
        path = self.scratch / f"source-{mib}.raw"
        if not path.exists():
            with path.open("wb") as stream:
                for _number in range(mib):
                    stream.write(os.urandom(MIB))
        return path

    def clear(self) -> None:
        """Remove what a row has left, so that the next one has its room: sources and stores are for all."""
        for path in self.scratch.iterdir():
            if path.is_dir() and path.name not in self._glances:
                shutil.rmtree(path)
            elif path.is_file() and not path.name.startswith("source-"):
                path.unlink()

    def _mount(self, size: int) -> bool:
        """Let sources and stores be in memory, because the disk is not what is measured; a container may not allow it."""
        command = ["mount", "-t", "tmpfs", "-o", f"size={size},mode=0755", "bench", str(self.scratch)]
        mounted = subprocess.run(command, stderr=subprocess.DEVNULL, check=False).returncode == 0
        if mounted:
            self._stack.callback(subprocess.run, ["umount", str(self.scratch)], check=True)
        return mounted

    def _deployed(self, name: str, variables: Mapping[str, Any], store_options: Mapping[str, Any]) -> Glance:
        if name not in self._glances:
            base = BASE / name
            say(f"deploying {name}")
            self._forget_images(base)
            # Another server of Glance is another environment.
            provide(base, ["keystone"] if "glance_wsgi_server" in variables else ["keystone", "glance"])
            directory = self.scratch / name
            store = {"name": "bench", "type": "file", "default": True, "filesystem_store_datadir": str(directory), **store_options}
            owner = {"owner": "{{ demo_uid }}", "group": "{{ demo_uid }}"}
            self._stack.callback(self._stop, base)
            run_playbook(
                ROOT / "tests" / "benchmarks" / "cloud.yml",
                {"demo_dir": str(base), "glance_stores": [{**store, "directory": owner}], **variables},
            ).succeeded()
            if variables.get("glance_wsgi_server") == "pyuwsgi":
                self._share_sqlite(base)
            settings = json.loads((base / "settings.json").read_text())
            self._glances[name] = Glance(Cloud(base, settings["demo_glance_port"]))
        return self._glances[name]

    @staticmethod
    def _share_sqlite(base: Path) -> None:
        """What the role's own server does for SQLite (its gunicorn.conf.py says why): without it some of 8 uploads at once fail, and nothing is measured."""
        for packages in (base / "glance" / "venvs").glob("*/lib/python3*/site-packages"):
            shutil.copy(Path(__file__).with_name("immediate_sqlite.py"), packages)
        with (base / "glance" / "config" / "glance-pyuwsgi.ini").open("a", encoding="utf-8") as settings:
            settings.write("import = immediate_sqlite\n")
        control("glance", base, "restart")

    @staticmethod
    def _stop(base: Path) -> None:
        for role in ("glance", "keystone"):
            stop_if_there(role, base)

    @classmethod
    def _forget_images(cls, base: Path) -> None:
        """Counts of images are exact only in an empty Glance; what takes long to install stays."""
        stop_if_there("glance", base)
        for pattern in ("glance.sqlite", ".schema-*"):
            for path in (base / "glance" / "state").glob(pattern):
                path.unlink()


def _available_memory() -> int:
    with open("/proc/meminfo", encoding="ascii") as lines:
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
