# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""What a host has of Glance and of the filter for instance-aware images; changes nothing."""

from __future__ import annotations

import base64
import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from .._core.config_reader import matching, read, texts
from .._core.python_package import PackagePath, PythonPackage
from .._core.runner import ReadJob
from .._stores.kolla.look import SiteInfoJob
from .filter_plan import PTH, FilterPaths, FilterReading, Options, base_paste_file, extension_files, filter_paths

NAME = "glance_instance_aware"
# Run with Glance's interpreter.
ASK = """
import importlib.util, json, os, site
print(json.dumps({"packages": site.getsitepackages()[0], "glance": importlib.util.find_spec("glance") is not None}))
"""
_TEXTS = ("merged", "base", "paste", "record")


class FilterReadJob(ReadJob[FilterReading]):
    """The part of glance_instance_aware_plan that runs on the host; the action plugin plans with what it returns."""

    def look(self) -> FilterReading:
        paths = filter_paths(self.params)
        if paths.is_site:
            return _read_container(self.params, paths, texts(self.params["site_files"]))
        return _read_service(self.params, paths, self.params["files"])

    def shown(self, seen: FilterReading) -> dict[str, Any]:
        return {"found": packed(seen)}


def _read_service(options: Options, paths: FilterPaths, package: Mapping[str, str]) -> FilterReading:
    python = str(options["glance_python"])
    missing = [path for path in (paths.config_file, python) if not os.path.exists(path)]
    if missing:
        return FilterReading(missing=missing)
    has_glance, packages = _told(_output([python, "-c", ASK]))
    pth = os.path.join(packages, PTH) if packages else ""
    installed = PythonPackage(PackagePath(paths.extensions, NAME, pth), {**package, **extension_files(paths)})
    reading = FilterReading(
        is_root=os.geteuid() == 0,
        files=_configuration(paths),
        paste=_text(paths.paste_file),
        record=_text(paths.record),
        has_glance=has_glance,
        pth=pth,
        package_changes=not installed.is_installed(),
        package_exists=installed.path.exists(),
    )
    return replace(reading, base=_text(base_paste_file(options, reading)))


def _read_container(options: Options, paths: FilterPaths, files: Mapping[str, str]) -> FilterReading:
    engine, container = str(options["engine"] or "docker"), str(options["container"])
    commands = {"interpreter": ["python3", "-c", ASK]}
    found = SiteInfoJob.with_defaults(container=container, engine=engine, files=[paths.merged, paths.paste_file], commands=commands).look()
    has_glance, packages = _told(found["outputs"]["interpreter"]["stdout"])
    here = texts(found["files"])
    reading = FilterReading(
        files=files,
        merged=here.get(paths.merged, ""),
        paste=here.get(paths.paste_file),
        record=files.get(paths.record),
        has_glance=has_glance,
        pth=os.path.join(packages, PTH) if packages else "",
        mounts=found["container"]["mounts"],
        engine=engine,
    )
    return replace(reading, base=_output([engine, "exec", container, "cat", base_paste_file(options, reading)]))


def _configuration(paths: FilterPaths) -> dict[str, str]:
    """Glance's files in the order in which it reads them, through links as well."""
    return texts(read([*matching(paths.config_dir, ("glance-api.conf", "glance-image-import.conf")), *matching(paths.settings_dir, ("*.conf",))]))


def _told(text: str | None) -> tuple[bool, str]:
    """Whether the interpreter has Glance, and where it looks for .pth files."""
    try:
        told = json.loads(text or "")
    except ValueError:
        return False, ""
    return bool(told.get("glance")), str(told.get("packages") or "")


def _output(command: Sequence[str]) -> str | None:
    try:
        done = subprocess.run(list(command), cwd="/", stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False, timeout=120)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.decode("utf-8", "surrogateescape") if done.returncode == 0 else None


def _text(path: str) -> str | None:
    return texts(read([path])).get(path)


# Files may hold bytes that are no text: they travel as base64.


def packed(reading: FilterReading) -> dict[str, Any]:
    """As a module returns it."""
    found = asdict(reading)
    found["files"] = {path: _encoded(text) for path, text in reading.files.items()}
    found.update({name: _encoded(found[name]) for name in _TEXTS})
    return found


def unpacked(found: Mapping[str, Any]) -> FilterReading:
    texts = {name: _decoded(found[name]) for name in _TEXTS}
    return FilterReading(**{**found, **texts, "files": {path: _decoded(text) or "" for path, text in found["files"].items()}})


def _encoded(text: str | None) -> str | None:
    return None if text is None else base64.b64encode(text.encode("utf-8", "surrogateescape")).decode()


def _decoded(text: str | None) -> str | None:
    return None if text is None else base64.b64decode(text).decode("utf-8", "surrogateescape")
