# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Our Dom0 plugins in a simulated pool, under the Pythons that hosts have."""

from __future__ import annotations

import functools
import json
import os
import shutil
import subprocess
import sys
import tempfile
import uuid
from pathlib import Path
from typing import Any

from ansible_collections.xenstack.image_services.plugins.plugin_utils import dom0_archive
from ansible_collections.xenstack.image_services.tests.support.xapi import PoolUnderTest, Server, error, query

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


def remove(plugins: Path, names: tuple[str, ...] = ("imagestore", "glance")) -> None:
    """Take the plugins out of the directory that they were put into: other tests of the pool find it without."""
    for name in names:
        (plugins / name).unlink(missing_ok=True)


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
    return found or {f"{sys.version_info.major}.{sys.version_info.minor}": sys.executable}


def header() -> str:
    """What the report of a run says: a machine without the Pythons of Dom0 runs the tests of its plugins under its own."""
    missing = "" if set(pythons()) <= set(VERSIONS) else f"; none of {', '.join(VERSIONS)} is here"
    return f"Dom0 plugins run under Python {', '.join(pythons())}{missing}"


def _runs(path: str, version: str) -> str | None:
    """The interpreter itself: a wrapper on the path may need an environment that a host does not give."""
    code = "import sys; print('%d.%d' % sys.version_info[:2]); print(sys.executable)"
    done = subprocess.run([path, "-c", code], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    lines = done.stdout.splitlines()
    return lines[1] if done.returncode == 0 and len(lines) == 2 and lines[0] == version else None


def run_inside(python: str, code: str, given: Any, names: tuple[str, ...] = ("imagestore",), timeout: float = 120) -> Any:
    """Runs code under the interpreter among the plugins' modules, as they are installed; it finds `given` and leaves `result`."""
    with tempfile.TemporaryDirectory() as folder:
        paths = []
        for name in names:
            paths.append(os.path.join(folder, name))
            Path(paths[-1]).write_bytes(dom0_archive.build(str(FILES / name)))
        script = f"import json, sys\nsys.path[:0] = {paths!r}\ngiven = json.load(sys.stdin)\n{code}\nprint(json.dumps(result))\n"
        done = subprocess.run([python, "-c", script], input=json.dumps(given), capture_output=True, text=True, timeout=timeout, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


class Dom0:
    """A file SR of a pool, and the plugin's calls for it."""

    def __init__(self, pool: PoolUnderTest) -> None:
        self.pool = pool
        (record,) = pool.api.pool.get_all_records().values()
        self.sr = str(pool.api.SR.get_uuid(record["default_SR"]))

    def apart(self) -> Dom0:
        """The same with a connection of its own, for a thread."""
        return Dom0(PoolUnderTest(self.pool.server, self.pool.server.login()))

    @property
    def directory(self) -> Path:
        return self.pool.server.state / "sr-mount" / self.sr

    def call(self, function: str, **params: Any) -> Any:
        return call(self.pool, function, **{"sr": self.sr} | params)

    def download(self, image: dict[str, Any], *sources: dict[str, Any], form: str = "vhd tarball", **more: Any) -> Any:
        given = {"image": image, "sources": list(sources), "format": form, "vdi": str(uuid.uuid4())} | more
        return self.call("download", **given)

    def refused(self, code: str, function: str, **params: Any) -> str:
        """The sentence of a failure of that code."""
        found = error(self.call, function, **params)
        assert found[0] == code, found
        (sentence,) = found[1:]
        assert sentence.endswith("."), sentence
        assert len(sentence) < 700, sentence
        assert "the-token" not in sentence
        return sentence

    def refused_download(self, code: str, image: dict[str, Any], *sources: dict[str, Any], form: str = "vhd tarball", **more: Any) -> str:
        """The same of a download, which leaves nothing behind."""
        before = self.files()
        given = {"image": image, "sources": list(sources), "format": form, "vdi": str(uuid.uuid4())} | more
        sentence = self.refused(code, "download", **given)
        assert self.files() == before
        assert given["vdi"] not in [record["uuid"] for record in self.pool.api.VDI.get_all_records().values()]
        return sentence

    def content(self, vdi: str) -> bytes:
        """What the pool shows of the disk."""
        status, data = self.pool.server.ask("GET", query(self.pool.session, "/export_raw_vdi", vdi=vdi, format="raw"))
        assert status == 200
        return data

    def holds(self, vdi: str, expected: bytes) -> bool:
        """Compared here, since a failing comparison of such lengths is explained for minutes."""
        return self.content(vdi) == expected

    def files(self) -> list[str]:
        return sorted(path.name for path in self.directory.iterdir())

    def left(self) -> list[str]:
        return [name for name in self.files() if not name.endswith(".vhd")]

    def clear(self) -> None:
        for path in self.directory.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        self.pool.api.SR.scan(self.pool.api.SR.get_by_uuid(self.sr))
